"""Each argument and option of a command reaches what does the work, and each has its default."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facesim.cli import main
from facesim.errors import FacesimError
from facesim.experiment.shipped import shipped_experiment
from facesim.rendezvous import is_launched
from facesim.runs.run import Run
from facesim.training.stop import Stopped
from facesim.tuning.optimize import Request


class Calls:
    """Stands in for what commands call, and keeps with what it was called.

    Attributes:
        made: of each call, what was called, and its arguments by position and by name.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def stand_in(self, target: str, returned: Any = None) -> None:
        """Replace ``target``, which then returns that, or raises it."""
        name = target.rpartition(".")[2]

        def call(*positional: Any, **named: Any) -> Any:
            self.made.append((name, positional, named))
            if isinstance(returned, BaseException):
                raise returned
            return returned

        self._patch.setattr(target, call)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments by position of each call of that."""
        return [positional for called, positional, _ in self.made if called == name]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The arguments by name of each call of that."""
        return [named for called, _, named in self.made if called == name]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Stand-ins for what all commands on experiments and runs call."""
    found = Calls(monkeypatch)

    @contextmanager
    def together(reporter: object, count: int = 1) -> Iterator[object]:
        found.made.append(("together", (count,), {}))
        yield GROUP

    monkeypatch.setattr("facesim.terminal.launching.together", together)
    found.stand_in("facesim.experiment.loading.load_experiment", EXPERIMENT)
    found.stand_in("facesim.terminal.results.print_result")
    return found


@pytest.fixture
def facesim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Types a command; returns its exit code, and the lines of its output and error output."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["facesim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), (captured.out + captured.err).splitlines()

    return command


Facesim = Callable[..., tuple[int, list[str]]]

GROUP = SimpleNamespace(is_main=True, size=1)
EXPERIMENT = SimpleNamespace(name="mine", train=SimpleNamespace(shards=4))


class Begun:
    """A run that keeps what it is asked to do."""

    path = Path("runs/mine/1")
    missing_stages = ("train", "report")

    def __init__(self) -> None:
        self.done: list[object] = []

    def take_experiment(self, experiment: object) -> None:
        self.done.append(experiment)

    def complete(self) -> None:
        self.done.append("complete")

    def read(self) -> str:
        return "files"


@pytest.fixture
def runs(calls: Calls) -> Begun:
    run = Begun()
    for how, returned in (("begin", run), ("open", run), ("latest_unfinished", None)):
        calls.stand_in(f"facesim.runs.run.Run.{how}", returned)
    calls.stand_in("facesim.training.shards.Shards.of")
    calls.stand_in("facesim.report.run_report.write_report", Path("report.html"))
    return run


def test_run(facesim: Facesim, calls: Calls, runs: Begun) -> None:
    code, lines = facesim("run", "mine.yaml")
    assert (code, lines) == (0, ["report: report.html", "run directory: runs/mine/1"])
    assert calls.of("together") == [(1,)]
    assert calls.of("load_experiment") == [(Path("mine.yaml"), ())]
    assert calls.named("load_experiment") == [{"trust": False}]
    assert calls.of("of") == [(4, GROUP)]
    assert calls.of("begin") == [(EXPERIMENT, Path("runs"), GROUP)]
    assert runs.done == ["complete"]
    assert calls.of("write_report") == [("files",)]
    assert calls.of("print_result")[0][1:] == ("files",)


def test_run_says_which_file_a_shipped_name_is(facesim: Facesim, calls: Calls, runs: Begun) -> None:
    code, lines = facesim("run", "quickstart")
    assert code == 0
    assert lines[0] == f"quickstart comes with facesim: {shipped_experiment('quickstart')}"
    assert lines[-1] == "run directory: runs/mine/1"


def test_run_with_every_option(facesim: Facesim, calls: Calls, runs: Begun) -> None:
    words = ("--set", "a=1", "--set", "b=2", "--out", "here", "--trust", "--processes", "3")
    assert facesim("run", "mine.yaml", *words)[0] == 0
    assert calls.of("together") == [(3,)]
    assert calls.of("load_experiment") == [(Path("mine.yaml"), ["a=1", "b=2"])]
    assert calls.named("load_experiment") == [{"trust": True}]
    assert calls.of("begin") == [(EXPERIMENT, Path("here"), GROUP)]


def test_run_resumes_a_directory(facesim: Facesim, calls: Calls, runs: Begun) -> None:
    code, lines = facesim("run", "mine.yaml", "--resume", "runs/mine/1")
    assert (code, lines[0]) == (0, "still to do: train, report")
    assert calls.of("open") == [(Path("runs/mine/1"), GROUP)]
    assert runs.done == [EXPERIMENT, "complete"]


def test_run_resumes_the_latest_or_begins(
    facesim: Facesim, calls: Calls, runs: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert facesim("run", "mine.yaml", "--resume", "auto", "--out", "here")[0] == 0
    assert calls.of("latest_unfinished") == [(EXPERIMENT, Path("here"), GROUP)]
    assert calls.of("begin") == [(EXPERIMENT, Path("here"), GROUP)]
    calls.stand_in("facesim.runs.run.Run.latest_unfinished", runs)
    monkeypatch.setattr(Begun, "missing_stages", ())
    code, lines = facesim("run", "mine.yaml", "--resume", "auto")
    assert (code, lines[0]) == (0, "still to do: nothing")
    assert len(calls.of("begin")) == 1
    assert runs.done == ["complete", EXPERIMENT, "complete"]


def test_run_goes_on_with_the_run_of_a_launch_that_is_repeated(
    facesim: Facesim, calls: Calls, runs: Begun
) -> None:
    calls.stand_in("facesim.rendezvous.run_of_launch", Path("runs/mine/7"))
    calls.stand_in("facesim.rendezvous.remember_run")
    assert facesim("run", "mine.yaml", "--resume", "auto")[0] == 0
    assert calls.of("open") == [(Path("runs/mine/7"), GROUP)]
    assert calls.of("latest_unfinished") == []
    assert calls.of("remember_run") == [(Path("runs/mine/1"),)]


@pytest.mark.parametrize(
    ("words", "launched", "again"),
    [
        ((), False, "facesim run x.yml --out=runs --resume=auto"),
        (
            ("--processes", "2", "--trust", "--set", "k=3", "--set", "y=a b", "--out", "o"),
            False,
            "facesim run x.yml --set=k=3 '--set=y=a b' --processes=2 --trust --out=o --resume=auto",
        ),
        (
            ("--processes", "2"),
            True,
            "facesim run x.yml --processes=2 --out=runs --resume=auto",
        ),
        (("--out", "o"), True, "torchrun ... -m facesim run x.yml --out=o --resume=auto"),
    ],
)
def test_run_says_how_to_go_on(
    facesim: Facesim,
    calls: Calls,
    runs: Begun,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    launched: bool,
    again: str,
) -> None:
    assert not is_launched()
    monkeypatch.setattr("facesim.rendezvous.is_launched", lambda: launched)
    calls.stand_in("facesim.runs.run.Run.begin", Stopped(15))
    code, lines = facesim("run", "x.yml", *words)
    assert (code, lines) == (143, ["stopped by SIGTERM; resume with:", again])


@pytest.mark.parametrize("command", ["run", "check", "eval"])
def test_a_process_that_is_not_the_main_one_follows_it(
    facesim: Facesim,
    calls: Calls,
    runs: Begun,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setattr(GROUP, "is_main", False)
    calls.stand_in("facesim.runs.follower.follow")
    planned = SimpleNamespace(experiment=EXPERIMENT)
    opened = SimpleNamespace(plan_evaluation=lambda **_: planned)
    calls.stand_in("facesim.runs.run.Run.open", opened)
    assert facesim(command, "mine.yaml") == (0, [])
    assert calls.of("follow") == [(EXPERIMENT, GROUP)]
    assert calls.of("begin") == []


@pytest.mark.parametrize(
    ("words", "overrides", "out", "trust", "count"),
    [
        ((), (), "runs", False, 1),
        (("--set", "a=1", "--out", "o", "--trust", "--processes", "2"), ["a=1"], "o", True, 2),
    ],
)
def test_check(
    facesim: Facesim,
    calls: Calls,
    words: tuple[str, ...],
    overrides: object,
    out: str,
    trust: bool,
    count: int,
) -> None:
    calls.stand_in("facesim.runs.dry_run.check_experiment", "report")
    calls.stand_in("facesim.terminal.results.print_check")
    assert facesim("check", "mine.yaml", *words) == (0, [])
    assert calls.of("together") == [(count,)]
    assert calls.of("load_experiment") == [(Path("mine.yaml"), overrides)]
    assert calls.named("load_experiment") == [{"trust": trust}]
    assert calls.of("check_experiment") == [(EXPERIMENT, Path(out), GROUP)]
    assert calls.of("print_check")[0][1:] == ("mine", "report")


def test_check_that_is_stopped(facesim: Facesim, calls: Calls) -> None:
    calls.stand_in("facesim.runs.dry_run.check_experiment", Stopped(2))
    assert facesim("check", "mine.yaml") == (130, ["stopped by SIGINT"])


class Linted:
    def __init__(self, allows: bool) -> None:
        self.report = SimpleNamespace(allows_run=allows)
        self.written: list[Path] = []

    def write_exclusion(self, path: Path) -> int:
        self.written.append(path)
        return 7


@pytest.mark.parametrize("allows", [True, False])
def test_lint(facesim: Facesim, calls: Calls, allows: bool) -> None:
    linted = Linted(allows)
    calls.stand_in("facesim.training.lint.lint_experiment", linted)
    for shown in ("print_lint", "print_exclusion"):
        calls.stand_in(f"facesim.terminal.results.{shown}")
    assert facesim("lint", "mine.yaml") == (0 if allows else 1, [])
    assert not linted.written
    assert not calls.of("print_exclusion")
    words = ("--set", "a=1", "--trust", "--write", "leaks.csv")
    assert facesim("lint", "mine.yaml", *words) == (0 if allows else 1, [])
    assert calls.of("load_experiment") == [(Path("mine.yaml"), ()), (Path("mine.yaml"), ["a=1"])]
    assert calls.named("load_experiment") == [{"trust": False}, {"trust": True}]
    assert calls.of("lint_experiment")[1][0] is EXPERIMENT
    assert linted.written == [Path("leaks.csv")]
    assert [shown[1:] for shown in calls.of("print_exclusion")] == [(Path("leaks.csv"), 7)]
    assert [shown[1:] for shown in calls.of("print_lint")] == 2 * [(linted.report,)]


@pytest.mark.parametrize("whole", [True, False])
def test_optimize(facesim: Facesim, calls: Calls, whole: bool) -> None:
    summary = SimpleNamespace(is_whole=whole)
    calls.stand_in("facesim.tuning.optimize.optimize", (Path("studies/mine"), summary))
    calls.stand_in("facesim.terminal.study.print_summary")
    said = "written to studies/mine; run the winner: facesim run studies/mine/best.yaml"
    assert facesim("optimize", "mine.yaml") == (0 if whole else 3, [said])
    words = (
        *("--set", "a=1", "--out", "o", "--trials", "5", "--workers", "2", "--storage", "url"),
        *("--resume", "--trust", "--processes", "3"),
    )
    facesim("optimize", "mine.yaml", *words)
    file = Path("mine.yaml")
    assert [call[0] for call in calls.of("optimize")] == [
        Request(file, (), Path("studies"), None, None, workers=1, resume=False),
        Request(file, ["a=1"], Path("o"), "url", 5, 2, True, True, 3),
    ]
    assert [shown[1] for shown in calls.of("print_summary")] == [summary, summary]


def test_optimize_that_is_stopped(facesim: Facesim, calls: Calls) -> None:
    calls.stand_in("facesim.tuning.optimize.optimize", Stopped(15))
    said = "stopped by SIGTERM; run the same command to resume"
    assert facesim("optimize", "mine.yaml") == (143, [said])


class Evaluated:
    """A run that keeps what it is asked to evaluate."""

    missing_stages = ("report",)

    def __init__(self, error: BaseException | None = None) -> None:
        self.choices: list[dict[str, Any]] = []
        self.error = error

    def evaluate(self, **choices: Any) -> tuple[object, object]:
        self.choices.append(choices)
        if self.error is not None:
            raise self.error
        return SimpleNamespace(name="lfw", folder=Path("eval/lfw")), None

    def read(self, name: str) -> str:
        return f"files of {name}"


def test_eval(facesim: Facesim, calls: Calls) -> None:
    run = Evaluated()
    calls.stand_in("facesim.runs.run.Run.open", run)
    assert facesim("eval", "runs/mine/1") == (0, ["written to eval/lfw"])
    words = (
        *("--set", "a=1", "--name", "lfw", "--checkpoint", "last", "--recalibrate"),
        *("--plugin", "p.py", "--plugin", "q", "--trust", "--processes", "2"),
    )
    assert facesim("eval", "runs/mine/1", *words)[0] == 0
    assert calls.of("together") == [(1,), (2,)]
    assert calls.of("open") == 2 * [(Path("runs/mine/1"), GROUP)]
    assert calls.named("open") == [{"trust": False}, {"trust": True}]
    keys = ("overrides", "plugins", "name", "checkpoint", "recalibrate")
    assert [tuple(choices[key] for key in keys) for choices in run.choices] == [
        ((), (), None, "best", False),
        (["a=1"], ["p.py", "q"], "lfw", "last", True),
    ]
    assert [shown[1] for shown in calls.of("print_result")] == 2 * ["files of lfw"]


def test_eval_that_is_stopped(facesim: Facesim, calls: Calls) -> None:
    calls.stand_in("facesim.runs.run.Run.open", Evaluated(Stopped(15)))
    said = "stopped by SIGTERM; the same command begins the evaluation anew"
    assert facesim("eval", "runs/mine/1") == (143, [said])


@pytest.mark.parametrize(
    ("words", "name", "faces", "trust"),
    [
        ((), "test", True, False),
        (("--name", "lfw", "--no-faces"), "lfw", False, False),
        (("--faces", "--trust"), "test", True, True),
    ],
)
def test_report(
    facesim: Facesim, calls: Calls, words: tuple[str, ...], name: str, faces: bool, trust: bool
) -> None:
    calls.stand_in("facesim.runs.run.Run.open", Evaluated())
    calls.stand_in("facesim.report.run_report.write_report", Path("a/report.html"))
    assert facesim("report", "runs/mine/1", *words) == (0, ["written to a/report.html"])
    assert calls.of("open") == [(Path("runs/mine/1"),)]
    assert calls.of("write_report") == [(f"files of {name}",)]
    assert calls.named("write_report") == [{"faces": faces, "trust": trust}]


@pytest.mark.parametrize(
    ("words", "runs", "reference", "name", "out"),
    [
        (("a", "b"), "ab", None, "test", None),
        (("--all", "a", "b", "--out", "c.csv"), "ab", None, "test", "c.csv"),
        (("a", "b", "--name", "lfw", "--out", "c.html"), "ab", None, "lfw", "c.html"),
        (("a", "b", "--against", "c", "d", "e"), "ab", "cde", "test", None),
        (("a", "--against", "c", "--against", "d", "--name", "lfw"), "a", "cd", "lfw", None),
        (("a", "--against", "c", "d", "--out", "c.html"), "a", "cd", "test", "c.html"),
        (("--name", "lfw", "a", "b"), "ab", None, "lfw", None),
        (("--against=c", "a", "b"), "ab", "c", "test", None),
    ],
)
def test_compare(
    facesim: Facesim,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    runs: str,
    reference: str | None,
    name: str,
    out: str | None,
) -> None:
    monkeypatch.setattr(Run, "open", str)
    calls.stand_in("facesim.runs.comparison.compare_runs", "compared")
    calls.stand_in("facesim.runs.comparison.compare_groups", "compared")
    calls.stand_in("facesim.terminal.results.print_comparison")
    calls.stand_in("facesim.report.comparison_files.write_comparison", Path("c.html"))
    assert facesim("compare", *words) == (0, ["written to c.html"] if out else [])
    groups = () if reference is None else (list(reference),)
    of_groups, of_runs = calls.of("compare_groups"), calls.of("compare_runs")
    assert (of_groups or of_runs) == [(*groups, list(runs))]
    assert bool(of_groups) == (reference is not None)
    assert calls.named("compare_groups" if reference else "compare_runs") == [{"name": name}]
    assert [shown[1] for shown in calls.of("print_comparison")] == ["compared"]
    every = {"every": "--all" in words}
    assert calls.named("print_comparison") == [every]
    assert calls.of("write_comparison") == ([("compared", Path(out))] if out else [])
    assert calls.named("write_comparison") == ([every] if out else [])


@pytest.mark.parametrize("command", ["schema", "plugins"])
def test_plugins_that_are_named_besides(facesim: Facesim, calls: Calls, command: str) -> None:
    calls.stand_in("facesim.experiment.loading.load_plugins_of")
    assert facesim(command)[0] == 0
    assert calls.of("load_plugins_of") == []
    assert facesim(command, "--plugin", "a.py", "--plugin", "b")[0] == 0
    assert facesim(command, "--plugin", "c", "--trust")[0] == 0
    assert calls.of("load_plugins_of") == [("a.py",), ("b",), ("c",)]
    assert [named["trust"] for named in calls.named("load_plugins_of")] == [False, False, True]


def test_plugins(facesim: Facesim, calls: Calls) -> None:
    for function in ("describe_kind", "describe_plugin", "failed_plugins"):
        calls.stand_in(f"facesim.plugin_info.{function}", function)
    for function in ("print_kind", "print_plugin", "print_failures"):
        calls.stand_in(f"facesim.terminal.plugins.{function}")
    assert facesim("plugins", "loss") == (0, [])
    assert [shown[1:] for shown in calls.of("print_kind")] == [("loss", "describe_kind")]
    assert [shown[1:] for shown in calls.of("print_failures")] == [("failed_plugins",)]
    assert facesim("plugins", "loss", "triplet") == (0, [])
    assert calls.of("describe_plugin") == [("loss", "triplet")]
    assert [shown[1:] for shown in calls.of("print_plugin")] == [("describe_plugin",)]
    assert len(calls.of("print_kind")) == len(calls.of("print_failures")) == 1


@pytest.mark.parametrize(
    ("words", "writer", "out"),
    [
        ((), "write_plugin", "."),
        (("--out", "here"), "write_plugin", "here"),
        (("--package",), "write_package", "."),
    ],
)
def test_new_plugin(
    facesim: Facesim, calls: Calls, words: tuple[str, ...], writer: str, out: str
) -> None:
    for function in ("write_plugin", "write_package"):
        calls.stand_in(f"facesim.scaffold.plugin.{function}", ["a.py", "b.py"])
    assert facesim("new", "plugin", "loss", "mine", *words) == (0, ["a.py", "b.py"])
    assert calls.made == [(writer, ("loss", "mine", Path(out)), {})]


def test_new_experiment(facesim: Facesim, calls: Calls) -> None:
    calls.stand_in("facesim.scaffold.experiment.require_possible")
    calls.stand_in("facesim.terminal.questions.ask", "answers")
    calls.stand_in("facesim.scaffold.experiment.write_experiment", ["here/mine.yaml", "schema"])
    calls.stand_in("facesim.scaffold.experiment.copy_experiment", ["here/mine.yaml"])
    file = Path("here/mine.yaml")
    written = ["written: here/mine.yaml", "written: schema", "next: facesim check here/mine.yaml"]
    assert facesim("new", "experiment", str(file)) == (0, written)
    keys = ("faces", "root", "backbone", "loss", "epochs")
    values = ("folder", "faces", "resnet", "triplet", 3)
    words = [word for key, value in zip(keys, values, strict=True) for word in (f"--{key}", value)]
    assert facesim("new", "experiment", str(file), *map(str, words))[0] == 0
    assert calls.of("ask") == [(dict.fromkeys(keys),), (dict(zip(keys, values, strict=True)),)]
    assert calls.of("write_experiment") == 2 * [("answers", file)]
    assert calls.of("require_possible") == 2 * [(file,)]
    copied = facesim("new", "experiment", str(file), "--like", "quickstart")
    assert copied == (0, [written[0], written[2]])
    assert calls.of("copy_experiment") == [("quickstart", file)]
    assert facesim("new", "experiment", str(file), "--like", "quickstart", "--epochs", "3")[0] == 2


def test_the_schema_is_written_where_it_is_to_be(facesim: Facesim, calls: Calls) -> None:
    calls.stand_in("facesim.experiment.json_schema.write_schema", "there")
    assert facesim("schema", "--write") == (0, ["written: there"])
    assert facesim("schema", "--write", "other.json") == (0, ["written: there"])
    assert facesim("schema", "--write", ".") == (0, ["written: there"])
    name = "facesim.schema.json"
    assert calls.of("write_schema") == [(Path(name),), (Path("other.json"),), (Path(name),)]
    assert facesim("schema", "other.json")[0] == 2
    assert len(calls.of("write_schema")) == 3


@pytest.mark.parametrize(
    ("words", "days", "size"),
    [
        (("--older-than", "3"), 3, None),
        (("--max-gb", "1.5"), None, 1.5),
        (("--older-than", "0", "--max-gb", "0"), 0, 0.0),
    ],
)
def test_cache_prune(
    facesim: Facesim, calls: Calls, words: tuple[str, ...], days: int | None, size: float | None
) -> None:
    calls.stand_in("facesim.model.cache_admin.stores_root", Path("root"))
    pruned = SimpleNamespace(removed=[], problems=[])
    calls.stand_in("facesim.model.cache_admin.prune", pruned)
    assert facesim("cache", "prune", *words) == (0, ["removed 0 stores, 0.0 MB"])
    assert calls.of("prune") == [(Path("root"),)]
    assert calls.named("prune") == [{"older_than_days": days, "max_gb": size}]
    pruned.problems = ["one is in use", "another, too"]
    code, lines = facesim("cache", "prune", *words)
    assert (code, lines[1:]) == (2, pruned.problems)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], 0),
        ([SimpleNamespace(rows=2, dropped=[1], unreadable=[])], 0),
        ([SimpleNamespace(rows=2, dropped=[], unreadable=["chunk 3: denied"])], 2),
        ([FacesimError("denied"), SimpleNamespace(rows=2, dropped=[], unreadable=[])], 2),
    ],
)
def test_cache_verify(facesim: Facesim, calls: Calls, found: list[Any], code: int) -> None:
    store = SimpleNamespace(folder=Path("0123456789"))
    verified = [(store, each) for each in found]
    calls.stand_in("facesim.model.cache_admin.verify_stores", verified)
    ended, lines = facesim("cache", "verify")
    assert (ended, len(lines)) == (code, len(found))


@pytest.mark.parametrize(
    ("environment", "distributions", "code"),
    [(True, [True, True], 0), (False, [True], 1), (True, [True, False], 1), (True, [], 0)],
)
def test_doctor(
    facesim: Facesim,
    calls: Calls,
    environment: bool,
    distributions: list[bool],
    code: int,
) -> None:
    calls.stand_in("facesim.doctor.examine_environment", SimpleNamespace(ok=environment))
    statuses = [SimpleNamespace(ok=ok) for ok in distributions]
    calls.stand_in("facesim.doctor.examine_distributions", statuses)
    calls.stand_in("facesim.terminal.doctor.print_environment")
    calls.stand_in("facesim.terminal.doctor.print_distributions")
    assert facesim("doctor") == (code, [])
    assert calls.of("print_distributions")[0][1] is statuses


@pytest.mark.parametrize(
    ("command", "option", "most"),
    [
        ("run", "--processes", 1024),
        ("check", "--processes", 1024),
        ("eval", "--processes", 1024),
        ("optimize", "--processes", 256),
        ("optimize", "--workers", 256),
        ("optimize", "--trials", 10**6),
    ],
)
def test_a_number_has_bounds(
    facesim: Facesim, calls: Calls, command: str, option: str, most: int
) -> None:
    begun = FacesimError("it came to the work")
    for work in ("tuning.optimize.optimize", "experiment.loading.load_experiment"):
        calls.stand_in(f"facesim.{work}", begun)
    calls.stand_in("facesim.runs.run.Run.open", begun)
    for number in (1, most):
        assert facesim(command, "x.yml", option, str(number)) == (2, [str(begun)])
    for number in (0, most + 1):
        code, lines = facesim(command, "x.yml", option, str(number))
        assert code == 2
        assert f"Invalid value for '{option}'" in "".join(lines)


@pytest.mark.parametrize("words", [("--older-than", "-1"), ("--max-gb", "-0.1")])
def test_a_limit_of_the_cache_is_not_negative(facesim: Facesim, words: tuple[str, str]) -> None:
    code, lines = facesim("cache", "prune", *words)
    assert code == 2
    assert f"Invalid value for '{words[0]}'" in "".join(lines)


def test_the_message_of_an_error_is_printed_as_it_is(facesim: Facesim, calls: Calls) -> None:
    message = "no [bold]such[/bold] key [/x] in " + "a long text " * 40
    calls.stand_in("facesim.experiment.loading.load_experiment", FacesimError(message))
    assert facesim("check", "x") == (2, [message])


@pytest.mark.parametrize("form", [("--traceback", "check", "x"), ("check", "x", "--traceback")])
def test_the_traceback_may_be_asked_for_anywhere(
    facesim: Facesim, calls: Calls, form: tuple[str, ...]
) -> None:
    calls.stand_in("facesim.experiment.loading.load_experiment", FacesimError("no such file"))
    assert facesim("check", "x") == (2, ["no such file"])
    code, lines = facesim(*form)
    assert (code, lines[0], lines[-1]) == (2, "Traceback (most recent call last):", "no such file")
