"""Losses, miners and distances of pytorch-metric-learning."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from facesim import FacesimError, Loss, PairBatch, Spec, losses
from facesim_plugins.losses._pml_parts import FROM_THE_ENGINE, PmlParts, constructor_parameters

LOSSES = PmlParts("loss", "losses")
MINERS = PmlParts("miner", "miners")
DISTANCES = PmlParts("distance", "distances")
REDUCERS = PmlParts("reducer", "reducers")
REGULARIZERS = PmlParts("regularizer", "regularizers")

_REFUSALS = (AssertionError, LookupError, NotImplementedError, TypeError, ValueError)
"""What the library raises for arguments and batches that it does not accept."""


@losses("pml", packages=("pytorch-metric-learning",))
class PytorchMetricLearning(Loss):
    """A loss of pytorch-metric-learning, by the name of its class, and optionally a miner.

    Each part is a class's name, or a mapping with its parameters:
    ``{name: pml, loss: {name: TripletMarginLoss, margin: 0.1}, miner: BatchHardMiner}``. Names and
    parameters are those of the installed version.

    It gets every image of a batch with its identity, not the sampler's pairs: use it with
    ``identity_balanced``. The number of identities and the width of the embedding are passed to
    the classes that ask for them. The score follows the loss's own distance: a similarity as it
    is, a distance negated; in both orders and averaged, so that it is symmetric. Where a batch
    yields no tuple the loss is 0. Outside training, random choices are the same each time.

    Some classes cannot be used and say why when they are named: CrossBatchMemory, whose state
    would be incomplete in a checkpoint, and a few that ignore identities.

    Raises:
        FacesimError: the parts do not fit together, or the loss cannot take a batch.

    Reference:
        Musgrave, Belongie, Lim: PyTorch Metric Learning (2020).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        loss: Annotated[Spec[Any], LOSSES, Field(description="class of its module losses")],
        miner: Annotated[
            Annotated[Spec[Any], MINERS] | None,
            Field(description="class of its module miners; null: every tuple of the batch"),
        ] = None,
        distance: Annotated[
            Annotated[Spec[Any], DISTANCES] | None,
            Field(description="class of its module distances, for loss and miner; null: their own"),
        ] = None,
        reducer: Annotated[
            Annotated[Spec[Any], REDUCERS] | None,
            Field(description="class of its module reducers; null: the loss's own"),
        ] = None,
        embedding_regularizer: Annotated[
            Annotated[Spec[Any], REGULARIZERS] | None,
            Field(description="class of its module regularizers, on the embeddings"),
        ] = None,
        weight_regularizer: Annotated[
            Annotated[Spec[Any], REGULARIZERS] | None,
            Field(description="class of its module regularizers, on the loss's own weights"),
        ] = None,
    ) -> None:
        super().__init__()
        known = {"num_identities": num_identities, "embedding_dim": embedding_dim}
        parts = {"distance": distance, "reducer": reducer}
        parts |= {
            "embedding_regularizer": embedding_regularizer,
            "weight_regularizer": weight_regularizer,
        }
        built = {name: _build(spec, known, {}) for name, spec in parts.items() if spec is not None}
        self.loss = _build(loss, known, built)
        at_miner = {"distance": built["distance"]} if "distance" in built else {}
        self.miner = None if miner is None else _build(miner, known, at_miner)
        self.of_training_identities = "num_classes" in _asked_of_the_engine(loss)
        self._name = loss.name
        self.comparison = _comparison(self.loss.distance)
        self.score_unit = _score_unit(self.loss.distance)
        _register_tensors(self)

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the loss over what the miner chose."""
        embeddings = embeddings.float()
        with (
            torch.autocast(embeddings.device.type, enabled=False),
            _repeatable(self.training, embeddings),
        ):
            try:
                mined = self.miner(embeddings, batch.identities) if self.miner else None
                given = {} if mined is None else {"indices_tuple": mined}
                value: Tensor = self.loss(embeddings, batch.identities, **given)
            except _REFUSALS as error:
                raise FacesimError(
                    f"loss pml: {self._name} cannot take a batch of {len(embeddings)} images: "
                    f"{_reason(error)}"
                ) from error
        return value.sum() + 0 * embeddings.sum()  # has a gradient where no tuple was found

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarity [P] of embeddings [P, D] and [P, D] by the loss's distance."""
        distance = self.loss.distance
        a, b = (distance.maybe_normalize(side.float()) for side in (a, b))
        forth, back = distance.pairwise_distance(a, b), distance.pairwise_distance(b, a)
        mean: Tensor = (forth**distance.power + back**distance.power) / 2
        return mean if distance.is_inverted else -mean


def _score_unit(distance: Any) -> str:
    """By the class of the distance, and its power where there is one."""
    of = type(distance).__name__ + (f"^{distance.power}" if distance.power != 1 else "")
    return of if distance.is_inverted else f"minus {of}"


def _comparison(distance: Any) -> Literal["cosine", "euclidean"] | None:
    """What a distance orders embeddings by; None for one that is not known to be either."""
    kind = type(distance).__name__
    if kind == "CosineSimilarity":
        return "cosine"
    if kind == "DotProductSimilarity":
        return "cosine" if distance.normalize_embeddings else None
    if kind != "LpDistance" or distance.p != 2 or distance.power <= 0:
        return None
    # of embeddings of one length both orders are the same
    return "cosine" if distance.normalize_embeddings else "euclidean"


def _asked_of_the_engine(spec: Spec[Any]) -> dict[str, str]:
    """Required parameters of a class that the engine gives, and which of its arguments."""
    parameters = constructor_parameters(spec.plugin.factory.__wrapped__)  # type: ignore[attr-defined]
    return {
        name: meaning
        for name, meaning in FROM_THE_ENGINE.items()
        if name in parameters and parameters[name].default is parameters[name].empty
    }


def _build(spec: Spec[Any], known: dict[str, int], parts: dict[str, Any]) -> Any:
    asked = {name: known[meaning] for name, meaning in _asked_of_the_engine(spec).items()}
    try:
        return spec.plugin.factory(**spec.arguments, **asked, **parts)
    except _REFUSALS as error:
        raise FacesimError(f"loss pml: {spec.name} cannot be created: {_reason(error)}") from error


def _register_tensors(module: nn.Module) -> None:
    """Register plain tensor attributes as buffers, so that they move to a GPU and are saved."""
    for part in module.modules():
        for name, value in list(vars(part).items()):
            if isinstance(value, Tensor):
                delattr(part, name)
                part.register_buffer(name, value)


@contextmanager
def _repeatable(training: bool, embeddings: Tensor) -> Iterator[None]:
    """Seed torch's generator outside of training, where the engine does not."""
    if training:
        yield
        return
    with torch.random.fork_rng([embeddings.device] if embeddings.is_cuda else []):
        torch.manual_seed(0)
        yield


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())
