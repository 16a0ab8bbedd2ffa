"""Faults that a single check finds, or a single one of the cases that a check tries."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import AfterValidator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from facesim import (
    IMAGENET,
    Backbone,
    Comparisons,
    EvaluationResult,
    Evaluator,
    FaceTable,
    Measurement,
    Metric,
    PairBatch,
    PairSet,
    Roc,
    System,
)
from facesim.arrays import Int64Array
from facesim.errors import count as number_of
from facesim.interfaces import find_kind
from facesim.registry import Spec
from facesim.testing import ContractBrokenError, check_plugin
from facesim.testing.contract import CheckImpossibleError, Contract, Promise
from facesim.testing.sampler import TABLES
from tests.facesim.testing.test_broken_parts import Flip, Quiet, backbone, observed, table
from tests.facesim.testing.test_broken_plugins import Contrastive, ListedPairs, Pairs


def observed_of(kind: str, plugin: Any, promise: str) -> str:
    """How a plugin breaks a promise of its kind; empty if it keeps it."""
    registry = find_kind(kind).registry
    registry("narrow")(plugin)
    return observed(registry.spec("narrow"), promise)


# Transforms: an image of some size, or a draw of some seed


class OfOneSize(Flip):
    def __init__(self, height: int) -> None:
        self.height = height

    def __call__(self, image: Tensor) -> Tensor:
        return image[:, 1:] if image.shape[1] == self.height else image


def of_one_size(height: int) -> Callable[[], Flip]:
    return lambda: OfOneSize(height)


class RarelyUpsideDown(Flip):
    only_mirrors = True

    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(1) if torch.rand(()) < 0.1 else image.flip(-1)


@pytest.mark.parametrize(
    ("transform", "promise", "told"),
    [
        *(
            (of_one_size(height), "shape_and_dtype_are_kept", told)
            for height, told in (
                (40, "uint8 [3, 40, 32] became torch.uint8 [3, 39, 32]"),
                (8, "uint8 [3, 8, 8] became torch.uint8 [3, 7, 8]"),
                (218, "uint8 [3, 218, 178] became torch.uint8 [3, 217, 178]"),
            )
        ),
        (RarelyUpsideDown, "only_mirrors_is_true", "it is neither the image nor its mirror"),
    ],
)
def test_transforms(transform: Callable[[], Flip], promise: str, told: str) -> None:
    assert told in observed_of("transform", transform, promise)


# Datasets


class Halved(FaceTable):
    """Its copy lacks an image."""

    def __reduce__(self) -> Any:
        return FaceTable, (self.root, self.files[:2], self.identities[:2], self.labels[:1])


def empty(folder: Path) -> FaceTable:
    nothing = np.array([], dtype=object)
    return table(folder, files=nothing, identities=np.array([], int), labels=nothing, pairs=None)


def halved(folder: Path) -> FaceTable:
    whole = table(folder)
    return Halved(whole.root, whole.files, whole.identities, whole.labels)


def counted(folder: Path, count: Iterator[int] = itertools.count()) -> FaceTable:
    return table(folder, attributes=pd.DataFrame({"age": [next(count)] * 3}))


@pytest.mark.parametrize(
    ("make", "promise", "told"),
    [
        (empty, "identities_are_indices_of_labels", "the table is empty"),
        (halved, "it_can_be_pickled", "the copy has different files"),
        (counted, "table_is_the_same_each_time", "the attributes differ the second time"),
    ],
)
def test_datasets(
    tmp_path: Path, make: Callable[[Path], FaceTable], promise: str, told: str
) -> None:
    assert observed_of("dataset", lambda: make(tmp_path), promise).startswith(told)


# Backbones


class Conv(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(3, 4, 3)


class DarkensPixels(Backbone):
    def run_trunk(self, images: Tensor) -> Tensor:
        images.floor_divide_(2)
        return super().run_trunk(images)


class Tail(nn.Module):
    """A tail without a fault, from which the broken ones derive."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.conv(pixels).mean((2, 3))  # type: ignore[no-any-return]


class Doubling(Tail):
    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(pixels).double()


class Centred(Tail):
    def forward(self, pixels: Tensor) -> Tensor:
        features = super().forward(pixels)
        return features - features.mean(0)


