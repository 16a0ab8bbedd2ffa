"""The kit finds a broken plugin, names the broken promise and gives a hint."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from facesim import (
    IMAGENET,
    Backbone,
    Card,
    Comparisons,
    EvaluationResult,
    Evaluator,
    FaceTable,
    FloatArray,
    LabelledScores,
    Loss,
    Measurement,
    Metric,
    PairBatch,
    PairSet,
    Protocol,
    ProtocolReport,
    Roc,
    RocBlock,
    System,
    Tracker,
    backbones,
    datasets,
    heads,
    losses,
    metrics,
    optimizers,
    protocols,
    samplers,
    schedulers,
    trackers,
    transforms,
)
from facesim.arrays import Int64Array
from facesim.interfaces import REGISTRIES
from facesim.registry import Spec
from facesim.testing import CONTRACTS, ContractBrokenError, check_plugin
from facesim.testing.loss import LOSS


class Contrastive(Loss):
    """A contrastive loss without a fault, from which the broken ones derive."""

    def __init__(self, embedding_dim: int, num_identities: int) -> None:
        super().__init__()

    def cost(self, distance: Tensor, same: Tensor) -> Tensor:
        return torch.where(same, distance, (2 - distance).clamp_min(0)).square()

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        costs = self.cost(-self.score(*batch.gather(embeddings)), batch.same)
        return costs.sum() / max(len(costs), 1)

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        distance: Tensor = torch.linalg.vector_norm(a.float() - b.float(), dim=1)
        return -distance


def loss_that_divides_by_the_number_of_pairs() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Divides by zero where there is no pair."""

        def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
            return self.cost(-self.score(*batch.gather(embeddings)), batch.same).mean()

    return losses.spec("broken")


def loss_with_the_root_of_a_sum() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Has no gradient where two embeddings are equal."""

        def score(self, a: Tensor, b: Tensor) -> Tensor:
            return -(a.float() - b.float()).square().sum(1).sqrt()

    return losses.spec("broken")


def loss_that_scores_a_distance() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Takes the distance for the similarity."""

        def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
            costs = self.cost(self.score(*batch.gather(embeddings)), batch.same)
            return costs.sum() / max(len(costs), 1)

        def score(self, a: Tensor, b: Tensor) -> Tensor:
            return -super().score(a, b)

    return losses.spec("broken")


def loss_with_a_one_sided_score() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Normalises one side only."""

        def score(self, a: Tensor, b: Tensor) -> Tensor:
            return super().score(functional.normalize(a), b)

    return losses.spec("broken")


def loss_that_declares_another_comparison() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Says that it orders by the cosine."""

        comparison = "cosine"

    return losses.spec("broken")


def loss_with_a_unit_of_two_lines() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Has a unit that would break a line of the report."""

        score_unit = "minus the\nEuclidean distance"

    return losses.spec("broken")


def loss_with_a_plain_tensor() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Keeps a tensor that no checkpoint holds."""

        def __init__(self, embedding_dim: int, num_identities: int) -> None:
            super().__init__(embedding_dim, num_identities)
            self.center = torch.zeros(embedding_dim)

    return losses.spec("broken")


def loss_with_a_weight_per_identity() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Reads proxies, and does not say so."""

        def __init__(self, embedding_dim: int, num_identities: int) -> None:
            super().__init__(embedding_dim, num_identities)
            self.proxies = nn.Parameter(torch.randn(num_identities, embedding_dim))

        def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
            pull = (embeddings.float() - self.proxies[batch.identities]).square().mean()
            return super().forward(embeddings, batch) + 0.1 * pull

    return losses.spec("broken")


def loss_whose_margin_is_a_distance() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Forgets that a score is minus a distance."""

        def impostor_margin(self) -> float:
            return 2.0

    return losses.spec("broken")


def loss_with_too_high_a_chance_loss() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        """Takes the loss of impostors at distance 0 for what chance costs."""

        def chance_loss(self, genuine_share: float) -> float:
            return 4.0

    return losses.spec("broken")


def loss_that_says_nothing() -> Spec[Any]:
    @losses("broken")
    class Broken(Contrastive):
        def __init__(self, embedding_dim: int, num_identities: int, *, margin: float = 2.0) -> None:
            super().__init__(embedding_dim, num_identities)

    return losses.spec("broken")


