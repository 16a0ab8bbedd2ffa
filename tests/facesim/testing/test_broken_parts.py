"""Broken datasets, transforms, networks, schedules and trackers are found, with what was seen."""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facesim import (
    IMAGENET,
    Backbone,
    DataError,
    FaceTable,
    PairBatch,
    PairSet,
    Recognised,
    Tracker,
    backbones,
    datasets,
    heads,
    losses,
    optimizers,
    samplers,
    schedulers,
    trackers,
    transforms,
)
from facesim.registry import Spec
from facesim.testing import CONTRACTS
from facesim.testing.contract import Promise
from tests.facesim.testing.test_broken_plugins import Contrastive, Pairs


def observed(spec: Spec[Any], promise: str) -> str:
    """What breaks a promise; empty if nothing does."""
    promises = {each.name: each for each in CONTRACTS[spec.plugin.kind].promises}
    broken = promises[promise].broken_by(spec)
    return "" if broken is None else broken.observed


def table(folder: Path, **changed: Any) -> FaceTable:
    """Three images of two people, without a fault but for what is changed."""
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 8)).save(folder / name)
    fields = {
        "root": folder,
        "files": np.array(["a.png", "b.png", "c.png"], dtype=object),
        "identities": np.array([0, 0, 1]),
        "labels": np.array(["ann", "bob"], dtype=object),
        "pairs": PairSet(np.array([[0, 1], [0, 2]]), np.array([True, False])),
    }
    return FaceTable(**{**fields, **changed})


