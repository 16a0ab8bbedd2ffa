"""Broken callbacks and report sections are found, with what was seen."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from facesim import (
    Callback,
    ReportSection,
    RunRecord,
    Section,
    StopTraining,
    Text,
    TrainingView,
    callbacks,
    report_sections,
)
from facesim.testing import CONTRACTS, check_plugin


def observed(plugin: type[Any], promise: str) -> str:
    registry = callbacks if issubclass(plugin, Callback) else report_sections
    registry("broken")(plugin)
    contract = CONTRACTS[registry.kind]
    (checked,) = [each for each in contract.promises if each.name == promise]
    broken = checked.broken_by(registry.spec("broken"))
    return "" if broken is None else broken.observed


class Counting(Callback):
    """A callback without a fault, from which the broken ones derive."""

    def __init__(self) -> None:
        self.epochs = 0

    def on_epoch_end(self, view: TrainingView) -> None:
        self.epochs += 1
        view.log({"epochs": self.epochs})
        view.save("epochs.txt", str(self.epochs).encode())

    def state(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state(self, state: dict[str, Any]) -> None:
        self.epochs = state["epochs"]


class KeepsATensor(Counting):
    def state(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "seen": torch.ones(1)}


class KeepsATuple(Counting):
    def state(self) -> dict[str, Any]:
        return {"epochs": (self.epochs,)}


class ForgetsItsCount(Counting):
    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        pass


class ForgetsWhenItStops(Callback):
    def __init__(self) -> None:
        self.seen = 0

    def on_validation(self, view: TrainingView) -> None:
        self.seen += 1
        if self.seen == 4:
            raise StopTraining("enough")


class ForgetsWhatItWrites(ForgetsWhenItStops):
    def on_validation(self, view: TrainingView) -> None:
        self.seen += 1
        view.save("seen.txt", str(self.seen).encode())


class CountsForEver(Counting):
    calls: list[int] = []  # noqa: RUF012

    def on_epoch_end(self, view: TrainingView) -> None:
        self.calls.append(view.epoch)
        view.log({"calls": len(self.calls)})


class Compares(Counting):
    def on_validation(self, view: TrainingView) -> None:
        if view.metrics["loss"] < 0.1:  # type: ignore[operator]
            raise StopTraining("low")


class DividesByTheEpochs(Counting):
    def on_end(self, view: TrainingView) -> None:
        float(1 / self.epochs)


class WritesBeside(Counting):
    def on_end(self, view: TrainingView) -> None:
        (view.folder.parent.parent / "epochs.txt").write_text("6")


class LogsInOnStart(Counting):
    def on_start(self, view: TrainingView) -> None:
        view.log({"epoch": 0.0})


class LogsATensor(Counting):
    def on_epoch_end(self, view: TrainingView) -> None:
        view.log({"norm": view.network["head.weight"].norm()})


class LooksAtTest(Counting):
    def on_epoch_end(self, view: TrainingView) -> None:
        view.embed("test")


class StopsAtTheEnd(Counting):
    def on_end(self, view: TrainingView) -> None:
        raise StopTraining("it is over")


class Plain(ReportSection):
    """A section without a fault, from which the broken ones derive."""

    def section(self, run: RunRecord) -> Any:
        return Section("plain", "Plain", (Text(run.title),))


class ReturnsText(Plain):
    def section(self, run: RunRecord) -> Any:
        return "<b>plain</b>"


class HoldsText(Plain):
    def section(self, run: RunRecord) -> Any:
        return Section("plain", "Plain", ("<b>plain</b>",))  # type: ignore[arg-type]


class HasNoTitle(Plain):
    def section(self, run: RunRecord) -> Any:
        return Section("plain", " ", (Text("plain"),))


class NeedsAResult(Plain):
    def section(self, run: RunRecord) -> Any:
        return Section("plain", "Plain", (Text(str(run.result.pairs)),))  # type: ignore[union-attr]


class NeedsAFile(Plain):
    def section(self, run: RunRecord) -> Any:
        return Section("plain", "Plain", (Text(str(run.files["save_embeddings"][0])),))


class SaysTheTime(Plain):
    def section(self, run: RunRecord) -> Any:
        return Section("plain", "Plain", (Text(str(time.perf_counter_ns())),))


class Draws(Plain):
    def section(self, run: RunRecord) -> Any:
        return Section("plain", "Plain", (Text(str(random.random())),))


class Writes(Plain):
    def section(self, run: RunRecord) -> Any:
        Path(run.path, "plain.txt").write_text("plain")
        return super().section(run)


class Sorts(Plain):
    def section(self, run: RunRecord) -> Any:
        if run.scores is not None:
            run.scores["score"] *= 2
        return super().section(run)


class Renames(Plain):
    def section(self, run: RunRecord) -> Any:
        run.experiment["name"] = "another"  # type: ignore[index]
        return super().section(run)


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    with ExitStack() as stack:
        for registry in (callbacks, report_sections):
            stack.enter_context(registry.isolated())
        yield


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (KeepsATensor, "state_is_plain_data", "the state after epoch 0 is TypeError: Object of"),
        (KeepsATuple, "state_is_plain_data", "the state after epoch 0 is {'epochs': (0,)}"),
        (ForgetsItsCount, "resuming_is_identical", "resumed after epoch 1 it logged [{'epoch': 1"),
        (ForgetsWhenItStops, "resuming_is_identical", "resumed after epoch 1 its states are"),
        (ForgetsWhatItWrites, "resuming_is_identical", "resumed after epoch 1 it writes other"),
        (CountsForEver, "hooks_may_be_called_again", "the first time it came to"),
        (Compares, "undefined_metrics_are_accepted", "TypeError: '<' not supported"),
        (DividesByTheEpochs, "untrained_run_may_end", "ZeroDivisionError"),
        (WritesBeside, "nothing_is_written_elsewhere", "beside its folder it wrote run/epochs.txt"),
        (LogsInOnStart, "resuming_is_identical", "it logs in on_start, which a resumed run calls"),
        (LogsATensor, "resuming_is_identical", "it logs what is no number: {'norm': tensor"),
        (LooksAtTest, "resuming_is_identical", "it embeds 'test'; test is for the final result"),
        (StopsAtTheEnd, "untrained_run_may_end", "it raises StopTraining in on_end"),
        (ReturnsText, "section_is_made_of_blocks", "it returned str"),
        (HoldsText, "section_is_made_of_blocks", "its section holds str, which is none"),
        (HasNoTitle, "section_is_made_of_blocks", "its section has no title"),
        (NeedsAResult, "run_may_be_unfinished", "AttributeError: 'NoneType' object has no"),
        (NeedsAFile, "run_may_be_unfinished", "KeyError: 'save_embeddings'"),
        (SaysTheTime, "section_repeats", "after Section(name='plain'"),
        (Draws, "section_repeats", "after Section(name='plain'"),
        (Writes, "run_stays_as_it_was", "it wrote or removed run/plain.txt"),
        (Sorts, "run_stays_as_it_was", "it changed the scores"),
        (Renames, "run_stays_as_it_was", "it changed the experiment"),
    ],
)
def test_what_is_wrong_is_said(broken: type[Any], promise: str, told: str) -> None:
    assert observed(broken, promise).startswith(told)


@pytest.mark.parametrize("plugin", [Counting, Plain])
def test_a_plugin_without_a_fault_keeps_all_promises(plugin: type[Any]) -> None:
    registry: Any = callbacks if issubclass(plugin, Callback) else report_sections
    registry("good")(plugin)
    check_plugin(registry.spec("good"))


def test_each_promise_of_the_two_kinds_has_a_planted_fault() -> None:
    (cases,) = [mark.args[1] for mark in test_what_is_wrong_is_said.pytestmark]
    of_every_kind = {"explains_itself", "parameters_survive_being_written"}
    for kind in ("callback", "report_section"):
        promises = {each.name for each in CONTRACTS[kind].promises} - of_every_kind
        assert promises <= {promise for _, promise, _ in cases}