class Pairs:
    """A sampler of neighbouring rows of a random order, from which the broken ones derive."""

    def __init__(self, identities: Int64Array, batch_size: int, seed: int) -> None:
        self.identities, self.batch_size, self.seed = identities, batch_size, seed

    def generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch,)))

    def rows(self, epoch: int) -> Int64Array:
        order = self.generator(epoch).permutation(len(self.identities))
        return np.stack([order, np.roll(order, 1)], axis=1)

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        rows = self.rows(epoch)
        for start in range(0, len(rows), self.batch_size):
            yield PairBatch.of_pairs(rows[start : start + self.batch_size], self.identities)

    def __len__(self) -> int:
        return math.ceil(len(self.identities) / self.batch_size)


def sampler_with_one_generator() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Goes on where the last epoch ended."""

        def __init__(self, identities: Int64Array, batch_size: int, seed: int) -> None:
            super().__init__(identities, batch_size, seed)
            self.only = np.random.default_rng(seed)

        def generator(self, epoch: int) -> np.random.Generator:
            return self.only

    return samplers.spec("broken")


def sampler_that_adds_seed_and_epoch() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Draws the second epoch of one seed as the first of the next."""

        def generator(self, epoch: int) -> np.random.Generator:
            return np.random.default_rng(self.seed + epoch)

    return samplers.spec("broken")


def sampler_that_pairs_an_image_with_itself() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Draws both rows independently."""

        def rows(self, epoch: int) -> Int64Array:
            count = len(self.identities)
            return self.generator(epoch).integers(count, size=(count, 2))

    return samplers.spec("broken")


def sampler_that_forgets_the_last_batch() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Rounds its length down."""

        def __len__(self) -> int:
            return len(self.identities) // self.batch_size

    return samplers.spec("broken")


def sampler_with_exchanged_labels() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Takes 1 for different, as some papers do."""

        def batches(self, epoch: int) -> Iterator[PairBatch]:
            for batch in super().batches(epoch):
                yield PairBatch(batch.images, batch.identities, batch.pairs, ~batch.same)

    return samplers.spec("broken")


def sampler_that_keeps_what_it_mined_to_itself() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Pairs neighbours in the first coordinate, and leaves that out of its state."""

        order: Int64Array | None = None

        def mine(self, embeddings: Tensor, epoch: int) -> None:
            self.order = embeddings[:, 0].argsort().numpy()

        def state_dict(self) -> dict[str, Tensor]:
            return {}

        def load_state_dict(self, state: dict[str, Tensor]) -> None: ...

        def rows(self, epoch: int) -> Int64Array:
            if self.order is None:
                return super().rows(epoch)
            return np.stack([self.order, np.roll(self.order, 1)], axis=1)

    return samplers.spec("broken")


