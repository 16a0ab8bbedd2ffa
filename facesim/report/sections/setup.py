"""The components of the experiment, and how to reproduce its result."""

import shlex
from pathlib import PurePath
from typing import Any

from facesim.page import Block, Code, Section, Table, Text
from facesim.registry import Spec
from facesim.runs.environment import Start
from facesim.runs.run_files import RunFiles


def setup_section(files: RunFiles) -> Section:
    """Each component with its parameters."""
    trained, evaluated = files.experiment, files.evaluated
    specs = trained.specs()
    measuring = {place for place in specs if place == "data.test" or "evaluate." in place}
    specs |= {place: found for place, found in evaluated.specs().items() if place in measuring}
    components = {}
    for place, plugins in specs.items():
        if place.startswith("data.") and not plugins:  # of its splits, or of its source
            continue
        name = files.name if place == "data.test" else place.split(".")[-1]
        components[name] = "; ".join(map(_node, plugins)) or "none"
    if trained.data.split is not None:
        components["split"] = _parameters(trained.data.split.model_dump(mode="json"))
    components |= _decisions(files.starts)
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
        "status": files.status,
    }
    table = Table(
        "Components of the experiment",
        ("Component", "Parameters"),
        tuple(components.items()),
        numeric=False,
    )
    return Section("setup", "Experiment", (table,))


def _decisions(starts: tuple[Start, ...]) -> dict[str, str]:
    """What was decided when the run began, with what was measured for it."""
    begun = next((start.decisions for start in starts if start.decisions), {})
    shown = {}
    for key, decision in begun.items():
        facts = [f"{decision.chosen}: {decision.why}"]
        facts += [decision.versions] if decision.versions else []
        facts += [
            f"{name} {value:,.0f}" if value >= 100 else f"{name} {value:.3g}"
            for name, value in decision.measured.items()
        ]
        facts += [f"not {name}: {why}" for name, why in decision.refused.items()]
        shown[key.replace("_", " ")] = "; ".join(facts)
    return shown


def summary_line(files: RunFiles) -> str:
    """Loss, network and data in one line."""
    of = files.experiment
    network = f"{of.loss.name} loss on {of.backbone.name} and {of.head.name}"
    if of.folds is not None:
        people = f"each fold of {of.data.dataset_of('test').name}"
        return f"{network}, {of.folds} networks: {people} is tested by one trained without it"
    return (
        f"{network}, trained on "
        f"{of.data.dataset_of('train').name}, tested on "
        f"{files.evaluated.data.dataset_of('test').name}"
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


def reproduction_section(files: RunFiles) -> Section:
    """The command, the environment, and the resolved experiment."""
    blocks: list[Block] = [
        Code("Run this in the run directory", "facesim run experiment.yaml\n"),
        *([_environment(files.starts)] if files.starts else []),
        Code("experiment.yaml, with every default written out", files.experiment.as_yaml(), True),
    ]
    if len(files.starts) > 1:
        blocks.insert(1, Text(f"The run was resumed; it was started {len(files.starts)} times."))
    return Section("reproduction", "Reproduction", tuple(blocks))


def _environment(starts: tuple[Start, ...]) -> Table:
    return Table(
        "Environment of each start of the run",
        ("Property", *(f"Start {number}" for number in range(1, len(starts) + 1))),
        tuple(
            (name, *(values.get(name, "") for values in map(_facts, starts)))
            for name in dict.fromkeys(name for start in starts for name in _facts(start))
        ),
        numeric=False,
    )


def _facts(start: Start) -> dict[str, str]:
    program, *arguments = start.command or ("",)
    name = PurePath(program).name.replace("__main__.py", "facesim")  # as torchrun starts it
    versions = {name: version or "not installed" for name, version in start.packages.items()}
    return {
        "command": shlex.join([name, *arguments]),
        **({"processes": str(start.processes)} if start.processes > 1 else {}),
        "git commit": start.git_commit or "not in a repository",
        "device": start.device,
        "platform": start.platform,
        "python": start.python,
        **versions,
    }