class FrozenStatistic(Tail):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))


class WithIndices(Tail):
    """Keeps constants: integers, and what no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(4))
        self.register_buffer("scale", torch.ones(4), persistent=False)


class WithStatistics(Tail):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(super().forward(pixels))  # type: ignore[no-any-return]


def with_tail(tail: Callable[[], nn.Module]) -> Callable[[], Backbone]:
    return lambda: backbone(nn.Identity(), tail())


class ThawedTrunk(Backbone):
    """Its author thaws the trunk again."""

    def __init__(self) -> None:
        super().__init__(Conv(), nn.Flatten(2), 4, IMAGENET)
        self.trunk.requires_grad_(True)


class WithGraph(Backbone):
    """Runs the trunk itself, in training with a graph."""

    def __init__(self) -> None:
        super().__init__(Conv(), nn.Flatten(2), 4, IMAGENET)

    def run_trunk(self, images: Tensor) -> Tensor:
        self.trunk.requires_grad_(self.training)
        return self.trunk(images.float())  # type: ignore[no-any-return]


class UnlikeExported(Tail):
    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(pixels) + float(torch.compiler.is_exporting())


@pytest.mark.parametrize(
    ("make", "promise", "told"),
    [
        *(
            (with_tail(tail), promise, "")
            for tail in (WithIndices, WithStatistics)
            for promise in ("tail_is_trained", "trunk_does_not_move")
        ),
        (ThawedTrunk, "trunk_does_not_move", "trainable in the trunk: weight, bias"),
        (WithGraph, "trunk_is_the_same_in_training", "the trunk's output has a graph"),
        (
            lambda: backbone(nn.Identity(), FrozenStatistic()),
            "tail_is_trained",
            "unchanged in the tail: mean",
        ),
        (
            lambda: backbone(nn.Identity(), Doubling()),
            "features_have_the_stated_width",
            "1 image gave torch.float64 [1, 4], `features` says 4",
        ),
        (
            lambda: backbone(nn.Identity(), Centred()),
            "features_do_not_depend_on_the_batch",
            "alone and in a batch the values differ by",
        ),
        (
            lambda: DarkensPixels(nn.Identity(), Tail(), 4, IMAGENET),
            "inputs_stay_as_they_were",
            "the trunk changed the pixels",
        ),
        (
            lambda: backbone(nn.Identity(), UnlikeExported()),
            "it_can_be_exported",
            "exported, the values differ by up to 1",
        ),
    ],
)
def test_backbones(make: Callable[[], Backbone], promise: str, told: str) -> None:
    found = observed_of("backbone", make, promise)
    assert found.startswith(told)
    assert bool(found) == bool(told)


# Heads: a number of images


class OfOneCount(nn.Linear):
    count = 0

    def __init__(self, features: int) -> None:
        super().__init__(features, 4)

    def forward(self, features: Tensor) -> Tensor:
        embeddings = super().forward(features)
        return embeddings.double() if len(features) == self.count else embeddings


@pytest.mark.parametrize("count", [1, 2, 7])
def test_heads(count: int) -> None:
    broken = type("Broken", (OfOneCount,), {"count": count})
    told = observed_of("head", broken, "embeddings_are_one_row_per_image")
    assert told == f"{number_of(count, 'image')} gave torch.float64 [{count}, 4]"


# Losses: some composition of a batch, or some number of pairs


class OfComposition(Contrastive):
    """Is not a number for batches that are ``found``."""

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        lost = math.nan if self.found(batch) else 1.0
        return super().forward(embeddings, batch) * lost

    def found(self, batch: PairBatch) -> bool:
        raise NotImplementedError


def of_composition(found: Callable[[PairBatch], bool]) -> type[Contrastive]:
    return type("Broken", (OfComposition,), {"found": lambda _, batch: found(batch)})


class PerPair(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return self.cost(-self.score(*batch.gather(embeddings)), batch.same)


class Detached(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return super().forward(embeddings.detach(), batch)


class Column(Contrastive):
    """Keeps a dimension: of one pair, of several, or of none."""

    pairs = 0

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        scores = super().score(a, b)
        return scores[:, None] if len(scores) == self.pairs else scores


class Constant(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return super().forward(embeddings, batch) * 0 + 1


class CoarseInHalf(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        offset = 1.0 if embeddings.dtype == torch.bfloat16 else 0.0
        return super().forward(embeddings, batch) + offset


class UnsavedScale(Contrastive):
    """Scales its cost, and not its score, by a number that no checkpoint holds."""

    made = itertools.count(1)

    def __init__(self, embedding_dim: int, num_identities: int) -> None:
        super().__init__(embedding_dim, num_identities)
        self.scale = float(next(self.made))

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return self.scale * super().forward(embeddings, batch)


class NanOnOthers(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        lost = math.nan if bool((batch.identities > 3).any()) else 1.0
        return super().forward(embeddings, batch) * lost


class InfiniteGradient(Contrastive):
    """Has no gradient where all numbers of an embedding are ``value``."""

    value = 0.0

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        cost = super().forward(embeddings, batch)
        nothing = (embeddings - embeddings.detach()).square().sum()
        return cost + (nothing.sqrt() if bool((embeddings == self.value).all()) else nothing)


class CostOfGenuine(Contrastive):
    """Costs 1 per genuine pair, and says so; ``extra`` is too much of it."""

    extra = 0.0

    def cost(self, distance: Tensor, same: Tensor) -> Tensor:
        return same + 0 * distance

    def chance_loss(self, genuine_share: float) -> float:
        return genuine_share + self.extra


FINITE = "value_and_gradients_are_finite"
CHANCE = "equal_faces_cost_at_least_the_chance_loss"
LOSSES: list[tuple[type[Contrastive], str, str]] = [
    (of_composition(lambda it: len(it.images) == 6), FINITE, "with every pair of 6 images the"),
    (
        of_composition(lambda it: len(it.images) == 2 and not len(it.pairs)),
        FINITE,
        "with two images and no pair the loss is nan",
    ),
    (of_composition(lambda it: len(it.images) == 5), FINITE, "with genuine pairs only the"),
    (of_composition(lambda it: len(it.images) == 4), FINITE, "with impostor pairs only the"),
    (of_composition(lambda it: len(it.images) == 3), FINITE, "with one identity the loss is nan"),
    (of_composition(lambda it: len(it.images) == 1), FINITE, "with one image the loss is nan"),
    (CostOfGenuine, CHANCE, ""),
    (
        type("Broken", (CostOfGenuine,), {"extra": 1e-3}),
        CHANCE,
        "with every pair of 6 images and equal embeddings the loss is 0.1333, and the chance loss",
    ),
    (PerPair, FINITE, "with every pair of 6 images the loss has shape [15]"),
    (Detached, FINITE, "with every pair of 6 images the loss has no gradient"),
    *(
        (
            type("Broken", (Column,), {"pairs": pairs}),
            "score_is_symmetric",
            f"the scores of {number_of(pairs, 'pair')} have shape [{pairs}, 1]",
        )
        for pairs in (50, 1, 0)
    ),
    (Constant, "training_tells_genuine_from_impostor", "the loss went from 1 to 1"),
    (CoarseInHalf, "half_precision_gives_nearly_the_same", "in bfloat16 the values differ by"),
    (
        UnsavedScale,
        "state_survives_a_checkpoint",
        "restored from a checkpoint, it gives a different loss",
    ),
    (NanOnOthers, "other_identities_have_a_loss", "on other identities the loss is nan"),
    *(
        (
            type("Broken", (InfiniteGradient,), {"value": value}),
            "gradients_are_finite_where_embeddings_are_equal",
            f"with every embedding {value} throughout the gradient of the embeddings is not",
        )
        for value in (0.0, 1e-30, 1e4)
    ),
]


@pytest.mark.parametrize(("broken", "promise", "told"), LOSSES)
def test_losses(broken: type[Contrastive], promise: str, told: str) -> None:
    found = observed_of("loss", broken, promise)
    assert found.startswith(told)
    assert bool(found) == bool(told)


# Optimizers and schedulers


def without_rates(parameter_groups: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(parameter_groups, lr=0.01)
    for group in optimizer.param_groups:
        del group["lr"]
    return optimizer


def test_optimizers() -> None:
    told = observed_of("optimizer", without_rates, "groups_keep_their_names")
    assert told == "a group has no `lr` for a scheduler to change"


def times(factor: Callable[[int, int], float]) -> Callable[[Any, int], Any]:
    def scheduler(optimizer: Any, total_steps: int) -> Any:
        return LambdaLR(optimizer, lambda step: factor(step, total_steps))

    return scheduler


class Forgetful(LambdaLR):
    """Halves the rate, unless it was restored when ``at`` steps were done."""

    def __init__(self, optimizer: Any, at: int) -> None:
        self.at = at
        self.factor = 0.5
        super().__init__(optimizer, lambda step: self.factor if step > self.at else 1.0)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({"last_epoch": state["last_epoch"], "lr_lambdas": [None] * 2})
        self.factor = 0.25 if self.last_epoch == self.at else 0.5

    def state_dict(self) -> dict[str, Any]:
        return {"last_epoch": self.last_epoch}


def forgetful(at: int) -> Callable[[Any, int], Any]:
    def scheduler(optimizer: Any, total_steps: int) -> Any:
        return Forgetful(optimizer, at)

    return scheduler


RATES = "rates_do_not_exceed_the_optimizers"
SCHEDULERS: list[tuple[Callable[[Any, int], Any], str, str]] = [
    *(
        (
            times(lambda step, total, of=of: 2.0 if total == of and step == of - 1 else 1.0),  # type: ignore[misc]
            RATES,
            f"in step {of - 1} of {of} the rate is 2.0 times the lr",
        )
        for of in (1, 2, 3, 10, 97)
    ),
    (times(lambda step, total: 0.0), RATES, "in step 0 of 1 the rate is 0.0 times the lr"),
    (
        times(lambda step, total: 1 - 0.1 * step),
        "stepping_beyond_the_end_is_harmless",
        "of 10 steps, those up to 15 have the rates [",
    ),
    (
        times(lambda step, total: 2.0 if step == 14 else 1.0),
        "stepping_beyond_the_end_is_harmless",
        "of 10 steps, those up to 15 have the rates [1.0, 1.0, 1.0, 1.0, 2.0]",
    ),
    *(
        (
            forgetful(at),
            "resuming_is_bit_identical",
            f"interrupted after {number_of(at, 'step')}, the later rates differ",
        )
        for at in (1, 7)
    ),
]


@pytest.mark.parametrize(("broken", "promise", "told"), SCHEDULERS)
def test_schedulers(broken: Callable[[Any, int], Any], promise: str, told: str) -> None:
    assert observed_of("scheduler", broken, promise).startswith(told)


# Samplers


class Changed(Pairs):
    """Changes each batch, given the epoch."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            yield self.changed(batch, epoch)

    def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
        return batch


