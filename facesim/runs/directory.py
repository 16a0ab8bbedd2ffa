"""The directory of one run: created once, never overwritten, locked by one process."""

import errno
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import mkdtemp

from pydantic import BaseModel, PositiveInt

from facesim.atomic import (
    begin_manifest,
    remove_leftovers,
    require_unchanged,
    settle_manifest,
)
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.folders import make_folder
from facesim.interrupts import is_ctrl_c
from facesim.json_files import read_json, write_json
from facesim.locks import ProcessLock
from facesim.machine_errors import in_words, machine_error
from facesim.plugin_failures import keep_traceback
from facesim.training.callbacks import FOLDER as CALLBACKS
from facesim.training.checkpoint import CheckpointFolder
from facesim.training.stop import Stopped, TrainingCancelled
from facesim.version import __version__

EVALUATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Of the folder of an evaluation."""

FOLDS = "folds"
"""Name of the folder with the runs of the folds, where a run has folds."""

EVALUATE_AGAIN = "`facesim eval` writes it again"
"""How errors about damaged files end."""


class RunFile(StrEnum):
    """Files of a run directory, by their names in it."""

    FORMAT = "run.json"
    EXPERIMENT = "experiment.yaml"
    ENVIRONMENT = "environment.json"
    LOG = "metrics.jsonl"
    LINT = "lint.json"
    TRUNK = "trunk.pt"
    CALIBRATION = "calibration.json"
    PRESENTATION = "presentation.json"
    TRACEBACK = "traceback.txt"
    REPORT = "report.html"


class EvaluationFile(StrEnum):
    """Files of an evaluation, by their names in its folder ``eval/NAME``."""

    EXPERIMENT = "experiment.yaml"
    LINT = "lint.json"
    VAL_PAIRS = "val_pairs.csv"
    CALIBRATION = "calibration.json"
    SCORES = "scores.csv"
    IDENTITIES = "identities.json"
    BASELINES = "baselines.json"
    BASELINE_SCORES = "baseline_scores.csv"
    SLICES = "slices.json"
    PRESENTATION = "presentation.json"
    METRICS = "metrics.json"


_FOLDERS = ("checkpoints", "pairs", "eval", CALLBACKS, FOLDS)
"""Of a run directory, where something is written, or into the folders in them."""

_UNLOCKED_SECONDS = 10.0
"""What is written without the lock, as the report, is written within a moment."""

_CREATE_SECONDS = 3600.0
"""A run directory that another process is making has its name long before."""

FORMAT = 2
"""Of the directories that this version writes; it reads format 1 as well, which names itself
nowhere: results with one field per metric, scores without identities."""


class RunDirectory:
    """The directory of one run.

    Args:
        path: an existing folder that :meth:`create` made.

    Raises:
        FacesimError: the folder is not a run directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / RunFile.EXPERIMENT).is_file():
            raise FacesimError(
                f"{path} is not a run directory: it has no {RunFile.EXPERIMENT}; `facesim run` "
                "prints the directory that it makes"
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
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        return cls._create(out / experiment.name, stamp, experiment, _CREATE_SECONDS)

    def create_fold(self, number: int, experiment: Experiment) -> "RunDirectory":
        """Make the directory of the run of one fold in this one, which is locked.

        Raises:
            FacesimError: the folder cannot be made.
        """
        return self._create(self.path / FOLDS, str(number), experiment, leftovers_from=0.0)

    @classmethod
    def _create(
        cls, parent: Path, name: str, experiment: Experiment, leftovers_from: float
    ) -> "RunDirectory":
        """Make a run directory in a folder, from which older unfinished ones are removed.

        Args:
            parent: the folder.
            name: of the directory; with a counter behind it if it is taken.
            experiment: resolved.
            leftovers_from: seconds of age from which nobody is making a directory any more.
        """
        try:
            make_folder(parent)
            for leftover in parent.glob(".*.tmp"):
                if time.time() - leftover.stat().st_mtime >= leftovers_from:
                    shutil.rmtree(leftover, ignore_errors=True)
            unfinished = Path(mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=parent))
            try:
                unfinished.chmod(parent.stat().st_mode)  # mkdtemp's folders are private
                for folder in ("checkpoints", "pairs", "eval"):
                    if folder == "eval" or experiment.folds is None:
                        make_folder(unfinished / folder)
                begin_manifest(unfinished)
                experiment.save(unfinished / RunFile.EXPERIMENT)
                _write_format(unfinished)
                path = _rename_to_free(unfinished, parent / name)
            finally:  # renamed by now, unless something failed
                shutil.rmtree(unfinished, ignore_errors=True)
        except OSError as error:
            raise FacesimError(
                f"{parent}: cannot make a run directory: {in_words(error)}"
            ) from None
        return cls(path)

    @property
    def format(self) -> int:
        """The newest format of the directory's files.

        Raises:
            DataError: it cannot be read.
        """
        remedy = f'write {{"format": {FORMAT}}}'
        found = read_json(self.path / RunFile.FORMAT, _Format, remedy=remedy)
        return 1 if found is None else found.format

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The folder of checkpoints, from which a run resumes."""
        return CheckpointFolder(self.path / "checkpoints")

    @property
    def experiment_file(self) -> Path:
        """The resolved experiment."""
        return self.path / RunFile.EXPERIMENT

    def begun_folds(self, folds: int | None) -> "tuple[RunDirectory, ...]":
        """The directories of the runs of its folds that have begun, in order.

        Links are left out, as in :meth:`callback_files`: a report is written into each of them.

        Args:
            folds: how many there are; None where the experiment has none.
        """
        if folds is None or (self.path / FOLDS).is_symlink():
            return ()
        paths = (self.fold(number) for number in range(1, folds + 1))
        return tuple(RunDirectory(each) for each in paths if _is_folder_itself(each))

    def fold(self, number: int) -> Path:
        """Where the run of a fold is, counted from 1."""
        return self.path / FOLDS / str(number)

    def pairs_file(self, split: str) -> Path:
        """The evaluation pairs of a split, as CSV."""
        return self.path / "pairs" / f"{split}.csv"

    def evaluation(self, name: str) -> Path:
        """The folder of one evaluation; ``name`` is a plain file name."""
        return self.path / "eval" / name

    def callback_files(self) -> dict[str, tuple[Path, ...]]:
        """The files that callbacks wrote, by callback.

        Links are left out: in the directory of somebody else they may lead anywhere.

        Raises:
            DataError: one is damaged.
        """
        found: dict[str, tuple[Path, ...]] = {}
        if (self.path / CALLBACKS).is_symlink():
            return found
        for folder in sorted((self.path / CALLBACKS).glob("[!.]*")):
            if _is_folder_itself(folder):
                files = sorted(path for path in folder.glob("[!.]*") if _is_file_itself(path))
                found[folder.name] = tuple(files)
                for path in files:
                    require_unchanged(path, "delete it, and the report is made without it")
        return found

    def remove_leftovers(self) -> None:
        """Remove the temporary files of killed writers; the run is locked."""
        for folder in ("checkpoints", "pairs", "eval/*", f"{CALLBACKS}/*"):
            for found in self.path.glob(folder):
                remove_leftovers(found)
        unlocked = {RunFile.LINT, RunFile.REPORT}
        if self.path.parent.name == FOLDS:  # the run that it is a fold of is locked
            unlocked.remove(RunFile.LINT)
        for file in RunFile:
            remove_leftovers(self.path, _UNLOCKED_SECONDS if file in unlocked else 0.0, file)

    @contextmanager
    def keeping_traceback(self) -> Iterator[None]:
        """Keep the traceback of a bug, of a plugin's or of facesim's own, in a file of the run.

        A block that comes to its end, or to an error that its message tells all of, leaves none.
        """
        path = self.path / RunFile.TRACEBACK
        try:
            yield
        except (FacesimError, Stopped, TrainingCancelled, GeneratorExit):
            raise
        except BaseException as error:
            if machine_error(error) is None and not is_ctrl_c(error):
                keep_traceback(error, path)
            raise
        path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for this process; the lock is released however the process ends.

        What is written under it is of the present format, whatever the directory's was.

        Raises:
            FacesimError: another process holds it, or a folder in it is a link, which in the
                directory of somebody else may lead to another run, which would be written to.
        """
        folders = [self.path / name for name in _FOLDERS]
        for path in [each for folder in folders for each in (folder, *folder.glob("*"))]:
            if path.is_symlink():
                raise FacesimError(
                    f"{path} is a symbolic link, and facesim writes to nothing outside of a run's "
                    "directory; put the folder itself there"
                )
        lock = ProcessLock(self.path / ".lock")
        if not lock.acquire(wait=False):
            raise FacesimError(
                f"{self.path} is in use by another process; wait for it, or start a new run"
            )
        try:
            if self.format < FORMAT:
                _write_format(self.path)
                begin_manifest(self.path)
            yield
            settle_manifest(self.path)
        finally:
            lock.release()


def _is_file_itself(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_folder_itself(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


class _Format(BaseModel):
    """The model of ``run.json``; newer formats may say more."""

    format: PositiveInt


def _write_format(folder: Path) -> None:
    write_json(folder / RunFile.FORMAT, _Format(format=FORMAT))


def _rename_to_free(folder: Path, wanted: Path) -> Path:
    """Rename a folder, appending a counter if the name is taken."""
    for counter in range(1, 1000):
        path = wanted if counter == 1 else wanted.with_name(f"{wanted.name}-{counter}")
        if not path.exists():
            try:
                return folder.rename(path)
            except OSError as error:  # another run took the name in between
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
    raise FileExistsError(wanted)
