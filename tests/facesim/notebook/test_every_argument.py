"""Each argument of a command reaches what does the work, and each has its default."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facesim import OpenedRun, check, compare, evaluate, load_experiment, open_run, run
from facesim.notebook import commands
from facesim.processes import Processes
from facesim.runs.run import Run

EXPERIMENT: Any = SimpleNamespace(name="mine")


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Any, ...]]]:
    """Puts something in the place of a function of the module, or of ``Run``, which keeps calls."""

    def stand_in(name: str, returned: Any = None) -> list[tuple[Any, ...]]:
        made: list[tuple[Any, ...]] = []

        def call(*positional: Any, **named: Any) -> Any:
            made.append((*positional, *([named] if named else [])))
            return returned

        owner = Run if hasattr(Run, name) else commands
        monkeypatch.setattr(owner, name, call)
        return made

    return stand_in


Calls = Callable[..., list[tuple[Any, ...]]]


def test_load_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(
        "facesim.experiment.loading.load_experiment",
        lambda *given, **named: made.append((given, named)),
    )
    load_experiment("a.yaml")
    load_experiment(Path("a.yaml"), {"a.b": "1", "c": [1, None], "d": Path("e")}, trust=True)
    assignments = ['a.b="1"', "c=[1, null]", 'd="e"']
    assert made == [
        ((Path("a.yaml"), []), {"trust": False}),
        ((Path("a.yaml"), assignments), {"trust": True}),
    ]


def test_check(calls: Calls) -> None:
    report: Any = SimpleNamespace(lines=(("train", "48 images"),), notes=("warning: few",))
    made = calls("check_experiment", report)
    checked: Any = check(EXPERIMENT)
    assert made[0][:2] == (EXPERIMENT, Path("runs"))
    assert checked.report is report
    table, note = checked.blocks()
    assert (table.caption, table.columns) == ("mine: ready to run", ("Check", ""))
    assert (table.rows, table.numeric) == (report.lines, False)
    assert note.text == "warning: few"


def test_run(calls: Calls) -> None:
    begun: Any = SimpleNamespace(complete=lambda: None, read=lambda name: f"files of {name}")
    told = Told()
    calls("notebook_reporter", told)
    began, latest = calls("begin", begun), calls("latest_unfinished", None)
    wrote = calls("write_report", "report.html")
    trained = run(EXPERIMENT)
    assert isinstance(trained, OpenedRun)
    assert (trained.run, trained.evaluation) == (begun, "test")
    assert [made[:2] for made in began] == [(EXPERIMENT, Path("runs"))]
    assert began[0][2].reporter is told
    assert told.lines == ["report: report.html"]
    assert wrote == [("files of test",)]
    assert latest == []
    run(EXPERIMENT, "here", resume=True, progress=False)
    assert [made[:2] for made in latest] == [(EXPERIMENT, Path("here"))]
    assert began[1][:2] == (EXPERIMENT, Path("here"))
    assert told.lines == ["report: report.html"]
    latest = calls("latest_unfinished", begun)
    assert run(EXPERIMENT, "here", resume=True).run is begun
    assert latest[0][2].reporter is told
    assert len(began) == 2


def test_open_run(calls: Calls) -> None:
    told = Told()
    calls("notebook_reporter", told)
    made = calls("open", "opened")
    opened: Any = open_run("runs/a")
    assert (opened.run, opened.evaluation) == ("opened", "test")
    opened = open_run(Path("runs/a"), "lfw", progress=False, trust=True)
    assert opened.evaluation == "lfw"
    assert [(call[0], call[2]) for call in made] == [
        (Path("runs/a"), {"trust": False}),
        (Path("runs/a"), {"trust": True}),
    ]
    assert made[0][1].reporter is told
    assert type(made[1][1].reporter) is type(Processes().reporter)


def test_evaluate() -> None:
    made: list[dict[str, Any]] = []

    def measured(**choices: Any) -> tuple[Any, None]:
        made.append(choices)
        return SimpleNamespace(name="lfw"), None

    measuring: Any = SimpleNamespace(evaluate=measured)
    trained = OpenedRun(measuring)
    found = evaluate(trained)
    assert (found.run, found.evaluation) == (trained.run, "lfw")
    evaluate(trained, {"a": 1}, name="lfw", checkpoint="last", recalibrate=True)
    assert made == [
        {"overrides": [], "name": None, "checkpoint": "best", "recalibrate": False},
        {"overrides": ["a=1"], "name": "lfw", "checkpoint": "last", "recalibrate": True},
    ]


def test_compare(calls: Calls) -> None:
    opening = calls("open_runs", (["opened"], ("1 run is passed over",)))
    runs, groups = calls("compare_runs", "runs"), calls("compare_groups", "groups")
    opened: Any = SimpleNamespace()
    trained = OpenedRun(opened)
    found: list[Any] = [
        compare(trained, "a").comparison,
        compare(trained, "a", evaluation="lfw").comparison,
        compare(trained, against=["a", Path("b")], evaluation="lfw").comparison,
    ]
    assert found == ["runs", "runs", "groups"]
    both = [trained.run, "opened"]
    assert runs == [(both, {"name": "test"}), (both, {"name": "lfw"})]
    assert groups == [(["opened", "opened"], [trained.run], {"name": "lfw"})]
    assert opening[:2] == [([Path("a")], "test"), ([Path("a")], "lfw")]
    assert compare(trained, "a").passed_over == ("1 run is passed over",)
