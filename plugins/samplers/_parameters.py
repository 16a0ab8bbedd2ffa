"""Parameters that several samplers have, with the same meaning."""

from typing import Annotated, Literal

from pydantic import Field

PairsPerImage = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Pairs in an epoch, as a multiple of the images."),
]
SameFraction = Annotated[
    float, Field(ge=0, le=1, description="Share of the pairs that show one identity.")
]
Pool = Annotated[int, Field(ge=1, description="Images that each is compared with, at random.")]
By = Annotated[
    Literal["euclidean", "cosine"],
    Field(description="What near and far are; as the loss compares."),
]