class SameEpochs(Pairs):
    def rows(self, epoch: int) -> Int64Array:
        return super().rows(0)


class SameSeeds(Pairs):
    def __init__(self, identities: Int64Array, batch_size: int, seed: int) -> None:
        super().__init__(identities, batch_size, 0)


class OwnSeed(Pairs):
    made = itertools.count()

    def __init__(self, identities: Int64Array, batch_size: int, seed: int) -> None:
        super().__init__(identities, batch_size, next(self.made))


class Collides(Pairs):
    """Draws an epoch of another seed as epoch 5 of seed 1."""

    seed_and_epoch = (6, 0)

    def generator(self, epoch: int) -> np.random.Generator:
        if (self.seed, epoch) == self.seed_and_epoch:
            return np.random.default_rng(np.random.SeedSequence(1, spawn_key=(5,)))
        return super().generator(epoch)


class SelfPaired(Pairs):
    def rows(self, epoch: int) -> Int64Array:
        return super().rows(epoch)[:, [0, 0]]


class FromNumpy(Pairs):
    def generator(self, epoch: int) -> np.random.Generator:
        np.random.random()  # noqa: NPY002
        return super().generator(epoch)


class Shifted(Changed):
    def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
        return PairBatch(
            batch.images + len(self.identities), batch.identities, batch.pairs, batch.same
        )


