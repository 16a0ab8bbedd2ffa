"""What a run promises besides its result."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from facesim.data.linter.findings import LintReport
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import Loss, PairBatch, losses
from facesim.runs.directory import RunFile
from facesim.runs.run import Run
from facesim.training.checkpoint import read_checkpoint
from facesim.training.step import NonFiniteLossError


@pytest.fixture(scope="module")
def finished(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("finished")
    run = Run.begin(load_experiment(tiny_file), out)
    run.complete()
    return run


def lines(run: Run, kind: str) -> list[dict[str, Any]]:
    parsed = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [line for line in parsed if line["kind"] == kind]


def test_last_best_and_the_newest_periodic_checkpoints_are_kept(finished: Run) -> None:
    names = sorted(path.stem for path in finished.checkpoints.path.iterdir())
    assert names == ["best", "last", "step-00000008", "step-00000012", "step-00000016"]
    steps = {
        name: read_checkpoint(finished.checkpoints.file(name))["progress"]["step"] for name in names
    }
    assert steps["last"] == 18
    assert steps["step-00000008"] == 8


def test_a_run_that_begins_is_linted_already(tiny: Experiment, tmp_path: Path) -> None:
    run = Run.begin(tiny, tmp_path)
    assert LintReport.model_validate_json((run.path / "lint.json").read_text()).findings
    assert "lint" not in run.missing_stages
    assert run.missing_stages[0] == "train"


def test_best_is_the_epoch_with_the_best_metric_on_val(finished: Run) -> None:
    values = [line["accuracy"] for line in lines(finished, "val")]
    best = read_checkpoint(finished.checkpoints.file("best"))["progress"]
    assert best["epoch"] - 1 == values.index(max(values))
    assert best["best"] == max(values)


def test_the_log_has_every_loss_once_and_ends_with_the_figures(finished: Run) -> None:
    assert [line["step"] for line in lines(finished, "train")] == list(range(2, 19, 2))
    assert [line["epoch"] for line in lines(finished, "val")] == [1, 2, 3]
    (test,) = lines(finished, "test")
    figures = json.loads((finished.directory.evaluation("test") / "metrics.json").read_text())
    assert test["accuracy"] == figures["metrics"]["accuracy"]["value"]
    assert finished.log is not None
    assert finished.log.status == "finished"


def test_the_environment_names_versions_and_where_each_plugin_came_from(
    finished: Run,
) -> None:
    (start,) = json.loads((finished.path / "environment.json").read_text())
    assert start["packages"]["torch"] == version("torch")
    origin = start["plugins"]["loss contrastive"]
    assert "contrastive.py" in origin
    assert origin.endswith(f"(facesim {version('facesim')})")
    assert "timm" not in start["packages"]
    assert "cpu" in start["device"]


def test_resuming_a_finished_run_gives_the_same_result(finished: Run, tiny: Experiment) -> None:
    before = (finished.directory.evaluation("test") / "metrics.json").read_text()
    weights = read_checkpoint(finished.checkpoints.file("last"))["network"]
    Run.open(finished.path).complete()
    assert (finished.directory.evaluation("test") / "metrics.json").read_text() == before
    after = read_checkpoint(finished.checkpoints.file("last"))["network"]
    assert all(torch.equal(after[name], weights[name]) for name in weights)


def test_the_threshold_is_not_fitted_on_the_pairs_it_is_reported_on(finished: Run) -> None:
    calibration = json.loads((finished.path / "calibration.json").read_text())
    figures = json.loads((finished.directory.evaluation("test") / "metrics.json").read_text())
    (chosen,) = (p for p in calibration["operating_points"] if p["name"] == "best_accuracy")
    assert calibration["split"] == "val"
    assert figures["threshold"] == chosen["threshold"]


@pytest.fixture
def diverging() -> Iterator[None]:
    """Registers a loss that is no number from the eighth step on."""
    with losses.isolated():

        @losses("diverging")
        class Diverging(Loss):
            def __init__(self, embedding_dim: int, num_identities: int) -> None:
                super().__init__()
                self.calls = 0

            def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
                self.calls += self.training
                return embeddings.sum() * (1.0 if self.calls < 8 else float("nan"))

            def score(self, a: Tensor, b: Tensor) -> Tensor:
                distance: Tensor = torch.linalg.vector_norm(a - b, dim=1)
                return -distance

        yield


@pytest.mark.usefixtures("diverging")
def test_a_loss_that_is_no_number_stops_before_the_step_and_keeps_the_last_good_checkpoint(
    tiny_file: Path, tmp_path: Path
) -> None:
    experiment = load_experiment(tiny_file, ["loss=diverging"])
    with pytest.raises(NonFiniteLossError, match="epoch 2, batch 2") as caught:
        Run.begin(experiment, tmp_path).complete()
    assert "step 8" in str(caught.value)
    (run,) = (tmp_path / "tiny").glob("[!.]*")
    kept = read_checkpoint(Run.open(run).checkpoints.file("last"))
    assert kept["progress"]["step"] == 6
    assert all(tensor.isfinite().all() for tensor in kept["network"].values())


def test_bad_data_is_refused_before_anything_is_written(tiny_file: Path, tmp_path: Path) -> None:
    missing = "data.val={name: csv, images: nowhere, table: nowhere.csv}"
    experiment = load_experiment(tiny_file, [missing])
    with pytest.raises(FacesimError, match=r"data\.val: .*nowhere\.csv"):
        Run.begin(experiment, tmp_path).complete()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tiny: Experiment, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("in the way")
    with pytest.raises(FacesimError, match="tiny"):
        Run.begin(tiny, tmp_path).complete()


def test_a_run_keeps_what_its_scores_are(finished: Run) -> None:
    assert finished.read().score_unit == finished.components.state.network.loss.score_unit != ""


def test_a_run_is_told_of_before_anything_else_is_written_into_it(
    tiny: Experiment, tmp_path: Path
) -> None:
    told: list[tuple[Path, bool]] = []

    def tell(path: Path) -> None:
        told.append((path, (path / RunFile.LINT).exists()))

    run = Run.begin(tiny, tmp_path / "runs", on_created=tell)
    assert told == [(run.path, False)]
    assert (run.path / RunFile.LINT).exists()
