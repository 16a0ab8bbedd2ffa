"""A study: what it searches, its folder, and its record in Optuna's storage."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from facesim.atomic import write_text
from facesim.discovery import record_consent
from facesim.errors import DataError, FacesimError
from facesim.experiment.decisions import Decision, RecordedDecisions, decided
from facesim.experiment.differences import differences
from facesim.experiment.loading import as_before, keys_left_out, load_text, load_with_source
from facesim.experiment.measured_metrics import quantity_named
from facesim.experiment.nodes import KeyPath, Node
from facesim.experiment.schema import Experiment
from facesim.experiment.search import Search
from facesim.interfaces.metric import Quantity
from facesim.machine_errors import machine_error
from facesim.registry.signature import validate_strictly
from facesim.tuning.identity import (
    Identity,
    alike,
    changed_code,
    differing_splits,
    written_otherwise,
)
from facesim.tuning.objectives import VAL, Objective, objectives_named
from facesim.tuning.parse_space import read_space
from facesim.tuning.space import Space, base_point, walk
from facesim.tuning.storage import (
    IS_BASE,
    damaged,
    open_storage,
    require_undamaged,
    storage_name,
)

STUDY_FILE = "study.yaml"
TRIALS_FOLDER = "trials"
_DEFINITION = "facesim"
_PATHS, _SPLITS = "paths", "splits"
_THREADS = "threads_per_trial"
_DECISIONS = "decisions"
_DECISIONS_ADAPTER = TypeAdapter[dict[str, Decision]](RecordedDecisions)


@dataclass(frozen=True)
class Plan:
    """What a study searches, and where it is kept; every process reads it from the study's folder.

    Attributes:
        experiment: with its search.
        space: what the search varies.
        objectives: what it maximises or minimises.
        folder: the study's own: runs, summary, best experiment.
        storage: URL of the database, or None for the journal in the folder.
        identity: by which the study is joined from other machines; None to compare paths as such.
    """

    experiment: Experiment
    space: Space
    objectives: tuple[Objective, ...]
    folder: Path
    storage: str | None
    identity: Identity | None = None

    @classmethod
    def of(cls, experiment: Experiment, root: Node, folder: Path, storage: str | None) -> "Plan":
        """The plan of an experiment with a search.

        Args:
            experiment: as it was read.
            root: the tree that it came from.
            folder: the study's own.
            storage: URL of the database, or None for the journal in the folder.

        Raises:
            ExperimentError: the experiment declares no search, or its space is wrong.
            FacesimError: there is no such objective.
        """
        objectives = objectives_named(_search(experiment).metrics, experiment)
        return cls(experiment, read_space(experiment, root), objectives, folder, storage)

    @classmethod
    def read(cls, folder: Path, storage: str | None, text: str | None = None) -> "Plan":
        """The plan that :meth:`write` left in a study's folder.

        Args:
            folder: the study's own.
            storage: URL of the database, or None for the journal in the folder.
            text: what this user's own command has written there. It is not read again, because
                another machine that shares the folder may write its own; plugins that it names are
                imported, those of the file with consent only.
        """
        file = folder / STUDY_FILE
        source = load_with_source(file) if text is None else load_text(text, file)
        return cls.of(*source, folder, storage)

    def write(self) -> str | None:
        """Write the experiment, with every default and its search, into the study's folder.

        Returns:
            Why it could not be recorded that this user's experiment names its plugins, if so.

        Raises:
            FacesimError: the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / STUDY_FILE, self.experiment.as_yaml())
        except OSError as error:
            raise FacesimError(f"cannot make the study's folder {self.folder}: {error}") from None
        return record_consent(self.experiment.as_yaml().encode(), self.experiment.plugins)

    @property
    def search(self) -> Search:
        """The experiment's search."""
        return _search(self.experiment)

    @property
    def name(self) -> str:
        """The study's name: the experiment's."""
        return self.experiment.name

    @property
    def compared_by(self) -> Quantity:
        """The metric by which the winner and the base experiment are compared on test.

        Where only costs are searched, the one that chooses each run's best checkpoint.
        """
        best = quantity_named(self.experiment, self.experiment.train.best)
        return next((each.metric for each in self.objectives if each.source == VAL), best)

    @property
    def definition(self) -> dict[str, Any]:
        """What may not change during a study, as plain JSON data."""
        search = self.search.model_dump(mode="json")
        return {
            "base": self.space.base.as_data(),
            "search": {key: search[key] for key in ("metric", "space")},
        }

    @property
    def keys_of_paths(self) -> list[KeyPath]:
        """The keys of paths that lead to the same on every machine of the study.

        Those that the space varies are its values, and none of them.
        """
        named = () if self.identity is None else self.identity.paths
        varied = {parameter.path for parameter in walk(self.space.parameters)}
        return [
            each.key
            for each in named
            if not any(tuple(map(str, each.key[: len(path)])) == path for path in varied)
        ]

    @property
    def trunks(self) -> Path:
        """Where the frozen trunks of all runs are kept, each once."""
        return self.folder / "trunks"

    def trial_folder(self, number: int) -> Path:
        """Where the run of a trial is made."""
        return self.folder / TRIALS_FOLDER / f"{number:04d}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other processes of this folder from asking for a trial or reaping one."""
        with FileLock(self.folder / ".study.held"):
            yield


