"""A rehearsal runs the step that it stands for, and leaves everything as it was."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.processes import Processes
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import Progress
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


class ReadsItTwice(nn.Conv2d):
    """A tail that a cast of its input to bfloat16 would change: a residual block."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  its name in torch
        return super().forward(input).mean(dim=(2, 3)) + input.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("precision", "change", "expected"),
    [
        ("bfloat16", "trunk_cache=float16", torch.bfloat16),
        ("bfloat16", "trunk_cache=float32", torch.bfloat16),
        ("float32", "trunk_cache=float16", torch.float32),
        ("bfloat16", "trunk_cache=off", None),
    ],
)
def test_features_are_read_as_bfloat16_where_the_tail_would_cast_them_all(
    load: Load, precision: str, change: str, expected: torch.dtype | None
) -> None:
    components = prepare(load(change, "transforms=[]", "backbone.frozen_stages=1"))
    network = components.network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert rehearsal_of(components, precision).type_read == expected
    assert not network.training
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())


def test_features_of_which_a_tail_reads_more_than_a_cast_stay_float32(load: Load) -> None:
    components = prepare(load("trunk_cache=float16", "transforms=[]", "backbone.frozen_stages=1"))
    backbone = components.network.backbone
    channels = components.train.inputs.blank(1).values.shape[1]
    backbone.tail = ReadsItTwice(channels, channels, 1)
    components.network.head = nn.Linear(channels, 4)  # type: ignore[assignment]
    assert rehearsal_of(components, "bfloat16").type_read == torch.float32


def test_features_read_as_bfloat16_train_the_same_bits(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load("train.precision=bfloat16", "transforms=[]", "backbone.frozen_stages=1")

    def trained() -> tuple[set[torch.dtype], list[float], dict[str, Tensor]]:
        components = prepare(experiment)
        steps, progress, types, losses = Steps(components, Processes()), Progress(), set(), []
        for part, inputs in steps.batches(0, 0):
            types.add(inputs.values.dtype)
            losses.append(steps.run(part, inputs, progress).item())
            progress.step += 1
        return types, losses, components.network.trained_state()

    types, losses, weights = trained()
    monkeypatch.setattr(Rehearsal, "type_read", torch.float32)
    types_wide, losses_wide, weights_wide = trained()
    assert (types, types_wide) == ({torch.bfloat16}, {torch.float32})
    assert losses == losses_wide
    assert all(torch.equal(each, weights_wide[name]) for name, each in weights.items())