class BelowZero(Changed):
    def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
        return PairBatch(
            batch.images - len(self.identities), batch.identities, batch.pairs, batch.same
        )


class OtherIdentities(Changed):
    def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
        return PairBatch(batch.images, batch.identities + 1, batch.pairs, batch.same)


class Single(Changed):
    def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
        return PairBatch(
            batch.images[:1],
            batch.identities[:1],
            torch.zeros(1, 2, dtype=torch.int64),
            torch.ones(1, dtype=torch.bool),
        )


class Columns(Changed):
    def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
        unchecked: Any = SimpleNamespace(**vars(batch))
        unchecked.same = batch.same[:, None]
        return unchecked  # type: ignore[no-any-return]


class Genuine(Pairs):
    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            kept = batch.images[batch.pairs[batch.same]].numpy()
            yield PairBatch.of_pairs(kept, self.identities)


class Longer(Pairs):
    """Has one more batch in some epoch."""

    epoch = 0

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        yield from super().batches(epoch)
        if epoch == self.epoch:
            yield next(iter(super().batches(epoch)))


class Interrupted(Pairs):
    """Goes on where an epoch was left in the middle."""

    left = False

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        found = list(super().batches(epoch))
        if self.left:
            found = found[1:]
        self.left = True
        yield from found
        self.left = False


