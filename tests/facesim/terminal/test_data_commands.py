"""Commands of ``facesim data``, which plugins bring."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
import typer

from facesim import FacesimError, PluginError, data_commands
from facesim.cli import main
from facesim.discovery import load_installed_plugins
from facesim.errors import PluginFailure


@pytest.fixture(autouse=True)
def _own_commands() -> Iterator[None]:
    load_installed_plugins()  # once per process, so not among what is undone
    with data_commands.isolated():

        @data_commands("count")
        def count(
            *,
            root: Annotated[Path, typer.Argument(metavar="ROOT", help="Where to look.")],
            ending: Annotated[str, typer.Option(help="Of the files.")] = "jpg",
        ) -> None:
            """Count the images of a folder."""
            if not root.is_dir():
                raise FacesimError(f"{root}: there is no such folder")
            typer.echo(f"{len(list(root.glob(f'*.{ending}')))} {ending}")

        yield


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["facesim", "data", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_its_parameters_are_arguments_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").touch()
    assert command(monkeypatch, "count", tmp_path, "--ending", "png") == 0
    assert capsys.readouterr().out == "1 png\n"


def test_help_lists_and_explains_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--help") == 0
    listed = capsys.readouterr().out
    assert "Count the images of a folder." in listed
    assert "celeba" in listed
    assert command(monkeypatch, "count", "--help") == 0
    help_of_one = capsys.readouterr().out
    assert "Of the files." in help_of_one
    assert "completion" not in help_of_one  # which is the whole program's


def test_a_mistake_is_a_message_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "count", tmp_path / "gone") == 2
    assert capsys.readouterr().err.endswith("gone: there is no such folder\n")
    assert command(monkeypatch, "cuont") == 2
    assert "No such command 'cuont'" in capsys.readouterr().err


def test_a_module_that_could_not_be_imported_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = PluginFailure(
        "acme.vgg",
        "acme 1.0",
        "No module named 'x'",
        declared=frozenset({("data_commands", "vgg")}),
    )
    data_commands.note_failure(failed)
    assert command(monkeypatch, "vgg") == 2
    assert "acme.vgg (acme 1.0) failed to import: No module named 'x'" in capsys.readouterr().err


def test_a_name_that_is_taken_names_both_places() -> None:
    with pytest.raises(PluginError, match=r"data command 'count' is registered already, by .*py:"):

        @data_commands("count")
        def another() -> None: ...


def test_the_help_of_all_commands_imports_no_plugin() -> None:
    program = (
        "import sys; sys.argv = ['facesim', '--help']\n"
        "from facesim.cli import main\n"
        "try: main()\n"
        "finally: print('imported:', *{'torch', 'facesim_plugins'} & set(sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.endswith("imported:\n")
