"""The structure that the design promises: who imports whom, and what importing costs."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# From the bottom to the top; a module imports from its own layer and from those before it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("version",),
    (
        "arrays",
        "errors",
        "interrupts",
        "machine_errors",
        "paths",
        "folders",
        "locks",
        "atomic",
        "bounded",
        "connections",
        "console",
        "csv_cells",
        "host",
        "json_files",
        "page",
        "seeds",
        "heartbeats",
        "process_group",
        "processes",
        "rendezvous",
        "reporters",
        "shared_failures",
        "worker_processes",
    ),
    ("registry",),
    ("alignment",),
    ("interfaces",),
    ("discovery", "plugin_failures", "plugin_info", "plugin_source"),
    ("experiment",),
    ("data", "model"),
    ("doctor", "evaluation", "testing", "training", "verifier"),
    ("runs",),
    ("tuning", "report", "scaffold"),
    ("packing",),
    ("terminal",),
    ("notebook",),
    ("cli", "__main__"),
)
RANKS = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
MODULES = sorted((ROOT / "facesim").rglob("*.py"))


def part_of(path: Path) -> str:
    """The module or package of ``facesim`` that a file belongs to."""
    return path.relative_to(ROOT / "facesim").with_suffix("").parts[0]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file, those inside of functions too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def parts_imported(path: Path) -> Iterator[tuple[int, str]]:
    for line, name in imported(path):
        if name.startswith("facesim."):
            yield line, name.split(".")[1]


def test_every_part_of_the_engine_has_its_layer() -> None:
    unplaced = {part_of(path) for path in MODULES} - set(RANKS) - {"__init__"}
    assert not unplaced, f"give {unplaced} a place in LAYERS"


def test_imports_run_downwards_only() -> None:
    upwards = [
        f"{path.relative_to(ROOT)}:{line} imports {part}"
        for path in MODULES
        if part_of(path) in RANKS
        for line, part in parts_imported(path)
        if part in RANKS and RANKS[part] > RANKS[part_of(path)]
    ]
    assert upwards == []


def test_parts_of_one_layer_do_not_import_each_other_in_a_circle() -> None:
    neighbours = {
        part: {
            other
            for path in MODULES
            if part_of(path) == part
            for _, other in parts_imported(path)
            if other != part and RANKS.get(other) == RANKS[part]
        }
        for part in RANKS
    }
    circles = [
        f"{part} <-> {other}"
        for part, others in neighbours.items()
        for other in others
        if part in neighbours[other]
    ]
    assert circles == []


def test_the_engine_never_imports_a_plugin() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in MODULES
        for line, name in imported(path)
        if name.split(".")[0] in ("facesim_plugins", "plugins")
    ]
    assert offenders == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda p: p.stem)
def test_a_plugin_imports_absolutely(path: Path) -> None:
    relative = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.parametrize(
    "module",
    ["facesim", "facesim.cli.program", "facesim.terminal.cache", "facesim.terminal.documents"],
)
def test_importing_it_imports_no_torch(module: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"there is no {module}")
    program = f"import {module}, sys; print(*{{'torch', 'pandas', 'optuna'}} & set(sys.modules))"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert finished.stdout.split() == []


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], [], ["runn"]], ids=" ".join)
def test_help_imports_what_it_shows(arguments: list[str]) -> None:
    """No parser of Markdown or source code; whoever imports one of them later gets it whole."""
    program = f"""
import atexit, sys
sys.argv = ["facesim", *{arguments}]

def check():
    print({{"markdown_it", "pygments", "torch", "pandas"}} & {{*sys.modules}}, file=sys.stderr)
    from rich.markdown import Markdown
    Markdown("# title").parsed

atexit.register(check)
from facesim.cli import main
main()
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "Usage: facesim" in finished.stdout + finished.stderr
    assert finished.stderr.splitlines()[-1] == "set()"


def test_only_the_console_prints() -> None:
    """Where text goes to a terminal in one place, no character in it steers the terminal."""
    offenders = []
    for path in {*MODULES} - {ROOT / "facesim/console.py"}:
        calls = [
            node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)
        ]
        offenders += [
            f"{path.relative_to(ROOT)}:{call.lineno}"
            for call in calls
            if ast.unparse(call.func) in ("print", "typer.echo", "typer.secho", "click.echo")
            and "printable(" not in ast.unparse(call)
        ]
        offenders += [
            f"{path.relative_to(ROOT)}:{line}"
            for line, name in imported(path)
            if name == "rich.console.Console"
        ]
    assert offenders == []


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    folders = {
        path.parent for folder in ("facesim", "plugins") for path in (ROOT / folder).rglob("*.py")
    }
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    installed = {name.replace("plugins", "facesim_plugins", 1) for name in names}
    data = {"facesim.experiments", "facesim.report.templates", "facesim.scaffold.templates"}
    assert installed | data == set(listed)
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_no_file_is_named_for_having_no_idea() -> None:
    homeless = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "core"}
    files = [*MODULES, *(ROOT / "plugins").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    assert [str(path) for path in files if path.stem in homeless] == []
