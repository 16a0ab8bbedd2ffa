import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from facesim import losses
from facesim.discovery import load_installed_plugins, load_named_plugin
from facesim.plugin_source import source_digest

load_installed_plugins()


@pytest.fixture(autouse=True)
def _no_plugin_is_left() -> Iterator[None]:
    with losses.isolated():
        yield


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def digest_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The digest of a loss in a package of that folder, as a process finds it that starts now."""
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(folder.parent)
    importlib.invalidate_caches()
    with losses.isolated():
        importlib.import_module(f"{folder.name}.distance")
        return source_digest(losses.get("far"))


DISTANCE = """
from facesim import losses
from {package}.norm import norm

@losses("far")
def far(embedding_dim, num_identities):
    return norm
"""


def test_a_digest_is_of_the_source_of_a_plugin_and_of_what_it_uses_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "digested"
    norm = "from json import dumps\ndef norm(): return 1\n"
    write(
        folder, __init__="", distance=DISTANCE.format(package="digested"), norm=norm, other="a = 1"
    )
    before = digest_of(folder, monkeypatch)
    assert before is not None
    assert digest_of(folder, monkeypatch) == before
    write(folder, other="a = 22")
    assert digest_of(folder, monkeypatch) == before
    write(folder, norm=norm + "# longer\n")
    assert digest_of(folder, monkeypatch) != before


def test_a_file_is_digested_as_it_was_run_with_the_modules_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "beside_it", raising=False)
    write(tmp_path, beside_it="def norm(): return 1\n")
    write(tmp_path, far=DISTANCE.replace("{package}.norm", "beside_it"))

    def digest() -> str | None:
        load_named_plugin("./far.py", tmp_path)
        return source_digest(losses.get("far"))

    before = digest()
    write(tmp_path, beside_it="def norm(): return 2\n")
    assert digest() != before
    write(tmp_path, beside_it="def norm(): return 1\n")
    assert digest() == before
    (tmp_path / "far.py").write_text("of a later time")
    assert source_digest(losses.get("far")) == before


EXTENDED = """
from facesim import losses
from based.distance import far

@losses("further")
def further(embedding_dim, num_identities):
    return far
"""


def test_a_digest_holds_the_plugins_of_other_packages_that_a_plugin_extends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, alone = tmp_path / "based", tmp_path / "alone"
    write(folder, __init__="", distance=DISTANCE.format(package="based"), norm="norm = 1")
    write(alone, further=EXTENDED)
    monkeypatch.syspath_prepend(tmp_path)
    load_named_plugin("./further.py", alone)
    before = source_digest(losses.get("further"))
    assert before is not None
    write(folder, norm="norm = 22")
    assert source_digest(losses.get("further")) != before


def test_a_compiled_module_beside_a_plugin_has_no_source(tmp_path: Path) -> None:
    (tmp_path / f"fast_part{EXTENSION_SUFFIXES[0]}").write_bytes(b"\x7fELF")
    text = "try:\n    import fast_part\nexcept ImportError:\n    pass\n"
    text += 'from facesim import losses\n\n@losses("quick")\ndef quick(d, n): ...\n'
    write(tmp_path, quick=text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        load_named_plugin("./quick.py", tmp_path)
        digest = source_digest(losses.get("quick"))
    assert digest == blake2b(text.encode(), digest_size=16).hexdigest()


def test_what_has_no_source_has_no_digest() -> None:
    plugin = replace(losses.get("contrastive"), module="of_a_notebook")
    assert source_digest(plugin) is None


def test_a_constant_that_is_imported_where_it_is_used_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the module has been imported by then."""
    monkeypatch.syspath_prepend(tmp_path)
    late = """
from facesim import losses

@losses("late")
def late(embedding_dim, num_identities):
    from of_constants import SCALE
    return SCALE
"""
    write(tmp_path, of_constants="SCALE = 1", late=late)
    load_named_plugin("./late.py", tmp_path)
    before = source_digest(losses.get("late"))
    assert "of_constants" not in sys.modules
    importlib.import_module("of_constants")
    assert source_digest(losses.get("late")) == before
    write(tmp_path, of_constants="SCALE = 22")
    assert source_digest(losses.get("late")) != before


def test_of_a_plugin_that_uses_the_engine_alone_it_is_that_of_its_own_text(
    tmp_path: Path,
) -> None:
    write(tmp_path, alone='from facesim import losses\n\n@losses("one")\ndef one(d, n): ...\n')
    load_named_plugin("./alone.py", tmp_path)
    plugin = losses.get("one")
    text = (tmp_path / "alone.py").read_bytes()
    assert source_digest(plugin) == blake2b(text, digest_size=16).hexdigest()
