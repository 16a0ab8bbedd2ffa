"""The components of the experiment."""

from typing import Any

from facesim.page import Section, Table
from facesim.registry import Spec
from facesim.runs.run_files import RunFiles


def setup_section(files: RunFiles) -> Section:
    """Each component with its parameters."""
    trained, evaluated = files.experiment, files.evaluated
    specs = trained.specs()
    measuring = {place for place in specs if place == "data.test" or "evaluate." in place}
    specs |= {place: found for place, found in evaluated.specs().items() if place in measuring}
    components = {}
    for place, plugins in specs.items():
        name = files.name if place == "data.test" else place.split(".")[-1]
        components[name] = "; ".join(map(_node, plugins)) or "none"
    components |= {
        "image": _parameters(evaluated.image.model_dump(mode="json")),
        "training": _parameters(trained.train.model_dump(mode="json")),
        "evaluation": _parameters(
            {
                key: value
                for key, value in evaluated.evaluate.model_dump(mode="json").items()
                if f"evaluate.{key}" not in specs
            }
        ),
        "seed": str(trained.seed),
        "status": files.log.status if files.log else "not started",
    }
    table = Table(
        "Components of the experiment",
        ("Component", "Parameters"),
        tuple(components.items()),
        numeric=False,
    )
    return Section("setup", "Experiment", (table,))


def summary_line(files: RunFiles) -> str:
    """Loss, network and data in one line."""
    of = files.experiment
    return (
        f"{of.loss.name} loss on {of.backbone.name} and {of.head.name}, trained on "
        f"{of.data.train.name}, tested on {files.evaluated.data.test.name}"
    )


def _node(spec: Spec[Any]) -> str:
    parameters = _parameters({k: v for k, v in spec.as_node().items() if k != "name"})
    return f"{spec.name}: {parameters}" if parameters else spec.name


def _parameters(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in values.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)
