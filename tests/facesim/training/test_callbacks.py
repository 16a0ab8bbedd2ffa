"""Callbacks: when hooks are called, what they see, that they change nothing, and how they stop."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facesim.errors import FacesimError, PluginError
from facesim.experiment.loading import load_experiment
from facesim.interfaces import Callback, StopTraining, TrainingView, callbacks
from facesim.plugin_failures import describe_failure
from facesim.runs.run import Run
from facesim.training.callbacks import FOLDER, Hooks
from facesim.training.checkpoint import read_checkpoint
from facesim.training.stop import Stopped
from tests.campaigns.undisturbed import differences

HOOKS = ("on_start", "on_epoch_start", "on_validation", "on_epoch_end", "on_checkpoint", "on_end")
Begin = Callable[..., Run]


class Noting(Callback):
    """Keeps, as its state, every hook with the epoch and the step, and what it is told."""

    acts: Callable[["Noting", str, TrainingView], None] = lambda *_: None

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def _note(self, hook: str, view: TrainingView) -> None:
        self.calls.append([hook, view.epoch, view.step, len(view.metrics)])
        type(self).acts(self, hook, view)

    def state(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


for _hook in HOOKS:
    setattr(Noting, _hook, lambda self, view, hook=_hook: self._note(hook, view))


@pytest.fixture
def acting() -> Iterator[Callable[..., type[Noting]]]:
    """Registers a callback ``noting`` that does something in its hooks."""
    with callbacks.isolated():

        def register(acts: Callable[[Noting, str, TrainingView], None] = lambda *_: None) -> Any:
            made = type("Acting", (Noting,), {"acts": acts, "__doc__": "Notes."})
            callbacks("noting")(made)
            return made

        yield register


@pytest.fixture
def begin(tiny_file: Path, tmp_path: Path) -> Begin:
    """Begins a run of the tiny experiment with some settings."""

    def make(*overrides: str, out: str = "runs") -> Run:
        return Run.begin(load_experiment(tiny_file, overrides), tmp_path / out)

    return make


def progress_of(run: Run) -> dict[str, Any]:
    progress: dict[str, Any] = read_checkpoint(run.checkpoints.last)["progress"]
    return progress


def calls_of(run: Run) -> list[list[Any]]:
    found: list[list[Any]] = progress_of(run)["hooks"]["states"]["noting"]["calls"]
    return found


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = read_checkpoint(run.checkpoints.last)["network"]
    return weights


def test_hooks_are_called_in_order_with_the_metrics_of_the_validation(
    acting: Callable[..., Any], begin: Begin
) -> None:
    made = acting()
    run = begin("callbacks=[noting]", "train.epochs=2")
    run.train()
    steps = run.components.total_steps // 2
    metrics = len(run.components.metrics) + 1
    of_epoch = [
        [
            ["on_epoch_start", epoch, (epoch - 1) * steps, 0],
            *(
                ["on_checkpoint", epoch, step, 0]
                for step in range((epoch - 1) * steps + 1, epoch * steps + 1)
                if step % 4 == 0
            ),
            ["on_validation", epoch, epoch * steps, metrics],
            ["on_epoch_end", epoch, epoch * steps, metrics],
            ["on_checkpoint", epoch, epoch * steps, metrics],
        ]
        for epoch in (1, 2)
    ]
    expected = [["on_start", 0, 0, 0], *of_epoch[0], *of_epoch[1]]
    assert calls_of(run) == expected
    callback = run.components.callbacks["noting"]
    assert isinstance(callback, made)
    assert callback.calls == [*expected, ["on_end", 2, 2 * steps, 0]]


def test_a_run_without_callbacks_has_neither_keys_nor_bytes_of_them(begin: Begin) -> None:
    run = begin("train.epochs=1")
    run.train()
    text = (run.path / "experiment.yaml").read_text()
    assert "callbacks" not in text
    assert "report_sections" not in text
    assert "hooks" not in progress_of(run)
    assert not (run.path / FOLDER).exists()


def test_callbacks_and_report_sections_are_written_where_there_are_some(tiny_file: Path) -> None:
    chosen = ("callbacks=[lr_monitor]", "report_sections=[embedding_map]")
    data = load_experiment(tiny_file, chosen).as_data()
    assert data["callbacks"] == [{"name": "lr_monitor"}]
    assert data["report_sections"] == [{"name": "embedding_map", "identities": 12}]


def disturb(self: Noting, hook: str, view: TrainingView) -> None:
    """Try everything by which code that watches might change a training by accident."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    torch.rand(5)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(False)
    for name in view.network:
        view.network[name].zero_()
    with pytest.raises(TypeError):
        view.network["head.0.weight"] = torch.zeros(1)  # type: ignore[index]
    with pytest.raises(TypeError):
        view.metrics["roc_auc"] = 2.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        view.step = 7  # type: ignore[misc]
    for split in ("val", "train"):
        view.embed(split, at_most=5).embeddings.fill(0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_callback_that_tries_to_changes_no_bit_of_the_training(
    workers: int, acting: Callable[..., Any], begin: Begin
) -> None:
    settings = (f"data.workers={workers}", "train.checkpoint_every=5")
    plain = begin(*settings, out="plain")
    plain.train()
    acting(disturb)
    threads, states = torch.get_num_threads(), (random.getstate(), torch.get_rng_state())
    watched = begin(*settings, "callbacks=[noting]", out="watched")
    watched.train()
    assert len(calls_of(watched)) > 10
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, torch.float32)
    assert torch.is_grad_enabled()
    assert random.getstate() == states[0]
    first, second = weights_of(plain), weights_of(watched)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [each["loss"] for each in plain.log.train] == [  # type: ignore[union-attr]
        each["loss"]
        for each in watched.log.train  # type: ignore[union-attr]
    ]


