"""What a study is about: read from its folder by every process that works on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.evaluation.metrics import ACCURACY, Metric
from facesim.experiment.differences import differences
from facesim.experiment.loading import load_with_source
from facesim.experiment.schema import Experiment
from facesim.experiment.search import Search
from facesim.tuning.objectives import VAL, Objective, objectives_named
from facesim.tuning.parse_space import read_space
from facesim.tuning.space import Space

STUDY_FILE = "study.yaml"


@dataclass(frozen=True)
class Plan:
    """An experiment with its search, and where the study of it is kept.

    Attributes:
        experiment: with its search.
        space: what the search varies.
        objectives: what it makes large or small.
        folder: the study's own: runs, summary, best experiment.
        storage: URL of the database, or None for the journal in the folder.
    """

    experiment: Experiment
    space: Space
    objectives: tuple[Objective, ...]
    folder: Path
    storage: str | None

    @classmethod
    def read(cls, folder: Path, storage: str | None) -> "Plan":
        """The plan that :meth:`write` left in a study's folder."""
        experiment, root = load_with_source(folder / STUDY_FILE)
        space = read_space(experiment, root)
        return cls(
            experiment, space, objectives_named(_search(experiment).metrics), folder, storage
        )

    def write(self) -> None:
        """Put the experiment, with every default and its search, into the study's folder.

        Raises:
            FacesimError: the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / STUDY_FILE, self.experiment.as_yaml())
        except OSError as error:
            raise FacesimError(f"cannot make the study's folder {self.folder}: {error}") from None

    @property
    def search(self) -> Search:
        """The experiment's search."""
        return _search(self.experiment)

    @property
    def name(self) -> str:
        """The study's name: the experiment's."""
        return self.experiment.name

    @property
    def compared_by(self) -> Metric:
        """The metric by which the winner and the base experiment are compared in the end."""
        return next((each.metric for each in self.objectives if each.source == VAL), ACCURACY)

    @property
    def definition(self) -> dict[str, Any]:
        """What may not change during a study, as plain JSON data."""
        search = self.search.model_dump(mode="json")
        return {
            "base": self.space.base.as_data(),
            "search": {key: search[key] for key in ("metric", "space")},
        }

    @property
    def trunks(self) -> Path:
        """Where the frozen trunks of all runs are kept, each once."""
        return self.folder / "trunks"

    def trial_folder(self, number: int) -> Path:
        """Where the run of a trial is made."""
        return self.folder / "trials" / f"{number:04d}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other processes of this folder from asking for a trial or reaping one."""
        with FileLock(self.folder / ".study.held"):
            yield


def require_same_definition(name: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with a study of something else.

    Raises:
        FacesimError: the base experiment or the space has changed; says how.
    """
    changed = differences(before, now)
    if changed:
        listed = "\n".join(f"  {key}: {change}" for key, change in changed.items())
        raise FacesimError(
            f"the study {name!r} was begun with another experiment or space; undo this, or give "
            f"the new study another `name:`\n{listed}"
        )


def _search(experiment: Experiment) -> Search:
    if experiment.search is None:
        raise FacesimError(f"the experiment {experiment.name!r} declares no search")
    return experiment.search
