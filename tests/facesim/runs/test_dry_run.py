"""A dry run finds what would end a run, and writes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.interfaces import Loss, PairBatch, Tracker, losses, trackers
from facesim.processes import Processes
from facesim.runs.dry_run import CheckReport, check_experiment

Cost = Callable[[Tensor], Tensor]


def dry_run(file: Path, out: Path, *changes: str) -> CheckReport:
    return check_experiment(load_experiment(file, changes), out, Processes())


def with_loss(cost: Cost) -> type[Loss]:
    class Tried(Loss):
        def __init__(self, embedding_dim: int, num_identities: int) -> None:
            super().__init__()

        def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
            value: Tensor = cost(embeddings)
            return value

        def score(self, a: Tensor, b: Tensor) -> Tensor:
            return -(a - b).square().sum(dim=1)

    return Tried


def test_a_sound_experiment_is_described_and_nothing_is_written(
    tiny_file: Path, tmp_path: Path
) -> None:
    report = dry_run(tiny_file, tmp_path)
    lines = dict(report.lines)
    assert float(lines.pop("first loss")) > 0
    assert lines.pop("device").startswith("cpu")
    assert lines == {
        "train": "48 images of 8 identities",
        "val": "16 images of 4 identities",
        "test": "16 images of 4 identities",
        "input": "24 x 24 pixels (height x width), fit letterbox: whole images, black bars",
        "parameters": "6,648 trainable, 0 frozen",
        "embedding": "4 numbers",
        "epoch": "48 pairs in 6 batches",
        "run": "3 epochs, 18 steps",
        "would write": f"{tmp_path}/tiny/<date and time>/",
        "checkpoint": "about 0.1 MB",
    }
    assert not [note for note in report.notes if "leaves every trainable weight" in note]
    assert report.notes[0] == "train: 24 x 24 pixels (height x width); at the input as large"
    assert [note.split(": ")[1] for note in report.notes[3:]] == [
        *("too_few_genuine", "too_few_impostors"),
        *("too_few_genuine", "too_few_impostors"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_holds_the_weights_and_two_numbers_for_each_that_is_trained(
    tiny_file: Path, tmp_path: Path
) -> None:
    lines = dict(
        dry_run(tiny_file, tmp_path, "head={name: mlp, fc_dim: 1000, out_dim: 1000}").lines
    )
    trainable = int(lines["parameters"].split()[0].replace(",", ""))
    assert lines["checkpoint"] == f"about {3 * 4 * trainable / 1e6:,.1f} MB"


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (lambda embeddings: embeddings.mean().detach(), "a number without gradient"),
        (lambda embeddings: embeddings.square(), r"a tensor of shape \[\d+, 4\]"),
        (lambda embeddings: embeddings.mean() * torch.nan, "nan on the first batch, before"),
    ],
)
def test_a_loss_that_cannot_be_trained_with_is_refused(
    tiny_file: Path, tmp_path: Path, cost: Cost, said: str
) -> None:
    with losses.isolated():
        losses("tried")(with_loss(cost))
        with pytest.raises(FacesimError, match=said):
            dry_run(tiny_file, tmp_path, "loss=tried")


def test_a_loss_that_teaches_nothing_is_a_warning(tiny_file: Path, tmp_path: Path) -> None:
    with losses.isolated():
        losses("tried")(with_loss(lambda embeddings: 0 * embeddings.sum()))
        report = dry_run(tiny_file, tmp_path, "loss=tried")
    assert "leaves every trainable weight as it is (loss 0.0000" in report.notes[-1]


def test_a_weight_that_the_first_batch_does_not_move_is_no_warning(
    tiny_file: Path, tmp_path: Path
) -> None:
    """As that of an identity that is not in the batch: the others are trained."""

    class Spare(with_loss(lambda embeddings: embeddings.square().mean())):  # type: ignore[misc]
        def __init__(self, embedding_dim: int, num_identities: int) -> None:
            super().__init__(embedding_dim, num_identities)
            self.spare = nn.Parameter(torch.zeros(1))

    with losses.isolated():
        losses("spare")(Spare)
        report = dry_run(tiny_file, tmp_path, "loss=spare")
    assert not [note for note in report.notes if "leaves every trainable weight" in note]


def test_a_tracker_that_cannot_be_built_is_told_before_the_run(
    tiny_file: Path, tmp_path: Path
) -> None:
    def missing() -> Tracker:
        raise FacesimError("tracker missing needs a package")

    with trackers.isolated():
        trackers("missing")(missing)
        with pytest.raises(FacesimError, match="needs a package"):
            dry_run(tiny_file, tmp_path, "trackers=[missing]")


def test_more_images_than_a_check_decodes_are_noted(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("facesim.runs.dry_run.DECODED_IMAGES", 79)
    (note,) = (note for note in dry_run(tiny_file, tmp_path).notes if "near-duplicates" in note)
    assert "were not searched: more than 79 images" in note
    monkeypatch.setattr("facesim.runs.dry_run.DECODED_IMAGES", 80)
    assert not [note for note in dry_run(tiny_file, tmp_path).notes if "near-duplicates" in note]
