"""Plain data to YAML text that reads back as the same data."""

from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from facesim.experiment.yaml_scalars import escaped, typed


def to_yaml(data: dict[str, Any]) -> str:
    """Write JSON data as an experiment file; any string survives."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def to_flow_yaml(data: Any) -> str:
    """Write JSON data, which may hold paths, in flow style on one line; any string survives."""
    plain = to_jsonable_python(data)
    written = yaml.dump(
        plain,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
        default_flow_style=True,
    )
    return str(written).removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Writes no aliases: a value that occurs twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Escape variables, and quote text that YAML 1.2 reads as another type.

    PyYAML writes for YAML 1.1: it leaves ``1e-4`` without quotes, and folds unusual line breaks.
    """
    node: yaml.ScalarNode = dumper.represent_str(escaped(text))
    if not text.isprintable():
        node.style = '"'
    elif not isinstance(typed(text), str):
        node.style = "'"
    return node


_Dumper.add_representer(str, _represent_text)
