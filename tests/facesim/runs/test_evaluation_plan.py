"""What an evaluation may change, and what its name stands for."""

from pathlib import Path
from typing import Any

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.runs.directory import RunDirectory
from facesim.runs.evaluation_plan import EvaluationPlan, plan_evaluation
from facesim.runs.run import Run


@pytest.fixture
def run(tiny: Experiment, tmp_path: Path) -> Run:
    return Run(RunDirectory.create(tmp_path, tiny))


def plan(run: Run, *overrides: str, **settings: Any) -> EvaluationPlan:
    settings = {"checkpoint": "best", **settings}
    return plan_evaluation(run.directory, run.experiment, overrides=overrides, **settings)


def keep(found: EvaluationPlan) -> None:
    """What carrying the plan out leaves."""
    found.folder.mkdir(parents=True, exist_ok=True)
    found.experiment.save(found.folder / "experiment.yaml")
    (found.folder / "metrics.json").touch()


def test_with_nothing_changed_it_is_the_run_s_own_evaluation(run: Run) -> None:
    assert plan(run).changes == {}
    assert plan(run).name == "test"
    assert plan(run).experiment is run.experiment
    assert plan(run).folder == run.path / "eval/test"
    assert plan(run).calibration_file == run.path / "calibration.json"
    assert plan(run).recalibrates


def test_plugins_besides_the_run_s_are_modules_or_files_of_the_working_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "nothing.py").touch()
    monkeypatch.chdir(folder)
    found = run.plan_evaluation(plugins=["./nothing.py", "json"], overrides=["device=cpu"])
    assert found.experiment.plugins == (str(folder / "nothing.py"), "json")
    assert found.experiment.device == "cpu"


OTHER = "data.test.first_identity=20"


@pytest.mark.parametrize(
    ("changes", "val", "test"),
    [
        (["device=cpu"], ("v.png",), ("t.png",)),
        ([OTHER], ("v.png",), ()),
        ([OTHER, "data.val.first_identity=30"], (), ()),
        ([OTHER, "data.exclude.test=[u.png]"], ("v.png",), ("u.png",)),
    ],
)
def test_images_that_the_run_excludes_are_none_of_other_data(
    tiny_file: Path, tmp_path: Path, changes: list[str], val: object, test: object
) -> None:
    exclude = "data.exclude={val: [v.png], test: [t.png], anywhere: [a.png]}"
    run = Run(RunDirectory.create(tmp_path, load_experiment(tiny_file, [exclude])))
    found = plan(run, *changes, name="more", recalibrate=True).experiment.data.exclude
    assert found is not None
    assert (found.val, found.test, found.anywhere) == (val, test, ("a.png",))


@pytest.mark.parametrize(
    "change", ["data.workers=1", "device=cpu", "evaluate.batch_size=3", "evaluate.smallest_far=0.5"]
)
def test_what_changes_no_figure_needs_no_name(run: Run, change: str) -> None:
    assert plan(run, change).name == "test"


@pytest.mark.parametrize(
    "change",
    [
        "data.test.identities=5",
        "data.val.identities=5",
        "image.crop=[0, 0, 20, 20]",
        "image.size=[30, 30]",
        "evaluate.pairs_per_image=0.5",
        "evaluate.resamples=2000",
        "evaluate.protocol=exhaustive",
    ],
)
def test_what_changes_a_figure_needs_a_name(run: Run, change: str) -> None:
    with pytest.raises(FacesimError, match=r"give this one a name: --name NAME"):
        plan(run, change)
    with pytest.raises(FacesimError, match=r"give this one another name: --name NAME"):
        plan(run, change, name="test")
    assert plan(run, change, name="other", recalibrate=True).name == "other"


@pytest.mark.parametrize(
    "change",
    ["train.epochs=9", "seed=3", "data.train.identities=9", "loss.margin=1.0", "name=other"],
)
def test_what_was_trained_cannot_be_changed(run: Run, change: str) -> None:
    key, _, _ = change.partition("=")
    with pytest.raises(FacesimError, match=f"an evaluation cannot change {key} .*: the run is"):
        plan(run, change, name="other")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "val", "a b", "x" * 101])
def test_a_name_is_that_of_a_file(run: Run, name: str) -> None:
    with pytest.raises(FacesimError, match="an evaluation cannot be named"):
        plan(run, "data.test.identities=5", name=name)


def test_a_name_that_stands_for_something_else_is_refused(run: Run) -> None:
    keep(plan(run, "data.test.identities=5", name="five"))
    assert plan(run, "data.test.identities=5", "data.workers=1", name="five").name == "five"
    with pytest.raises(FacesimError) as error:
        plan(run, "data.test.identities=6", name="five")
    assert "holds an evaluation with other settings; choose another --name" in str(error.value)
    assert "data.test.identities: 5 -> 6" in str(error.value)


def test_val_is_not_changed_in_vain(run: Run) -> None:
    with pytest.raises(FacesimError, match=r"data\.val\.identities changes, but val is not eval"):
        plan(run, "data.val.identities=5", name="five")


def test_pairs_of_val_are_the_run_s_own_unless_others_are_chosen(run: Run) -> None:
    own = run.directory.pairs_file("val")
    recalibrated = plan(run, "image.crop=[0, 0, 20, 20]", name="cropped", recalibrate=True)
    assert recalibrated.val_pairs_file == own
    assert recalibrated.calibration_file == run.path / "eval/cropped/calibration.json"
    for change in ("data.val.identities=5", "evaluate.pairs_per_image=0.5"):
        found = plan(run, change, name="other", recalibrate=True)
        assert found.val_pairs_file == run.path / "eval/other/val_pairs.csv"
    kept = plan(run, "evaluate.pairs_per_image=0.5", name="other")
    assert not kept.recalibrates
    assert (kept.val_pairs_file, kept.val_name) == (own, "val")
