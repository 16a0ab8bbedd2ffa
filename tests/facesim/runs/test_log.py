"""metrics.jsonl is strict JSON, and a resumed run goes on where its checkpoint stood."""

import json
import math
from pathlib import Path

from facesim.runs.log import MetricsLog


def test_each_line_is_one_strict_json_object(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.write("train", {"loss": 0.5, "bad": math.nan, "worse": -math.inf, "none": None})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=lambda name: 1 / 0) == {
        "kind": "train",
        "loss": 0.5,
        "bad": None,
        "worse": None,
        "none": None,
    }


def test_what_came_after_the_checkpoint_is_dropped_even_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.write("train", {"step": 1})
    kept = log.length
    log.write("train", {"step": 2})
    log.close()
    with path.open("ab") as file:
        file.write(b'{"kind": "tra')
    resumed = MetricsLog(path, kept)
    resumed.write("train", {"step": 2})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_new_run_starts_an_empty_log(tmp_path: Path) -> None:
    assert MetricsLog(tmp_path / "metrics.jsonl").length == 0
