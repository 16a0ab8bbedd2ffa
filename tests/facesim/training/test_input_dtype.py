"""Features are given to the network as bfloat16 only where that changes no bit."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.model.trunk_pass import converted
from facesim.processes import Processes
from facesim.training import steps as steps_module
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import Progress
from facesim.training.input_dtype import input_dtype
from facesim.training.steps import Steps
from tests.facesim.lockstep import Lockstep, in_lockstep

Load = Callable[..., Experiment]


@pytest.fixture
def load(tiny_file: Path) -> Load:
    frozen = ("transforms=[]", "backbone.frozen_stages=1", "train.precision=bfloat16")
    return lambda *changes: load_experiment(tiny_file, [*frozen, *changes])


@pytest.fixture
def components(load: Load) -> RunComponents:
    return prepare(load())


def dtype_of(components: RunComponents, precision: str = "bfloat16") -> torch.dtype | None:
    return input_dtype(components.network, components.train.inputs.blank(9), precision)


@pytest.mark.parametrize(
    ("precision", "cache", "expected"),
    [
        ("bfloat16", "float16", torch.bfloat16),
        ("bfloat16", "float32", torch.bfloat16),
        ("float32", "float16", torch.float32),
        ("float32", "float32", torch.float32),
        ("bfloat16", "off", None),
    ],
)
def test_convolutions_in_bfloat16_are_given_bfloat16(
    load: Load, precision: str, cache: str, expected: torch.dtype | None
) -> None:
    assert dtype_of(prepare(load(f"trunk_cache={cache}")), precision) == expected


class Residual(nn.Module):
    """Adds what it is given to a convolution of it, times a weight that begins at zero."""

    def __init__(self, channels: int, weight: float) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 1)
        self.weight = nn.Parameter(torch.full((), weight))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  its name in torch
        output: Tensor = self.convolution(input) + self.weight * input
        return output


class Refusing(nn.Conv2d):
    """Takes float32 alone."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  its name in torch
        if input.dtype != torch.float32:
            raise TypeError
        return super().forward(input)


@pytest.mark.parametrize(
    "make",
    [
        lambda channels: Residual(channels, 1.0),
        lambda channels: Residual(channels, 0.0),
        lambda channels: Refusing(channels, channels, 1),
        nn.BatchNorm2d,
        lambda channels: nn.Identity(),
        lambda channels: nn.AdaptiveAvgPool2d(1),
    ],
    ids=["residual", "residual from zero", "refusing", "batch norm", "identity", "pooling"],
)
@pytest.mark.parametrize("is_zero", [False, True])
def test_what_reads_more_than_a_cast_of_its_input_is_given_float32(
    components: RunComponents, make: Callable[[int], nn.Module], is_zero: bool
) -> None:
    network = components.network
    channels = components.train.inputs.blank(1).values.shape[1]
    last = nn.Linear(channels, 4)
    if is_zero:
        nn.init.zeros_(last.weight)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    network.backbone.tail, network.head = make(channels), head  # type: ignore[assignment]
    assert dtype_of(components) == torch.float32


def test_an_embedding_that_is_the_trunk_s_output_stays_as_it_is(components: RunComponents) -> None:
    network = components.network
    network.backbone.tail, network.head = nn.Identity(), nn.Identity()  # type: ignore[assignment]
    assert dtype_of(components) == torch.float32


def test_modules_compiled_by_parts_are_given_float32(components: RunComponents) -> None:
    components.network.is_compiled_by_parts = True
    assert dtype_of(components) == torch.float32


def test_finding_it_out_leaves_everything_as_it_was(components: RunComponents) -> None:
    network = components.network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    dtype_of(components)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert repr(np.random.get_state()) == states[2]  # noqa: NPY002
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())


Trained = tuple[set[torch.dtype], list[float], dict[str, Tensor]]


def trained(experiment: Experiment, processes: Processes | None = None) -> Trained:
    components = prepare(experiment)
    steps, progress = Steps(components, processes or Processes()), Progress()
    types, losses = set(), []
    for part, inputs in steps.batches(0, 0):
        types.add(inputs.values.dtype)
        losses.append(steps.run(part, inputs, progress).item())
        progress.step += 1
    return types, losses, components.network.trained_state()


def require_equal(one: Trained, other: Trained) -> None:
    assert one[1] == other[1]
    assert one[2].keys() == other[2].keys()
    assert all(torch.equal(each, other[2][name]) for name, each in one[2].items())


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("changes", [(), ("transforms=[horizontal_flip]",)])
def test_a_training_has_the_same_bits_as_with_float32(
    load: Load, monkeypatch: pytest.MonkeyPatch, shards: int, changes: tuple[str, ...]
) -> None:
    experiment = load(f"train.shards={shards}", *changes)
    narrow = trained(experiment)
    monkeypatch.setattr(steps_module, "input_dtype", lambda *_: torch.float32)
    wide = trained(experiment)
    assert (narrow[0], wide[0]) == ({torch.bfloat16}, {torch.float32})
    require_equal(narrow, wide)


def test_two_processes_train_the_bits_of_one(load: Load) -> None:
    experiment = load("train.shards=2")

    def work(processes: Lockstep) -> Trained:
        return trained(experiment, processes)

    (expected,) = in_lockstep(1, work)
    assert expected[0] == {torch.bfloat16}
    for found in in_lockstep(2, work):
        require_equal(found, expected)


def test_float16_becomes_bfloat16_as_by_way_of_float32() -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.float16)
    finite = every[every.isfinite()]
    assert len(finite) > 63_000
    assert torch.equal(converted(finite, torch.bfloat16), finite.float().bfloat16())
