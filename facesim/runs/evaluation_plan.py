"""Plan of an evaluation: the run's own test data, or other data under another name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesim.errors import FacesimError
from facesim.experiment.differences import differences, is_within
from facesim.experiment.loading import as_before, load_run_experiment, read_run_experiment
from facesim.experiment.schema import Experiment
from facesim.runs.directory import EVALUATION_NAME, EvaluationFile, RunDirectory, RunFile

OWN = "test"
"""Name of the evaluation at the end of every run."""

_MAY_CHANGE = (
    "plugins",
    "data.val",
    "data.test",
    "data.exclude",
    "data.workers",
    "image",
    "evaluate",
    "lint",
    "device",
    "backbone_engine",
)
_CHANGE_NO_RESULT = (
    "plugins",
    "data.workers",
    "evaluate.batch_size",
    "evaluate.smallest_far",
    "evaluate.baselines",
    "evaluate.slices",
    "lint",
    "device",
    "backbone_engine",
)
_OF_VAL = ("data.val", "evaluate.val_pairs")
_DRAWS_VAL = (
    *_OF_VAL,
    "data.exclude",
    "evaluate.seed",
    "evaluate.pairs_per_image",
    "evaluate.same_fraction",
)


@dataclass(frozen=True)
class EvaluationPlan:
    """One evaluation of a run.

    Attributes:
        directory: of the run.
        name: of its folder in ``eval/`` and of its pairs.
        trained: the run's experiment.
        experiment: the same with what this evaluation changes.
        checkpoint: ``best``, ``last`` or the name of a periodic one.
        recalibrates: whether new thresholds are chosen on val, instead of the run's.
        changes: what differs from the run's experiment, ``old -> new`` by dotted key.
    """

    directory: RunDirectory
    name: str
    trained: Experiment
    experiment: Experiment
    checkpoint: str
    recalibrates: bool
    changes: dict[str, str]

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.directory.evaluation(self.name)

    @property
    def pairs_file(self) -> Path:
        """The pairs of test."""
        return self.directory.pairs_file(self.name)

    @property
    def has_other_images(self) -> bool:
        """Whether val or test are not the run's."""
        return any(
            is_within(key, ("data.val", "data.test", "data.exclude")) for key in self.changes
        )

    @property
    def draws_val(self) -> bool:
        """Whether it chooses thresholds on other pairs of val, or on pairs of another val."""
        return self.recalibrates and any(is_within(key, _DRAWS_VAL) for key in self.changes)

    @property
    def val_name(self) -> str:
        """What findings call its val, if it is not the run's."""
        return f"val of {self.name}" if self.draws_val else "val"

    @property
    def val_pairs_file(self) -> Path:
        """The pairs of val: the run's own, unless this evaluation chooses thresholds on others."""
        if self.draws_val:
            return self.folder / EvaluationFile.VAL_PAIRS
        return self.directory.pairs_file("val")

    @property
    def calibration_file(self) -> Path:
        """The file of new thresholds."""
        if self.name == OWN:
            return self.directory.path / RunFile.CALIBRATION
        return self.folder / EvaluationFile.CALIBRATION

    @property
    def is_done(self) -> bool:
        """Whether an evaluation of this name is complete."""
        return (self.folder / EvaluationFile.METRICS).is_file()


def plan_evaluation(
    directory: RunDirectory,
    trained: Experiment,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    checkpoint: str,
    recalibrate: bool = False,
    trust: bool = False,
) -> EvaluationPlan:
    """Plan an evaluation, which may differ from the run's experiment.

    Args:
        directory: of the run.
        trained: the run's experiment.
        overrides: assignments as ``--set`` takes them; of data, image, evaluate, lint, device and
            backbone_engine.
        name: None for :data:`OWN`, if no result changes.
        checkpoint: which weights.
        recalibrate: whether to choose new thresholds on val.
        trust: whether to import the run's plugins without consent.

    Raises:
        FacesimError: an assignment is wrong or touches what was trained, the name is missing or
            belongs to another evaluation, or val is changed and not evaluated.
    """
    file = directory.path / RunFile.EXPERIMENT
    experiment = trained
    if overrides:
        experiment = as_before(load_run_experiment(file, overrides, trust=trust))
    experiment = _without_exclusion_of_other_data(trained, experiment)
    changes = differences(trained.as_data(), experiment.as_data())
    chosen = OWN if name is None else name
    recalibrates = recalibrate or chosen == OWN
    plan = EvaluationPlan(directory, chosen, trained, experiment, checkpoint, recalibrates, changes)
    _refuse_changes_of_the_training(changes)
    _refuse_another_meaning_of_the_name(plan, changes, named=name is not None)
    unused = [key for key in changes if is_within(key, _OF_VAL)]
    if unused and not plan.recalibrates:
        raise FacesimError(
            f"{unused[0]} changes, but val is not evaluated: the thresholds are those of the run; "
            "add --recalibrate to choose new ones on val"
        )
    return plan


def _without_exclusion_of_other_data(trained: Experiment, changed: Experiment) -> Experiment:
    """The images that the run excludes from its val and test are no images of other data."""
    before, after = trained.data, changed.data
    if after.exclude is None or after.exclude != before.exclude:
        return changed
    moot = {name: () for name in ("val", "test") if getattr(before, name) != getattr(after, name)}
    exclude = after.exclude.model_copy(update=moot)
    return changed.model_copy(update={"data": after.model_copy(update={"exclude": exclude})})


def _refuse_changes_of_the_training(changes: dict[str, str]) -> None:
    refused = [
        f"{key} ({change})" for key, change in changes.items() if not is_within(key, _MAY_CHANGE)
    ]
    if refused:
        raise FacesimError(
            f"an evaluation cannot change {', '.join(refused)}: the run is trained. What it can "
            f"change is {', '.join(_MAY_CHANGE)}"
        )


def _refuse_another_meaning_of_the_name(
    plan: EvaluationPlan, changes: dict[str, str], *, named: bool
) -> None:
    """Raise if the name belongs to another evaluation, which would be overwritten."""
    if not EVALUATION_NAME.fullmatch(plan.name) or plan.name == "val":
        raise FacesimError(
            f"an evaluation cannot be named {plan.name!r}; use letters, digits, '.', '_' and '-', "
            "and not `val`"
        )
    other = [key for key in changes if not is_within(key, _CHANGE_NO_RESULT)]
    if plan.name == OWN and other:
        raise FacesimError(
            f"{', '.join(other)} differ from the run's experiment, of which eval/{OWN} is the "
            f"evaluation; give this one {'another' if named else 'a'} name: --name NAME"
        )
    file = plan.folder / EvaluationFile.EXPERIMENT
    if not (plan.is_done and file.is_file()):
        return
    evaluated = as_before(read_run_experiment(file))
    before = differences(evaluated.as_data(), plan.experiment.as_data())
    listed = [f"  {key}: {before[key]}" for key in before if not is_within(key, _CHANGE_NO_RESULT)]
    if listed:
        lines = "\n".join(listed)
        raise FacesimError(
            f"{plan.folder} holds an evaluation with other settings; choose another --name, or "
            f"undo:\n{lines}"
        )