def test_the_generators_are_where_they_were_after_each_hook(
    acting: Callable[..., Any], begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(disturb)
    run = begin("callbacks=[noting]", "train.epochs=1")
    seen = []
    call = Hooks.call

    def states() -> tuple[object, ...]:
        arrays = np.random.get_state()  # noqa: NPY002
        return random.getstate(), str(arrays), torch.get_rng_state().tolist()

    def checked(self: Any, hook: Any, *arguments: Any) -> None:
        before = states()
        call(self, hook, *arguments)
        seen.append(states() == before)

    monkeypatch.setattr(Hooks, "call", checked)
    run.train()
    assert len(seen) > 5
    assert all(seen)


def test_embeddings_are_those_of_the_network_without_augmentation(
    acting: Callable[..., Any], begin: Begin
) -> None:
    found: dict[str, Any] = {}

    def keep(self: Noting, hook: str, view: TrainingView) -> None:
        if hook == "on_epoch_end":
            found["all"], found["few"] = view.embed("val"), view.embed("val", at_most=5)
            found["train"] = view.embed("train")

    acting(keep)
    run = begin("callbacks=[noting]", "train.epochs=1")
    run.train()
    table = run.components.val.table
    assert found["all"].files.tolist() == table.files.tolist()
    assert found["all"].labels.tolist() == [str(table.labels[it]) for it in table.identities]
    assert found["all"].embeddings.shape == (16, 4)
    assert found["all"].embeddings.dtype == np.float32
    assert len(found["train"].files) == len(run.components.train.table)
    at = [found["all"].files.tolist().index(file) for file in found["few"].files]
    assert at == [0, 3, 7, 11, 15]
    np.testing.assert_allclose(found["few"].embeddings, found["all"].embeddings[at], atol=1e-6)


def stop_at(hook: str, epoch: int, reason: str = "it is enough") -> Callable[..., None]:
    def act(self: Noting, called: str, view: TrainingView) -> None:
        if (called, view.epoch) == (hook, epoch):
            raise StopTraining(reason)

    return act


@pytest.mark.parametrize(
    ("hook", "epoch", "validated"),
    [
        ("on_start", 0, 0),
        ("on_epoch_start", 1, 0),
        ("on_epoch_start", 2, 1),
        ("on_checkpoint", 1, 1),
        ("on_validation", 1, 1),
        ("on_epoch_end", 2, 2),
    ],
)
def test_a_hook_ends_training_and_the_run_is_finished(
    hook: str, epoch: int, validated: int, acting: Callable[..., Any], begin: Begin
) -> None:
    acting(stop_at(hook, epoch))
    run = begin("callbacks=[noting]", "evaluate.baselines=false")
    run.complete()
    assert run.log is not None
    assert (run.log.status, len(run.log.val)) == ("finished", validated)
    assert run.log.stopped is not None
    assert run.log.stopped["reason"] == "noting: it is enough"
    assert run.missing_stages == ("report",)
    assert progress_of(run)["hooks"]["stopped"] == "noting: it is enough"
    assert run.read().result is not None
    assert run.components.callbacks["noting"].calls[-1][0] == "on_end"  # type: ignore[attr-defined]


def test_training_that_was_stopped_within_an_epoch_is_validated_after_its_steps(
    acting: Callable[..., Any], begin: Begin
) -> None:
    acting(stop_at("on_checkpoint", 1))
    run = begin("callbacks=[noting]")
    run.train()
    assert run.log is not None
    assert run.log.val[0]["step"] == 4
    assert progress_of(run)["step"] == 4
    assert {stage.name: stage.is_done for stage in run.stages}["train"]


def test_a_resumed_run_knows_that_training_was_ended(
    acting: Callable[..., Any], begin: Begin
) -> None:
    acting(stop_at("on_epoch_end", 1))
    run = begin("callbacks=[noting]")
    run.train()
    (run.path / "metrics.jsonl").write_bytes(
        (run.path / "metrics.jsonl").read_bytes()[: progress_of(run)["log_bytes"]]
    )
    (run.path / "facesim-manifest.json").write_text("{}")
    assert {stage.name: stage.is_done for stage in run.stages}["train"]
    step = progress_of(run)["step"]
    Run.open(run.path).complete()
    assert progress_of(run)["step"] == step


def test_every_callback_of_a_hook_is_called_though_one_stops(
    acting: Callable[..., Any], begin: Begin
) -> None:
    acting(stop_at("on_validation", 1))
    with callbacks.isolated():
        callbacks("other")(type("Other", (Noting,), {"__doc__": "Notes."}))
        run = begin("callbacks=[noting, other]")
        run.train()
        states = progress_of(run)["hooks"]["states"]
    assert states["noting"] == states["other"]


def calls_before_the_last_step(calls: list[str]) -> list[str]:
    return list(dict.fromkeys(calls[: calls.index("on_validation 2")]))


@pytest.mark.parametrize("stops", [False, True])
def test_a_run_that_is_interrupted_anywhere_ends_with_the_same_bytes(
    stops: bool, acting: Callable[..., Any], begin: Begin
) -> None:
    """Also in the middle of a hook, where a request to stop waits for the hook's end."""
    begun: Iterator[bool] = iter(())

    def act(self: Noting, hook: str, view: TrainingView) -> None:
        view.embed("val")
        if hook not in ("on_start", "on_end"):
            view.log({"calls": len(self.calls)})
        view.save("calls.txt", str(self.calls).encode())
        if next(begun, False):
            os.kill(os.getpid(), signal.SIGINT)
        if stops and (hook, view.epoch) == ("on_checkpoint", 2):
            raise StopTraining("enough")

    acting(act)
    few = ("train.epochs=2", "train.checkpoint_every=3")
    settings = ("callbacks=[noting]", "evaluate.baselines=false", *few)
    whole = begin(*settings, out="whole")
    whole.complete()
    calls = [f"{hook} {epoch}" for hook, epoch, *_ in calls_of(whole)]
    assert len(set(calls)) == 1 + 4 * 2
    stopped = []
    for at, call in enumerate(calls):
        if call not in calls[:at]:
            begun = iter([*[False] * at, True])
            run = begin(*settings, out=f"interrupted_{at}")
            try:  # after the last step nothing shows a progress that could be stopped
                run.complete()
            except Stopped:
                stopped.append(call)
                Run.open(run.path).complete()
            assert not list(differences(whole.path, run.path)), call
    assert stopped == calls_before_the_last_step(calls)


def test_a_failure_names_the_callback_and_the_line(
    acting: Callable[..., Any], begin: Begin
) -> None:
    def fail(self: Noting, hook: str, view: TrainingView) -> None:
        raise KeyError(hook)

    acting(fail)
    run = begin("callbacks=[noting]")
    with pytest.raises(KeyError) as caught:
        run.train()
    said = describe_failure(caught.value)
    assert said is not None
    assert said.startswith("the callback 'noting' failed in ")
    assert "test_callbacks.py:" in said
    assert "'on_start'" in said
    assert run.log is not None
    assert run.log.status == "failed"
    assert (run.path / "traceback.txt").exists()


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda _, hook, view: view.embed("test"), "not 'test': test is for the final result"),
        (lambda _, hook, view: view.log({"a": 1.0}), "on_start logs a: it is called whenever"),
        (lambda _, hook, view: view.save("../a.txt", b""), "named by its file name alone"),
        (lambda _, hook, view: view.save(".a", b""), "named by its file name alone"),
        (lambda _, hook, view: view.save("a", bytes(2**28 + 1)), "268,435,456 are the most"),
    ],
)
def test_what_a_hook_may_not_do_is_told(
    act: Callable[..., Any], told: str, acting: Callable[..., Any], begin: Begin
) -> None:
    acting(act)
    with pytest.raises(PluginError, match=told):
        begin("callbacks=[noting]").train()


