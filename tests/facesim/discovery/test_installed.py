"""Plugins of installed distributions, by their entry points."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from facesim import PluginError, losses
from facesim.discovery import installed
from tests.facesim.discovery.acme import discover, loss


def test_every_module_of_a_package_is_imported(install: Callable[..., Path]) -> None:
    install(
        {
            "acme/__init__.py": loss("a"),
            "acme/b.py": loss("b"),
            "acme/sub/__init__.py": "",
            "acme/sub/c.py": loss("c"),
            "acme/__main__.py": "raise SystemExit('the program of the package')",
        }
    )
    assert discover() == []
    assert losses.names() == ["a", "b", "c"]


@pytest.mark.parametrize("entry", ["acme.b", "acme.b:something"])
def test_an_entry_point_may_name_one_module(install: Callable[..., Path], entry: str) -> None:
    install({"acme/__init__.py": "", "acme/a.py": loss("a"), "acme/b.py": loss("b")}, entry)
    assert discover() == []
    assert losses.names() == ["b"]


@pytest.mark.parametrize("entry", ["no_such_acme", "acme.no_such", "1 2 3", ":x"])
def test_an_entry_point_that_names_nothing_is_reported(
    install: Callable[..., Path], entry: str
) -> None:
    install({"acme/__init__.py": ""}, entry)
    (failure,) = discover()
    assert failure.origin == "acme-losses 1.2"


def test_a_distribution_for_a_newer_interface_is_left_alone(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": loss("a")}, groups=("facesim.plugins.v2", "facesim.plugins.v3"))
    (failure,) = discover()
    assert (failure.module, failure.origin) == ("acme", "acme-losses 1.2")
    assert failure.reason.startswith(
        "it is made for version 2 of the plugin interface, and facesim"
    )
    assert "acme" not in sys.modules
    with pytest.raises(PluginError, match=r"acme \(acme-losses 1.2\) was not imported: it is made"):
        losses.get("a")


def test_a_distribution_for_several_interfaces_gives_the_known_one(
    install: Callable[..., Path],
) -> None:
    install({"acme/__init__.py": loss("a")}, groups=("facesim.plugins", "facesim.plugins.v2"))
    assert discover() == []
    assert losses.names() == ["a"]


def test_the_first_interface_has_two_names_and_is_used_once(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": loss("a")}, groups=("facesim.plugins", "facesim.plugins.v1"))
    assert [it.interface for it in installed.plugin_entry_points()] == [1]


def test_of_several_known_interfaces_the_newest_is_used(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "INTERFACE_VERSION", 2)
    install(
        {"acme/__init__.py": loss("a")},
        groups=("facesim.plugins", "facesim.plugins.v2", "facesim.plugins.v3"),
    )
    assert [it.interface for it in installed.plugin_entry_points()] == [2]


@pytest.mark.parametrize("group", ["facesim.plugins.v", "facesim.plugins.v01", "facesim.pluginss"])
def test_another_group_is_none_of_our_business(install: Callable[..., Path], group: str) -> None:
    install({"acme/__init__.py": loss("a")}, groups=(group,))
    assert discover() == []
    assert losses.names() == []


@pytest.mark.parametrize(("value", "names"), [("1", []), ("yes", []), ("0", ["a"]), ("", ["a"])])
def test_other_distributions_can_be_switched_off(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, value: str, names: list[str]
) -> None:
    monkeypatch.setenv("FACESIM_PLUGINS_DISABLE", value)
    install({"acme/__init__.py": loss("a")})
    discover()
    assert losses.names() == names


def test_what_is_switched_off_is_named_where_a_plugin_is_missing(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_PLUGINS_DISABLE", "1")
    install({"acme/__init__.py": loss("a")})
    discover()
    with pytest.raises(PluginError, match="switched off by FACESIM_PLUGINS_DISABLE"):
        losses.get("a")
