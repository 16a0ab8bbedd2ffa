import platform
import socket
import tomllib
from pathlib import Path

import pytest
import torch

from facesim import __version__
from facesim.doctor import (
    CacheFolder,
    DistributionStatus,
    EnvironmentStatus,
    Extra,
    examine_cache,
    examine_distributions,
    examine_environment,
    optional_extras,
)
from facesim.errors import PluginFailure
from facesim.host import HostStatus

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
HOST = HostStatus(2, None, ("gloo",), "node-1", (), (), (), {}, problems=("no address",))


@pytest.fixture
def metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of a facesim that hides the one under test."""
    folder = tmp_path / "site" / "facesim-9.9.dist-info"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setattr("facesim.doctor._CHECKOUT", tmp_path)
    return folder / "METADATA"


def test_the_environment_of_this_process_is_described() -> None:
    status = examine_environment()

    assert status.ok
    assert status.versions["facesim"] == __version__
    assert status.versions["python"] == platform.python_version()
    assert status.versions["torch"] == torch.__version__
    assert status.versions["torchvision"] != "not installed"
    assert status.devices[0] == f"cpu ({torch.get_num_threads()} threads)"
    assert [*status.engines] == ["eager", "compiled", "onnxruntime"]
    assert status.engines["eager"] is None
    assert len(status.devices) >= 1 + torch.cuda.device_count()
    assert status.host.name == socket.gethostname()
    assert {"timm", "onnx", "celeba"} <= {extra.name for extra in status.extras}


def test_an_extra_names_its_packages_and_those_that_are_missing(metadata: Path) -> None:
    metadata.write_text(
        "Name: facesim\nVersion: 9.9\n"
        "Requires-Dist: numpy>=2.0\n"
        'Requires-Dist: typer>=0.15; extra == "there"\n'
        "Requires-Dist: no-such-package[binary]<2; extra == 'half'\n"
        'Requires-Dist: typer; python_version > "3" and extra == "half"\n'
        'Requires-Dist: facesim[there,half]; extra == "both"\n'
    )

    there, half, both = optional_extras()

    assert (there.name, list(there.packages), there.installed) == ("there", ["typer"], True)
    assert there.packages["typer"] is not None
    assert (half.name, half.installed) == ("half", False)
    assert half.packages == {"no-such-package": None, **there.packages}
    assert (both.name, both.packages) == ("both", {**there.packages, **half.packages})


def test_the_sources_say_which_extras_there_are_today(metadata: Path, tmp_path: Path) -> None:
    metadata.write_text(
        "Name: facesim\nVersion: 9.9\nRequires-Dist: typer>=0.15; extra == 'of_before'\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'facesim'\noptional-dependencies = {new = ['typer>=0.16']}\n"
    )
    assert [extra.name for extra in optional_extras()] == ["new"]


def test_sources_of_something_else_say_nothing(metadata: Path, tmp_path: Path) -> None:
    metadata.write_text("Name: facesim\nVersion: 9.9\nRequires-Dist: typer; extra == 'mine'\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert [extra.name for extra in optional_extras()] == ["mine"]


def test_every_extra_of_the_project_is_listed() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert [each.name for each in optional_extras()] == list(project["optional-dependencies"])


def test_a_facesim_without_requirements_has_no_extras(metadata: Path) -> None:
    metadata.write_text("Name: facesim\nVersion: 9.9\n")

    assert optional_extras() == ()


def test_the_size_of_a_cache_is_that_of_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "trunk" / "key").mkdir(parents=True)
    (tmp_path / "trunk" / "key" / "chunk").write_bytes(bytes(1000))
    (tmp_path / "digests").write_bytes(bytes(234))

    cache = examine_cache(tmp_path)

    assert (cache.path, cache.size_bytes, cache.problem) == (tmp_path, 1234, None)
    assert cache.free_bytes > 0


def test_examining_a_cache_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = examine_cache(tmp_path / "not" / "there" / "yet")

    assert (cache.size_bytes, cache.problem) == (0, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "cache", "deep/cache"])
def test_a_file_where_the_cache_should_be_is_a_problem(below: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    cache = examine_cache(file / below)

    assert cache.problem == f"cannot write in {file}: Not a directory"
    assert not EnvironmentStatus({}, "", (), {}, HOST, (), cache).ok


def test_a_missing_extra_and_a_host_that_others_cannot_reach_are_nothing_wrong() -> None:
    extras = (Extra("timm", {"timm": None}),)
    cache = CacheFolder(Path("cache"), 0, 0, None)
    assert EnvironmentStatus({}, "", (), {}, HOST, extras, cache).ok


FAILURE = PluginFailure("acme", "acme 1.2", "no such module")


def test_facesim_comes_first_with_its_own_plugins() -> None:
    ours = examine_distributions()[0]

    assert ours.origin == f"facesim {__version__}"
    assert ours.ok
    assert "contrastive" in ours.plugins["losses"]
    assert "small_cnn" in ours.plugins["backbones"]


@pytest.mark.parametrize(
    ("failures", "switched_off", "ok"),
    [((), False, True), ((FAILURE,), False, False), ((FAILURE,), True, True)],
)
def test_a_failure_matters_where_the_plugins_are_meant_to_be_used(
    failures: tuple[PluginFailure, ...], switched_off: bool, ok: bool
) -> None:
    status = DistributionStatus("acme 1.2", 1, {}, failures, switched_off)
    assert status.ok is ok
