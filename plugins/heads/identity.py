"""A head without trainable parameters."""

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
            description="scale the embedding to length 1, so that the Euclidean distance ranks "
            "pairs as the cosine does"
        ),
    ] = True,
) -> nn.Module:
    """Use the backbone's features as the embedding, to evaluate a model as it is."""
    return UnitLength() if normalize else nn.Identity()
