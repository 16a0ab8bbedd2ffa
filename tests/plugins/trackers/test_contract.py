"""What every registered tracker promises."""

from pathlib import Path

import pytest

from facesim import trackers

EVERY_TRACKER = pytest.mark.parametrize("name", trackers.names())
EXPERIMENT = {"name": "tried", "seed": 0, "loss": {"name": "contrastive", "margin": 2.0}}


@EVERY_TRACKER
@pytest.mark.parametrize("status", ["finished", "interrupted", "failed"])
def test_a_run_can_end_in_any_way_and_be_resumed(name: str, status: str, tmp_path: Path) -> None:
    for steps in (range(3), range(2, 5)):
        tracker = trackers.spec(name).build()
        tracker.start(tmp_path, "tried", EXPERIMENT)
        for step in steps:
            tracker.log({"train.loss": 1 / (step + 1), "train.images_per_second": 20.0}, step)
        tracker.finish(status)


@EVERY_TRACKER
def test_a_run_that_logs_nothing_ends_all_the_same(name: str, tmp_path: Path) -> None:
    tracker = trackers.spec(name).build()
    tracker.start(tmp_path, "tried", EXPERIMENT)
    tracker.finish("failed")


@EVERY_TRACKER
def test_numbers_that_are_not_finite_are_taken(name: str, tmp_path: Path) -> None:
    tracker = trackers.spec(name).build()
    tracker.start(tmp_path, "tried", EXPERIMENT)
    tracker.log({"train.loss": float("nan"), "train.norm": float("inf")}, 0)
    tracker.finish("failed")


@EVERY_TRACKER
def test_nothing_is_written_outside_the_run_directory(name: str, tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "one"
    run_dir.mkdir(parents=True)
    tracker = trackers.spec(name).build()
    tracker.start(run_dir, "tried", EXPERIMENT)
    tracker.log({"train.loss": 1.0}, 0)
    tracker.finish("finished")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]
