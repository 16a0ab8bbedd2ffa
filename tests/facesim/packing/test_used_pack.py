"""A run, packed and then used: the same embeddings, scores and thresholds as the run's own."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesim.notebook.opened_run import OpenedRun
from facesim.packing.pack import PackOptions, pack_run
from facesim.reporters import SilentReporter
from facesim.runs.run import Run
from facesim.verifier.enrolment import enroll
from facesim.verifier.gallery import open_gallery
from facesim.verifier.verifier import load_pack

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of another size than the network's, two per person."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("faces")
    for person in range(5):
        face = random.integers(0, 256, (31, 27, 3))
        (folder / f"p{person}").mkdir()
        for image in range(2):
            pixels = np.clip(face + random.normal(0, 9, face.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"p{person}" / f"{image}.png")
    return folder


@pytest.mark.parametrize("form", ["onnx", "torch"])
@pytest.mark.parametrize("loss", ["contrastive", "learned", "{name: arcface}"])
def test_a_used_pack_decides_as_its_run(
    train_run: Callable[..., Run], faces: Path, tmp_path: Path, loss: str, form: str
) -> None:
    trained = train_run(f"loss={loss}")
    run = OpenedRun(trained)
    pack_run(trained, tmp_path / "pack", PackOptions(format=form))  # type: ignore[arg-type]
    verifier = load_pack(tmp_path / "pack")
    paths = sorted(faces.rglob("*.png"))
    np.testing.assert_allclose(verifier.embed(paths), run.embed(paths), atol=1e-5)
    for a, b in pairwise(paths):
        verdict, expected = verifier.verify(a, b, "best_accuracy"), run.verify(a, b)
        assert verdict.score == pytest.approx(expected.score, abs=1e-4)
        assert verdict.point.threshold == pytest.approx(expected.threshold)
        assert verdict.probability == pytest.approx(expected.probability, abs=0.01)
    done = enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    assert (done.enrolled, done.failed) == (5, {})
    gallery = open_gallery(tmp_path / "gallery")
    [matches] = verifier.search(gallery, paths[0], top=5)
    templates = np.concatenate([part.templates for part in gallery.parts])
    probe = np.tile(verifier.embed(paths[0]), (5, 1))
    scores = verifier.scores(probe, templates).tolist()
    naive = sorted(zip(gallery.names, scores, strict=True), key=lambda one: (-one[1], one[0]))
    assert [(match.name, pytest.approx(match.score, abs=1e-6)) for match in matches] == naive
