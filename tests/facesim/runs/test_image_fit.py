"""Images of other shapes are not distorted; those of runs of before are, as they were."""

import re
from pathlib import Path

import pytest

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment, load_run_experiment
from facesim.experiment.schema import Experiment
from facesim.runs.evaluation_plan import OWN
from facesim.runs.run import Run


def experiment(file: Path, *overrides: str) -> Experiment:
    """Square images for a network that takes another shape."""
    return load_experiment(file, ["train.epochs=1", "image.size=[24, 16]", *overrides])


def as_before(run: Run) -> Run:
    """The run with the file that facesim wrote before the key existed."""
    file = run.path / "experiment.yaml"
    without, found = re.subn(r"^  fit: \w+\n", "", file.read_text(), flags=re.M)
    assert found == 1
    write_text(file, without)
    return Run.open(run.path)


def scores(run: Run) -> bytes:
    return (run.directory.evaluation(OWN) / "scores.csv").read_bytes()


def test_a_run_of_before_comes_to_the_result_of_stretched_images(
    tiny_file: Path, tmp_path: Path
) -> None:
    """It was stopped before training; the file does not know the key either."""
    stretched = Run.begin(experiment(tiny_file, "image.fit=stretch"), tmp_path / "stretched")
    stretched.complete()
    of_file = experiment(tiny_file)
    run = as_before(Run.begin(of_file, tmp_path / "before"))
    found = Run.latest_unfinished(of_file, tmp_path / "before")
    assert found is not None
    assert found.path == run.path
    found.complete()
    assert scores(found) == scores(stretched)
    calibration = (found.path / "calibration.json").read_text()
    assert r"{\"size\":[24,16],\"crop\":null}" in calibration  # that of before still matches
    letterboxed = Run.begin(of_file, tmp_path / "letterboxed")
    letterboxed.complete()
    assert scores(letterboxed) != scores(stretched)
    assert letterboxed.changes(experiment(tiny_file, "image.fit=letterbox")) == {}


def test_its_resolved_file_means_the_same_wherever_it_is_run_from(
    tiny_file: Path, tmp_path: Path
) -> None:
    run = as_before(Run.begin(experiment(tiny_file), tmp_path))
    file = run.path / "experiment.yaml"
    assert load_experiment(file).image.fit == "stretch"
    assert load_experiment(file, ["image.fit=crop"]).image.fit == "crop"
    assert Run.open(run.path).experiment.image.fit == "stretch"
    assert Run.open(run.path).recorded.image.fit == "stretch"


def test_a_run_of_before_is_not_resumed_with_another_fit(tiny_file: Path, tmp_path: Path) -> None:
    run = as_before(Run.begin(experiment(tiny_file), tmp_path))
    with pytest.raises(FacesimError, match=r"image\.fit: stretch -> letterbox"):
        run.take_experiment(experiment(tiny_file, "image.fit=letterbox"))
    run.take_experiment(experiment(tiny_file, "image.fit=stretch"))


def test_a_new_file_says_its_fit(tiny_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(experiment(tiny_file).as_yaml())
    assert load_run_experiment(file).image.model_fields_set >= {"fit"}
    assert load_run_experiment(file).image.fit == "letterbox"


def test_images_of_the_right_shape_have_the_same_result_under_every_fit(
    tiny_file: Path, tmp_path: Path
) -> None:
    found = []
    for fit in ("letterbox", "crop", "stretch"):
        run = Run.begin(experiment(tiny_file, "image.size=[12, 12]", f"image.fit={fit}"), tmp_path)
        run.complete()
        baselines = (run.directory.evaluation(OWN) / "baselines.json").read_text()
        found.append((scores(run), baselines))
    assert found[0] == found[1] == found[2]
