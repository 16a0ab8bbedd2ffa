"""What was run, and on what."""

from typing import Any

from facesim.page import Section, Table
from facesim.runs.run_files import RunFiles

_PARTS = ("backbone", "head", "loss", "sampler", "optimizer", "scheduler")


def setup_section(files: RunFiles) -> Section:
    """Each part with its parameters, one a line."""
    data = files.evaluated.as_data()
    trained = files.experiment.as_data()
    parts = {
        "train": _node(trained["data"]["train"]),
        "val": _node(trained["data"]["val"]),
        files.name: _node(data["data"]["test"]),
        "image": _parameters(data["image"]),
        "transforms": "; ".join(_node(node) for node in trained["transforms"]) or "none",
        **{part: _node(trained[part]) for part in _PARTS},
        "train for": _parameters(trained["train"]),
        "evaluate": _parameters(data["evaluate"]),
        "seed": str(trained["seed"]),
        "status": files.log.status if files.log else "not started",
    }
    table = Table(
        "The parts of the experiment", ("Part", "What"), tuple(parts.items()), numeric=False
    )
    return Section("setup", "What was run", (table,))


def summary_line(files: RunFiles) -> str:
    """One line: loss, backbone and data."""
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