@pytest.mark.parametrize(
    ("changed", "promise", "told"),
    [
        ({}, "identities_are_indices_of_labels", ""),
        ({}, "pairs_are_those_of_the_table", ""),
        (
            {"identities": np.array([0, 0, 1], np.int32)},
            "identities_are_indices_of_labels",
            "the identities are int32",
        ),
        (
            {"labels": np.array(["ann", "ann"], dtype=object)},
            "identities_are_indices_of_labels",
            "two identities have the same label",
        ),
        (
            {"files": np.array(["a.png", "b.png", "a.png"], dtype=object)},
            "no_image_is_listed_twice",
            "1 image in several rows, the first ['a.png']",
        ),
        (
            {"files": np.array(["a.png", "../b.png", "c.png"], dtype=object)},
            "files_lie_below_the_root",
            "row 1: ../b.png leaves the root",
        ),
        (
            {"files": np.array(["a.png", "b.png", "d.png"], dtype=object)},
            "files_lie_below_the_root",
            "row 2: there is no file ",
        ),
        (
            {"pairs": PairSet(np.array([[0, 1]]), np.array([True, False]))},
            "pairs_are_those_of_the_table",
            "rows [1, 2] for 2 labels; write [P, 2] and [P]",
        ),
        (
            {"pairs": PairSet(np.array([[0, 3]]), np.array([True]))},
            "pairs_are_those_of_the_table",
            "a pair has a row beyond the 3 of the table",
        ),
        (
            {"pairs": PairSet(np.array([[0, -1]]), np.array([True]))},
            "pairs_are_those_of_the_table",
            "a pair has a row beyond the 3 of the table",
        ),
        (
            {"pairs": PairSet(np.array([[1, 1]]), np.array([True]))},
            "pairs_are_those_of_the_table",
            "a pair holds one image twice",
        ),
        (
            {"pairs": PairSet(np.array([[0, 1], [0, 2]]), np.array([True, True]))},
            "pairs_are_those_of_the_table",
            "`same` is wrong for 1 of 2 pairs",
        ),
        (
            {"pairs": PairSet(np.array([[0, 1]]), np.array([True]), np.array([0, 1]))},
            "pairs_are_those_of_the_table",
            "the number of folds differs from that of pairs",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(
    tmp_path: Path, changed: dict[str, Any], promise: str, told: str
) -> None:
    datasets("broken")(lambda: table(tmp_path, **changed))
    found = observed(datasets.spec("broken"), promise)
    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_a_table_that_changes_and_images_that_are_none_are_found(tmp_path: Path) -> None:
    turned = iter([table(tmp_path), table(tmp_path, labels=np.array(["bob", "ann"], dtype=object))])
    datasets("turning")(lambda: next(turned))
    assert observed(datasets.spec("turning"), "table_is_the_same_each_time") == (
        "labels differ the second time"
    )
    datasets("damaged")(lambda: table(tmp_path))
    assert observed(datasets.spec("damaged"), "images_can_be_decoded") == ""
    datasets("worse")(lambda: damaged(tmp_path))
    assert "c.png" in observed(datasets.spec("worse"), "images_can_be_decoded")


def damaged(folder: Path) -> FaceTable:
    found = table(folder)
    (folder / "c.png").write_bytes(b"no image")
    return found


class Flip:
    """A random flip without a fault, from which the broken ones derive."""

    only_mirrors = False

    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(-1) if torch.rand(()) < 0.5 else image


class UpsideDown(Flip):
    only_mirrors = True

    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(1) if torch.rand(()) < 0.5 else image


class Wider(Flip):
    def __call__(self, image: Tensor) -> Tensor:
        return nn.functional.pad(image, (0, 1))


class Floating(Flip):
    def __call__(self, image: Tensor) -> Tensor:
        return image.float()


class Fixed(Flip):
    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(-1)


class Numbered(Flip):
    made = 0

    def __init__(self) -> None:
        Numbered.made += 1
        self.number = Numbered.made

    def __call__(self, image: Tensor) -> Tensor:
        return image if self.number % 2 else image.flip(-1)


class ByMemory(Flip):
    def __call__(self, image: Tensor) -> Tensor:
        return image if image.is_contiguous() else image.flip(-1)


class ForgetsWhenCopied(Flip):
    def __init__(self) -> None:
        self.turned = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.turned = True

    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(-1) if self.turned else image


class ByRandom(Flip):
    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(-1) if random.random() < 0.5 else image


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (UpsideDown, "only_mirrors_is_true", "it is neither the image nor its mirror"),
        (Wider, "shape_and_dtype_are_kept", "uint8 [3, 40, 32] became torch.uint8 [3, 40, 33]"),
        (Floating, "shape_and_dtype_are_kept", "became torch.float32 [3, 40, 32]"),
        (Fixed, "seeds_lead_to_different_outcomes", "twenty draws gave the same image"),
        (Numbered, "seed_decides_the_outcome", "under seed 0 two instances gave different images"),
        (ByMemory, "memory_order_does_not_matter", "under seed 0 a channels-last image gave"),
        (ForgetsWhenCopied, "it_can_be_pickled", "the copy gives a different image"),
        (ByRandom, "other_generators_do_not_matter", "another seed of random or np.random"),
    ],
)
def test_what_is_wrong_with_a_transform_is_said(
    broken: type[Flip], promise: str, told: str
) -> None:
    transforms("broken")(broken)
    assert told in observed(transforms.spec("broken"), promise)
    transforms("good")(Flip)
    assert observed(transforms.spec("good"), promise) == ""


def backbone(trunk: nn.Module, tail: nn.Module | None = None, **settings: Any) -> Backbone:
    own = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(trunk, own if tail is None else tail, 4, IMAGENET, **settings)


class Idle(nn.Module):
    """Has a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.idle = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).mean((2, 3))  # type: ignore[no-any-return]


class Darkens(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mul_(0.5)


class OwnDraw(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(3, 4, 3)
        with torch.no_grad():
            self.weight.fill_(random.random())


class Remembers(nn.Module):
    """Adds a number that no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.offset = nn.Conv2d(3, 4, 3), random.random()

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).mean((2, 3)) + self.offset  # type: ignore[no-any-return]


class Unlike(Remembers):
    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "offset": 7.0}


