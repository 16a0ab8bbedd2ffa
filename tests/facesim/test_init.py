"""The public names of facesim: they are there, and plugins need no others."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

import facesim

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "facesim" / "scaffold" / "templates").glob("*.py.txt"))
PAGE = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```\n", PAGE, re.DOTALL)


def deep_imports(source: str) -> Iterator[str]:
    """What a source imports of facesim that is not a public name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name for name in names if name.startswith("facesim."))
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            public = facesim.__all__ if node.module == "facesim" else ()
            if node.module == "facesim" or node.module.startswith("facesim."):
                names = [alias.name for alias in node.names]
                yield from (f"{node.module}.{name}" for name in names if name not in public)


def filled(template: str) -> str:
    return Template(template).safe_substitute(
        imports="", loader="load_named_plugin", load="", name="mine", Class="Mine", Kind="Loss"
    )


def test_every_public_name_is_there() -> None:
    program = f"from facesim import *\nfrom facesim import {', '.join(facesim.__all__)}"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert finished.returncode == 0, finished.stderr
    assert len(set(facesim.__all__)) == len(facesim.__all__) > 40
    assert set(facesim.__all__) <= set(dir(facesim))


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'facesim' has no attribute 'no_such_name'"):
        facesim.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_a_deep_import_is_found() -> None:
    assert list(deep_imports("from facesim import losses, no_such_name")) == [
        "facesim.no_such_name"
    ]
    assert list(deep_imports("from facesim.arrays import Int64Array"))
    assert list(deep_imports("def f():\n    import facesim.arrays"))
    assert not list(deep_imports("import facesim\nfrom facesim_plugins.a import b"))


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda p: p.stem)
def test_a_built_in_plugin_imports_public_names_only(path: Path) -> None:
    assert list(deep_imports(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_imports_public_names_only(path: Path) -> None:
    found = deep_imports(filled(path.read_text(encoding="utf-8")))
    assert [name for name in found if not is_kit(path.name, name)] == []


@pytest.mark.parametrize(("file", "source"), EXAMPLES, ids=[file for file, _ in EXAMPLES])
def test_an_example_imports_public_names_only(file: str, source: str) -> None:
    assert [name for name in deep_imports(source) if not is_kit(file, name)] == []


def is_kit(file: str, name: str) -> bool:
    """Whether a test imports from the conformance kit, which is public as well."""
    return file.startswith(("test_", "without_pytest")) and name.startswith("facesim.testing.")