def open_study(plan: Plan) -> optuna.Study:
    """Open the study of a plan, or create it; its first trial is the base experiment.

    Raises:
        DataError: the storage is damaged.
        FacesimError: the storage cannot be used, or holds a study of another space or experiment.
    """
    storage = open_storage(plan.storage, plan.folder)
    with plan.locked(), _damage_named(plan):
        study = optuna.create_study(
            study_name=plan.name,
            storage=storage,
            directions=[each.metric.direction for each in plan.objectives],
            load_if_exists=True,
        )
        trials = study.get_trials(deepcopy=False)
        require_undamaged(trials, storage_name(plan.storage, plan.folder))
        before = study.user_attrs.get(_DEFINITION)
        if before is not None:
            _require_same(plan, before, study.user_attrs.get(_SPLITS))
            if (
                plan.identity and _PATHS not in before
            ):  # a study of before is joined where it was begun
                study.set_user_attr(_DEFINITION, {**before, **_paths(plan)})
        elif trials:
            raise FacesimError(
                f"the storage holds a study {plan.name!r} that facesim did not make; give the "
                "experiment another `name:`"
            )
        else:
            study.set_user_attr(_DEFINITION, {**plan.definition, **_paths(plan)})
        if plan.identity and plan.identity.splits and _SPLITS not in study.user_attrs:
            study.set_user_attr(_SPLITS, plan.identity.as_json()[_SPLITS])
        _fix_threads(plan, study)
        if study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([each.name for each in plan.objectives])
        if not trials:
            study.enqueue_trial(base_point(plan.space), user_attrs={IS_BASE: True})
    return study


@contextmanager
def _damage_named(plan: Plan) -> Iterator[None]:
    """Name the storage where what it holds cannot be understood."""
    try:
        yield
    except Exception as error:
        if isinstance(error, FacesimError) or machine_error(error) is not None:
            raise
        # Damaged entries lead Optuna to errors of any kind.
        name = storage_name(plan.storage, plan.folder)
        raise DataError(damaged(name, f"{type(error).__name__}: {error}")) from error


def _fix_threads(plan: Plan, study: optuna.Study) -> None:
    """Record the threads per trial: they decide the last bits of its results.

    A study of before has no record and gets one at its next start.
    """
    recorded = study.user_attrs.get(_THREADS)
    if recorded is None:
        study.set_user_attr(_THREADS, plan.search.threads or torch.get_num_threads())
    elif plan.search.threads not in (None, recorded):
        raise FacesimError(
            f"search.threads: the study {plan.name!r} in {storage_name(plan.storage, plan.folder)} "
            f"was begun with {recorded} threads per trial; undo this, or give the new study "
            "another `name:`"
        )


def threads_per_trial(plan: Plan) -> int:
    """The number of threads with which every trial of a study is trained."""
    return int(_attributes(plan)[_THREADS])


def _attributes(plan: Plan) -> dict[str, Any]:
    storage = open_storage(plan.storage, plan.folder)
    return optuna.load_study(study_name=plan.name, storage=storage).user_attrs


