"""The Siamese network: backbone, head and loss, called and saved as one module."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from facesim.interfaces import Backbone, Head, Loss, PairBatch
from facesim.model.trunk_engine import EagerEngine, TrunkEngine
from facesim.model.trunk_key import Fingerprint, code_digest, trunk_digest

_TRUNK = "backbone.trunk."
_SMALLEST_COMPILED = 2
"""Images of a batch: of one image alone the compiler makes another graph."""


@dataclass(frozen=True)
class NetworkInput:
    """A batch of images on their way into the network.

    Attributes:
        values: uint8 pixels [B, 3, H, W]; or the trunk's output for them [B, ...], float16 or
            float32 as the trunk cache holds it, or bfloat16 under autocast.
        kind: which of the two.
    """

    values: Tensor
    kind: Literal["pixels", "trunk_output"]

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device) -> "NetworkInput":
        """The same batch on another device; the copy may still be under way."""
        return NetworkInput(self.values.to(device, non_blocking=True), self.kind)


class NetworkOutput(NamedTuple):
    """What the network makes of a batch.

    Attributes:
        embeddings: float32 [B, D].
        loss: what the loss gives for the batch, a scalar; None if no pairs were passed.
    """

    embeddings: Tensor
    loss: Tensor | None


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; the previous mode is restored."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def _require_tensors(state: Any, expected: Mapping[str, Tensor]) -> None:
    """Raise RuntimeError for what torch would load with other values, or stumble over."""
    if not isinstance(state, Mapping):
        raise RuntimeError(f"{type(state).__name__} is no state dict")  # noqa: TRY004
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor):
            raise RuntimeError(f"{name} is no tensor")  # noqa: TRY004
        wanted = expected.get(name, tensor)
        if (tensor.dtype, tensor.layout) != (wanted.dtype, wanted.layout):
            raise RuntimeError(f"{name} is {tensor.dtype} instead of {wanted.dtype}")


class SiameseNetwork(nn.Module):
    """Maps faces to embeddings, and computes the loss of the pairs among them.

    Both images of a pair go through the same weights, so each image is embedded once however
    many pairs hold it.

    Attributes:
        backbone: frozen trunk and trainable tail.
        head: features -> embedding.
        loss: the training loss, whose ``score`` compares two embeddings.
        embedding_dim: width of an embedding.
        engine: runs the trunk where pixels come in.
        is_compiled: whether tail and head are trained as one compiled graph.
        is_compiled_by_parts: whether each of them is compiled, as in runs of before.
    """

    def __init__(self, backbone: Backbone, head: Head, loss: Loss, embedding_dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.loss = loss
        self.embedding_dim = embedding_dim
        self.engine: TrunkEngine = EagerEngine(backbone)
        self._trunk_digest: str | None = None
        self._compiled: Callable[..., Tensor] | None = None
        self.is_compiled = self.is_compiled_by_parts = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.backbone.mean.device

    @property
    def trunk_digest(self) -> str:
        """Digest of the trunk's weights; computed once, because the trunk is frozen."""
        if self._trunk_digest is None:
            self._trunk_digest = trunk_digest(self.backbone)
        return self._trunk_digest

    @property
    def trunk_fingerprint(self) -> Fingerprint:
        """What the trunk's output depends on, besides the image and its preprocessing.

        Raises:
            FacesimError: the source of one of its classes cannot be found.
        """
        return Fingerprint(self.trunk_digest, self._trunk_code)

    @cached_property
    def _trunk_code(self) -> str:
        return code_digest(self.backbone.trunk)

    def trained_state(self) -> dict[str, Tensor]:
        """The state dict without the trunk's entries, which training does not change."""
        state = self.state_dict()
        return {name: tensor for name, tensor in state.items() if not name.startswith(_TRUNK)}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """Load what :meth:`trained_state` gave.

        Raises:
            RuntimeError: it is that of another network.
        """
        _require_tensors(state, self.state_dict())
        trunk = {f"{_TRUNK}{name}": each for name, each in self.backbone.trunk.state_dict().items()}
        self.load_state_dict({**state, **trunk})

    def load_trunk_state(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of a trunk of the same architecture, which is run by eager then.

        Raises:
            RuntimeError: it is that of another trunk.
        """
        _require_tensors(state, self.backbone.trunk.state_dict())
        self._trunk_digest = None
        if self.engine.name != "eager":  # it holds a copy of the trunk of before
            self.engine = EagerEngine(self.backbone)
        self.backbone.trunk.load_state_dict(state)

    def forward(self, inputs: NetworkInput, batch: PairBatch | None = None) -> NetworkOutput:
        """Embed a batch of images; with the pairs among them, also compute their loss.

        Args:
            inputs: B images, on the network's device.
            batch: the same images and their pairs, on the same device; None embeds only.
        """
        is_stored = inputs.kind == "trunk_output"
        trunk_output = inputs.values if is_stored else self.engine.run(inputs.values)
        embeddings = self.embed_trunk_output(trunk_output, widen=is_stored)
        if batch is None:
            return NetworkOutput(embeddings, None)
        # Distances and exponentials lose too much in bfloat16, whatever the caller's autocast.
        with torch.autocast(embeddings.device.type, enabled=False):
            return NetworkOutput(embeddings, self.loss(embeddings, batch))

    def embed_trunk_output(self, trunk_output: Tensor, *, widen: bool) -> Tensor:
        """Embed what the trunk gave for a batch of images.

        Args:
            trunk_output: [B, ...], on the network's device.
            widen: whether it was stored, and becomes float32 again if that was as float16.
        """
        compiled = self._compiled if self.is_compiled and self.training else None
        if compiled is None or len(trunk_output) < _SMALLEST_COMPILED:
            return self._tail_and_head(trunk_output, widen=widen)
        if trunk_output.ndim == 4:  # another layout would be another graph
            trunk_output = trunk_output.contiguous(memory_format=torch.channels_last)
        torch._dynamo.mark_dynamic(trunk_output, 0)  # noqa: SLF001  documented for use
        return compiled(self, trunk_output, widen=widen)

    def _tail_and_head(self, trunk_output: Tensor, *, widen: bool) -> Tensor:
        is_narrow = widen and trunk_output.dtype == torch.float16
        tail_input = trunk_output.float() if is_narrow else trunk_output
        embeddings: Tensor = self.head(self.backbone.tail(tail_input))
        return embeddings.float()

    def compile_for_training(self) -> None:
        """Train tail and head as one compiled graph, for batches of any size.

        Nothing is compiled before the first pass in training mode, by whose number of images the
        compiler divides the work: give all trainings that are to be equal the same first one. In
        evaluation mode the modules themselves are run, as after training.
        """
        if self._compiled is None:
            # Graphs are kept with the code that they were made of, and only some of them: the
            # networks of many folds and trials each have code of their own.
            method = type(self)._tail_and_head  # noqa: SLF001  the function, not bound
            own = FunctionType(method.__code__.replace(), method.__globals__)
            # Not bound: a deep copy of the network keeps it, and is to run its own weights.
            self._compiled = torch.compile(own, fullgraph=True, dynamic=False)
        self.is_compiled = True

    def run_modules(self) -> None:
        """Train the modules themselves again, not the compiled graph."""
        self.is_compiled = False

    def compile_by_parts(self) -> None:
        """Compile tail and head each, in both modes, as runs do that were begun so."""
        for part in (self.backbone.tail, self.head):
            part.compile(dynamic=True)
        self.is_compiled_by_parts = True

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The trainable parameters, one group each for tail, head and loss; empty ones left out."""
        parts = {"tail": self.backbone.tail, "head": self.head, "loss": self.loss}
        groups = {
            name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()
        }
        return [{"name": name, "params": found} for name, found in groups.items() if found]

    def count_parameters(self) -> tuple[int, int]:
        """Numbers of trainable and of frozen parameters."""
        sizes = [(p.numel(), p.requires_grad) for p in self.parameters()]
        trained = sum(size for size, trains in sizes if trains)
        return trained, sum(size for size, _ in sizes) - trained
