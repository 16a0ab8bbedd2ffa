"""Commands on run directories."""

import sys
from collections.abc import Callable

import pytest

from facesim.cli import main


@pytest.fixture
def facesim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Types a command that succeeds, and returns what it printed."""

    def command(*arguments: object) -> str:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["facesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert not ended.value.code, captured.err
        return captured.out

    return command
