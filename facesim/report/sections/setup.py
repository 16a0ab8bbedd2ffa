"""The components of the experiment."""

from typing import Any

from facesim.page import Section, Table
from facesim.runs.run_files import RunFiles

_COMPONENTS = ("backbone", "head", "loss", "sampler", "optimizer", "scheduler")


def setup_section(files: RunFiles) -> Section:
    """Each component with its parameters."""
    data = files.evaluated.as_data()
    trained = files.experiment.as_data()
    components = {
        "train": _node(trained["data"]["train"]),
        "val": _node(trained["data"]["val"]),
        files.name: _node(data["data"]["test"]),
        "image": _parameters(data["image"]),
        "transforms": "; ".join(_node(node) for node in trained["transforms"]) or "none",
        **{name: _node(trained[name]) for name in _COMPONENTS},
        "training": _parameters(trained["train"]),
        "evaluation": _parameters(data["evaluate"]),
        "seed": str(trained["seed"]),
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
        f"{of.data.train.name}, tested on {files.evaluated_dataset.name}"
    )


def _node(node: dict[str, Any]) -> str:
    parameters = _parameters({key: value for key, value in node.items() if key != "name"})
    return f"{node['name']}: {parameters}" if parameters else str(node["name"])


def _parameters(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in values.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)
