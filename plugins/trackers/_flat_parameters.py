"""An experiment as one flat list of parameters."""

from typing import Any


def flat_parameters(node: Any, path: str = "") -> dict[str, Any]:
    """``{"loss": {"margin": 2}}`` becomes ``{"loss.margin": 2}``; items of lists are numbered."""
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, list | tuple):
        items = list(enumerate(node))
    else:
        return {path: node}
    below = [flat_parameters(value, f"{path}.{key}" if path else str(key)) for key, value in items]
    return {name: value for part in below for name, value in part.items()}
