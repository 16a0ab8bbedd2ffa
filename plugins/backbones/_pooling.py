"""The parameter by which a backbone ends with pooling, or leaves that to the head."""

from typing import Annotated, Literal

from pydantic import Field

Pooling = Annotated[
    Literal["average", "none"],
    Field(
        description="average over the picture, or none: feature maps, for a head that pools them "
        "itself (gem)"
    ),
]
