"""The hidden rectangle."""

import pytest
import torch
from pydantic import ValidationError

from facesim import Transform, transforms
from facesim_plugins.transforms.random_erasing import random_erasing


def test_one_rectangle_of_the_stated_area_and_value_is_painted() -> None:
    torch.manual_seed(0)
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    transform = random_erasing(probability=1.0, area=(0.1, 0.2), gray=9)
    for _ in range(30):
        erased = transform(image)
        assert torch.equal(erased.amin(0), erased.amax(0))
        rows, columns = torch.nonzero(erased[0], as_tuple=True)
        height = int(rows.max() - rows.min()) + 1
        width = int(columns.max() - columns.min()) + 1
        assert len(rows) == height * width
        assert 0.08 < height * width / 1600 < 0.22
        assert set(erased.flatten().tolist()) == {0, 9}


def sides(transform: Transform) -> tuple[int, int]:
    """Height and width of a rectangle that is painted into a large image."""
    erased = transform(torch.zeros(3, 200, 200, dtype=torch.uint8))
    rows, columns = torch.nonzero(erased[0], as_tuple=True)
    return len(set(rows.tolist())), len(set(columns.tolist()))


def test_the_ratio_is_that_of_height_to_width_and_may_be_fixed() -> None:
    tall = random_erasing(probability=1.0, area=(0.05, 0.05), aspect_ratio=(4.0, 4.0))
    for height, width in (sides(tall) for _ in range(5)):
        assert height * width == pytest.approx(0.05 * 200 * 200, rel=0.05)
        assert height / width == pytest.approx(4, rel=0.05)
    accepted = transforms.spec("random_erasing", area=(0.05, 0.05), aspect_ratio=(4.0, 4.0))
    assert accepted.arguments["area"] == (0.05, 0.05)


def test_the_probability_is_the_share_that_is_erased() -> None:
    torch.manual_seed(0)
    image, transform = torch.zeros(3, 20, 20, dtype=torch.uint8), random_erasing(probability=0.25)
    assert 60 < sum(bool(transform(image).any()) for _ in range(400)) < 140


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"area": (0.3, 0.1)}, "the lower end 0.3 is above the upper end 0.1"),
        ({"aspect_ratio": (2.0, 1.0)}, "the lower end 2.0 is above"),
        ({"area": (0.0, 0.1)}, "greater than 0"),
        ({"gray": 256}, "less than or equal to 255"),
        ({"probability": 1.5}, "less than or equal to 1"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        transforms.spec("random_erasing", **wrong)
