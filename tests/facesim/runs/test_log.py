"""metrics.jsonl is strict JSON, goes on where a checkpoint stood, and is read back."""

import errno
import hashlib
import json
import math
from pathlib import Path
from typing import Any, get_args

import pytest

from facesim import Tracker
from facesim.atomic import begin_manifest
from facesim.errors import DataError, FacesimError
from facesim.runs.log import Ending, RunLog, loss_of_entries, lost_bytes, read_log

TRAIN = '{"kind": "train", "step": 1, "epoch": 1, "loss": 2.0, "lr": 0.1}\n'
VAL = '{"kind": "val", "step": 1, "epoch": 1, "loss": 1.5, "warnings": ["the rank is 1"]}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_each_line_is_one_strict_json_object(path: Path) -> None:
    log = RunLog(path)
    log.write("train", 1, {"loss": 0.5, "bad": math.nan, "worse": -math.inf, "none": None})
    (line,) = path.read_text().splitlines()
    assert json.loads(line, parse_constant=lambda name: 1 / 0) == {
        "kind": "train",
        "step": 1,
        "loss": 0.5,
        "bad": None,
        "worse": None,
        "none": None,
    }


def test_a_log_that_is_a_link_is_not_written_to(path: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    path.symlink_to(tmp_path / "mine")
    with pytest.raises(DataError, match=r"metrics\.jsonl: is a symbolic link"):
        RunLog(path)
    assert (tmp_path / "mine").read_text() == "kept"


def test_what_came_after_the_checkpoint_is_dropped_even_half_a_line(path: Path) -> None:
    log = RunLog(path)
    log.write("train", 1, {})
    kept, sha256 = log.flush()
    log.write("train", 2, {})
    log.finish("failed")
    with path.open("ab") as file:
        file.write(b'{"kind": "tra')
    resumed = RunLog(path, keep_bytes=kept, keep_sha256=sha256)
    resumed.write("train", 2, {})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_log_that_is_not_what_was_written_is_not_continued(path: Path) -> None:
    log = RunLog(path)
    log.write("train", 1, {"loss": 0.25})
    kept, sha256 = log.flush()
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.35"))
    with pytest.raises(DataError, match=r"metrics\.jsonl: is not what facesim wrote up to"):
        RunLog(path, keep_bytes=kept, keep_sha256=sha256)
    path.unlink()
    assert RunLog(path, keep_bytes=kept, keep_sha256=sha256).lost_bytes == kept


def test_a_log_is_checked_from_its_end_until_the_run_goes_on(path: Path) -> None:
    begin_manifest(path.parent)
    log = RunLog(path)
    log.write("val", 1, {"epoch": 1, "loss": 0.25})
    kept, sha256 = log.flush()
    log.finish("interrupted")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"0.25", b"0.35"))
    with pytest.raises(DataError, match=r"metrics\.jsonl: is not what facesim wrote"):
        read_log(path)
    path.write_bytes(whole)
    RunLog(path, keep_bytes=kept, keep_sha256=sha256).write("val", 2, {"epoch": 1, "loss": 0.125})
    found = read_log(path)
    assert found is not None
    assert [entry["loss"] for entry in found.val] == [0.25, 0.125]


def test_a_log_that_is_shorter_than_it_was_says_so_and_keeps_whole_lines(path: Path) -> None:
    path.write_text(TRAIN + '{"kind": "val", "st')
    log = RunLog(path, keep_bytes=len(TRAIN) + len(VAL))
    assert log.lost_bytes == len(VAL) - len('{"kind": "val", "st')
    assert path.read_text() == TRAIN
    assert RunLog(path, keep_bytes=len(TRAIN)).lost_bytes == 0


def test_a_line_that_was_cut_by_a_full_disk_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(path)
    log.write("train", 1, {})
    whole = path.read_bytes()

    class Full:
        def __init__(self, file: Any) -> None:
            self.file, self.room = file, 5

        def fileno(self) -> int:
            return int(self.file.fileno())

        def write(self, data: bytes) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            room, self.room = self.room, 0
            return int(self.file.write(data[:room]))

    monkeypatch.setattr(log, "_file", Full(log._file))
    with pytest.raises(FacesimError, match="No space left"):
        log.write("train", 2, {})
    assert path.read_bytes() == whole


def test_a_new_run_starts_an_empty_log(path: Path) -> None:
    assert RunLog(path).flush()[0] == 0


class Recording(Tracker):
    def __init__(self) -> None:
        self.received: list[object] = []

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        raise NotImplementedError

    def log(self, values: dict[str, float], step: int) -> None:
        self.received.append((step, values))

    def finish(self, status: str) -> None:
        self.received.append(status)