class Mining(Pairs):
    """A mining sampler without a fault, from which the broken ones derive."""

    order: Tensor | None = None

    def mine(self, embeddings: Tensor, epoch: int) -> None:
        self.order = embeddings[:, 0].argsort()

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.order is None else {"order": self.order}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.order = state.get("order")

    def rows(self, epoch: int) -> Int64Array:
        if self.order is None:
            return super().rows(epoch)
        return np.stack([self.order.numpy(), np.roll(self.order.numpy(), 1)], axis=1)


class Accumulates(Mining):
    def mine(self, embeddings: Tensor, epoch: int) -> None:
        self.total = embeddings[:, 0] + getattr(self, "total", 0.0)
        self.order = self.total.argsort()


class CannotBegin(Mining):
    def state_dict(self) -> dict[str, Tensor]:
        assert self.order is not None
        return {"order": self.order}


class Fewer(Mining):
    def rows(self, epoch: int) -> Int64Array:
        return super().rows(epoch)[: 1 if self.order is not None else None]


class Twice(Mining):
    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            yield (
                batch
                if self.order is None
                else PairBatch(
                    batch.images[batch.pairs].flatten(),
                    batch.identities[batch.pairs].flatten(),
                    torch.arange(2 * len(batch.pairs)).reshape(-1, 2),
                    batch.same,
                )
            )


class MislabelsMined(Mining):
    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            same = batch.same if self.order is None else ~batch.same
            yield PairBatch(batch.images, batch.identities, batch.pairs, same)


FIRST = next(iter(TABLES))
PURE, DIFFER = "epoch_is_a_function_of_seed_and_epoch", "epochs_and_seeds_differ"
MINED = "mined_batches_are_valid"
SAMPLERS: list[tuple[type[Pairs], str, str]] = [
    (OwnSeed, PURE, f"{FIRST}: epoch 3 differs in a second sampler of the same seed"),
    (Interrupted, PURE, f"{FIRST}: epoch 3 differs when asked for again"),
    (SameEpochs, DIFFER, "epochs 0 and 1 are the same"),
    (SameSeeds, DIFFER, "seeds 1 and 2 give the same epoch"),
    *(
        (
            type("Broken", (Collides,), {"seed_and_epoch": (seed, epoch)}),
            DIFFER,
            f"epoch {epoch} of seed {seed} is epoch 5 of seed 1",
        )
        for seed, epoch in ((1 + 5 * 2**32, 0), (6, 0), (0, 6))
    ),
    (FromNumpy, "global_generators_are_left_alone", "the state of numpy's global generator"),
    (Shifted, "labels_are_true", f"{FIRST}: an image is not a row of the table"),
    (BelowZero, "labels_are_true", f"{FIRST}: an image is not a row of the table"),
    (OtherIdentities, "labels_are_true", f"{FIRST}: an identity differs from the table"),
    (SelfPaired, "no_image_is_paired_with_itself", f"{FIRST}: 16 pairs of one image twice"),
    (Single, "image_is_once_in_a_batch", f"{FIRST}: a batch holds 1 image"),
    (Columns, "types_and_shapes_are_those_of_a_pair_batch", "the shapes are ["),
    (Genuine, "epoch_has_both_classes", f"{FIRST}: there is no impostor pair"),
    *(
        (
            type("Broken", (Longer,), {"epoch": epoch}),
            "length_is_the_number_of_batches",
            f"{FIRST}: the length is 12, epoch {epoch} has 13 batches",
        )
        for epoch in range(3)
    ),
    (
        Accumulates,
        "mined_batches_survive_a_checkpoint",
        f"{FIRST}: epoch 2 differs if another epoch was mined before",
    ),
    (CannotBegin, "mined_batches_survive_a_checkpoint", "AssertionError"),
    (Fewer, MINED, f"{FIRST}: 1 batch after mining, and the length is 12"),
    (Twice, MINED, f"{FIRST}: a mined batch holds an image twice"),
    (MislabelsMined, MINED, f"{FIRST}: `same` is wrong for 16 of 16 pairs"),
]


