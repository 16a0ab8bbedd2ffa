"""``metrics.jsonl`` as series to draw."""

from pathlib import Path

import pytest

from facesim.errors import DataError
from facesim.report.training_log import read_training_log

TRAIN = '{"kind": "train", "step": 1, "epoch": 1, "loss": 2.0, "lr": 0.1}\n'
VAL = '{"kind": "val", "step": 1, "epoch": 1, "loss": 1.5, "warnings": ["the rank is 1"]}\n'


def test_a_run_that_has_not_started_has_no_log(tmp_path: Path) -> None:
    assert read_training_log(tmp_path / "metrics.jsonl") is None


def test_entries_are_told_apart_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(TRAIN + VAL + '{"kind": "finished"}\n')
    log = read_training_log(path)
    assert log is not None
    assert [entry["loss"] for entry in log.train] == [2.0]
    assert [entry["loss"] for entry in log.val] == [1.5]
    assert log.status == "finished"
    assert log.warnings == ("Epoch 1: the rank is 1",)


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(TRAIN + '{"kind": "val", "st')
    log = read_training_log(path)
    assert log is not None
    assert len(log.train) == 1
    assert log.status == "running"


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(TRAIN + "nonsense\n")
    with pytest.raises(DataError, match=r"metrics.jsonl:2: not JSON"):
        read_training_log(path)