def test_trackers_get_numbers_and_the_ending(path: Path) -> None:
    tracker = Recording()
    log = RunLog(path, [tracker])
    log.write("val", 3, {"eer": 0.25, "epoch": 1, "best": True, "missing": None, "warnings": ["x"]})
    log.finish("finished")
    assert tracker.received == [(3, {"val.eer": 0.25, "val.epoch": 1.0}), "finished"]


def test_a_run_that_has_not_started_has_no_log(path: Path) -> None:
    assert read_log(path) is None


def test_entries_are_told_apart_by_kind(path: Path) -> None:
    path.write_text(TRAIN + VAL + '{"kind": "finished"}\n')
    log = read_log(path)
    assert log is not None
    assert [entry["loss"] for entry in log.train] == [2.0]
    assert [entry["loss"] for entry in log.val] == [1.5]
    assert log.status == "finished"
    assert log.warnings == ("Epoch 1: the rank is 1",)


def test_a_line_that_is_still_being_written_is_left_out(path: Path) -> None:
    path.write_text(TRAIN + '{"kind": "val", "st')
    log = read_log(path)
    assert log is not None
    assert len(log.train) == 1
    assert log.status == "running"


@pytest.mark.parametrize("line", [b"nonsense", b'{"kind": "\xff"}', b"[1]"])
def test_a_damaged_line_is_named(path: Path, line: bytes) -> None:
    path.write_bytes(TRAIN.encode() + line + b"\n")
    with pytest.raises(DataError, match=r"metrics.jsonl:2: not (a )?JSON"):
        read_log(path)


def test_metrics_of_format_1_have_their_present_names(path: Path) -> None:
    path.write_text('{"kind": "val", "step": 1, "epoch": 1, "far": 0.5, "fnmr": 0.25}\n')
    log = read_log(path)
    assert log is not None
    assert log.val == ({"kind": "val", "step": 1, "epoch": 1, "fmr": 0.5, "fnmr": 0.25},)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"kind": "val", "step": 1, "epoch": 1, "eer": "0.5"}', "eer"),
        ('{"kind": "val", "step": 1, "epoch": 1, "eer": [0.5]}', "eer"),
        ('{"kind": "val", "step": 1}', "epoch"),
        ('{"kind": "train", "step": null, "epoch": 1}', "step"),
        ('{"kind": "val", "step": 1, "epoch": 1, "warnings": "text"}', "warnings"),
        ('{"kind": ["val"]}', "kind"),
        ('{"kind": "callback", "step": 1, "epoch": 1, "lr_monitor.tail": "1"}', "lr_monitor.tail"),
        ('{"kind": "callback", "step": 1}', "epoch"),
        ('{"kind": "stopped", "step": 1, "epoch": 1}', "reason"),
        ('{"kind": "stopped", "step": 1, "epoch": 1, "reason": 5}', "reason"),
    ],
)
def test_an_entry_with_another_value_is_named(path: Path, line: str, key: str) -> None:
    path.write_text(TRAIN + line + "\n")
    with pytest.raises(DataError, match=rf"metrics.jsonl:2: {key} is missing or not a value"):
        read_log(path)


def test_brackets_without_end_are_named(path: Path) -> None:
    path.write_text(TRAIN + "[" * 100_000 + "\n")
    with pytest.raises(DataError, match=r"metrics.jsonl:2: not JSON"):
        read_log(path)


def test_every_ending_is_a_status(path: Path) -> None:
    for ending in get_args(Ending):
        path.unlink(missing_ok=True)
        RunLog(path).finish(ending)
        log = read_log(path)
        assert log is not None
        assert log.status == ending


def test_warnings_come_with_their_epoch(path: Path) -> None:
    log = RunLog(path)
    log.write("val", 10, {"epoch": 1, "warnings": ["one", "two"]})
    log.write("val", 20, {"epoch": 2, "warnings": []})
    log.write("val", 30, {"epoch": 3, "warnings": ["three"]})
    found = read_log(path)
    assert found is not None
    assert found.warnings == ("Epoch 1: one", "Epoch 1: two", "Epoch 3: three")


def test_a_loss_of_entries_is_counted_in_bytes() -> None:
    assert loss_of_entries(7).startswith("metrics.jsonl is 7 bytes shorter than the last")
    assert lost_bytes(Path("log"), b"12345", 7, "") == 2
    assert lost_bytes(Path("log"), b"12345", 5, hashlib.sha256(b"12345").hexdigest()) == 0
    assert lost_bytes(Path("log"), b"12345", 7, "other") == 2
    with pytest.raises(DataError, match="log: is not what facesim wrote"):
        lost_bytes(Path("log"), b"12345", 5, "other")
