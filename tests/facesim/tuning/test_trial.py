"""A trial is a run of its own: what it leaves, what ends it, and how a lost one goes on."""

import errno
import json
import math
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState
from torch import Tensor

from facesim.errors import FacesimError
from facesim.experiment.loading import load_with_source
from facesim.experiment.schema import Experiment
from facesim.model.trunk_pass import PendingFeatures, TrunkPass
from facesim.runs.directory import RunDirectory, RunFile
from facesim.runs.log import TrainingLog, read_log
from facesim.runs.run import Run
from facesim.seeds import derive_seed
from facesim.training.stop import Stopped, StopRequest, TrainingCancelled
from facesim.training.trainer import OnEpoch
from facesim.tuning.identity import Identity, NamedPath
from facesim.tuning.space import base_point
from facesim.tuning.storage import EPOCHS, IS_BASE, LOST, REASON, REPEATS, RUN, STOPPED, SURPLUS
from facesim.tuning.study import Plan, open_study
from facesim.tuning.trial import SearchTrial, begin_or_continue, best_of_val, search_queue
from facesim.tuning.trial_loop import work
from facesim.tuning.trial_queue import TrialQueue

Write = Callable[..., Path]
Planned = Callable[[Path], Plan]


def made(plan: Plan) -> TrialQueue:
    queue = search_queue(plan)
    work(queue, StopRequest())
    return queue


def test_a_trial_is_a_run_that_test_takes_no_part_in(plan: Plan) -> None:
    queue = made(plan)
    assert queue.is_done
    assert len(queue.trials) == 4
    base = queue.trials[0]
    assert base.user_attrs[IS_BASE]
    assert base.params == base_point(plan.space)
    for trial in queue.trials:
        run = Run.open(Path(trial.user_attrs[RUN]))
        assert run.log is not None
        assert (run.log.status == "finished") == (trial.state == TrialState.COMPLETE)
        assert not run.directory.evaluation("test").exists()
        assert trial.values == [best_of_val(run)["val.accuracy"]] or (
            trial.state == TrialState.PRUNED
        )
        assert trial.user_attrs[EPOCHS] == len(trial.intermediate_values)
    assert Run.open(Path(base.user_attrs[RUN])).experiment == plan.space.base


def test_a_damaged_trunk_that_runs_share_is_written_again(
    write_search: Write, planned: Planned
) -> None:
    frozen = "{name: small_cnn, width: 4, frozen_stages: 1}"
    plan = planned(write_search(changed=("{name: small_cnn, width: 4}", frozen)))
    open_study(plan)
    first = begin_or_continue(plan, optuna.create_study().ask(), plan.space.base, plan.folder)
    (kept,) = plan.trunks.glob("*.pt")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-200] + bytes(200))
    second = begin_or_continue(plan, optuna.create_study().ask(), plan.space.base, plan.folder)
    assert kept.read_bytes() == whole == (second.path / "trunk.pt").read_bytes()
    again = optuna.create_study().ask()
    again.set_user_attr(RUN, str(first.path))  # whose own file is the damaged one
    assert begin_or_continue(plan, again, plan.space.base, plan.folder).path != first.path


