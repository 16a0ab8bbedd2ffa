"""A tiny experiment that trains in seconds, runs that were built without training, a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment

if TYPE_CHECKING:
    from facesim.runs.run import Run

TINY = """
name: tiny
data:
  train: {{name: synthetic_faces, identities: 8, images_per_identity: 6, size: 24,
           root: {root}/train}}
  val: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 8,
         size: 24, root: {root}/val}}
  test: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 12,
          size: 24, root: {root}/test}}
  workers: {workers}
image: {{size: [24, 24]}}
transforms: [horizontal_flip, color_jitter]
backbone: {{name: small_cnn, width: 4}}
head: {{name: mlp, fc_dim: 8, out_dim: 4}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
scheduler: cosine
train: {{epochs: 3, batch_size: 8, checkpoint_every: 4, log_every: 2}}
"""


@pytest.fixture(scope="session")
def write_tiny() -> Callable[[Path, int], Path]:
    """Writes the tiny experiment's file into a folder, for a number of workers."""

    def write(folder: Path, workers: int) -> Path:
        path = folder / "tiny.yaml"
        path.write_text(TINY.format(root=folder / "faces", workers=workers))
        return path

    return write


@pytest.fixture(scope="session")
def tiny_file(
    tmp_path_factory: pytest.TempPathFactory, write_tiny: Callable[[Path, int], Path]
) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"), 0)


@pytest.fixture
def tiny(tiny_file: Path) -> Experiment:
    return load_experiment(tiny_file)


@pytest.fixture(scope="session")
def build_run_in() -> "Callable[..., Run]":
    """Builds a finished run in a folder: see :func:`tests.facesim.built_run.build_run_in`."""
    from tests.facesim.built_run import build_run_in

    return build_run_in


@pytest.fixture
def build_run(tmp_path: Path, build_run_in: "Callable[..., Run]") -> "Callable[..., Run]":
    """The same in the test's own folder; the name may be left out."""

    def build(name: str = "built", *arguments: float, **settings: Any) -> "Run":
        return build_run_in(tmp_path, name, *arguments, **settings)

    return build


CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or a test that is skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield chromium
        chromium.close()
