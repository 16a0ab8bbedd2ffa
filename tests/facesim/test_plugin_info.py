"""What ``facesim plugins`` has to print."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from facesim import PluginError, interfaces, losses
from facesim.errors import PluginFailure
from facesim.plugin_info import (
    ParameterInfo,
    describe_kind,
    describe_plugin,
    failed_plugins,
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
