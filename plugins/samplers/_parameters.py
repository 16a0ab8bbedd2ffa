"""Parameters that several samplers have, with the same meaning."""

from typing import Annotated, Literal

from pydantic import Field

PairsPerImage = Annotated[
    float,
    Field(
        gt=0,
        le=10**4,
        allow_inf_nan=False,
        description="pairs per epoch, as a multiple of the images",
    ),
]
SameFraction = Annotated[float, Field(ge=0, le=1, description="share of genuine pairs")]
Pool = Annotated[
    int,
    Field(ge=1, le=10**6, description="number of random images that each image is compared with"),
]
By = Annotated[
    Literal["euclidean", "cosine"],
    Field(description="distance by which pairs are hard; the one that the loss uses"),
]
