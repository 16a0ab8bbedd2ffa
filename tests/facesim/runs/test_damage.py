"""Whatever file of a run is damaged, it is named before a number comes out of it."""

import json
import shutil
from pathlib import Path

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run

FROZEN = ("backbone={name: small_cnn, width: 4, frozen_stages: 1}", "transforms=[]")
SHORT = ("train.epochs=2", "sampler.pairs_per_image=0.4")

RESUMED = ("checkpoints/last.pt", "trunk.pt", "pairs/val.csv", "experiment.yaml")
EVALUATED = ("checkpoints/best.pt", "pairs/test.csv", "calibration.json")
REPORTED = (
    "metrics.jsonl",
    "lint.json",
    "environment.json",
    "eval/test/metrics.json",
    "eval/test/scores.csv",
    "eval/test/identities.json",
    "eval/test/baselines.json",
)


@pytest.fixture(scope="module")
def finished(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    run = Run.begin(load_experiment(tiny_file, (*FROZEN, *SHORT)), out)
    run.complete()
    return run.path


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def use(run: Run) -> None:
    """All that reads a run."""
    run.read()
    run.evaluate()
    run.complete()


@pytest.mark.parametrize("file", [*RESUMED, *EVALUATED, *REPORTED])
def test_one_flipped_bit_is_refused_by_name(finished: Path, tmp_path: Path, file: str) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    flip_a_bit(path / file)
    with pytest.raises(FacesimError, match=f"{Path(file).name}: is not what facesim wrote"):
        use(Run.open(path))


def test_a_run_that_was_moved_is_read(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "elsewhere" / "run")
    use(Run.open(tmp_path / "elsewhere" / "run"))


def test_another_checkpoint_replaces_a_damaged_one(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    flip_a_bit(path / "checkpoints" / "last.pt")
    (periodic, *_) = sorted((path / "checkpoints").glob("step-*.pt"))
    shutil.copyfile(periodic, path / "checkpoints" / "last.pt")
    use(Run.open(path))


def test_another_checkpoint_is_not_taken_for_the_best(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    (other, *_) = sorted((path / "checkpoints").glob("step-*.pt"))
    best = path / "checkpoints" / "best.pt"
    best.unlink()
    shutil.copyfile(other, best)
    with pytest.raises(FacesimError, match=r"best\.pt: is not what facesim wrote"):
        Run.open(path).evaluate()


def test_an_experiment_that_was_edited_on_purpose_needs_a_word(
    finished: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    file = path / "experiment.yaml"
    file.write_text(file.read_text().replace("batch_size: 8", "batch_size: 4"))
    with pytest.raises(FacesimError, match=r"or was edited; restore it as it was\."):
        use(Run.open(path))
    manifest = path / "facesim-manifest.json"
    entries = json.loads(manifest.read_text())
    del entries["experiment.yaml"]
    manifest.write_text(json.dumps(entries))
    Run.open(path).read()