def unlike_in_training() -> Backbone:
    found = backbone(nn.Identity())
    inner = found.run_trunk
    found.run_trunk = lambda images: inner(images) + found.training  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (lambda: backbone(nn.Identity()), "tail_is_trained", ""),
        (
            lambda: backbone(nn.Identity(), Idle()),
            "tail_is_trained",
            "no gradient in the tail for idle.weight, idle.bias",
        ),
        (
            lambda: backbone(nn.Identity(), nn.Sequential(Darkens(), Idle())),
            "inputs_stay_as_they_were",
            "the tail changed the trunk's output",
        ),
        (
            lambda: backbone(nn.Identity(), nn.Sequential(OwnDraw(), nn.AdaptiveAvgPool2d(1))),
            "weights_follow_from_the_seed",
            "different under one seed: tail.0.weight",
        ),
        (
            lambda: backbone(nn.Identity(), Remembers()),
            "state_survives_a_checkpoint",
            "restored from a checkpoint, it gives different features",
        ),
        (
            lambda: backbone(nn.Identity(), Unlike()),
            "it_can_be_pickled",
            "the copy gives different features",
        ),
        (
            unlike_in_training,
            "trunk_is_the_same_in_training",
            "the trunk's output differs between training and use",
        ),
        (
            lambda: backbone(nn.Identity(), pooled=False),
            "features_have_the_stated_width",
            "1 image gave torch.float32 [1, 4], pooled=False",
        ),
    ],
)
def test_what_is_wrong_with_a_backbone_is_said(
    broken: Callable[[], Backbone], promise: str, told: str
) -> None:
    backbones("broken")(broken)
    assert observed(backbones.spec("broken"), promise) == told


class OfTheBatch(nn.Linear):
    """Centres by the other images of the batch, also in use."""

    def __init__(self, features: int) -> None:
        super().__init__(features, 4)

    def forward(self, features: Tensor) -> Tensor:
        embeddings = super().forward(features)
        return embeddings - embeddings.mean(0)


class OwnWeights(nn.Linear):
    def __init__(self, features: int) -> None:
        super().__init__(features, 4)
        with torch.no_grad():
            self.weight.fill_(random.random())


class Drifts(nn.Linear):
    def __init__(self, features: int) -> None:
        super().__init__(features, 4)
        self.offset = 0.0

    def forward(self, features: Tensor) -> Tensor:
        self.offset += 1.0 if self.training else 0.0
        return super().forward(features) + self.offset


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (OfTheBatch, "embedding_does_not_depend_on_the_batch", "alone and in a batch "),
        (OwnWeights, "weights_follow_from_the_seed", "different under one seed: weight"),
        (Drifts, "state_survives_a_checkpoint", "restored from a checkpoint, it gives different"),
    ],
)
def test_what_is_wrong_with_a_head_is_said(
    broken: type[nn.Linear], promise: str, told: str
) -> None:
    heads("broken")(broken)
    assert observed(heads.spec("broken"), promise).startswith(told)