@pytest.mark.parametrize(("broken", "promise", "told"), SAMPLERS)
def test_samplers(broken: type[Pairs], promise: str, told: str) -> None:
    assert observed_of("sampler", broken, promise).startswith(told)


@pytest.mark.parametrize("what", TABLES)
def test_samplers_are_tried_on_each_table(what: str) -> None:
    class Broken(Changed):
        def changed(self, batch: PairBatch, epoch: int) -> PairBatch:
            is_wrong = len(self.identities) == len(TABLES[what])
            return replace(batch, same=~batch.same) if is_wrong else batch

    assert observed_of("sampler", Broken, "labels_are_true").startswith(f"{what}: `same` is wrong")


@pytest.mark.parametrize(("what", "people"), [("one identity", 1), ("one image each", 20)])
def test_samplers_of_impossible_tables(what: str, people: int) -> None:
    class Broken(Pairs):
        def rows(self, epoch: int) -> Int64Array:
            is_empty = len(np.unique(self.identities)) == people
            return super().rows(epoch)[: 0 if is_empty else None]

    told = observed_of("sampler", Broken, "impossible_table_is_refused")
    assert told == f"{what}: the epoch is empty, without an error"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (lambda images: 2e-5 * images, ""),
        (lambda images: 31.0 if images == 1_000_000 else 0.01, "a million images took 31 s"),
        (
            lambda images: 0.1 * (images / 1_000) ** 2,
            "16,000 images took 25.6 s, 16 times as long as a quarter of them; a million",
        ),
        (
            lambda images: 1.0,
            "1,000 images took 1.0 s, 4 times as long as a quarter of them; a million would",
        ),
    ],
)
def test_samplers_whose_first_batches_take_some_seconds(
    monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float], told: str
) -> None:
    monkeypatch.setattr(
        "facesim.testing.sampler._seconds_to_first_batches", lambda spec, images: seconds(images)
    )
    found = observed_of("sampler", Pairs, "million_images_are_sampled_in_seconds")
    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_a_mining_sampler_without_a_fault() -> None:
    find_kind("sampler").registry("good")(Mining)
    for promise in ("mined_batches_survive_a_checkpoint", MINED):
        assert observed(find_kind("sampler").registry.spec("good"), promise) == ""


# Protocols


class Planless(ListedPairs):
    """Plans no pairs one time of the two, beginning with the ``first``."""

    made = 0
    first = True

    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        Planless.made += 1
        pairs = listed_pairs()
        return Comparisons(None if Planless.made % 2 == self.first else pairs)


class ListsNone(ListedPairs):
    lists_pairs = False


class Remeasured(ListedPairs):
    """Changes what it has measured."""

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        return self.changed(super().measure(comparisons, table, system, evaluator))

    def changed(self, found: Measurement) -> Measurement:
        return found


class Unplanned(ListedPairs):
    """Measures pairs that it has not planned, and keeps their scores."""

    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        self.pairs = listed_pairs()
        return Comparisons(None)

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        return super().measure(Comparisons(self.pairs), table, system, evaluator)


def remeasured(**changes: Any) -> type[Remeasured]:
    def changed(_: Remeasured, found: Measurement) -> Measurement:
        return replace(found, result=found.result.model_copy(update=changes))

    return type("Broken", (Remeasured,), {"changed": changed})