def sampler_that_mines_an_image_with_itself() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Takes the nearest image of all, which is the image itself."""

        nearest: Tensor | None = None

        def mine(self, embeddings: Tensor, epoch: int) -> None:
            self.nearest = torch.cdist(embeddings, embeddings).argmin(1)

        def state_dict(self) -> dict[str, Tensor]:
            return {} if self.nearest is None else {"nearest": self.nearest}

        def load_state_dict(self, state: dict[str, Tensor]) -> None:
            self.nearest = state.get("nearest")

        def rows(self, epoch: int) -> Int64Array:
            if self.nearest is None:
                return super().rows(epoch)
            return np.stack([np.arange(len(self.nearest)), self.nearest.numpy()], axis=1)

    return samplers.spec("broken")


def sampler_of_nothing_where_each_identity_has_one_image() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """An epoch without a pair instead of an error."""

        def rows(self, epoch: int) -> Int64Array:
            is_possible = len(np.unique(self.identities)) < len(self.identities)
            return super().rows(epoch) if is_possible else np.empty((0, 2), np.int64)

    return samplers.spec("broken")


def sampler_of_all_pairs() -> Spec[Any]:
    @samplers("broken")
    class Broken(Pairs):
        """Compares every row with every other before the first batch."""

        def rows(self, epoch: int) -> Int64Array:
            for row in range(len(self.identities)):
                for _ in range(row):
                    pass
            return super().rows(epoch)

    return samplers.spec("broken")


class Unfrozen(nn.BatchNorm2d):
    """A BatchNorm that cannot be put to eval()."""

    def train(self, mode: bool = True) -> "Unfrozen":
        super().train(True)
        return self


def small(first: nn.Module) -> Backbone:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), first)
    tail = nn.Sequential(nn.Conv2d(4, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(trunk, tail, 8, IMAGENET)


def backbone_whose_statistics_move() -> Spec[Any]:
    @backbones("broken")
    def broken() -> Backbone:
        """Freezes the weights and forgets the BatchNorm."""
        return small(Unfrozen(4))

    return backbones.spec("broken")


def backbone_that_is_random_in_use() -> Spec[Any]:
    class Noise(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return functional.dropout(images, 0.5, training=True)

    @backbones("broken")
    def broken() -> Backbone:
        """Leaves dropout on."""
        return small(Noise())

    return backbones.spec("broken")


def backbone_of_another_width() -> Spec[Any]:
    @backbones("broken")
    def broken() -> Backbone:
        """States a width that the tail does not have."""
        backbone = small(nn.ReLU())
        backbone.features = 16
        return backbone

    return backbones.spec("broken")


def backbone_that_forgets_to_pool() -> Spec[Any]:
    @backbones("broken")
    def broken() -> Backbone:
        """Ends with feature maps and does not say so."""
        return Backbone(nn.Identity(), nn.Conv2d(3, 8, 3), 8, IMAGENET)

    return backbones.spec("broken")


def backbone_that_asks_for_values() -> Spec[Any]:
    class Branch(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if images.sum().item() > 0 else -images

    @backbones("broken")
    def broken() -> Backbone:
        """Takes a branch by the values of a tensor."""
        return small(Branch())

    return backbones.spec("broken")


def head_with_an_idle_parameter() -> Spec[Any]:
    @heads("broken")
    class Broken(nn.Module):
        """Has a layer that it does not use."""

        def __init__(self, features: int) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(features, 4), nn.Linear(features, 4)

        def forward(self, features: Tensor) -> Tensor:
            embeddings: Tensor = self.used(features)
            return embeddings

    return heads.spec("broken")


def head_that_drops_a_single_image_s_row() -> Spec[Any]:
    @heads("broken")
    class Broken(nn.Linear):
        """Squeezes too much."""

        def __init__(self, features: int) -> None:
            super().__init__(features, 4)

        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features).squeeze()

    return heads.spec("broken")


def optimizer_that_makes_one_group_of_all() -> Spec[Any]:
    @optimizers("broken")
    def broken(parameter_groups: Any) -> torch.optim.Optimizer:
        """Forgets which part a parameter is of."""
        return torch.optim.Adam([p for group in parameter_groups for p in group["params"]], lr=0.01)

    return optimizers.spec("broken")


def optimizer_that_keeps_a_counter_to_itself() -> Spec[Any]:
    @optimizers("broken")
    class Broken(torch.optim.SGD):
        """Takes smaller steps by a count that its state does not hold."""

        def __init__(self, parameter_groups: Any) -> None:
            super().__init__(parameter_groups, lr=0.01)
            self.steps = 0

        def step(self, closure: Any = None) -> Any:
            self.steps += 1
            for group in self.param_groups:
                group["lr"] = 0.01 / self.steps
            return super().step(closure)

    return optimizers.spec("broken")


def scheduler_that_begins_with_nothing() -> Spec[Any]:
    @schedulers("broken")
    def broken(optimizer: Any, total_steps: int) -> Any:
        """Warms up from 0."""
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / total_steps)

    return schedulers.spec("broken")


def transform_that_changes_in_place() -> Spec[Any]:
    @transforms("broken")
    def broken() -> Callable[[Tensor], Tensor]:
        """Overwrites what it is given."""
        return darken_in_place

    return transforms.spec("broken")


def darken_in_place(image: Tensor) -> Tensor:
    image[:, : int(torch.randint(1, 5, ()))] = 0
    return image


def transform_that_draws_from_numpy() -> Spec[Any]:
    @transforms("broken")
    def broken() -> Callable[[Tensor], Tensor]:
        """Draws where the engine does not seed."""
        return flip_by_numpy

    return transforms.spec("broken")


def flip_by_numpy(image: Tensor) -> Tensor:
    return image.flip(-1) if np.random.random() < 0.5 else image  # noqa: NPY002


def metric_of_the_wrong_direction() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Calls an error rate better the higher it is."""

        label = "Broken"

        def value(self, roc: Roc, threshold: float) -> float:
            return 1 - roc.area

    return metrics.spec("broken")


