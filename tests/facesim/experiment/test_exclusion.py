"""Exclusion files, and what an experiment makes of one."""

from pathlib import Path

import pytest

from facesim.experiment.exclusion import ExcludedImage, place_of, read_exclusion, write_exclusion
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError
from tests.facesim.experiment.conftest import WHOLE

LEAKS = "split,file,reason\ntrain,a.jpg,twice\n\nval,deep/b.jpg,\n,c.jpg,anywhere\n"


@pytest.fixture
def leaks(tmp_path: Path) -> Path:
    path = tmp_path / "leaks.csv"
    path.write_text(LEAKS)
    return path


def test_images_are_read_by_split(leaks: Path) -> None:
    assert read_exclusion(leaks) == {
        "train": ("a.jpg",),
        "val": ("deep/b.jpg",),
        "test": (),
        "anywhere": ("c.jpg",),
    }


def test_spaces_around_a_cell_are_none_of_it(leaks: Path) -> None:
    leaks.write_text("split, file, reason\n train , a b.jpg , twice\n , c.jpg,\n")
    found = read_exclusion(leaks)
    assert (found["train"], found["anywhere"]) == (("a b.jpg",), ("c.jpg",))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    images = [ExcludedImage("train", 'a, "b".jpg', "same image as c.jpg of test")]
    write_exclusion(path, images)
    assert path.read_text().splitlines()[0] == "split,file,reason"
    assert read_exclusion(path)["train"] == ('a, "b".jpg',)


def test_the_line_of_an_image_is_found_again(leaks: Path) -> None:
    assert place_of(leaks, "val", "deep/b.jpg") == f"{leaks}:4"
    assert place_of(leaks, "test", "c.jpg") == f"{leaks}:5"
    assert place_of(None, "val", "b.jpg") == "data.exclude.val"
    leaks.unlink()
    assert place_of(leaks, "", "c.jpg") == "data.exclude.anywhere"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: there is no column 'split'"),
        ("split,img\ntrain,a.jpg\n", ":1: there is no column 'file'; write `split,file` first"),
        ("split,file\n", ": it has no row; leave `exclude` out"),
        ("split,file\ntrain,a.jpg\ndev,b.jpg\n", ":3: there is no split 'dev': train, val, test"),
        ("split,file\ntrain,\n", ":2: the cell of the column 'file' is empty"),
        ("split,file\ntrain\n", ":2: the cell of the column 'file' is empty"),
        ("split,file\nval,a\ntrain,a\nval,a\n", ":4: 'a' is in line 2 already"),
    ],
)
def test_a_wrong_row_is_an_error_with_its_line(leaks: Path, text: str, problem: str) -> None:
    leaks.write_text(text)
    with pytest.raises(ValueError, match="leaks.csv" + problem.replace("(", r"\(")):
        read_exclusion(leaks)


def test_the_file_is_relative_to_the_experiment_and_its_rows_are_part_of_it(
    leaks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "e.yaml").write_text(WHOLE.replace("data:\n", "data:\n  exclude: leaks.csv\n"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    experiment = load_experiment(tmp_path / "e.yaml")
    assert experiment.data.exclude is not None
    assert experiment.data.exclude.val == ("deep/b.jpg",)
    resolved = tmp_path / "elsewhere" / "resolved.yaml"
    experiment.save(resolved)
    leaks.unlink()
    assert load_experiment(resolved).as_data() == experiment.as_data()


def test_a_file_of_the_command_line_is_relative_to_the_shell(
    leaks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "e.yaml").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    experiment = load_experiment(tmp_path / "deep" / "e.yaml", ["data.exclude=leaks.csv"])
    assert experiment.data.exclude is not None
    assert experiment.data.exclude.file == leaks


def test_images_may_be_listed_in_the_experiment(tmp_path: Path) -> None:
    listed = WHOLE.replace("data:\n", "data:\n  exclude: {train: [a.jpg, b.jpg]}\n")
    (tmp_path / "e.yaml").write_text(listed)
    exclude = load_experiment(tmp_path / "e.yaml").data.exclude
    assert exclude is not None
    assert exclude.train == ("a.jpg", "b.jpg")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("nowhere.csv", r"e\.yaml:3:12: data\.exclude: .*nowhere\.csv: there is no such file"),
        ("{train: []}", r"data\.exclude: lists no image"),
        ("{dev: [a.jpg]}", r"data\.exclude\.dev: "),
    ],
)
def test_what_cannot_be_read_is_an_error_of_the_experiment(
    tmp_path: Path, written: str, problem: str
) -> None:
    excluding = WHOLE.replace("data:\n", f"data:\n  exclude: {written}\n")
    (tmp_path / "e.yaml").write_text(excluding)
    with pytest.raises(ExperimentError, match=problem):
        load_experiment(tmp_path / "e.yaml")


def test_formulas_and_odd_names_are_read_back(tmp_path: Path) -> None:
    images = [
        ExcludedImage("train", "=1+1.jpg", "@reason"),
        ExcludedImage("val", "two\u2028lines.jpg"),
        ExcludedImage("val", 'a "quoted", name.jpg'),
    ]
    write_exclusion(tmp_path / "leaks.csv", images)
    text = (tmp_path / "leaks.csv").read_text()
    assert "train,'=1+1.jpg,'@reason\n" in text
    found = read_exclusion(tmp_path / "leaks.csv")
    assert (*found["train"], *found["val"]) == tuple(image.file for image in images)


def test_a_variable_that_is_not_set_is_all_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(WHOLE.replace("data:\n", "data:\n  exclude: ${NO_SUCH}\n"))
    with pytest.raises(ExperimentError) as caught:
        load_experiment(tmp_path / "e.yaml")
    (line,) = str(caught.value).splitlines()
    assert "NO_SUCH" in line
