"""Promises of plugins of every kind."""

from typing import Any

from facesim.registry import Spec
from facesim.testing.contract import Contract, Promise, require

EVERY_KIND: Contract[Any] = Contract("plugin", [])


def promises_of_every_kind() -> list[Promise]:
    """The first promises of each kind's contract."""
    return list(EVERY_KIND.promises)


@EVERY_KIND.promise(
    hint="write a docstring, and annotate every YAML parameter as "
    'Annotated[float, Field(description="...")]'
)
def explains_itself(spec: Spec[Any]) -> None:
    """It has a docstring, and each parameter has a description."""
    require(bool(spec.plugin.summary), "there is no docstring")
    fields = spec.plugin.parameters.model_fields
    undescribed = [key for key, info in fields.items() if key != "name" and not info.description]
    require(not undescribed, f"no description of {', '.join(undescribed)}")


@EVERY_KIND.promise(
    hint="annotate the parameter with a type that YAML can hold: numbers, text, Path, tuples, or "
    "a pydantic model of them"
)
def parameters_survive_being_written(spec: Spec[Any]) -> None:
    """Its parameters, written to a file and read again, are the same."""
    model = spec.plugin.parameters
    again = Spec(spec.plugin, model.model_validate(spec.as_node()))
    require(
        again.as_node() == spec.as_node(), f"{spec.as_node()} was read again as {again.as_node()}"
    )