def metric_without_a_reason() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Is not a number where there are no impostors, and does not say why."""

        label = "Broken"

        def value(self, roc: Roc, threshold: float) -> float:
            return roc.area

        def undefined_reason(self, roc: Roc) -> str | None:
            return None

    return metrics.spec("broken")


def metric_in_percent() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Leaves the range that it states."""

        label = "Broken"

        def value(self, roc: Roc, threshold: float) -> float:
            return 100 * roc.area

    return metrics.spec("broken")


def metric_of_unweighted_scores() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Forgets how often each pair was resampled."""

        label = "Broken"
        range = (-math.inf, math.inf)

        def value(self, roc: Roc, threshold: float) -> float:
            assert roc.labelled is not None
            scores, same = roc.labelled.scores, roc.labelled.same
            return float(scores[same].mean() - scores[~same].mean())

    return metrics.spec("broken")


def metric_that_draws() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Adds noise."""

        label = "Broken"

        def value(self, roc: Roc, threshold: float) -> float:
            return roc.area * (1 - 1e-3 * float(torch.rand(())))

    return metrics.spec("broken")


def metric_of_unweighted_blocks() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Measures the curve of all pairs for each curve of a block."""

        label = "Broken"

        def value(self, roc: Roc, threshold: float) -> float:
            return roc.area

        def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
            return np.full(len(curves), curves.labelled.roc().area)

    return metrics.spec("broken")


def metric_of_blocks_that_always_exists() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Gives 0 for curves of a block that lack pairs of a kind."""

        label = "Broken"

        def value(self, roc: Roc, threshold: float) -> float:
            return roc.area

        def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
            return np.nan_to_num(curves.areas())

    return metrics.spec("broken")


def metric_without_a_label() -> Spec[Any]:
    @metrics("broken")
    class Broken(Metric):
        """Has no label."""

        def value(self, roc: Roc, threshold: float) -> float:
            return roc.area

    return metrics.spec("broken")


class ListedPairs(Protocol):
    """A protocol without a fault, from which the broken ones derive."""

    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        return Comparisons(listed_pairs())

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        scored = system.score_pairs(comparisons.pair_list)
        labelled = LabelledScores.of_pairs(scored.scores, scored.pairs, table.identities)
        return Measurement(evaluator.evaluate(labelled, scored.loss), scored)


def protocol_that_draws_as_it_likes() -> Spec[Any]:
    @protocols("broken")
    class Broken(ListedPairs):
        """Plans other pairs each time."""

        def plan(
            self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int
        ) -> Comparisons:
            pairs = listed_pairs()
            kept = np.random.default_rng().permutation(len(pairs))[:20]
            return Comparisons(PairSet(pairs.rows[kept], pairs.same[kept]))

    return protocols.spec("broken")


def protocol_that_ignores_the_list() -> Spec[Any]:
    @protocols("broken")
    class Broken(ListedPairs):
        """Compares pairs of its own, and does not say so."""

        def plan(
            self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int
        ) -> Comparisons:
            rows = np.array([[0, 1], [0, len(table) - 1]])
            first, second = table.identities[rows].T
            return Comparisons(PairSet(rows, first == second))

    return protocols.spec("broken")


def protocol_of_genuine_pairs_alone() -> Spec[Any]:
    @protocols("broken")
    class Broken(ListedPairs):
        """Leaves out the impostors."""

        def plan(
            self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int
        ) -> Comparisons:
            pairs = listed_pairs()
            return Comparisons(PairSet(pairs.rows[pairs.same], pairs.same[pairs.same]))

    return protocols.spec("broken")


def protocol_of_two_folds() -> Spec[Any]:
    @protocols("broken")
    class Broken(ListedPairs):
        """Leaves no people to train on beside those of val and test."""

        folds = 2

    return protocols.spec("broken")