class DropsScore(Remeasured):
    def changed(self, found: Measurement) -> Measurement:
        assert found.scored is not None
        scored: Any = SimpleNamespace(
            pairs=found.scored.pairs, scores=found.scored.scores[:-1], loss=None
        )
        return Measurement(found.result, scored)


class CountsAccepted(ListedPairs):
    """Counts by the thresholds that it is given, which tell the contract's people apart."""

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        scored = system.score_pairs(comparisons.pair_list)
        (threshold,) = evaluator.thresholds
        assert ((scored.scores >= threshold) == scored.pairs.same).all()
        found = super().measure(comparisons, table, system, evaluator)
        assert found.result.threshold == threshold
        return found


class ReportsNothing(ListedPairs):
    def report(self, result: EvaluationResult) -> Any:
        return None


MEASURED, REPORTED = "measure_gives_a_result_of_its_comparisons", "report_is_made_from_the_file"


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        *(
            (
                type("Broken", (Planless,), {"first": first}),
                "plan_repeats",
                "it planned pairs one time and none the other",
            )
            for first in (True, False)
        ),
        (
            ListsNone,
            "listed_pairs_are_compared",
            "lists_pairs is False, and listed_pairs() was called",
        ),
        (remeasured(genuine=0), MEASURED, "no genuine comparison was measured"),
        (remeasured(impostor=0), MEASURED, "no impostor comparison was measured"),
        (Unplanned, MEASURED, "it returned scores of pairs that were not planned"),
        (DropsScore, MEASURED, "83 scores for 84 pairs"),
        (
            remeasured(details={"counts": (1, 2)}),
            REPORTED,
            "the result differs after it was written and read",
        ),
        (ReportsNothing, REPORTED, "report() returned NoneType"),
        (CountsAccepted, MEASURED, ""),
    ],
)
def test_protocols(broken: type[ListedPairs], promise: str, told: str) -> None:
    Planless.made = 0
    assert observed_of("protocol", broken, promise) == told


# Metrics: some set of pairs


class Area(Metric):
    """A metric without a fault, from which the broken ones derive."""

    label = "Area"

    def value(self, roc: Roc, threshold: float) -> float:
        return roc.area

    def undefined_reason(self, roc: Roc) -> str | None:
        return None if roc.genuine and roc.impostor else "no pairs of both kinds"


class Unexplained(Area):
    """Is not a number, and gives no reason, of ``counts`` of genuine and impostor pairs."""

    counts = (0, 0)

    def value(self, roc: Roc, threshold: float) -> float:
        return math.nan if (roc.genuine, roc.impostor) == self.counts else 0.5

    def undefined_reason(self, roc: Roc) -> str | None:
        return None if (roc.genuine, roc.impostor) == self.counts else super().undefined_reason(roc)


class LeavesRange(Area):
    """Leaves its range where the area is near ``area``."""

    area, wrong = 0.5, 1.5

    def value(self, roc: Roc, threshold: float) -> float:
        return self.wrong if abs(roc.area - self.area) < 0.05 else roc.area


EXISTS, WITHIN, LABEL = (
    "value_exists_or_has_a_reason",
    "value_lies_within_the_range",
    "it_has_a_label",
)


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        *(
            (
                type("Broken", (Unexplained,), {"counts": counts}),
                EXISTS,
                f"nan of {counts[0]} genuine, {counts[1]} impostor pairs; no reason",
            )
            for counts in ((0, 0), (1, 0), (1000, 0), (0, 1000), (1000, 1000))
        ),
        *(
            (
                type("Broken", (LeavesRange,), {"area": area, "wrong": wrong}),
                WITHIN,
                f"the value is {wrong:g}, the range 0 to 1",
            )
            for area in (0.0, 0.24, 0.5, 0.76, 1.0)
            for wrong in (-0.5, 1.5)
        ),
        (type("Broken", (Area,), {"label": "  "}), LABEL, "the label is '  '"),
        (type("Broken", (Area,), {"label": 3}), LABEL, "the label is 3"),
        (Area, EXISTS, ""),
        (Area, WITHIN, ""),
        (Area, "better_scores_have_a_better_value", ""),
    ],
)
def test_metrics(broken: type[Metric], promise: str, told: str) -> None:
    assert observed_of("metric", broken, promise) == told


