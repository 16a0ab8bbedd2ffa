"""A network that ends where its global pooling would begin."""

from typing import Any

from torch import fx, nn
from torch.nn import functional

from facesim_plugins.backbones._graph_cut import needed_nodes, network_of, outline


def without_pooling(model: nn.Module, stages: tuple[str, ...]) -> nn.Module | None:
    """The part of a network before its last average pooling, and nothing behind it.

    Args:
        model: its modules are used, not copied.
        stages: paths of modules that stay callable in the result.

    Returns:
        Images -> what the pooling would be given; None if there is no pooling to be found.
    """
    pools = [path for path, part in model.named_modules() if isinstance(part, nn.AdaptiveAvgPool2d)]
    graph = outline(model, (*stages, *pools[-1:]))
    if graph is None:
        return None
    pooling = [node for node in graph.nodes if _pools(node, pools[-1:])]
    if not pooling:
        return None
    maps = pooling[-1].all_input_nodes[0]
    return network_of(model, needed_nodes(maps, None), maps, None)


def _pools(node: fx.Node, modules: list[str]) -> bool:
    if node.op == "call_module":
        return node.target in modules
    if node.op == "call_method" and node.target == "mean":
        dimensions: Any = node.args[1] if len(node.args) > 1 else None
        return dimensions is not None and list(dimensions) == [2, 3]
    return node.target is functional.adaptive_avg_pool2d
