import pytest
import torch
from torch import nn

from facesim_plugins.backbones._stages import cut


class Append(nn.Module):
    """Notes its number, so that the order of the parts can be read from the output."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, passed: torch.Tensor) -> torch.Tensor:
        return torch.cat((passed, torch.tensor([self.number])))


@pytest.mark.parametrize(
    ("frozen_stages", "in_trunk", "in_tail"),
    [
        (0, [], [0, 1, 2, 3, 9]),
        (1, [0, 1], [2, 3, 9]),
        (2, [0, 1, 2], [3, 9]),
        (3, [0, 1, 2, 3, 9], []),
    ],
)
def test_stem_and_stages_are_shared_out_in_order(
    frozen_stages: int, in_trunk: list[int], in_tail: list[int]
) -> None:
    trunk, tail = cut(Append(0), [Append(1), Append(2), Append(3)], Append(9), frozen_stages)
    nothing = torch.empty(0, dtype=torch.int64)
    assert trunk(nothing).tolist() == in_trunk
    assert tail(nothing).tolist() == in_tail


def test_an_empty_part_is_an_identity() -> None:
    assert isinstance(cut(Append(0), [Append(1)], Append(9), 0)[0], nn.Identity)
    assert isinstance(cut(Append(0), [Append(1)], Append(9), 1)[1], nn.Identity)


def test_parts_are_named_by_their_stage() -> None:
    trunk, tail = cut(nn.ReLU(), [nn.Linear(1, 1), nn.Linear(1, 1)], nn.Flatten(), 1)
    assert set(trunk.state_dict()) == {"stage1.weight", "stage1.bias"}
    assert set(tail.state_dict()) == {"stage2.weight", "stage2.bias"}
