"""Every registered sampler keeps the promises of samplers, and says why it refuses a table."""

from typing import Any

import numpy as np
import pytest

from facesim import FacesimError, samplers
from facesim.registry import Spec
from facesim.testing.suites import SamplerContract

PARAMETERS: dict[str, dict[str, Any]] = {"random_pairs": {"pairs_per_image": 1.0}}


def spec_of(name: str) -> Spec[Any]:
    return samplers.spec(name, **PARAMETERS.get(name, {}))


class TestEverySampler(SamplerContract):
    @pytest.fixture(params=samplers.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return spec_of(request.param)


@pytest.mark.parametrize("name", samplers.names())
@pytest.mark.parametrize(
    ("identities", "message"),
    [
        (np.zeros(20, np.int64), "no impostor pair.*all 20 images show one identity"),
        (np.arange(20), "no genuine pair.*each of the 20 identities has one image"),
    ],
    ids=["one identity", "one image each"],
)
def test_a_table_without_one_class_of_pairs_is_refused(
    name: str, identities: np.ndarray, message: str
) -> None:
    with pytest.raises(FacesimError, match=message):
        spec_of(name).build(identities, 16, 5)