# Trackers: some status, some value, some moment


class Refuses(Quiet):
    """Fails at the end of some status."""

    status = ""

    def finish(self, status: str) -> None:
        if status == self.status:
            raise ValueError(status)


class RefusesValues(Quiet):
    def log(self, values: dict[str, float], step: int) -> None:
        if self.refused(values):
            raise ValueError(next(reversed(values)))

    def refused(self, values: dict[str, float]) -> bool:
        return False


def refusing(refused: Callable[[dict[str, float]], bool]) -> type[RefusesValues]:
    return type("Broken", (RefusesValues,), {"refused": lambda _, values: refused(values)})


class NewSteps(Quiet):
    """Keeps the steps of a run, and takes none twice."""

    def log(self, values: dict[str, float], step: int) -> None:
        (self.run_dir / f"step {step}").mkdir()


class WritesBeside(Quiet):
    def finish(self, status: str) -> None:
        (self.run_dir.parent / "b").touch()
        (self.run_dir.parent / "a").touch()


ENDS, ACCEPTED = "run_can_end_in_any_way_and_be_resumed", "non_finite_values_are_accepted"


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        *(
            (type("Broken", (Refuses,), {"status": status}), ENDS, f"ValueError: {status}")
            for status in ("finished", "interrupted", "failed")
        ),
        (
            type("Broken", (Refuses,), {"status": "failed"}),
            "run_that_logs_nothing_can_end",
            "ValueError: failed",
        ),
        (NewSteps, ENDS, "FileExistsError"),
        (refusing(lambda values: len(values) > 1), ENDS, "ValueError: train.images"),
        (
            refusing(lambda values: any(map(math.isnan, values.values()))),
            ACCEPTED,
            "ValueError: train.norm",
        ),
        (
            refusing(lambda values: any(map(math.isinf, values.values()))),
            ACCEPTED,
            "ValueError: train.norm",
        ),
        (WritesBeside, "nothing_is_written_elsewhere", "beside the run directory it wrote a, b"),
    ],
)
def test_trackers(broken: type[Quiet], promise: str, told: str) -> None:
    assert observed_of("tracker", broken, promise).startswith(told)


# Every kind


def test_a_parameter_that_is_read_again_as_another_one() -> None:
    def doubling(
        optimizer: Any,
        total_steps: int,
        *,
        factor: Annotated[float, AfterValidator(lambda value: 2 * value)] = 1.0,
    ) -> Any: ...

    registry = find_kind("scheduler").registry
    registry("narrow")(doubling)
    spec = registry.spec("narrow", factor=1.0)
    told = "{'name': 'narrow', 'factor': 2.0} was read again as {'name': 'narrow', 'factor': 4.0}"
    assert observed(spec, "parameters_survive_being_written") == told


def test_all_broken_promises_are_told_at_once_each_below_the_plugin() -> None:
    registry = find_kind("tracker").registry
    registry("narrow")(type("Broken", (Refuses,), {"status": "failed", "__doc__": "Refuses."}))
    spec = registry.spec("narrow")
    with pytest.raises(ContractBrokenError) as caught:
        check_plugin(spec)
    named = [broken.promise for broken in caught.value.broken]
    assert named == [ENDS, "run_that_logs_nothing_can_end", ACCEPTED]
    first, *below = str(caught.value).splitlines()
    assert first == f"the tracker 'narrow' ({spec.plugin.origin}) breaks 3 promises of its kind"
    assert [len(line) - len(line.lstrip()) for line in below] == [2, 6, 6] * 3


def test_what_cannot_be_checked_here_is_no_fault_of_the_plugin() -> None:
    def impossible(spec: Spec[Any]) -> None:
        raise CheckImpossibleError("no processes here")

    promise = Promise("It is whole.", "fix it", impossible)
    find_kind("loss").registry("narrow")(Contrastive)
    spec = find_kind("loss").registry.spec("narrow")
    contract: Contract[Any] = Contract("loss", [promise])
    checks: list[Callable[[Spec[Any]], object]] = [
        promise.broken_by,
        promise.require,
        contract.check,
    ]
    for check in checks:
        with pytest.raises(CheckImpossibleError, match="no processes here"):
            check(spec)
