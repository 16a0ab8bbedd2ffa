"""A run, packed and then used: the same embeddings, scores and thresholds as the run's own."""

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from facesim.atomic import MANIFEST
from facesim.cli.program import app
from facesim.errors import FacesimError
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
    trained = train_run(f"loss={loss}", "image.fit=stretch")
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


def test_plugins_of_a_pack_are_imported_with_consent_only(
    train_run: Callable[..., Run], faces: Path, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    pack_run(train_run("loss=contrastive"), pack, PackOptions(format="torch"))
    (pack / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    experiment = pack / "experiment.yaml"
    text = experiment.read_text()
    assert "plugins: []" in text
    experiment.write_text(text.replace("plugins: []", "plugins: [./code.py]"))
    content = json.loads((pack / "pack.json").read_text())
    content["files"]["experiment.yaml"] = {
        "bytes": experiment.stat().st_size,
        "sha256": hashlib.sha256(experiment.read_bytes()).hexdigest(),
    }
    (pack / "pack.json").write_text(json.dumps(content))
    (pack / MANIFEST).unlink()
    with pytest.raises(FacesimError, match=r"none was imported; read them, then add --trust"):
        load_pack(pack)
    assert not (tmp_path / "ran").exists()
    face = faces / "p0" / "0.png"
    assert load_pack(pack, trust=True).verify(face, face).same
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize(
    "command",
    [
        ("verify", "pack", "a", "b"),
        ("verify", "pack", "--pairs", "pairs.csv", "--out", "out.csv"),
        ("enroll", "pack", "gallery", "folder"),
        ("search", "pack", "gallery", "photo"),
    ],
)
def test_every_command_hands_consent_on(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], trust: bool
) -> None:
    asked: list[tuple[Path, bool]] = []

    def load(folder: Path, *, trust: bool = False) -> None:
        asked.append((folder, trust))
        raise FacesimError("enough")

    monkeypatch.setattr("facesim.verifier.verifier.load_pack", load)
    result = CliRunner().invoke(app, [*command, *["--trust"] * trust])
    assert str(result.exception) == "enough"
    assert asked == [(Path("pack"), trust)]