def test_only_the_first_trial_runs_the_trunk_and_all_share_its_file(
    write_search: Write, planned: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    passes: list[int] = []
    start, train = TrunkPass.start, SearchTrial.train

    def counted(trunk: TrunkPass, images: Tensor, pool: Executor) -> PendingFeatures:
        passes.append(len(images))
        return start(trunk, images, pool)

    begun: list[int] = []

    def noted(trial: SearchTrial) -> Sequence[float]:
        begun.append(len(passes))
        return train(trial)

    monkeypatch.setattr(TrunkPass, "start", counted)
    monkeypatch.setattr(SearchTrial, "train", noted)
    frozen = "{name: small_cnn, width: 4, frozen_stages: 1}"
    plan = planned(write_search(changed=("{name: small_cnn, width: 4}", frozen)))
    made(plan)
    assert begun[0] == 0 < begun[1]
    assert begun[1:] == [len(passes)] * 3
    (kept,) = plan.trunks.glob("*.pt")
    runs = [Run.open(Path(trial.user_attrs[RUN])) for trial in search_queue(plan).trials]
    files = [run.path / "trunk.pt" for run in runs]
    files = [file for file in files if file.exists()]  # pruned ones have none
    assert files
    assert all(file.samefile(kept) for file in files)


def test_each_trial_is_drawn_from_a_stream_of_its_own(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def made_with(_: object, seed: int) -> optuna.samplers.BaseSampler:
        seeds.append(seed)
        return optuna.samplers.RandomSampler()

    monkeypatch.setattr("facesim.tuning.trial.make_sampler", made_with)
    queue = search_queue(plan)
    queue.before_asking()
    search_queue(plan).before_asking()  # another process, before the same trial
    queue.study.ask()
    queue.before_asking()
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_point_is_drawn_from_the_same_stream_whatever_was_lost_before(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def made_with(_: object, seed: int) -> optuna.samplers.BaseSampler:
        seeds.append(seed)
        return optuna.samplers.RandomSampler()

    monkeypatch.setattr("facesim.tuning.trial.make_sampler", made_with)
    queue = search_queue(plan)

    def begin() -> optuna.Trial:
        queue.before_asking()
        return queue.study.ask()

    for _ in range(2):
        begin()
    lost = begin()
    lost.set_user_attr(LOST, STOPPED)
    queue.study.tell(lost, state=TrialState.FAIL)
    queue.study.enqueue_trial({}, user_attrs={REPEATS: lost.number})
    begin()
    begin()
    first, second, of_lost, of_repetition, next_one = seeds
    assert of_repetition == of_lost
    assert len({first, second, of_lost, next_one}) == 4
    assert next_one == derive_seed(0, "search", 3)


def test_a_study_is_continued_until_it_has_as_many_trials_as_asked(
    write_search: Write, planned: Planned
) -> None:
    first = planned(write_search(changed=("trials: 4", "trials: 2")))
    assert len(made(first).study.trials) == 2
    more = planned(write_search(changed=("trials: 4", "trials: 3")))
    assert len(made(more).study.trials) == 3
    assert len(made(more).study.trials) == 3


def test_a_loss_that_is_no_number_fails_its_trial_alone(
    write_search: Write, planned: Planned
) -> None:
    search = "  trials: 2\n  space:\n    optimizer.lr: {choice: [0.001, 1.0e+30]}\n"
    plan = planned(write_search(search))
    study = open_study(plan)
    study.enqueue_trial({"optimizer.lr": 1e30})
    queue = made(plan)
    good, bad = queue.trials
    assert good.state == TrialState.COMPLETE
    assert bad.state == TrialState.FAIL
    assert "NonFiniteLossError" in bad.user_attrs[REASON]


def test_several_objectives_have_a_pareto_front(write_search: Write, planned: Planned) -> None:
    search = (
        "  trials: 3\n  metric: [val.eer, cost.milliseconds_per_image, cost.parameters]\n"
        "  space:\n    head.fc_dim: {int: [8, 64]}\n"
    )
    queue = made(planned(write_search(search)))
    assert [trial.state for trial in queue.trials] == [TrialState.COMPLETE] * 3
    assert all(math.isfinite(value) for trial in queue.trials for value in trial.values)
    assert queue.study.best_trials


def test_a_stopped_trial_goes_on_from_its_checkpoint(plan: Plan) -> None:
    queue = search_queue(plan)
    stop = StopRequest()
    train = queue.train

    def stopped_after_an_epoch(trial: optuna.Trial, request: StopRequest) -> Sequence[float]:
        report = trial.report

        def reported(value: float, step: int) -> None:
            report(value, step)
            request.signal_number = 15

        trial.report = reported  # type: ignore[method-assign]
        return train(trial, request)

    with pytest.raises(Stopped):
        work(
            TrialQueue(queue.plan, queue.study, queue.total, train=stopped_after_an_epoch),
            stop,
        )
    (lost,) = queue.study.get_trials()
    assert lost.state == TrialState.FAIL
    assert lost.user_attrs[LOST] == "stopped"
    done = made(plan)
    again = next(trial for trial in done.trials if trial.user_attrs.get(REPEATS) == lost.number)
    assert again.params == lost.params
    assert again.user_attrs[RUN] == lost.user_attrs[RUN]
    assert again.user_attrs[IS_BASE]
    assert len(again.intermediate_values) == 3
    assert len(done.trials) == 4


def test_another_machine_that_was_a_moment_faster_leaves_no_trial_too_many(plan: Plan) -> None:
    queue = made(plan)
    surplus = queue.study.ask()
    assert queue.is_surplus(surplus.number)
    assert not any(queue.is_surplus(trial.number) for trial in queue.trials[:4])


def test_what_two_machines_queue_at_once_is_made_once(plan: Plan) -> None:
    study = open_study(plan)
    study.enqueue_trial(base_point(plan.space), user_attrs={IS_BASE: True})
    queue = made(plan)
    assert [bool(trial.user_attrs.get(IS_BASE)) for trial in queue.trials] == [True] + [False] * 3
    assert [trial.user_attrs.get(LOST) for trial in study.trials].count(SURPLUS) == 1


class FakeRun:
    """A run whose epochs are given; it writes a log as a real one does."""

    def __init__(self, folder: Path, experiment: Experiment, *accuracies: float | None) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder
        self.experiment = experiment
        self.accuracies = accuracies
        self.components = None
        self.checkpoints = SimpleNamespace(path=folder, last=folder / "last.pt")

    @property
    def log(self) -> TrainingLog | None:
        return read_log(self.path / RunFile.LOG)

    def train(self, on_epoch: OnEpoch) -> None:
        for epoch, accuracy in enumerate(self.accuracies, start=1):
            values = {"step": epoch, "epoch": epoch, "accuracy": accuracy}
            with (self.path / RunFile.LOG).open("a") as log:
                log.write(json.dumps({"kind": "val", **values}) + "\n")
            on_epoch(epoch, {"accuracy": accuracy})


@pytest.fixture
def trained(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[optuna.Study, Sequence[float]]]:
    """Trains one trial, base experiment or not, whose validations are given."""

    def train(
        *accuracies: float | None, base: bool = False, lower: float = 0.0
    ) -> tuple[optuna.Study, Sequence[float]]:
        study = optuna.create_study(
            direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=lower)
        )
        study.enqueue_trial(base_point(plan.space), user_attrs={IS_BASE: True} if base else {})
        searched = SearchTrial(plan, study.ask(), StopRequest())
        run = FakeRun(tmp_path / "run", searched.experiment, *accuracies)
        (tmp_path / "run" / "last.pt").touch()
        monkeypatch.setattr("facesim.tuning.trial.begin_or_continue", lambda *_: run)
        monkeypatch.setattr("facesim.tuning.trial.epochs_before", lambda _: [])
        return study, searched.train()

    return train


Trained = Callable[..., tuple[optuna.Study, Sequence[float]]]


def test_an_objective_is_that_of_the_best_epoch_and_each_epoch_is_reported(
    trained: Trained,
) -> None:
    study, values = trained(0.5, 0.75, 0.625)
    assert values == [0.75]
    assert study.trials[0].intermediate_values == {1: 0.5, 2: 0.75, 3: 0.625}
    assert study.trials[0].user_attrs[EPOCHS] == 3


def test_a_trial_that_falls_behind_is_cancelled_and_keeps_no_checkpoint(
    trained: Trained, tmp_path: Path
) -> None:
    with pytest.raises(TrainingCancelled):
        trained(0.75, 0.25, 0.75, lower=0.5)
    assert not (tmp_path / "run" / "last.pt").exists()
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2


def test_the_base_experiment_is_trained_to_its_end(trained: Trained) -> None:
    assert trained(0.25, 0.25, 0.25, base=True, lower=0.5)[1] == [0.25]


def test_a_trial_is_not_cancelled_after_its_last_epoch(trained: Trained) -> None:
    assert trained(0.75, 0.75, 0.25, lower=0.5)[1] == [0.75]


def test_an_epoch_without_the_metric_is_not_reported(trained: Trained) -> None:
    study, values = trained(None, 0.75)
    assert study.trials[0].intermediate_values == {2: 0.75}
    assert values == [0.75]


def test_an_epoch_without_the_metric_is_done_all_the_same(trained: Trained) -> None:
    study, values = trained(0.75, None)
    assert values == [0.75]
    assert study.trials[0].user_attrs[EPOCHS] == 2


def test_a_metric_that_no_epoch_has_fails_the_trial_with_a_reason(trained: Trained) -> None:
    with pytest.raises(FacesimError, match=r"val\.accuracy cannot be computed on these pairs"):
        trained(None, None)


@pytest.mark.parametrize("left", ["same", "other", "gone", "held", "damaged"])
def test_a_repeated_trial_goes_on_with_the_run_that_was_left_if_it_can(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    monkeypatch.setattr("facesim.tuning.trial.share_trunk", lambda *_: None)
    open_study(plan)
    experiment = plan.space.base
    other = experiment.model_copy(update={"seed": 1})
    directory = RunDirectory.create(plan.folder, other if left == "other" else experiment)
    begun = Run(RunDirectory.create(plan.folder, experiment), experiment=experiment)
    begun.components = SimpleNamespace(network=None)  # type: ignore[assignment]
    monkeypatch.setattr(Run, "begin", lambda *_: begun)
    if left == "damaged":
        directory.checkpoints.last.write_bytes(b"torn")
    trial = optuna.create_study().ask()
    trial.set_user_attr(RUN, str(directory.path if left != "gone" else plan.folder / "gone"))
    with directory.locked() if left == "held" else nullcontext():
        run = begin_or_continue(plan, trial, experiment, plan.folder)
    assert run.path == (directory.path if left == "same" else begun.path)
    assert trial.user_attrs[RUN] == str(run.path)


def test_a_trial_of_another_machine_goes_on_where_its_data_are_here(
    plan: Plan, faces: Path, tmp_path: Path, write_search: Write
) -> None:
    def of(root: Path) -> Plan:
        file = write_search()
        file.write_text(file.read_text().replace(str(faces), str(root)))
        read = Plan.of(*load_with_source(file), plan.folder, None)
        return replace(read, identity=Identity.of(read.space.base, read.space.root))

    there, here = of(tmp_path / "there"), of(tmp_path / "here")
    open_study(there)
    trial = optuna.create_study().ask()
    begun = begin_or_continue(there, trial, there.space.base, plan.trial_folder(0))
    shutil.copytree(tmp_path / "there", tmp_path / "here")
    shutil.rmtree(tmp_path / "there")
    with pytest.raises(FacesimError, match=r"data\.train\.root"):
        Run.open(begun.path).take_experiment(here.space.base)
    other = here.space.base.model_copy(update={"seed": 1})
    with pytest.raises(FacesimError, match=r"another experiment; .+:\n  seed: 0 -> 1$"):
        Run.open(begun.path).take_experiment(other, here.keys_of_paths)
    left = begin_or_continue(here, trial, here.space.base, plan.trial_folder(1))
    assert left.path == begun.path
    assert left.components.train.table.root.is_relative_to(tmp_path / "here")
    again = Run.open(left.path)  # by whoever looks at it later
    assert again.experiment == here.space.base
    assert str(tmp_path / "there") not in (left.path / RunFile.EXPERIMENT).read_text()


def test_paths_that_the_space_varies_are_not_the_same_everywhere(
    write_search: Write, planned: Planned
) -> None:
    search = "  space: {optimizer.lr: {float: [1e-3, 1e-2]}, head: {choice: [mlp]}}\n"
    plan = planned(write_search(search, changed=("fc_dim: 8, ", "")))
    names = [("data", "train", "root"), ("head", "weights"), ("loss", "file")]
    paths = tuple(NamedPath(key=key, written="w", sha256=None) for key in names)
    moved = replace(plan, identity=Identity(paths=paths)).keys_of_paths
    assert moved == [("data", "train", "root"), ("loss", "file")]
    assert plan.keys_of_paths == []


def test_what_a_killed_process_left_of_a_run_directory_is_removed(plan: Plan) -> None:
    open_study(plan)
    half = plan.trial_folder(3) / "tiny" / ".20260101-000000.abc.tmp"
    half.mkdir(parents=True)
    whole = RunDirectory.create(plan.trial_folder(3), plan.space.base).path  # not signed yet
    begun = RunDirectory.create(plan.trial_folder(3), plan.space.base).path
    (begun / "environment.json").write_text("[]")
    trial = optuna.create_study().ask()
    trial.set_user_attr(REPEATS, 3)
    begin_or_continue(plan, trial, plan.space.base, plan.trial_folder(4))
    assert list((plan.trial_folder(3) / "tiny").iterdir()) == [begun]
    assert not whole.exists()


def test_a_disk_that_fails_while_a_left_run_is_read_is_no_reason_to_leave_it(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_study(plan)
    directory = RunDirectory.create(plan.folder, plan.space.base)
    directory.checkpoints.last.touch()
    trial = optuna.create_study().ask()
    trial.set_user_attr(RUN, str(directory.path))

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("torch.load", fail)
    with pytest.raises(FacesimError, match="Input/output error"):
        begin_or_continue(plan, trial, plan.space.base, plan.folder)


@pytest.mark.parametrize("knows_the_key", [True, False])
def test_a_study_of_before_keeps_the_pairs_of_its_seed(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, *, knows_the_key: bool
) -> None:
    """Its further trials are measured on the pairs of those that are done."""
    monkeypatch.setattr("facesim.tuning.trial.share_trunk", lambda *_: None)
    study = open_study(plan)
    definition = study.user_attrs["facesim"]
    if not knows_the_key:
        del definition["base"]["evaluate"]["seed"]
        study.set_user_attr("facesim", definition)
        open_study(plan)  # it is the same study
    fresh = plan.space.base.model_copy(update={"seed": 7})
    run = begin_or_continue(plan, optuna.create_study().ask(), fresh, plan.folder)
    assert run.experiment.evaluate.seed == (0 if knows_the_key else 7)


def test_a_trial_that_a_callback_ends_counts_as_trained_and_is_not_pruned(
    write_search: Write, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = "[{name: early_stopping, patience: 1, min_delta: 0.9}, lr_monitor]"
    plan = planned(write_search(changed=("search:\n", f"callbacks: {stop}\nsearch:\n")))
    open_study(plan)
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: EPOCHS_OF[trial.number] == 2)
    EPOCHS_OF.clear()
    report = optuna.Trial.report

    def counting(trial: optuna.Trial, value: float, step: int) -> None:
        EPOCHS_OF[trial.number] = step
        report(trial, value, step)

    monkeypatch.setattr(optuna.Trial, "report", counting)
    queue = made(plan)
    assert [trial.state for trial in queue.trials] == [TrialState.COMPLETE] * 4
    assert [trial.user_attrs[EPOCHS] for trial in queue.trials] == [2] * 4
    for trial in queue.trials:
        run = Run.open(Path(trial.user_attrs[RUN]))
        assert run.log is not None
        assert (run.log.status, run.log.stopped is None) == ("finished", False)
        assert len(run.log.callbacks) == 3


EPOCHS_OF: dict[int, int] = {}
"""The latest epoch that each trial reported."""
