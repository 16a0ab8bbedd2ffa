"""Tiny searches."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.experiment.loading import load_with_source
from facesim.tuning.parse_space import read_space
from facesim.tuning.space import Space
from facesim.tuning.study import Plan

TINY = """\
name: tiny
data:
  train: {{name: synthetic_faces, identities: 8, images_per_identity: 6, size: 24,
           root: {root}/train}}
  val: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 8,
         size: 24, root: {root}/val}}
  test: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 12,
          size: 24, root: {root}/test}}
  workers: 0
image: {{size: [24, 24]}}
backbone: {{name: small_cnn, width: 4}}
head: {{name: mlp, fc_dim: 8, out_dim: 4}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 3, batch_size: 8}}
lint: {{too_few_impostors: "off"}}
search:
"""
SEARCH = """\
  trials: 4
  space:
    head.fc_dim: {int: [8, 64], log: true}
    head.out_dim: {int: [4, 32], step: 4, at_most: head.fc_dim}
    optimizer.lr: {float: [1e-5, 1e-1], log: true}
"""

WriteSearch = Callable[..., Path]


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drawn faces of all tiny searches are kept."""
    return tmp_path_factory.mktemp("faces")


@pytest.fixture
def write_search(tmp_path: Path, faces: Path) -> WriteSearch:
    """Writes a tiny experiment with a search, and gives the file."""

    def write(search: str = SEARCH, *, changed: tuple[str, str] = ("", "")) -> Path:
        path = tmp_path / "tiny.yaml"
        text = TINY.format(root=faces) + search
        assert changed[0] in text
        path.write_text(text.replace(*changed) if changed[0] else text)
        return path

    return write


@pytest.fixture
def read(write_search: WriteSearch) -> Callable[[str], Space]:
    """The space of lines under ``space:``."""

    def read_lines(*lines: str) -> Space:
        listed = "".join(f"    {line}\n" for line in lines)
        return read_space(*load_with_source(write_search(f"  space:\n{listed}")))

    return read_lines


@pytest.fixture
def planned(tmp_path: Path) -> Callable[[Path], Plan]:
    """The plan of a file, in the test's own study folder."""

    def plan_of(file: Path) -> Plan:
        made = Plan.of(*load_with_source(file), tmp_path / "study", None)
        made.write()
        return made

    return plan_of


@pytest.fixture
def plan(write_search: WriteSearch, planned: Callable[[Path], Plan]) -> Plan:
    return planned(write_search())
