"""What an evaluation measures must not be what the run has seen, by whatever specification."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from facesim.data.linter.findings import Finding, LintReport, ProtocolError
from facesim.experiment.loading import load_experiment
from facesim.experiment.sections import Rule
from facesim.interfaces import FaceTable
from facesim.runs.run import Run


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, write_tiny: Callable[[Path, int], Path]
) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    experiment = load_experiment(
        write_tiny(folder, 0), ["train.epochs=1", "evaluate.baselines=false"]
    )
    run = Run.begin(experiment, folder / "runs")
    run.complete()
    return run.path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "run")
    return Run.open(tmp_path / "run")


def table(run: Run, split: str) -> FaceTable:
    return run.experiment.data.dataset_of(split).build()


def copied(run: Run, split: str, folder: Path, people: int | None = None, prefix: str = "p") -> str:
    """Copy the images of some people of a split, under other names of files and people."""
    images = table(run, split)
    for row in range(len(images)):
        person = int(images.identities[row])
        if people is None or person < people:
            target = folder / f"{prefix}{images.labels[person]}" / f"copy{row}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(images.path(row), target)
    return f"{{name: folder, root: {folder}}}"


def findings(run: Run, name: str) -> dict[Rule, Finding]:
    file = run.directory.evaluation(name) / "lint.json"
    found = LintReport.model_validate_json(file.read_text()).findings
    return {finding.rule: finding for finding in found}


def test_the_training_table_as_test_stops(run: Run) -> None:
    root = run.experiment.data.dataset_of("train").arguments["root"]
    size = "identities: 8, images_per_identity: 6, first_identity: 0, size: 24"
    same = f"data.test={{name: synthetic_faces, {size}, root: {root}}}"
    with pytest.raises(ProtocolError) as error:
        run.evaluate(overrides=[same], name="seen")
    assert "identity_in_two_splits: train and seen share 8 identities" in str(error.value)
    assert "image_in_two_splits: train and seen share 48 images, byte for byte" in str(error.value)
    assert not (run.directory.evaluation("seen") / "metrics.json").exists()


def test_copies_of_training_images_stop_under_other_names(run: Run, tmp_path: Path) -> None:
    test = copied(run, "train", tmp_path / "copy", people=2)
    with pytest.raises(ProtocolError) as error:
        run.evaluate(overrides=[f"data.test={test}"], name="copies")
    assert "image_in_two_splits: train and copies share 12 images" in str(error.value)
    assert "identity_in_two_splits" not in str(error.value)


def test_copies_of_val_stop_as_its_thresholds_are_applied(run: Run, tmp_path: Path) -> None:
    test = copied(run, "val", tmp_path / "copy")
    with pytest.raises(ProtocolError) as error:
        run.evaluate(overrides=[f"data.test={test}"], name="copies")
    assert "image_in_two_splits: val and copies share 16 images" in str(error.value)
    assert "threshold_from_same_images: val and copies are the same" in str(error.value)


def test_new_thresholds_from_a_copy_of_test_stop(run: Run, tmp_path: Path) -> None:
    val = copied(run, "test", tmp_path / "copy")
    with pytest.raises(ProtocolError) as error:
        run.evaluate(overrides=[f"data.val={val}"], name="tuned", recalibrate=True)
    text = str(error.value)
    assert "image_in_two_splits: val of tuned and tuned share 16 images" in text
    assert "threshold_from_same_images: val of tuned and tuned are the same images" in text


def test_new_thresholds_from_training_images_stop(run: Run, tmp_path: Path) -> None:
    val = copied(run, "train", tmp_path / "copy")
    with pytest.raises(ProtocolError, match="train and val of tuned share 48 images"):
        run.evaluate(overrides=[f"data.val={val}"], name="tuned", recalibrate=True)


def test_part_of_the_run_s_test_is_no_second_result(run: Run, tmp_path: Path) -> None:
    test = copied(run, "test", tmp_path / "part", people=3)
    run.evaluate(overrides=[f"data.test={test}"], name="part")
    found = findings(run, "part")["tested_before"]
    assert found.severity == "warning"
    assert found.message.startswith("12 of the 12 images of part are in test of the run")
    Image.new("RGB", (24, 24), "green").save(tmp_path / "part" / "p12" / "another.png")
    Run.open(run.path).evaluate(overrides=[f"data.test={test}"], name="more")
    found = findings(run, "more")["tested_before"]
    assert found.message.startswith("12 of the 13 images of more are in test of the run")


def test_thresholds_from_images_of_the_run_s_test_are_said_to_be(run: Run, tmp_path: Path) -> None:
    val = copied(run, "test", tmp_path / "val", people=2)
    test = "data.test={name: synthetic_faces, identities: 4, images_per_identity: 4, "
    test += f"first_identity: 90, size: 24, root: {tmp_path / 'test'}}}"
    run.evaluate(overrides=[f"data.val={val}", test], name="tuned", recalibrate=True)
    found = findings(run, "tuned")["tested_before"]
    assert found.message.startswith("8 of the 8 images of val of tuned are in test of the run")


def test_the_run_s_test_by_other_rules_is_the_same_data(run: Run) -> None:
    run.evaluate(overrides=["evaluate.pairs_per_image=1.5"], name="more")
    assert not {"tested_before", "image_in_two_splits"} & set(findings(run, "more"))


def test_a_number_in_another_data_set_may_be_anybody(run: Run, tmp_path: Path) -> None:
    copied(run, "test", tmp_path / "elsewhere", prefix="")
    for person in range(12, 16):
        (tmp_path / "elsewhere" / str(person)).rename(tmp_path / "elsewhere" / str(person - 12))
    test = f"data.test={{name: folder, root: {tmp_path}/elsewhere}}"
    run.evaluate(overrides=[test], name="numbers")
    found = findings(run, "numbers")
    assert found["same_numbers"].severity == "warning"
    assert found["same_numbers"].rows[0] == "identity 0"
    assert "identity_in_two_splits" not in found


def test_a_number_in_a_folder_side_by_side_is_one_person(run: Run) -> None:
    place = table(run, "train").root.parent / "beside"
    test = copied(run, "test", place, people=2, prefix="")
    (place / "12").rename(place / "0")
    (place / "13").rename(place / "1")
    with pytest.raises(ProtocolError) as error:
        run.evaluate(overrides=[f"data.test={test}"], name="numbers")
    shutil.rmtree(place)
    assert "identity_in_two_splits: train and numbers share 2 identities" in str(error.value)


def test_training_images_that_are_gone_are_said_to_be_unchecked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"{{name: folder, root: {tmp_path}/nowhere}}"
    experiment = load_experiment(run.path / "experiment.yaml", [f"data.train={nowhere}"])
    experiment.save(run.path / "experiment.yaml")
    test = copied(run, "test", tmp_path / "copy", people=3)
    run.evaluate(overrides=[f"data.test={test}"], name="elsewhere")
    found = findings(run, "elsewhere")["unread_split"]
    assert found.severity == "warning"
    assert "train of the run cannot be read" in found.message
    assert f"{tmp_path}/nowhere" in found.message


def test_copies_within_what_is_measured_are_told(run: Run, tmp_path: Path) -> None:
    test = copied(run, "test", tmp_path / "copy")
    first = next((tmp_path / "copy").rglob("copy0.png"))
    shutil.copyfile(first, first.with_name("again.png"))
    run.evaluate(overrides=[f"data.test={test}"], name="twice")
    assert "again.png" in "".join(findings(run, "twice")["image_twice"].rows)