def protocol_that_reports_from_memory() -> Spec[Any]:
    @protocols("broken")
    class Broken(ListedPairs):
        """Keeps to itself what its report shows."""

        def measure(
            self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
        ) -> Measurement:
            self.count = len(comparisons.pair_list)
            return super().measure(comparisons, table, system, evaluator)

        def report(self, result: EvaluationResult) -> ProtocolReport:
            return ProtocolReport((Card("Pairs", str(self.count), ""),))

    return protocols.spec("broken")


def tracker_that_writes_beside_the_run() -> Spec[Any]:
    @trackers("broken")
    class Broken(Tracker):
        """Keeps one file for all runs."""

        def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
            self.path = run_dir.parent / "all.txt"

        def log(self, values: dict[str, float], step: int) -> None:
            self.path.write_text(str(values))

        def finish(self, status: str) -> None:
            pass

    return trackers.spec("broken")


def tracker_that_fails_without_numbers() -> Spec[Any]:
    @trackers("broken")
    class Broken(Tracker):
        """Opens its file with the first numbers and closes it in any case."""

        def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
            self.path = run_dir / "numbers.txt"

        def log(self, values: dict[str, float], step: int) -> None:
            self.file = self.path.open("a")

        def finish(self, status: str) -> None:
            self.file.close()

    return trackers.spec("broken")


def dataset_with_labels_left_over(folder: Path) -> Spec[Any]:
    @datasets("broken")
    def broken() -> FaceTable:
        """Leaves out images, but not their identities."""
        return FaceTable(
            folder, np.array(["a.png", "b.png"]), np.array([0, 2]), np.array(["p", "q", "r"])
        )

    return datasets.spec("broken")


BROKEN = [
    (loss_that_divides_by_the_number_of_pairs, "value_and_gradients_are_finite"),
    (loss_with_the_root_of_a_sum, "gradients_are_finite_where_embeddings_are_equal"),
    (loss_that_scores_a_distance, "training_tells_genuine_from_impostor"),
    (loss_with_a_one_sided_score, "score_is_symmetric"),
    (loss_that_declares_another_comparison, "comparison_is_what_score_orders_by"),
    (loss_with_a_unit_of_two_lines, "score_unit_is_a_short_text"),
    (loss_with_a_plain_tensor, "every_tensor_is_registered"),
    (loss_with_a_weight_per_identity, "other_identities_have_a_loss"),
    (loss_whose_margin_is_a_distance, "impostors_beyond_the_margin_cost_nothing"),
    (loss_with_too_high_a_chance_loss, "equal_faces_cost_at_least_the_chance_loss"),
    (loss_that_says_nothing, "explains_itself"),
    (sampler_with_one_generator, "epoch_is_a_function_of_seed_and_epoch"),
    (sampler_that_adds_seed_and_epoch, "epochs_and_seeds_differ"),
    (sampler_that_pairs_an_image_with_itself, "no_image_is_paired_with_itself"),
    (sampler_that_forgets_the_last_batch, "length_is_the_number_of_batches"),
    (sampler_with_exchanged_labels, "labels_are_true"),
    (sampler_that_keeps_what_it_mined_to_itself, "mined_batches_survive_a_checkpoint"),
    (sampler_that_mines_an_image_with_itself, "mined_batches_are_valid"),
    (sampler_of_nothing_where_each_identity_has_one_image, "impossible_table_is_refused"),
    (sampler_of_all_pairs, "million_images_are_sampled_in_seconds"),
    (backbone_whose_statistics_move, "trunk_does_not_move"),
    (backbone_that_is_random_in_use, "features_do_not_depend_on_the_batch"),
    (backbone_of_another_width, "features_have_the_stated_width"),
    (backbone_that_forgets_to_pool, "features_have_the_stated_width"),
    (backbone_that_asks_for_values, "it_can_be_exported"),
    (head_with_an_idle_parameter, "every_parameter_has_a_gradient"),
    (head_that_drops_a_single_image_s_row, "embeddings_are_one_row_per_image"),
    (optimizer_that_makes_one_group_of_all, "groups_keep_their_names"),
    (optimizer_that_keeps_a_counter_to_itself, "resuming_is_bit_identical"),
    (scheduler_that_begins_with_nothing, "rates_do_not_exceed_the_optimizers"),
    (transform_that_changes_in_place, "input_stays_as_it_was"),
    (transform_that_draws_from_numpy, "other_generators_do_not_matter"),
    (metric_of_the_wrong_direction, "better_scores_have_a_better_value"),
    (metric_without_a_reason, "value_exists_or_has_a_reason"),
    (metric_in_percent, "value_lies_within_the_range"),
    (metric_of_unweighted_scores, "weights_stand_for_repeated_pairs"),
    (metric_that_draws, "same_pairs_have_the_same_value"),
    (metric_of_unweighted_blocks, "values_of_a_block_are_those_of_its_curves"),
    (metric_of_blocks_that_always_exists, "values_of_a_block_are_those_of_its_curves"),
    (metric_without_a_label, "it_has_a_label"),
    (protocol_that_draws_as_it_likes, "plan_repeats"),
    (protocol_that_ignores_the_list, "listed_pairs_are_compared"),
    (protocol_of_genuine_pairs_alone, "measure_gives_a_result_of_its_comparisons"),
    (protocol_of_two_folds, "folds_are_several"),
    (protocol_that_reports_from_memory, "report_is_made_from_the_file"),
    (tracker_that_writes_beside_the_run, "nothing_is_written_elsewhere"),
    (tracker_that_fails_without_numbers, "run_that_logs_nothing_can_end"),
]


