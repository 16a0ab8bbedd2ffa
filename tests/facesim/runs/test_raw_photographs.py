"""A run on raw photographs: faces are placed, cached as they are used, and counted."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facesim import Face, Photograph
from facesim.alignment.aligner import aligners
from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.data.table_content import TableContent
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.plugin_source import source_digest
from facesim.report.run_report import write_report
from facesim.runs.run import Run
from facesim.runs.session import own_result
from facesim.training.build import Tables
from tests.facesim.model.bright_face import BrightFace

EXPERIMENT = """
name: raw
data:
  train: {name: folder, root: ROOT/train}
  val: {name: folder, root: ROOT/val}
  test: {name: folder, root: ROOT/test}
  workers: 0
image: {size: [24, 24], aligner: bright, template: dlib, no_face: skip}
backbone: {name: small_cnn, width: 4, frozen_stages: 1}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: contrastive
optimizer: adam
train: {epochs: 1, batch_size: 8}
"""


class LowerFace(BrightFace):
    """Another aligner of the same parameters, whose faces lie five pixels lower."""

    def find(self, photograph: Photograph) -> Sequence[Face]:
        found = super().find(photograph)
        return [replace(face, landmarks=face.landmarks + [0, 5]) for face in found]  # noqa: RUF005


def save(path: Path, person: int, photograph: int, faces: int) -> None:
    """A face of the person's colour below a white bar, somewhere in a dark photograph."""
    draw = np.random.default_rng(100 * person + photograph)
    pixels = draw.integers(0, 60, (120, 160, 3), dtype=np.uint8)
    for face in range(faces):
        width, left, top = 24 - 10 * face, draw.integers(5, 120), 5 + 60 * face
        colour = np.random.default_rng(person).integers(60, 250, 3)
        pixels[top : top + width + 8, left : left + width] = colour
        pixels[top : top + 6, left : left + width] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Callable[..., Experiment]]:
    for split, people in {"train": 8, "val": 5, "test": 5}.items():
        for person in range(people):
            for photograph in range(4):
                # One photograph of test without a face, and one with two.
                faces = {("test", 1, 2): 0, ("test", 3, 1): 2}.get((split, person, photograph), 1)
                path = tmp_path / split / f"{split}-{person}" / f"{photograph}.png"
                save(path, person + 10 * len(split), photograph, faces)
    file = tmp_path / "raw.yaml"
    file.write_text(EXPERIMENT.replace("ROOT", str(tmp_path)))
    load_installed_plugins()  # once per process: not to be undone with the test
    with aligners.isolated():
        aligners("bright")(BrightFace)
        aligners("lower")(LowerFace)
        yield lambda *overrides: load_experiment(file, overrides)


def finished(experiment: Experiment, out: Path) -> Run:
    run = Run.begin(experiment, out)
    run.train()
    run.evaluate()
    return run


def test_what_was_found_is_in_results_report_and_notes(
    raw: Callable[..., Experiment], tmp_path: Path
) -> None:
    run = finished(raw(), tmp_path / "runs")
    result = own_result(run.directory)
    assert result is not None
    acquired = result.acquisition
    assert acquired is not None
    assert (acquired.photographs, acquired.one_face) == (20, 18)
    assert (acquired.several_faces, acquired.no_face, acquired.low_confidence) == (1, 1, 0)
    assert acquired.failure_to_acquire.value == pytest.approx(1 / 20)
    assert acquired.failure_to_acquire.high is not None
    assert acquired.left_out
    page = write_report(run.read("test"), faces=True).read_text("utf-8")
    assert "Failure to acquire (ISO/IEC 19795-1): 5.00% of 20 photographs" in page
    assert "In 1 there were several faces, and one was chosen" in page
    assert run.components.test.table.files.tolist().count("test-1/2.png") == 0