def as_the_study(plan: Plan, experiment: Experiment) -> Experiment:
    """An experiment of the study as all its trials are trained.

    In a study of before a key existed it means what was done then: pairs follow ``seed``, images
    are stretched, trunks are run by eager PyTorch, as in the trials that are done. What the study
    decided takes the place of ``auto``, so that trials can be compared.
    """
    begun_with = _attributes(plan)[_DEFINITION]["base"]
    return decided(as_before(experiment, keys_left_out(begun_with)), decisions_of(plan) or {})


def decisions_of(plan: Plan) -> dict[str, Decision] | None:
    """What was decided for all trials, by dotted key; None before the first of them.

    Raises:
        DataError: it is not what facesim recorded.
    """
    recorded = _attributes(plan).get(_DECISIONS)
    try:
        return None if recorded is None else _DECISIONS_ADAPTER.validate_python(recorded)
    except ValidationError as error:
        reason = f"{_DECISIONS}: {error.errors()[0]['msg']}"
        raise DataError(damaged(storage_name(plan.storage, plan.folder), reason)) from None


def record_decisions(study: optuna.Study, decisions: Mapping[str, Decision]) -> None:
    """Record what was decided for all trials, unless another machine has done it by now."""
    if _DECISIONS not in study.user_attrs:
        made = {key: each.model_dump(mode="json") for key, each in decisions.items()}
        study.set_user_attr(_DECISIONS, made)


def varies_trunk(plan: Plan) -> bool:
    """Whether trials have different trunks, or run theirs in different precisions or places."""
    varied = {".".join(map(str, each.path)) for each in walk(plan.space.parameters)}
    return any(
        key in ("device", "train.precision") or key.split(".")[0] == "backbone" for key in varied
    )


def study_exists(plan: Plan) -> bool:
    """Whether the storage holds the plan's study."""
    if plan.storage is None and not plan.folder.exists():
        return False
    return plan.name in optuna.get_all_study_names(open_storage(plan.storage, plan.folder))


def silence_optuna() -> None:
    """Silence Optuna's line per trial, which the progress table replaces."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def _search(experiment: Experiment) -> Search:
    if experiment.search is None:
        raise FacesimError(f"the experiment {experiment.name!r} declares no search")
    return experiment.search


def _require_same(plan: Plan, before: dict[str, Any], splits: Any) -> None:
    now, begun = plan.definition, _identity(before, splits)
    before = {key: before[key] for key in before if key != _PATHS}
    with suppress(ValidationError):  # what is not an experiment any more differs as it is
        # In the form of today's schema: an older facesim stored none of the keys that were added
        # since, and their defaults are what it did.
        before = {**before, "base": validate_strictly(Experiment, before["base"]).as_data()}
    content, advice = dict[str, str](), ""
    if plan.identity is not None and begun is not None:
        before["base"], now["base"] = alike(begun, before["base"], plan.identity, now["base"])
        content = differing_splits(begun, plan.identity)
        if written_otherwise(begun, plan.identity):
            advice = "\nA folder that each machine has elsewhere: write it as ${NAME} in the file"
    changed = {**differences(before, now), **content}
    if changed:
        listed = "\n".join(f"  {key}: {change}" for key, change in changed.items())
        raise FacesimError(
            f"the study {plan.name!r} in {storage_name(plan.storage, plan.folder)} was begun with "
            "another experiment or space; undo this, or give the new study another `name:`\n"
            f"{listed}{advice}"
        )


def changed_plugins(plan: Plan, study: optuna.Study) -> list[str]:
    """The plugin files that have other content than when the study began."""
    begun = _identity(study.user_attrs[_DEFINITION], None)
    return [] if begun is None or plan.identity is None else changed_code(begun, plan.identity)


def _paths(plan: Plan) -> dict[str, Any]:
    return {} if plan.identity is None else {_PATHS: plan.identity.as_json()[_PATHS]}


def _identity(definition: dict[str, Any], splits: Any) -> Identity | None:
    """The identity with which a study began; None of a study of before, until its next start."""
    if _PATHS not in definition:
        return None
    return Identity.model_validate({_PATHS: definition[_PATHS], _SPLITS: splits})
