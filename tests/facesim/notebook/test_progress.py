"""The progress bar in Jupyter."""

import sys
import types
from typing import Any

import pytest

from facesim.notebook import progress
from facesim.notebook.progress import JupyterReporter, notebook_reporter
from facesim.reporters import PlainReporter


class Output:
    """Stands for the output of a cell."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, html: str, *, display_id: bool) -> "Output":
        assert display_id
        self.update(html)
        return self

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    output, module = Output(), types.ModuleType("IPython.display")
    functions: dict[str, Any] = {"display": output.display, "HTML": str}
    vars(module).update(functions)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 0.0)
    return output


def test_a_bar_advances_and_goes_away(output: Output) -> None:
    with JupyterReporter().task("epoch <1>", total=10, done=2) as advance:
        advance(3, "loss 0.5")
        advance()
    first, second, third, last = output.shown
    assert first == 'epoch &lt;1&gt; <progress value="2" max="10"></progress> 2/10 '
    assert '<progress value="5" max="10"></progress> 5/10 loss 0.5, 0 s left' in second
    assert "6/10 loss 0.5" in third
    assert last == ""


def test_the_time_left_is_that_of_what_is_left_at_the_pace_so_far(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 2.0)
    monkeypatch.setattr("facesim.notebook.progress.time.monotonic", lambda: now[0])
    with JupyterReporter().task("epoch", total=10, done=2) as advance:
        for seconds, count, note in ((6.0, 3, ""), (1.9, 1, "loss 0.5"), (0.1, 0, "")):
            now[0] += seconds
            advance(count, note)
    _, *bars, last = output.shown
    assert [bar.rpartition("</progress> ")[2] for bar in bars] == [
        "5/10 10 s left",  # 3 took 6 seconds
        "6/10 loss 0.5, 8 s left",  # 4 took 8
    ]
    assert last == ""


def test_a_bar_goes_away_if_the_task_fails(output: Output) -> None:
    with pytest.raises(ZeroDivisionError), JupyterReporter().task("task", total=1):
        raise ZeroDivisionError
    assert output.shown[-1] == ""


def test_updates_are_not_more_frequent_than_anyone_sees(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 60.0)
    with JupyterReporter().task("task", total=1000) as advance:
        for _ in range(1000):
            advance()
    assert len(output.shown) == 2


@pytest.mark.parametrize(
    ("shell", "reporter"),
    [("ZMQInteractiveShell", JupyterReporter), ("TerminalInteractiveShell", PlainReporter)],
)
def test_the_bar_of_jupyter_is_for_its_kernel(
    shell: str, reporter: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = type(shell, (), {})()
    monkeypatch.setattr("builtins.get_ipython", lambda: kernel, raising=False)
    assert type(notebook_reporter()) is reporter
