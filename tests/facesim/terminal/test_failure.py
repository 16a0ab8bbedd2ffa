"""How a command that fails ends: one line, the exit code, and a traceback where it is wanted."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer

from facesim import cli
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.interfaces import REGISTRIES
from facesim.terminal.failure import failure_of

PLUGIN = """
from facesim import losses
from facesim_plugins.losses.contrastive import Contrastive


@losses("failing_{name}")
class Failing(Contrastive):
    def forward(self, embeddings, batch):
        raise {raised}
"""

Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    load_installed_plugins()  # once per process: not to be undone with the test
    with ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(registry.isolated())
        yield


@pytest.fixture
def facesim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs a command in an empty folder; returns its exit code and error output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("facesim.interrupts._came", False)

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["facesim", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return command


@pytest.fixture
def failing(tmp_path: Path, tiny_file: Path) -> Callable[[str, str], str]:
    """Writes an experiment whose loss raises something."""

    def write(name: str, raised: str) -> str:
        (tmp_path / f"{name}.py").write_text(PLUGIN.format(name=name, raised=raised))
        file = tmp_path / f"{name}.yaml"
        file.write_text(
            f"extends: {tiny_file}\nname: {name}\nplugins: [./{name}.py]\nloss: failing_{name}\n"
        )
        return file.name

    return write


@pytest.mark.parametrize(
    ("name", "raised", "reason"),
    [
        ("key", "KeyError('margin')", "KeyError: 'margin'"),
        ("exit", "SystemExit(0)", "SystemExit: 0"),
        ("interrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("lines", "RuntimeError('two\\nlines')", "RuntimeError: two lines"),
    ],
)
def test_a_run_whose_plugin_fails_says_so_in_one_line_and_keeps_the_traceback(
    facesim: Command,
    failing: Callable[[str, str], str],
    tmp_path: Path,
    name: str,
    raised: str,
    reason: str,
) -> None:
    code, error = facesim("run", failing(name, raised))
    assert code == 2
    (run,) = (tmp_path / "runs" / name).iterdir()
    kept = Path("runs") / name / run.name / "traceback.txt"
    assert error.splitlines()[-1] == (
        f"the loss 'failing_{name}' failed in Failing.forward ({tmp_path / name}.py:9): {reason}; "
        f"the traceback is in {kept}"
    )
    assert "Traceback" not in error
    assert "in forward" in kept.read_text(encoding="utf-8")
    assert '"failed"' in (run / "metrics.jsonl").read_text().splitlines()[-1]


def test_a_run_that_goes_on_to_its_end_leaves_no_traceback(
    facesim: Command, failing: Callable[[str, str], str], tmp_path: Path
) -> None:
    file = failing("mended", "KeyError")
    assert facesim("run", file, "--set", "train.epochs=1")[0] == 2
    (run,) = (tmp_path / "runs" / "mended").iterdir()
    assert (run / "traceback.txt").exists()
    text = (tmp_path / "mended.py").read_text()
    (tmp_path / "mended.py").write_text(text.partition("    def forward")[0] + "    pass\n")
    assert facesim("run", file, "--set", "train.epochs=1", "--resume", "auto")[0] == 0
    assert not (run / "traceback.txt").exists()


@pytest.mark.parametrize("before", [True, False])
def test_the_traceback_is_printed_on_demand_wherever_the_option_stands(
    facesim: Command, failing: Callable[[str, str], str], before: bool
) -> None:
    file = failing(f"asked_{before}", "KeyError('margin')".replace("margin", str(before)))
    code, error = facesim("check", file)
    assert code == 2
    assert error.splitlines()[-1].endswith("; add --traceback to see the traceback")
    assert "Traceback" not in error
    words = ("--traceback", "check", file) if before else ("check", file, "--traceback")
    code, error = facesim(*words)
    assert code == 2
    assert "Traceback (most recent call last)" in error


def test_a_bug_of_facesim_is_told_as_one_and_how_to_report_it(
    facesim: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise KeyError("gone")

    monkeypatch.setattr("facesim.doctor.examine_environment", broken)
    code, error = facesim("doctor")
    assert code == 70
    assert error.startswith("a bug of facesim: KeyError: 'gone'; add --traceback to see")
    assert "report it with the output of `facesim doctor`" in error


def test_mistakes_have_no_traceback_but_on_demand() -> None:
    failure = failure_of(FacesimError("no such file"), asked=False)
    assert failure is not None
    assert (failure.message, failure.exit_code, failure.traceback) == ("no such file", 2, "")
    asked = failure_of(FacesimError("no such file"), asked=True)
    assert asked is not None
    assert "FacesimError: no such file" in asked.traceback


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ImportError("libc.so", name="torch._C"), 2, "torch cannot be imported: libc.so; install"),
        (ImportError("no name"), 70, "a bug of facesim: ImportError: no name; add --traceback"),
        (ImportError("torch", name="torchvision"), 70, "a bug of facesim: ImportError: torch"),
        (typer.Abort(), 1, "Aborted."),
        (MemoryError("of 8 GB"), 2, "out of memory: of 8 GB; "),
        (ValueError("two\nlines"), 70, "a bug of facesim: ValueError: two lines; add"),
    ],
)
def test_each_kind_of_error_has_its_message_and_its_code(
    error: BaseException, code: int, said: str
) -> None:
    failure = failure_of(error, asked=False)
    assert failure is not None
    assert (failure.exit_code, failure.traceback) == (code, "")
    assert failure.message.startswith(said)


def test_an_exit_that_no_plugin_caused_is_left_alone() -> None:
    assert failure_of(SystemExit(3), asked=False) is None