def test_a_report_without_the_aligner_says_why_it_shows_no_faces(
    raw: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(raw(), tmp_path / "runs")

    def missing(*_: object, **__: object) -> None:
        raise FacesimError("the aligner needs the extra 'bright'")

    monkeypatch.setattr(BrightFace, "__init__", missing)
    opened = Run.open(run.path)
    page = write_report(opened.read("test"), faces=True).read_text("utf-8")
    assert (
        "Faces and filters by attribute are left out, since the evaluated images cannot be read: "
        "the aligner needs" in page
    )
    assert 'id="errors"' in page
    assert "data:image/jpeg" not in page
    page = write_report(opened.read("test"), faces=False).read_text("utf-8")
    assert "Faces and filters" not in page
    assert "Filters by attribute are left out, since the evaluated images cannot be read" in page
    assert 'id="errors"' in page


def test_a_cached_trunk_gives_what_an_uncached_one_gives(
    raw: Callable[..., Experiment], tmp_path: Path
) -> None:
    results = [
        finished(raw(f"trunk_cache={cache}"), tmp_path / cache) for cache in ("float32", "off")
    ]
    first, second = (
        json.loads((run.path / "eval/test/metrics.json").read_text()) for run in results
    )
    assert first == second


def test_thresholds_of_faces_that_were_aligned_otherwise_are_refused(
    raw: Callable[..., Experiment], tmp_path: Path
) -> None:
    run = finished(raw(), tmp_path / "runs")
    with pytest.raises(FacesimError, match="preprocessing"):
        run.evaluate(overrides=["image.template=arcface"], name="otherwise")
    with pytest.raises(FacesimError, match="preprocessing"):
        run.evaluate(
            overrides=["image.aligner=null", "image.template=null", "image.no_face=error"],
            name="unaligned",
        )


def test_a_photograph_that_is_not_allowed_to_have_no_face_stops_the_run_before_it_begins(
    raw: Callable[..., Experiment], tmp_path: Path
) -> None:
    with pytest.raises(FacesimError, match=r"data\.test: .+test-1/2\.png: no face was found; 1 of"):
        Run.begin(raw("image.no_face=error"), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_thresholds_of_an_aligner_whose_code_has_changed_are_refused(
    raw: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(raw(), tmp_path / "runs")
    monkeypatch.setattr(
        "facesim.runs.systems.source_digest",
        lambda plugin: "edited" if plugin.name == "bright" else source_digest(plugin),
    )
    with pytest.raises(FacesimError, match="code of the aligner 'bright'"):
        run.evaluate(overrides=["evaluate.seed=3"], name="again")


def test_other_crops_of_the_same_files_are_other_content(
    raw: Callable[..., Experiment], tmp_path: Path
) -> None:
    contents = [
        TableContent.of(Tables().read("val", raw(f"image.aligner={name}")))
        for name in ("bright", "lower")
    ]
    assert contents[0].rows == contents[1].rows
    assert contents[0].files != contents[1].files


def test_workers_are_sent_no_detector(
    raw: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = raw("trunk_cache=off")
    images = Tables().read("val", experiment)
    preprocessing = Preprocessing.of(experiment.image)
    rows = np.arange(len(images.table))
    alone = torch.cat(list(load_images(images.table, rows, preprocessing, batch_size=4)))

    def refuse(self: object) -> object:
        raise TypeError("the detector is too large to be sent")

    monkeypatch.setattr(BrightFace, "__reduce__", refuse)
    monkeypatch.setattr(BrightFace, "find", refuse)
    shared = list(load_images(images.table, rows, preprocessing, batch_size=4, workers=1))
    assert torch.equal(torch.cat(shared), alone)


def test_an_experiment_builds_its_aligner_once(raw: Callable[..., Experiment]) -> None:
    image = raw().image
    first, second = (Preprocessing.of(image).alignment for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.aligner is second.aligner
    other = Preprocessing.of(raw().image).alignment
    assert other is not None
    assert other.aligner is not first.aligner
