"""Compiling tail and head for training: whether it pays, and one graph for all steps of a run."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, FiniteFloat
from torch import nn

from facesim.errors import DataError, FacesimError
from facesim.experiment.decisions import Decision
from facesim.experiment.schema import Experiment
from facesim.folders import make_folder
from facesim.interfaces import MiningSampler, Sampler
from facesim.json_files import JsonModel, read_json, write_json
from facesim.model.devices import describe_device
from facesim.model.folded_engines import why_not_compiled
from facesim.model.inputs import Inputs
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.paths import cache_dir
from facesim.plugin_failures import reason_of
from facesim.training.shards import BatchNorms, Shards
from facesim.training.step import autocast, precision_of

COMPILE = "train.compile"
"""The key of an experiment that says whether what is trained is compiled."""

_FEW_STEPS = 50
"""Below which no step is measured."""

_SHORT_SECONDS = 120.0
"""Of eager steps, in which compiling, which takes half a minute, cannot save its own time."""

_KEPT_SECONDS = 30.0
"""Of eager steps, from which on a measurement is kept: what is near the limit is decided alike."""

_ROUNDS = 5


class Rehearsal:
    """A forward and a backward pass of tail and head that leaves everything as it was.

    Args:
        network: whose tail and head are run as in a step.
        blank: the images of one pass, of the shape, type and layout of a batch; the trunk is run
            on two of them at most.
        precision: in which tail and head compute.
        by_shard: whether BatchNorm collects the statistics of one shard.
    """

    def __init__(
        self, network: SiameseNetwork, blank: NetworkInput, precision: str, *, by_shard: bool
    ) -> None:
        self.network = network
        self.precision = precision
        self.by_shard = by_shard
        self._is_stored = blank.kind == "trunk_output"
        values = blank.values.to(network.device)
        if not self._is_stored:
            with torch.no_grad(), autocast(network.device, precision):
                output = network.engine.run(values[:2])
            values = output.new_zeros((len(blank), *output.shape[1:]))
        self._trunk_output = values

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        network: SiameseNetwork,
        inputs: Inputs,
        sampler: Sampler,
        images: int,
    ) -> "Rehearsal":
        """That of a training: the same at its beginning as where it is resumed.

        Args:
            experiment: of the training.
            network: that is trained.
            inputs: of the training images.
            sampler: of the training pairs.
            images: of the training table.
        """
        settings = experiment.train
        size = min(2 * settings.batch_size, images)
        if not isinstance(sampler, MiningSampler):  # whose batches follow from what it has mined
            size = next((len(batch.images) for batch in sampler.batches(0)), size)
        first = Shards(settings.shards).cut(size)[0]
        blank = inputs.blank(first.stop - first.start)
        precision = precision_of(settings.precision, network.device)
        return cls(network, blank, precision, by_shard=settings.shards > 1)

    def run(self) -> None:
        """Run both passes, and wait for the device."""
        network = self.network
        with _unchanged(network):
            norms = BatchNorms(network.backbone.tail, network.head)
            collecting = norms.of_one_shard() if self.by_shard else nullcontext()
            with collecting, autocast(network.device, self.precision):
                embeddings = network.embed_trunk_output(self._trunk_output, widen=self._is_stored)
            if embeddings.requires_grad:
                torch.autograd.backward(embeddings.square().mean())
            if network.device.type == "cuda":
                torch.cuda.synchronize(network.device)

    def compile(self) -> None:
        """Compile what is trained, for batches of any size, by the blank images.

        The compiler divides sums among threads by the size of the first batch that it sees, and
        its cache on disk may hold the graph as another training had it compiled. So that a resumed
        training has the same bits, the size is part of that cache's key.

        Raises:
            FacesimError: it cannot be compiled into one graph, and why.
        """
        config: Any = getattr(torch.compiler, "config", None)
        tag = getattr(config, "cache_key_tag", None)
        if tag is not None:
            config.cache_key_tag = f"{tag} facesim {len(self._trunk_output)}".strip()
        self.network.compile_for_training()
        try:
            self.run()
        except Exception as error:
            self.network.run_modules()
            raise FacesimError(
                "tail and head cannot be compiled into one graph for batches of any size: "
                f"{reason_of(error)}"
            ) from error
        finally:
            if tag is not None:
                config.cache_key_tag = tag

    def key(self) -> str:
        """32 hexadecimal digits that change with what the duration of a pass depends on."""
        network = self.network
        parts = nn.ModuleList([network.backbone.tail, network.head])
        shapes = [(name, tuple(p.shape), p.requires_grad) for name, p in parts.named_parameters()]
        what = (repr(parts), shapes, tuple(self._trunk_output.shape), self.precision, self.by_shard)
        machine = describe_device(network.device), torch.backends.cpu.get_cpu_capability()
        text = repr((what, str(self._trunk_output.dtype), torch.__version__, machine))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


_Seconds = Annotated[FiniteFloat, Field(ge=0)]


class _Measured(JsonModel):
    """Seconds, kept in the cache folder: equal trainings on one machine are decided alike.

    Attributes:
        eager: one pass of the modules themselves.
        compiled: one pass of the compiled graph; None where compiling has not been tried.
        compiling: compiling it.
    """

    eager: _Seconds
    compiled: _Seconds | None = None
    compiling: _Seconds | None = None


def decide_compile(
    asked: bool | Literal["auto"], passes: int, rehearse: Callable[[], Rehearsal]
) -> dict[str, Decision]:
    """Decide whether a training that begins is compiled, by the key of the experiment.

    Compiling is tried only where it may save more time than it takes. What was measured is kept,
    and the decision follows from it and from the number of passes alone.

    Args:
        asked: what the experiment says; nothing is decided where it says false.
        passes: of the whole training.
        rehearse: gives one of them, whose network is not compiled afterwards.
    """
    if asked is False:
        return {}
    if asked is True:
        return {COMPILE: Decision(chosen=True, why="the experiment asks for it")}
    if passes < _FEW_STEPS:
        why = f"{passes} steps are too few to pay for compiling"
        return {COMPILE: Decision(chosen=False, why=why)}
    rehearsal = rehearse()
    try:
        return {COMPILE: _measured_decision(rehearsal, passes)}
    finally:
        rehearsal.network.run_modules()  # whoever trains compiles


def _measured_decision(rehearsal: Rehearsal, passes: int) -> Decision:
    file = cache_dir() / "compiling" / f"{rehearsal.key()}.json"
    known = _read(file)
    measured = known or _Measured(eager=_seconds_of(rehearsal, rounds=2))
    whole = passes * measured.eager
    if known is None and whole > _KEPT_SECONDS:
        _keep(file, measured)
    told = f"{passes} steps take {_told(whole)} without"
    if whole < _SHORT_SECONDS:
        return Decision(chosen=False, why=f"{told}, too few to pay for compiling")
    reason = why_not_compiled(rehearsal.network.device)
    if reason is not None:
        return Decision(chosen=False, why=reason)
    if measured.compiled is None or measured.compiling is None:
        try:
            measured = _measured_in_turn(rehearsal)
        except FacesimError as error:
            return Decision(chosen=False, why=str(error))
        _keep(file, measured)
    compiled, compiling = measured.compiled or 0.0, measured.compiling or 0.0
    whole, saved = passes * measured.eager, passes * (measured.eager - compiled)
    facts = {
        "eager, seconds per step": measured.eager,
        "compiled, seconds per step": compiled,
        "seconds to compile": compiling,
    }
    why = (
        f"of {_told(whole)} in {passes} steps it saves {_told(saved)}, and takes "
        f"{_told(compiling)} itself"
    )
    return Decision(chosen=saved > compiling, why=why, measured=facts)


def _measured_in_turn(rehearsal: Rehearsal) -> _Measured:
    """Compile, and measure passes of both kinds in turn."""
    compiling = _seconds_to_compile(rehearsal)
    eager_seconds, compiled_seconds = [], []
    for _ in range(_ROUNDS):
        rehearsal.network.run_modules()
        eager_seconds.append(_seconds_of(rehearsal, rounds=1))
        rehearsal.network.compile_for_training()
        compiled_seconds.append(_seconds_of(rehearsal, rounds=1))
    return _Measured(
        eager=median(eager_seconds), compiled=median(compiled_seconds), compiling=compiling
    )


def _seconds_to_compile(rehearsal: Rehearsal) -> float:
    begin = time.perf_counter()
    rehearsal.compile()
    return time.perf_counter() - begin


def _seconds_of(rehearsal: Rehearsal, rounds: int) -> float:
    """The shortest of some passes; the first one of a process allocates and chooses kernels."""
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        rehearsal.run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _read(file: Path) -> _Measured | None:
    try:
        return read_json(file, _Measured, remedy="it is measured again")
    except DataError:
        return None


def _keep(file: Path, measured: _Measured) -> None:
    try:
        make_folder(file.parent)
        write_json(file, measured)
    except OSError:  # then it is measured again
        return


def _told(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


@contextmanager
def _unchanged(network: SiameseNetwork) -> Iterator[None]:
    """Training mode inside the block; behind it everything but time is as it was.

    The buffers of tail and head (BatchNorm's statistics), gradients, mode, and the states of
    torch's random generators.
    """
    parts = nn.ModuleList([network.backbone.tail, network.head])
    buffers = {name: buffer.clone() for name, buffer in parts.named_buffers()}
    was_training = network.training
    devices = [network.device] if network.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        network.train()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, buffer in parts.named_buffers():
                    buffer.copy_(buffers[name])
            network.zero_grad(set_to_none=True)
            network.train(was_training)