@pytest.mark.parametrize("state", [{"a": torch.ones(1)}, {"a": {1: 2}}, {"a": (1,)}, {"a": {"b"}}])
def test_a_state_that_is_not_plain_data_is_refused(
    state: dict[str, Any], acting: Callable[..., Any], begin: Begin
) -> None:
    made = acting()
    made.state = lambda self: state
    with pytest.raises(PluginError, match="the state of the callback 'noting' is not plain data"):
        begin("callbacks=[noting]").train()


def test_numbers_of_a_state_are_kept_exactly(acting: Callable[..., Any], begin: Begin) -> None:
    made = acting()
    kept = {"a": np.float64(0.1), "b": float("inf"), "c": 2**80, "d": None, "e": [True, "x"]}
    made.state = lambda self: kept
    run = begin("callbacks=[noting]", "train.epochs=1")
    run.train()
    found = progress_of(run)["hooks"]["states"]["noting"]
    assert found == kept
    taken = []
    made.load_state = lambda self, state: taken.append(state)
    Run.open(run.path).train()
    assert taken == [kept]


def test_what_is_logged_and_written_is_listed_where_the_run_is_read(
    acting: Callable[..., Any], begin: Begin
) -> None:
    def write(self: Noting, hook: str, view: TrainingView) -> None:
        if hook == "on_epoch_end":
            view.log({"epoch_squared": view.epoch**2})
            view.save(f"{view.epoch}.txt", b"x")

    acting(write)
    run = begin("callbacks=[noting, noting]", "train.epochs=2")
    run.train()
    assert run.log is not None
    assert [
        (entry["epoch"], value)
        for entry in run.log.callbacks
        for name, value in entry.items()
        if name == "noting-2.epoch_squared"
    ] == [(1, 1), (2, 4)]
    files = run.directory.callback_files()
    assert {key: [path.name for path in paths] for key, paths in files.items()} == {
        "noting": ["1.txt", "2.txt"],
        "noting-2": ["1.txt", "2.txt"],
    }
    files["noting"][0].write_text("y")
    with pytest.raises(FacesimError, match=r"noting/1\.txt: is not what facesim wrote"):
        run.directory.callback_files()
