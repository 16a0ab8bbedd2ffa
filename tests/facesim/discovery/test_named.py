"""Plugins that an experiment names: modules and files."""

from pathlib import Path

import pytest

from facesim import PluginError, discovery, heads, losses
from facesim.plugin_info import failed_plugins
from tests.facesim.discovery.acme import loss


def named(name: str, folder: Path) -> str:
    with pytest.raises(PluginError) as caught:
        discovery.load_named_plugin(name, folder)
    return str(caught.value)


def test_a_file_is_imported_under_a_name_that_hides_no_module(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(loss("a"))
    entry = discovery.load_named_plugin("./json.py", tmp_path)
    assert entry == str(tmp_path / "json.py")
    assert losses.get("a").module.startswith("facesim_local_")
    import json

    assert json.dumps(1) == "1"


def test_a_file_runs_once_and_again_when_it_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(loss("a", 1.0))
    discovery.load_named_plugin("mine.py", tmp_path)
    before = losses.get("a")
    discovery.load_named_plugin(str(path), Path("/"))
    assert losses.get("a") is before
    path.write_text(loss("a", 2.0))
    discovery.load_named_plugin("mine.py", tmp_path)
    assert losses.spec("a").arguments == {"margin": 2.0}
    assert not (tmp_path / "__pycache__").exists()


def test_a_file_that_was_fixed_is_no_failure_any_more(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(loss("a") + "1 / 0")
    message = named("mine.py", tmp_path)
    assert message.startswith(f"{path} (named by the experiment) failed to import: ZeroDivision")
    assert [failure.module for failure in failed_plugins()] == [str(path)]
    path.write_text(loss("a"))
    discovery.load_named_plugin("mine.py", tmp_path)
    assert not failed_plugins()
    assert losses.names() == ["a"]


def test_a_module_may_be_named_by_its_dotted_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_local").mkdir()
    (tmp_path / "acme_local" / "heads.py").write_text(loss("a"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert discovery.load_named_plugin("acme_local.heads", Path("/")) == "acme_local.heads"
    assert losses.names() == ["a"]
    assert heads.names() == []


def test_a_named_module_that_lacks_another_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_needy.py").write_text("import acme_absent")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "ModuleNotFoundError: No module named 'acme_absent'" in named("acme_needy", tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "json.", "5", "no_such_acme.x"])
def test_what_is_no_module_is_refused(tmp_path: Path, name: str) -> None:
    assert named(name, tmp_path).startswith(f"there is no module {name!r}; ")


@pytest.mark.parametrize("name", ["no.py", "no/such/folder.py", ".py", "x" * 300 + ".py"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    message = named(name, tmp_path)
    assert message.startswith(("there is no plugin file", "the plugin file"))
    assert str(tmp_path) in message


def test_what_an_experiment_names_is_imported_although_others_are_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_PLUGINS_DISABLE", "1")
    (tmp_path / "mine.py").write_text(loss("a"))
    discovery.load_named_plugin("mine.py", tmp_path)
    assert losses.names() == ["a"]
