"""Studies in their storage: begun once, joined by whoever comes later."""

import warnings
from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from facesim.errors import FacesimError
from facesim.evaluation.metrics import Metric
from facesim.seeds import derive_seed
from facesim.tuning.base_trial import base_point
from facesim.tuning.optuna_factories import make_pruner, make_sampler
from facesim.tuning.plan import Plan, require_same_definition
from facesim.tuning.storage import open_storage
from facesim.tuning.trial import SearchTrial
from facesim.tuning.trial_attributes import IS_BASE
from facesim.tuning.work_queue import Stage

_DEFINITION = "facesim"


def open_study(plan: Plan) -> optuna.Study:
    """The study of a plan, begun if it is not there; its first trial is the base experiment.

    Raises:
        FacesimError: the storage cannot be used, or holds a study of another space or experiment.
    """
    storage = open_storage(plan.storage, plan.folder)
    with plan.locked():
        study = create_or_load(storage, plan.name, [each.metric for each in plan.objectives])
        before = study.user_attrs.get(_DEFINITION)
        if before is None:
            if study.get_trials(deepcopy=False):
                raise FacesimError(
                    f"the storage holds a study {plan.name!r} that facesim did not make; give the "
                    "experiment another `name:`"
                )
            study.set_user_attr(_DEFINITION, plan.definition)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([each.name for each in plan.objectives])
        else:
            require_same_definition(plan.name, before, plan.definition)
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(base_point(plan.space), user_attrs={IS_BASE: True})
    return study


def study_exists(plan: Plan) -> bool:
    """Whether the storage holds the plan's study."""
    if plan.storage is None and not plan.folder.exists():
        return False
    return plan.name in optuna.get_all_study_names(open_storage(plan.storage, plan.folder))


def create_or_load(storage: BaseStorage, name: str, metrics: Sequence[Metric]) -> optuna.Study:
    """A study of this name; whoever comes second loads what the first one made."""
    directions = [StudyDirection[metric.direction.upper()] for metric in metrics]
    try:
        return optuna.create_study(study_name=name, storage=storage, directions=directions)
    except optuna.exceptions.DuplicatedStudyError:
        return optuna.load_study(study_name=name, storage=storage)


def search_stage(plan: Plan) -> Stage:
    """The search itself: as many trials as asked for, each a point of the space."""
    study = open_study(plan)
    study.pruner = make_pruner(plan.search.pruner, plan.experiment.train.epochs)

    def seeded() -> None:
        """Draw from a stream of its own for each trial, whichever process begins it."""
        begun = len(study.get_trials(deepcopy=False))
        seed = derive_seed(plan.experiment.seed, "search", begun)
        study.sampler = make_sampler(plan.search.sampler, seed)

    return Stage(
        plan,
        study,
        plan.search.trials,
        attempt=lambda trial, stop: SearchTrial(plan, trial, stop).make(),
        objectives=plan.objectives,
        before_asking=seeded,
    )


def quieten() -> None:
    """Silence what Optuna says of each trial; the table says it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
