"""A head that trains nothing."""

from typing import Annotated

from pydantic import Field
from torch import nn

from facesim import heads
from facesim_plugins.heads._unit_length import UnitLength


@heads("identity")
def identity(
    features: int,  # noqa: ARG001  what the engine passes is fixed by the kind
    *,
    normalize: Annotated[
        bool,
        Field(
            description="scale the embedding to length 1, so that the distance orders pairs as the "
            "cosine does"
        ),
    ] = True,
) -> nn.Module:
    """The backbone's features are the embedding: to measure a model as it is."""
    return UnitLength() if normalize else nn.Identity()
