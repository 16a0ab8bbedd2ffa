import csv
from pathlib import Path

import pytest

from facesim import FacesimError, Tracker, trackers


def start(run_dir: Path) -> Tracker:
    tracker = trackers.spec("csv").build()
    tracker.start(run_dir, "tried", {})
    return tracker


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_a_row_a_step_and_a_column_a_name(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    tracker.log({"train.loss": 0.5}, 10)
    tracker.log({"train.loss": 0.25, "train.lr": 0.1}, 20)
    tracker.log({"val.roc_auc": 1 / 3}, 20)
    tracker.log({"train.loss": 0.125}, 30)
    tracker.finish("finished")
    assert (tmp_path / "metrics.csv").read_text() == (
        "step,train.loss,train.lr,val.roc_auc\n"
        "10,0.5,,\n"
        "20,0.25,0.1,0.3333333333333333\n"
        "30,0.125,,\n"
    )


def test_numbers_are_kept_to_the_last_digit_also_those_that_are_not_finite(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    tracker.log({"a": 0.1 + 0.2, "b": float("nan"), "c": float("-inf")}, 0)
    assert [float(rows(tmp_path)[0][name]) for name in "ac"] == [0.1 + 0.2, float("-inf")]
    assert rows(tmp_path)[0]["b"] == "nan"


def test_a_resumed_run_has_no_step_twice(tmp_path: Path) -> None:
    killed = start(tmp_path)  # and never finished
    for step in (0, 10, 20, 30):
        killed.log({"train.loss": float(step)}, step)
    resumed = start(tmp_path)
    for step in (20, 30, 40):
        resumed.log({"train.loss": step + 0.5}, step)
    resumed.finish("finished")
    read = [(int(row["step"]), float(row["train.loss"])) for row in rows(tmp_path)]
    assert read == [(0, 0), (10, 10), (20, 20.5), (30, 30.5), (40, 40.5)]


def test_of_a_row_per_step_those_after_the_checkpoint_go(tmp_path: Path) -> None:
    killed = start(tmp_path)
    for step in (1, 2, 3, 4):
        killed.log({"train.loss": float(step)}, step)
    start(tmp_path).log({"train.loss": 2.5}, 2)
    read = [(int(row["step"]), float(row["train.loss"])) for row in rows(tmp_path)]
    assert read == [(1, 1), (2, 2.5)]


def test_what_was_logged_before_at_the_step_of_the_checkpoint_stays(tmp_path: Path) -> None:
    killed = start(tmp_path)
    killed.log({"train.loss": 1.0}, 10)
    killed.log({"val.roc_auc": 0.5}, 10)
    killed.log({"train.loss": 0.5}, 20)
    start(tmp_path).log({"val.roc_auc": 0.5}, 10)
    assert rows(tmp_path) == [{"step": "10", "train.loss": "1.0", "val.roc_auc": "0.5"}]


def test_every_row_is_on_disk_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    for step in range(3):
        tracker.log({"train.loss": 1.5}, step)
        assert len(rows(tmp_path)) == step + 1


@pytest.mark.parametrize("torn", ["3", "30,0.", "30,0.5", ""])
def test_a_line_that_a_kill_cut_short_is_dropped(torn: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(f"step,train.loss\n10,1.0\n20,0.5\n{torn}")
    tracker = start(tmp_path)
    tracker.log({"train.loss": 0.25}, 30)
    assert [row["step"] for row in rows(tmp_path)] == ["10", "20", "30"]
    assert rows(tmp_path)[2]["train.loss"] == "0.25"


@pytest.mark.parametrize("torn", ["", "ste", "step,train.loss"])
def test_a_file_that_a_kill_left_without_a_row_begins_anew(torn: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(torn)
    start(tmp_path).log({"train.loss": 0.25}, 30)
    assert rows(tmp_path) == [{"step": "30", "train.loss": "0.25"}]


@pytest.mark.parametrize(
    "content",
    [
        *(b"\xff\n", b"step,a,a\n1,2,3\n", b"a,b\n1,2\n", b"step,a\nx,2\n", b'"\n', b"\0\n"),
        *(b"step,a\n-1,2\n", b"\n\n", b'step,a\n1,"' + b"x" * 200_000 + b'"\n'),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    tracker = start(tmp_path)
    with pytest.raises(FacesimError, match=r"metrics\.csv: .*; delete it"):
        tracker.log({"a": 1.0}, 5)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(FacesimError, match=r"metrics\.csv: cannot be read: .*; delete it"):
        start(tmp_path).log({"a": 1.0}, 5)


def test_names_and_the_names_of_later_steps_may_be_any_text(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    tracker.log({'loss, "mean"': 0.5}, 1)
    tracker.log({"ü\nb": 0.25, 'loss, "mean"': 2.0}, 2)
    tracker.log({"c": 3.0}, 2)
    tracker.log({"c": 4.0}, 3)
    start(tmp_path).log({"c": 4.0}, 3)
    assert rows(tmp_path) == [
        {"step": "1", 'loss, "mean"': "0.5", "ü\nb": "", "c": ""},
        {"step": "2", 'loss, "mean"': "2.0", "ü\nb": "0.25", "c": "3.0"},
        {"step": "3", 'loss, "mean"': "", "ü\nb": "", "c": "4.0"},
    ]
