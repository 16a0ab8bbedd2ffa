"""A rehearsal runs the step that it stands for, and leaves everything as it was."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch

from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.processes import Processes
from facesim.training.build import RunComponents, prepare
from facesim.training.rehearsal import Rehearsal
from facesim.training.steps import Steps

Load = Callable[..., Experiment]


@pytest.fixture
def load(tiny_file: Path) -> Load:
    return lambda *changes: load_experiment(tiny_file, changes)


def rehearsal_of(
    components: RunComponents, precision: str = "float32", *, by_shard: bool = False
) -> Rehearsal:
    blank = components.train.inputs.blank(7)
    return Rehearsal(components.network, blank, precision, by_shard=by_shard)


@pytest.mark.parametrize("by_shard", [False, True])
def test_a_rehearsal_leaves_everything_as_it_was(load: Load, by_shard: bool) -> None:
    components = prepare(load())
    network = components.network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.get_rng_state()
    passes: list[Sequence[int]] = []
    network.head.register_forward_hook(lambda _module, _, output: passes.append(output.shape))
    rehearsal_of(components, by_shard=by_shard).run()
    assert [shape[0] for shape in passes] == [7]
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training
    after = network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("cache", ["float16", "float32", "off"])
def test_blank_inputs_are_laid_out_like_those_of_a_batch(load: Load, cache: str) -> None:
    changes = (f"trunk_cache={cache}", "transforms=[]", "backbone.frozen_stages=1")
    components = prepare(load(*changes))
    ((batch, read),) = components.train.inputs.batches(islice(components.sampler.batches(0), 1), 0)
    blank = components.train.inputs.blank(len(batch.images))
    assert (blank.kind, blank.values.dtype) == (read.kind, read.values.dtype)
    assert blank.values.shape == read.values.shape
    if cache != "off":  # pixels are laid out anew where that matters
        assert blank.values.stride() == read.values.stride()
    assert not blank.values.any()


def test_the_modules_are_given_what_is_cached_in_the_type_of_a_step(load: Load) -> None:
    experiment = load("train.precision=bfloat16", "transforms=[]", "backbone.frozen_stages=1")
    components = prepare(experiment)
    given: list[torch.dtype] = []
    tail = components.network.backbone.tail
    tail.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0].dtype))
    rehearsal_of(components, "bfloat16").run()
    rehearsed = given[-1]
    steps = Steps(components, Processes())
    for part, inputs in islice(steps.batches(0, 0), 1):
        steps.loss(part, inputs, 0)
    assert rehearsed == given[-1] == torch.bfloat16
    rehearsal_of(components, "float32").run()
    assert given[-1] == torch.float32
