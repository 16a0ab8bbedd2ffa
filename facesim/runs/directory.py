"""The folder of one run: made once, never overwritten, used by one process at a time."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock, Timeout
from pydantic import BaseModel, PositiveInt, ValidationError

from facesim.atomic import write_text
from facesim.errors import DataError, FacesimError
from facesim.experiment.schema import Experiment
from facesim.runs.log import read_log
from facesim.training.checkpoint import CheckpointFolder
from facesim.version import __version__

EXPERIMENT_FILE = "experiment.yaml"
FORMAT_FILE = "run.json"
FORMAT = 2
"""Of the directories that this version writes; it reads format 1 as well, which names itself
nowhere: results with one field per metric, scores without identities."""


class RunDirectory:
    """Where everything of one run is kept.

    Args:
        path: an existing folder that :meth:`create` made.

    Raises:
        FacesimError: the folder is not a run directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not self.experiment_file.is_file():
            raise FacesimError(
                f"{path} is not a run directory: it has no {EXPERIMENT_FILE}; `facesim run` prints "
                "the directory that it makes"
            )
        if self.format > FORMAT:
            raise FacesimError(
                f"{path} has format {self.format}, and facesim {__version__} reads run directories "
                f"up to format {FORMAT}; update facesim"
            )

    @classmethod
    def create(cls, out: Path, experiment: Experiment) -> "RunDirectory":
        """Make ``out/<name>/<run id>`` with the resolved experiment in it.

        Raises:
            FacesimError: the folder cannot be made.
        """
        parent = out / experiment.name
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            unfinished = Path(mkdtemp(prefix=f".{stamp}.", suffix=".tmp", dir=parent))
            for folder in ("checkpoints", "pairs", "eval"):
                (unfinished / folder).mkdir()
            experiment.save(unfinished / EXPERIMENT_FILE)
            _write_format(unfinished)
            unfinished.chmod(parent.stat().st_mode)  # mkdtemp's folders are private
            path = _rename_to_free(unfinished, parent / stamp)
        except OSError as error:
            raise FacesimError(f"cannot make a run directory in {parent}: {error}") from None
        return cls(path)

    @property
    def format(self) -> int:
        """The newest format of the directory's files.

        Raises:
            DataError: it cannot be read.
        """
        path = self.path / FORMAT_FILE
        if not path.is_file():
            return 1
        try:
            return _Format.model_validate_json(path.read_bytes()).format
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise DataError(f'{path}: {reason}; write {{"format": {FORMAT}}}') from None

    @property
    def experiment_file(self) -> Path:
        """The resolved experiment."""
        return self.path / EXPERIMENT_FILE

    @property
    def environment_file(self) -> Path:
        """Versions, plugin origins, git commit and device, one entry per start."""
        return self.path / "environment.json"

    @property
    def metrics_log(self) -> Path:
        """One JSON object per logged step, epoch and evaluation."""
        return self.path / "metrics.jsonl"

    @property
    def trunk_file(self) -> Path:
        """The weights of the frozen trunk, which the checkpoints leave out."""
        return self.path / "trunk.pt"

    @property
    def checkpoints(self) -> CheckpointFolder:
        """Weights and everything else that resuming needs."""
        return CheckpointFolder(self.path / "checkpoints")

    @property
    def calibration_file(self) -> Path:
        """Thresholds chosen on val."""
        return self.path / "calibration.json"

    @property
    def finished(self) -> bool:
        """Whether the run has trained all its epochs and evaluated test."""
        log = read_log(self.metrics_log)
        return log is not None and log.status == "finished"

    @property
    def lint_file(self) -> Path:
        """What the protocol linter found."""
        return self.path / "lint.json"

    def pairs_file(self, split: str) -> Path:
        """The evaluation pairs of a split, as CSV."""
        return self.path / "pairs" / f"{split}.csv"

    def evaluation(self, name: str) -> Path:
        """The folder of one evaluation; ``name`` is a plain file name."""
        return self.path / "eval" / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the lock goes with the process, however it ends.

        What is written under it is of the present format, whatever the directory's was.

        Raises:
            FacesimError: another process holds it.
        """
        lock = FileLock(self.path / ".lock", blocking=False)
        try:
            with lock:
                if self.format < FORMAT:
                    _write_format(self.path)
                yield
        except Timeout:
            raise FacesimError(
                f"{self.path} is in use by another process; wait for it, or start a new run"
            ) from None


class _Format(BaseModel):
    """The model of ``run.json``; newer formats may say more."""

    format: PositiveInt


def _write_format(folder: Path) -> None:
    write_text(folder / FORMAT_FILE, _Format(format=FORMAT).model_dump_json() + "\n")


def _rename_to_free(folder: Path, wanted: Path) -> Path:
    """Give a folder the wanted name, with a counter behind it where that is taken."""
    for counter in range(1, 1000):
        path = wanted if counter == 1 else wanted.with_name(f"{wanted.name}-{counter}")
        if not path.exists():
            try:
                return folder.rename(path)
            except OSError as error:  # another run took the name in between
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
    raise FileExistsError(wanted)
