"""Contract of trackers."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from facesim.interfaces import Tracker
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require

NAME = "tried"
EXPERIMENT: dict[str, Any] = {"name": NAME, "seed": 0, "loss": {"name": "contrastive", "margin": 2}}

TRACKER: Contract[Tracker] = Contract("tracker", promises_of_every_kind())


@TRACKER.promise(
    hint="append to an existing file in start(), and accept steps that were logged before"
)
def run_can_end_in_any_way_and_be_resumed(spec: Spec[Tracker]) -> None:
    """A finished, interrupted or failed run can be resumed, and logs some steps again."""
    for status in ("finished", "interrupted", "failed"):
        with _run_directory() as run_dir:
            for steps in (range(3), range(2, 5)):
                tracker = _started(spec, run_dir)
                for step in steps:
                    tracker.log({"train.loss": 1 / (step + 1), "train.images": 20.0}, step)
                tracker.finish(status)


@TRACKER.promise(hint="let finish() depend on nothing that only log() creates")
def run_that_logs_nothing_can_end(spec: Spec[Tracker]) -> None:
    """A run that fails before anything was logged can end."""
    with _run_directory() as run_dir:
        _started(spec, run_dir).finish("failed")


@TRACKER.promise(hint="leave out what the format cannot hold, or write it as text; raise nothing")
def non_finite_values_are_accepted(spec: Spec[Tracker]) -> None:
    """Infinite values and NaN are accepted."""
    with _run_directory() as run_dir:
        tracker = _started(spec, run_dir)
        tracker.log({"train.loss": float("nan"), "train.norm": float("inf")}, 0)
        tracker.finish("failed")


@TRACKER.promise(hint="write below run_dir, to a file or folder named after the tracker")
def nothing_is_written_elsewhere(spec: Spec[Tracker]) -> None:
    """It writes nothing outside the run directory, and overwrites none of its files."""
    with _run_directory() as run_dir:
        ours = run_dir / "metrics.jsonl"
        ours.write_text("{}\n")
        tracker = _started(spec, run_dir)
        tracker.log({"train.loss": 1.0}, 0)
        tracker.finish("finished")
        beside = sorted(path.name for path in run_dir.parent.iterdir() if path != run_dir)
        require(not beside, f"beside the run directory it wrote {', '.join(beside)}")
        require(ours.read_text() == "{}\n", "it wrote to metrics.jsonl, which the engine writes")


@TRACKER.promise(hint="copy before changing: the engine and other trackers read it as well")
def arguments_stay_as_they_were(spec: Spec[Tracker]) -> None:
    """It does not change the experiment and the values that it is given."""
    with _run_directory() as run_dir:
        experiment, values = deepcopy(EXPERIMENT), {"train.loss": 1.0}
        tracker = spec.build()
        tracker.start(run_dir, NAME, experiment)
        tracker.log(values, 0)
        tracker.finish("finished")
        require(experiment == EXPERIMENT, f"the experiment became {experiment}")
        require(values == {"train.loss": 1.0}, f"the values became {values}")


@contextmanager
def _run_directory() -> Iterator[Path]:
    """An empty folder with no neighbours."""
    with TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        yield run_dir


def _started(spec: Spec[Tracker], run_dir: Path) -> Tracker:
    tracker = spec.build()
    tracker.start(run_dir, NAME, deepcopy(EXPERIMENT))
    return tracker
