"""What ``facesim plugins`` has to print."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from facesim import PluginError, interfaces, losses
from facesim.discovery import load_named_plugin
from facesim.errors import PluginFailure
from facesim.plugin_info import (
    ParameterInfo,
    describe_kind,
    describe_plugin,
    failed_plugins,
    source_digest,
)


class Mine:
    """Pull together
    and push apart.

    Reference:
        Nobody: Nothing (1999).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[float, Field(gt=0, lt=10, description="How far.")] = 2.0,
        hidden: Annotated[tuple[int, ...], Field(description="Widths.")] = (64, 64),
        weights: Literal["imagenet"] | Path = "imagenet",
        power: Annotated[int, Field(ge=1)],
        note: str = "",
        limit: int | None = None,
        fast: bool = True,
    ) -> None: ...


@pytest.fixture(autouse=True)
def _one_loss() -> Iterator[None]:
    with ExitStack() as stack:
        for registry in interfaces.REGISTRIES:
            stack.enter_context(registry.isolated())
            registry._plugins, registry._failures = {}, {}
        losses("mine", aliases=("ours", "own"), default=True)(Mine)
        yield


def test_a_plugin_is_explained_whole() -> None:
    explanation = describe_plugin("loss", "mine")
    assert (explanation.kind, explanation.name) == ("loss", "mine")
    assert explanation.summary == "Pull together and push apart."
    assert explanation.text.endswith("Reference:\n    Nobody: Nothing (1999).")
    assert explanation.origin.startswith(f"{__file__}:")
    assert (explanation.aliases, explanation.default) == (("ours", "own"), True)
    assert describe_plugin("loss", "own") == explanation


def test_parameters_are_in_plain_words_in_the_order_of_the_signature() -> None:
    assert describe_plugin("loss", "mine").parameters == (
        ParameterInfo("margin", "a number", "> 0 and < 10", "2.0", "How far."),
        ParameterInfo("hidden", "a list, each a whole number", "", "[64, 64]", "Widths."),
        ParameterInfo("weights", "'imagenet' or a path", "", "imagenet", ""),
        ParameterInfo("power", "a whole number", ">= 1", None, ""),
        ParameterInfo("note", "text", "", '""', ""),
        ParameterInfo("limit", "a whole number or null", "", "null", ""),
        ParameterInfo("fast", "true or false", "", "true", ""),
    )


def test_explanations_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        describe_plugin("loss", "mine").name = "other"  # type: ignore[misc]


def test_every_plugin_of_a_kind_is_explained() -> None:
    assert [explanation.name for explanation in describe_kind("losses")] == ["mine"]
    assert describe_kind("backbone") == ()


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"no loss 'mime' \(did you mean 'mine'\?\)"):
        describe_plugin("losses", "mime")


def test_a_plugin_is_said_to_be_of_the_distribution_that_brought_it() -> None:
    # numpy stands for any installed package: a plugin is registered by one of its modules.
    import numpy as np

    names: dict[str, Any] = {"losses": losses, "__name__": "numpy.extra"}
    exec("@losses('theirs')\ndef theirs(a, b): ...", names)
    assert describe_plugin("loss", "theirs").distribution == f"numpy {np.__version__}"


def test_a_plugin_of_a_file_has_no_distribution() -> None:
    exec(
        "@losses('local')\ndef local(a, b): ...",
        {"losses": losses, "__name__": "facesim_local_0123"},
    )
    assert describe_plugin("loss", "local").distribution is None


def test_failures_are_listed_by_distribution() -> None:
    for module, origin in (("c", "acme 1.0"), ("a", "zeta 1.0"), ("b", "acme 1.0")):
        losses.note_failure(PluginFailure(module, origin, "ImportError: x"))
    assert [failure.module for failure in failed_plugins()] == ["b", "c", "a"]


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


def test_what_has_no_source_has_no_digest() -> None:
    plugin = replace(losses.get("mine"), module="of_a_notebook")
    assert source_digest(plugin) is None