class ByPosition(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        costs = self.cost(-self.score(*batch.gather(embeddings)), batch.same)
        return (costs * torch.arange(len(costs))).sum() / max(len(costs), 1)


class ByImage(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        weights = torch.arange(len(embeddings)).float()
        return super().forward(embeddings, batch) + (weights @ embeddings.float().abs()).mean()


class InPlace(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        with torch.no_grad():
            embeddings.mul_(2)
        return super().forward(embeddings, batch)


class Halved(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return super().forward(embeddings, batch).to(embeddings.dtype)


class Noisy(Contrastive):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return super().forward(embeddings, batch) + random.random()


class FarCosts(Contrastive):
    """Impostors beyond the margin cost nothing, but those that are very far apart do."""

    def cost(self, distance: Tensor, same: Tensor) -> Tensor:
        far = torch.where(same, 0.0, (distance - 20).clamp_min(0))
        return super().cost(distance, same) + far

    def impostor_margin(self) -> float:
        return -2.0


class Unsaved(Contrastive):
    def __init__(self, embedding_dim: int, num_identities: int) -> None:
        super().__init__(embedding_dim, num_identities)
        self.scale = 1 + random.random()

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        return self.scale * super().score(a, b)


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (ByPosition, "order_of_pairs_does_not_matter", "with the pairs reordered "),
        (ByImage, "order_of_images_does_not_matter", "with the images in reverse order "),
        (InPlace, "embeddings_stay_as_they_were", "the embeddings were changed in place"),
        (Halved, "half_precision_gives_nearly_the_same", "the loss is torch.bfloat16"),
        (Noisy, "same_batch_has_the_same_loss", "with "),
        (FarCosts, "impostors_beyond_the_margin_cost_nothing", "an impostor pair of score "),
        (
            Unsaved,
            "state_survives_a_checkpoint",
            "restored from a checkpoint, it gives different s",
        ),
    ],
)
def test_what_is_wrong_with_a_loss_is_said(
    broken: type[Contrastive], promise: str, told: str
) -> None:
    losses("broken")(broken)
    assert observed(losses.spec("broken"), promise).startswith(told)
    losses("good")(Contrastive)
    assert observed(losses.spec("good"), promise) == ""


class Doubled(Pairs):
    """Lists the first image of each batch once more."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            yield PairBatch(
                torch.cat([batch.images, batch.images[:1]]),
                torch.cat([batch.identities, batch.identities[:1]]),
                batch.pairs,
                batch.same,
            )


class Unpaired(Pairs):
    """Adds an image that is in no pair."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            free = next(it for it in range(len(self.identities)) if it not in batch.images)
            yield PairBatch(
                torch.cat([batch.images, torch.tensor([free])]),
                torch.cat([batch.identities, torch.tensor([int(self.identities[free])])]),
                batch.pairs,
                batch.same,
            )


class Short(Pairs):
    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            yield PairBatch(batch.images, batch.identities, batch.pairs, batch.same.float())


class Impostors(Pairs):
    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for batch in super().batches(epoch):
            kept = batch.images[batch.pairs[~batch.same]].numpy()
            yield PairBatch.of_pairs(kept, self.identities)


class Global(Pairs):
    def generator(self, epoch: int) -> np.random.Generator:
        torch.rand(())
        return super().generator(epoch)


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (Doubled, "image_is_once_in_a_batch", "a batch holds an image twice"),
        (Unpaired, "image_is_once_in_a_batch", "images of a batch "),
        (Short, "types_and_shapes_are_those_of_a_pair_batch", "the dtypes are "),
        (Impostors, "epoch_has_both_classes", "there is no genuine pair"),
        (Global, "global_generators_are_left_alone", "the state of torch's global generator"),
    ],
)
def test_what_is_wrong_with_a_sampler_is_said(broken: type[Pairs], promise: str, told: str) -> None:
    samplers("broken")(broken)
    assert told in observed(samplers.spec("broken"), promise)


def only_the_first_group(parameter_groups: Any) -> torch.optim.Optimizer:
    names = [dict(group) for group in parameter_groups]
    return torch.optim.SGD([{**group, "lr": 0.0 if at else 0.01} for at, group in enumerate(names)])


def uphill(parameter_groups: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameter_groups, lr=0.01, maximize=True)


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (
            only_the_first_group,
            "every_parameter_changes",
            "unchanged after a step: 2.weight, 2.bias",
        ),
        (uphill, "loss_falls", "the loss went from "),
    ],
)
def test_what_is_wrong_with_an_optimizer_is_said(
    broken: Callable[[Any], torch.optim.Optimizer], promise: str, told: str
) -> None:
    optimizers("broken")(broken)
    assert observed(optimizers.spec("broken"), promise).startswith(told)


def one_rate(optimizer: Any, total_steps: int) -> Any:
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    for group in optimizer.param_groups:
        group["lr"] = 1.0
    return scheduler


def grows(optimizer: Any, total_steps: int) -> Any:
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 1.0 if step < total_steps else 2.0
    )


def by_draw(optimizer: Any, total_steps: int) -> Any:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + random.random() / 2)


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (one_rate, "groups_keep_their_ratio", "in step 0 the ratio of 0.1 has become 1"),
        (
            grows,
            "stepping_beyond_the_end_is_harmless",
            "of 10 steps, those up to 15 have the rates [2.0, 2.0, 2.0, 2.0, 2.0]",
        ),
        (by_draw, "resuming_is_bit_identical", "interrupted after 0 steps, the later rates differ"),
        (grows, "rates_do_not_exceed_the_optimizers", ""),
    ],
)
def test_what_is_wrong_with_a_scheduler_is_said(
    broken: Callable[[Any, int], Any], promise: str, told: str
) -> None:
    schedulers("broken")(broken)
    assert observed(schedulers.spec("broken"), promise) == told


