"""What the trunk gives, as the cache stores it."""

import math

import pytest
import torch

from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import Backbone
from facesim.model.trunk_engine import EagerEngine
from facesim.model.trunk_key import TrunkRecipe
from facesim.model.trunk_pass import PendingFeatures, TrunkPass, from_rows, to_rows

CPU = torch.device("cpu")


def _output(dtype: torch.dtype) -> torch.Tensor:
    """Feature maps [3, 40, 30, 20], more numbers than are converted at a time."""
    values = 100 * torch.randn(3, 30, 20, 40, generator=torch.Generator().manual_seed(0))
    return values.permute(0, 3, 1, 2).to(dtype)


@pytest.mark.parametrize("stored", [torch.float16, torch.float32])
@pytest.mark.parametrize("computed", [torch.float16, torch.bfloat16, torch.float32])
def test_features_are_converted_as_torch_converts_them(
    computed: torch.dtype, stored: torch.dtype
) -> None:
    output = _output(computed)
    rows = PendingFeatures(lambda: output, stored, CPU).rows()

    assert rows.dtype == stored
    assert torch.equal(from_rows(rows), output.to(stored))
    assert torch.equal(rows, to_rows(output).to(stored))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -7e4])
def test_what_cannot_be_stored_shows_in_the_magnitude_of_its_image(value: float) -> None:
    output = _output(torch.float32)
    output[1, 3, 29, 19] = value
    magnitudes = PendingFeatures(lambda: output, torch.float16, CPU).magnitudes()

    expected = output.abs().flatten(1).amax(dim=1)
    torch.testing.assert_close(magnitudes, expected, rtol=0, atol=0, equal_nan=True)
    assert (magnitudes <= torch.finfo(torch.float16).max).tolist() == [True, False, True]


def test_a_pass_of_more_images_than_a_block_is_refused(backbone: Backbone) -> None:
    trunk = TrunkPass(EagerEngine(backbone), TrunkRecipe(Preprocessing((20, 16))))
    images = torch.zeros(trunk.block + 1, 3, 20, 16, dtype=torch.uint8)
    with trunk.pool() as pool, pytest.raises(ValueError, match="33 images in a pass of 32"):
        trunk.start(images, pool)


def test_the_cpu_is_waited_for_only_when_the_features_are_asked_for() -> None:
    asked: list[int] = []

    def output() -> torch.Tensor:
        asked.append(1)
        return _output(torch.float32)

    features = PendingFeatures(output, torch.float16, CPU)
    assert not asked
    features.wait()
    assert asked