@pytest.mark.parametrize(("make", "promise"), BROKEN, ids=lambda it: getattr(it, "__name__", it))
def test_a_broken_plugin_is_found_and_its_broken_promise_named(
    make: Callable[[], Spec[Any]], promise: str
) -> None:
    spec = make()
    contract = CONTRACTS[spec.plugin.kind]
    (checked,) = [one for one in contract.promises if one.name == promise]
    broken = checked.broken_by(spec)
    assert broken is not None
    assert broken.promise == promise
    assert broken.observed
    assert broken.hint


def test_a_dataset_whose_identities_have_gaps_is_found(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    with pytest.raises(ContractBrokenError) as caught:
        check_plugin(dataset_with_labels_left_over(tmp_path))
    (broken,) = caught.value.broken
    assert broken.promise == "identities_are_indices_of_labels"
    assert broken.observed == "3 labels, but identities from 0 to 2, 2 of them"


def test_the_message_names_plugin_place_promise_and_remedy() -> None:
    spec = loss_that_divides_by_the_number_of_pairs()
    with pytest.raises(ContractBrokenError) as caught:
        check_plugin(spec)
    assert str(caught.value).splitlines() == [
        f"the loss 'broken' ({spec.plugin.origin}) breaks a promise of its kind",
        "  Its value is a finite scalar with finite gradients, whatever pairs the batch holds.",
        "      observed: with two images and no pair the loss is nan",
        f"      hint: {LOSS.promises[2].hint}",
    ]


def test_an_exception_of_the_plugin_breaks_the_promise_and_is_kept() -> None:
    @losses("broken")
    class Broken(Contrastive):
        """Raises."""

        def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
            raise KeyError("gamma")

    spec = losses.spec("broken")
    promises = CONTRACTS["loss"].promises
    promise = next(each for each in promises if "KeyError" in repr(each.broken_by(spec)))
    with pytest.raises(ContractBrokenError, match="observed: KeyError: 'gamma'") as caught:
        promise.require(spec)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_plugin_without_a_fault_passes_and_torch_s_generator_stays() -> None:
    losses("faultless")(Contrastive)
    before = torch.get_rng_state()
    check_plugin(losses.spec("faultless"))
    assert torch.equal(torch.get_rng_state(), before)


def test_every_kind_has_a_contract() -> None:
    assert set(CONTRACTS) == {registry.kind for registry in REGISTRIES}


def test_every_promise_is_stated_and_has_a_hint() -> None:
    for contract in CONTRACTS.values():
        names = [promise.name for promise in contract.promises]
        assert len(set(names)) == len(names)
        assert all(promise.statement and promise.hint for promise in contract.promises)


def test_the_kit_needs_no_pytest() -> None:
    program = "import facesim.testing, sys; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
