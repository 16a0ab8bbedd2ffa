"""The stages of a run (linter, training, evaluations, report) and which of them are done."""

from dataclasses import dataclass

from facesim.evaluation.calibration import Calibration
from facesim.interfaces.result import EvaluationResult
from facesim.json_files import read_json
from facesim.runs.directory import RunDirectory
from facesim.runs.evaluation_plan import OWN
from facesim.runs.files import EVALUATE_AGAIN, EvaluationFile, RunFile
from facesim.runs.log import read_log
from facesim.training.checkpoint import checkpoint_digest, read_checkpoint


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: ``lint``, ``train``, ``evaluate NAME`` or ``report``.
        is_done: whether it has come to its end.
    """

    name: str
    is_done: bool


def stages_of(directory: RunDirectory, epochs: int) -> tuple[Stage, ...]:
    """The stages of a run in order, with their state in its directory.

    Raises:
        FacesimError: the log or the last checkpoint is damaged.
    """
    path, last = directory.path, directory.checkpoints.last
    log = read_log(path / RunFile.LOG)
    finished = log is not None and log.status == "finished"
    trained = finished or (last.exists() and read_checkpoint(last)["progress"]["epoch"] >= epochs)
    evaluated = {
        folder.name: (folder / EvaluationFile.METRICS).is_file()
        for folder in sorted((path / "eval").glob("*"))
    }
    own = evaluated.pop(OWN, False)
    return (
        Stage("lint", (path / RunFile.LINT).is_file()),
        Stage("train", trained),
        Stage(f"evaluate {OWN}", own and finished),
        *(Stage(f"evaluate {name}", is_done) for name, is_done in evaluated.items()),
        Stage("report", (path / RunFile.REPORT).is_file()),
    )


def own_result(directory: RunDirectory) -> EvaluationResult | None:
    """What test's own evaluation found with the best checkpoint; None if that is not there.

    Raises:
        DataError: a file is damaged.
    """
    best = directory.checkpoints.best
    file = directory.evaluation(OWN) / EvaluationFile.METRICS
    calibration = directory.path / RunFile.CALIBRATION
    result = read_json(file, EvaluationResult, remedy=EVALUATE_AGAIN)
    chosen = read_json(calibration, Calibration, remedy=EVALUATE_AGAIN)
    if result is None or chosen is None or not best.exists():
        return None
    return result if chosen.provenance.checkpoint == checkpoint_digest(best) else None
