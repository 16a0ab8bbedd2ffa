from collections.abc import Iterator
from pkgutil import resolve_name
from types import NoneType
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

import facesim
from facesim import PluginError, losses, metrics
from facesim.discovery import load_installed_plugins
from facesim.experiment.schema import Experiment
from facesim.interfaces import INTERFACE_VERSION, KINDS, REGISTRIES, Kind, find_kind
from facesim.interfaces.kinds import built_metrics
from facesim.registry import Registry
from facesim.scaffold.writing import TEMPLATES
from facesim.testing import suites
from facesim.testing.contract import Contract

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def places(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str, bool]]:
    """Kind, place and whether it is a list, of each plugin that the schema has room for."""
    for key, info in model.model_fields.items():
        annotation: Any = info.annotation
        if NoneType in get_args(annotation) and len(get_args(annotation)) == 2:  # may be left out
            annotation = next(each for each in get_args(annotation) if each is not NoneType)
        metadata = (*info.metadata, *getattr(annotation, "__metadata__", ()))
        registry = next((item for item in metadata if isinstance(item, Registry)), None)
        several = registry is None and get_origin(annotation) is tuple
        if several:
            metadata = getattr(get_args(annotation)[0], "__metadata__", ())
            registry = next((item for item in metadata if isinstance(item, Registry)), None)
        if registry is not None:
            yield registry.kind, path + key, several
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from places(annotation, f"{path}{key}.")


def test_the_records_have_the_places_of_the_schema() -> None:
    recorded = [(kind.name, place, kind.several) for kind in KINDS for place in kind.places]
    assert sorted(recorded) == sorted(places(Experiment))


@EVERY_KIND
def test_its_contract_is_there(kind: Kind) -> None:
    contract = resolve_name(kind.contract)
    assert isinstance(contract, Contract)
    assert contract.kind == kind.name


@EVERY_KIND
def test_its_templates_are_there(kind: Kind) -> None:
    for template in (kind.template, kind.test_template):
        assert TEMPLATES.joinpath(f"{template}.txt").is_file()


@EVERY_KIND
def test_its_suite_is_there(kind: Kind) -> None:
    suite = getattr(suites, f"{kind.name.title().replace('_', '')}Contract")
    assert suite.kind == kind.name


@EVERY_KIND
def test_its_names_are_public(kind: Kind) -> None:
    assert getattr(facesim, kind.plural) is kind.registry
    base = kind.registry.base
    assert base is not None
    if base.__module__.startswith("facesim."):
        assert getattr(facesim, base.__name__) is base


def test_names_and_places_are_distinct() -> None:
    names = [name for kind in KINDS for name in (kind.name, kind.plural)]
    assert len(names) == len(set(names))
    assert [kind.registry for kind in KINDS] == list(REGISTRIES)


@pytest.mark.parametrize("name", ["loss", "losses", "Losses", "LOSS"])
def test_a_kind_may_be_in_the_singular_or_the_plural(name: str) -> None:
    assert find_kind(name).registry is losses


@pytest.mark.parametrize(
    ("name", "guess"), [("lossses", "'losses'"), ("los", "'losses'"), ("sampeler", "'samplers'")]
)
def test_an_unknown_kind_names_the_nearest_and_all(name: str, guess: str) -> None:
    with pytest.raises(PluginError) as caught:
        find_kind(name)
    message = str(caught.value)
    assert message.startswith(f"there is no kind of plugin {name!r} (did you mean ")
    assert guess in message
    assert message.endswith("known are " + ", ".join(kind.plural for kind in KINDS))


def test_the_interface_has_the_version_that_plugins_are_made_for() -> None:
    """With the next one every plugin of another distribution has to be released again."""
    assert INTERFACE_VERSION == 1


def test_a_metric_is_called_as_its_plugin_unless_its_parameters_are_in_its_name() -> None:
    load_installed_plugins()
    found = built_metrics([metrics.spec("eer"), metrics.spec("tar_at_far", far=5e-3)])
    assert [*found] == [metric.name for metric in found.values()] == ["eer", "tar_at_far_5e-3"]
