"""Splitting any network into trunk and tail along its traced graph (torch.fx)."""

from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

from torch import fx, nn
from torch.nn import functional

from facesim import FacesimError


def cut_network(
    model: nn.Module, stages: Sequence[str], frozen_stages: int, who: str
) -> tuple[nn.Module, nn.Module]:
    """Split a network after stage number ``frozen_stages``.

    With 0 the whole network is the tail. The last stage extends to the network's output, so that
    with all of them the whole network is the trunk.

    Args:
        model: takes one tensor and returns one; its modules are used, not copied.
        stages: paths of the modules at which the stages end, in order; for the last any text.
        frozen_stages: from 0 to the number of stages.
        who: names the network in errors.

    Returns:
        Trunk and tail; an empty one is ``nn.Identity()``.

    Raises:
        FacesimError: there are fewer stages, or the tail would need more than the output of the
            last frozen stage.
    """
    if frozen_stages > len(stages):
        raise FacesimError(
            f"{who} has {len(stages)} stages ({', '.join(stages)}), so frozen_stages is at most "
            f"{len(stages)}, not {frozen_stages}"
        )
    if frozen_stages == 0:
        return nn.Identity(), model
    if frozen_stages == len(stages):
        return model, nn.Identity()
    parts = _parts(model, stages[:-1])
    chosen = stages[frozen_stages - 1]
    if chosen not in parts:
        possible = [number for number, stage in enumerate(stages, start=1) if stage in parts]
        numbers = ", ".join(map(str, [0, *possible, len(stages)]))
        raise FacesimError(
            f"{who} cannot be split after stage {frozen_stages} ({chosen}): its forward cannot be "
            "traced there, or what comes after needs more than that stage's output; possible "
            f"values of frozen_stages: {numbers}"
        )
    return parts[chosen]


def without_pooling(model: nn.Module, stages: tuple[str, ...]) -> nn.Module | None:
    """The part of a network before its last global average pooling.

    Args:
        model: its modules are used, not copied.
        stages: paths of modules that stay modules of the result.

    Returns:
        Images -> the input of the pooling; None if no pooling is found.
    """
    pools = [path for path, part in model.named_modules() if isinstance(part, nn.AdaptiveAvgPool2d)]
    graph = _outline(model, (*stages, *pools[-1:]))
    if graph is None:
        return None
    pooling = [node for node in graph.nodes if _pools(node, pools[-1:])]
    if not pooling:
        return None
    maps = pooling[-1].all_input_nodes[0]
    return _network_of(model, _needed_nodes(maps, None), maps, None)


def _parts(model: nn.Module, stages: Sequence[str]) -> dict[str, tuple[nn.Module, nn.Module]]:
    """Trunk and tail for each stage after which the network can be split; none if untraceable."""
    graph = _outline(model, stages)
    if graph is None:
        return {}
    result = next(node for node in graph.nodes if node.op == "output").args[0]
    found: dict[str, tuple[nn.Module, nn.Module]] = {}
    for node in graph.nodes:
        if node.op == "call_module" and node.target in stages and isinstance(result, fx.Node):
            before, after = _needed_nodes(node, None), _needed_nodes(result, node)
            if not _shared(model, before, after):
                trunk = _network_of(model, before, node, None)
                found[str(node.target)] = trunk, _network_of(model, after, result, node)
    return found


class _StageTracer(fx.Tracer):
    """Traces into the modules that contain a stage and treats all others as leaves.

    So control flow inside a leaf, which depends on values or on the mode, goes on working.
    """

    def __init__(self, stages: Sequence[str]) -> None:
        super().__init__()
        self._stages = stages

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        """Whether a module is called as a whole."""
        return not any(stage.startswith(f"{path}.") for stage in self._stages)


def _outline(model: nn.Module, stages: Sequence[str]) -> fx.Graph | None:
    """The graph of a network's forward; None if it depends on values, shapes or the mode.

    It is traced in both modes: what happens in training only, such as stochastic depth outside of
    a module, would else be lost or kept for good.
    """
    optional = {
        name: parameter.default
        for name, parameter in signature(model.forward).parameters.items()
        if parameter.default is not Parameter.empty
    }
    was_training = model.training
    try:
        graphs = [
            _StageTracer(stages).trace(model.train(mode), concrete_args=optional)
            for mode in (True, False)
        ]
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError):
        return None  # code that asks a traced tensor for its values raises any of these
    finally:
        model.train(was_training)
    in_training, in_use = (graph.python_code("self").src for graph in graphs)
    return graphs[0] if in_training == in_use else None


def _needed_nodes(result: fx.Node, given: fx.Node | None) -> list[fx.Node]:
    """The nodes that a result is computed from, in order, without those behind ``given``."""
    needed: set[fx.Node] = set()
    waiting = [result]
    while waiting:
        node = waiting.pop()
        if node is not given and node not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    return [node for node in result.graph.nodes if node in needed]


def _shared(model: nn.Module, before: list[fx.Node], after: list[fx.Node]) -> bool:
    """Whether the later part needs the images too, or a parameter of the earlier one."""
    if any(node.op == "placeholder" for node in after):
        return True
    used: list[set[nn.Parameter]] = []
    for nodes in (before, after):
        targets = [str(node.target) for node in nodes if node.op in ("call_module", "get_attr")]
        used.append(
            {
                parameter
                for name, parameter in model.named_parameters(remove_duplicate=False)
                if any(f"{name}.".startswith(f"{target}.") for target in targets)
            }
        )
    return bool(used[0] & used[1])


def _network_of(
    model: nn.Module, nodes: list[fx.Node], result: fx.Node, given: fx.Node | None
) -> fx.GraphModule:
    """The network that computes ``result`` by some nodes, from ``given`` or else the images."""
    graph = fx.Graph()
    copies = {} if given is None else {given: graph.placeholder("features")}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[result])
    return fx.GraphModule(model, graph)


def _pools(node: fx.Node, modules: list[str]) -> bool:
    if node.op == "call_module":
        return node.target in modules
    if node.op == "call_method" and node.target == "mean":
        dimensions: Any = node.args[1] if len(node.args) > 1 else None
        return dimensions is not None and list(dimensions) == [2, 3]
    return node.target is functional.adaptive_avg_pool2d
