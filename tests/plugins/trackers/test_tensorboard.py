import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from facesim import FacesimError, Tracker, trackers


def start(run_dir: Path) -> Tracker:
    tracker = trackers.spec("tensorboard").build()
    tracker.start(run_dir, "tried", {"seed": 7})
    return tracker


def shown(run_dir: Path) -> Any:
    """What TensorBoard reads from the run."""
    events = EventAccumulator(str(run_dir / "tensorboard"))
    events.Reload()
    return events


def scalars(run_dir: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in shown(run_dir).Scalars(name)]


def test_scalars_are_shown_at_their_steps_in_groups(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    tracker.log({"train.loss": 0.5, "val.tar.at_far": 0.25}, 10)
    tracker.log({"train.loss": 0.125}, 20)
    tracker.finish("finished")
    assert scalars(tmp_path, "train/loss") == [(10, 0.5), (20, 0.125)]
    assert scalars(tmp_path, "val/tar.at_far") == [(10, 0.25)]


def test_a_resumed_run_shows_no_step_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = start(tmp_path)  # and never finished
    for step in (0, 10, 20, 30):
        killed.log({"train.loss": float(step)}, step)
    later = time.time() + 60  # TensorBoard reads the files in the order of their names' seconds
    monkeypatch.setattr("time.time", lambda: later)
    resumed = start(tmp_path)
    for step in (20, 30, 40):
        resumed.log({"train.loss": step + 0.5}, step)
    resumed.finish("finished")
    assert scalars(tmp_path, "train/loss") == [(0, 0), (10, 10), (20, 20.5), (30, 30.5), (40, 40.5)]


def test_a_run_that_is_resumed_within_the_second_is_shown_after_what_was_killed(
    tmp_path: Path,
) -> None:
    killed = start(tmp_path)
    killed.log({"train.loss": 1.0}, 10)
    killed.log({"train.loss": 2.0}, 20)
    (file,) = (tmp_path / "tensorboard").iterdir()
    start_of_name, _process, number = file.name.rsplit(".", 2)
    file.rename(file.with_name(f"{start_of_name}.99999999.{number}"))
    resumed = start(tmp_path)
    resumed.log({"train.loss": 2.5}, 20)
    resumed.finish("finished")
    assert scalars(tmp_path, "train/loss") == [(10, 1.0), (20, 2.5)]


def test_a_run_that_is_resumed_after_its_training_keeps_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = start(tmp_path)
    killed.log({"train.loss": 1.0}, 10)
    killed.log({"train.loss": 0.5}, 20)
    killed.log({"val.loss": 0.75}, 20)
    later = time.time() + 60
    monkeypatch.setattr("time.time", lambda: later)
    resumed = start(tmp_path)
    resumed.log({"test.loss": 0.25}, 20)
    resumed.finish("finished")
    assert scalars(tmp_path, "train/loss") == [(10, 1.0), (20, 0.5)]
    assert scalars(tmp_path, "val/loss") == [(20, 0.75)]
    assert scalars(tmp_path, "test/loss") == [(20, 0.25)]


def test_a_run_that_is_killed_leaves_every_step_that_it_logged(tmp_path: Path) -> None:
    start(tmp_path).log({"train.loss": 1.5}, 3)
    assert scalars(tmp_path, "train/loss") == [(3, 1.5)]


def test_the_experiment_is_shown_as_text_in_its_order(tmp_path: Path) -> None:
    tracker = trackers.spec("tensorboard").build()
    tracker.start(tmp_path, "tried", {"seed": 7, "data": {"root": "/für"}})
    tracker.log({"train.loss": 1.0}, 0)
    tracker.finish("finished")
    (event,) = shown(tmp_path).Tensors("experiment/text_summary")
    assert event.tensor_proto.string_val[0].decode() == (
        "tried\n\n    seed: 7\n    data:\n      root: /für\n"
    )


def test_the_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(FacesimError, match=r'pip install "facesim\[tensorboard\]"'):
        trackers.spec("tensorboard").build()