class Quiet(Tracker):
    """A tracker without a fault, from which the broken ones derive."""

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        self.run_dir = run_dir

    def log(self, values: dict[str, float], step: int) -> None:
        pass

    def finish(self, status: str) -> None:
        pass


class Once(Quiet):
    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        (run_dir / "once").mkdir()


class WholeNumbers(Quiet):
    def log(self, values: dict[str, float], step: int) -> None:
        for value in values.values():
            math.floor(value)


class Overwrites(Quiet):
    def finish(self, status: str) -> None:
        (self.run_dir / "metrics.jsonl").write_text(status)


class Renames(Quiet):
    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        experiment["name"] = "another"


class Adds(Quiet):
    def log(self, values: dict[str, float], step: int) -> None:
        values["step"] = step


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (Once, "run_can_end_in_any_way_and_be_resumed", "FileExistsError"),
        (WholeNumbers, "non_finite_values_are_accepted", "ValueError"),
        (Overwrites, "nothing_is_written_elsewhere", "it wrote to metrics.jsonl, which the engine"),
        (Renames, "arguments_stay_as_they_were", "the experiment became {'name': 'another'"),
        (Adds, "arguments_stay_as_they_were", "the values became {'train.loss': 1.0, 'step': 0}"),
    ],
)
def test_what_is_wrong_with_a_tracker_is_said(
    broken: type[Tracker], promise: str, told: str
) -> None:
    trackers("broken")(broken)
    assert observed(trackers.spec("broken"), promise).startswith(told)
    trackers("good")(Quiet)
    assert observed(trackers.spec("good"), promise) == ""


def test_a_parameter_without_a_description_is_named() -> None:
    @losses("broken")
    class Broken(Contrastive):
        """Says what it is, and not what its margin is."""

        def __init__(self, embedding_dim: int, num_identities: int, *, margin: float = 2.0) -> None:
            super().__init__(embedding_dim, num_identities)

    found = observed(losses.spec("broken"), "explains_itself")
    assert found == "no description of margin"


def test_a_promise_is_stated_by_its_check_and_keeps_its_hint() -> None:
    for contract in CONTRACTS.values():
        assert all(isinstance(each, Promise) for each in contract.promises)
        (first,) = [each for each in contract.promises if each.name == "explains_itself"]
        assert first.statement == "It has a docstring, and each parameter has a description."
        assert first.hint.startswith("write a docstring")


@pytest.mark.parametrize(
    ("suggested", "told"),
    [
        (None, ""),
        (DataError("the list is missing"), ""),
        (Recognised("mine", {"source": {"name": "mine"}}), ""),
        (Recognised("mine", {"train": {"name": "mine"}}), "it suggests ['train'] only"),
        (Recognised("mine", {"source": {"name": "mine"}, "tset": {"name": "mine"}}), "it suggests"),
        ("source: mine", "it returns a str"),
        (Recognised("mine", {"source": {"name": "none"}}), "what it suggests for source is an"),
    ],
)
def test_what_a_dataset_recognises_must_be_what_it_can_read(
    tmp_path: Path, suggested: Any, told: str
) -> None:
    def suggest(path: Path) -> Any:
        if not any(path.iterdir()):
            return None
        if isinstance(suggested, DataError):
            raise suggested
        return suggested

    nothing = np.array([], dtype=object)
    none = {"files": nothing, "identities": np.array([], int), "labels": nothing, "pairs": None}
    datasets("mine", suggest=suggest)(lambda: table(tmp_path))
    datasets("none")(lambda: table(tmp_path, **none))
    found = observed(datasets.spec("mine"), "what_it_recognises_it_can_read")
    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_a_dataset_that_recognises_nothing_is_found(tmp_path: Path) -> None:
    datasets("greedy", suggest=lambda _: Recognised("all", {}))(lambda: table(tmp_path))
    found = observed(datasets.spec("greedy"), "what_it_recognises_it_can_read")
    assert found.startswith("it recognises something in an empty folder: Recognised(what='all'")
