"""Every registered sampler keeps the promises of samplers, and says why it refuses a table."""

from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim import FacesimError, FaceTable, Sampler, TableSampler, samplers
from facesim.registry import Spec
from facesim.testing.suites import SamplerContract

PARAMETERS: dict[str, dict[str, Any]] = {
    "curriculum": {"pairs_per_image": 1.0},
    "hard_pairs": {"pairs_per_image": 1.0},
    "random_pairs": {"pairs_per_image": 1.0},
}
DRAWN = [name for name in samplers.names() if name != "from_file"]


def spec_of(name: str) -> Spec[Any]:
    return samplers.spec(name, **PARAMETERS.get(name, {}))


class TestEverySampler(SamplerContract):
    @pytest.fixture(params=samplers.names())
    def spec(self, request: pytest.FixtureRequest, tmp_path: Path) -> Spec[Any]:
        if request.param == "from_file":
            return with_a_list_for_each_table(tmp_path / "pairs.csv")
        return spec_of(request.param)


def with_a_list_for_each_table(path: Path) -> Spec[Any]:
    """The sampler `from_file`, given a list of random pairs of each table it is made for."""
    spec = samplers.spec("from_file", pairs=path)

    @wraps(spec.plugin.factory)
    def build(identities: np.ndarray, batch_size: int, seed: int, *, pairs: Path) -> Sampler:
        files = np.array([f"{row}.jpg" for row in range(len(identities))])
        table = FaceTable(Path(), files, identities, np.unique(identities).astype(str))
        drawn = samplers.spec("random_pairs", pairs_per_image=min(1.0, 5000 / len(files)))
        batches = list(drawn.build(identities, batch_size, 0).batches(0))
        rows = np.concatenate([batch.images[batch.pairs].numpy() for batch in batches])
        lines = [f"{first},{second}\n" for first, second in files[rows]]
        pairs.write_text("file1,file2\n" + "".join(lines))
        sampler = spec.plugin.factory(identities, batch_size, seed, pairs=pairs)
        assert isinstance(sampler, TableSampler)
        sampler.read_table(table)
        return sampler

    return Spec(replace(spec.plugin, factory=build), spec.parameters)


@pytest.mark.parametrize("name", DRAWN)
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
