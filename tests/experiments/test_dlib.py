"""The experiments on raw photographs: what a person would say of a photograph, and whole runs."""

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from facesim.alignment.alignment import NoFaceError
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.loading import load_experiment
from facesim.interfaces import backbones
from facesim.runs.run import Run
from tests.plugins.aligners.raw_photographs import face_of, photograph_of

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SAME = 0.6
"""Two photographs that are closer show one person, dlib says."""

Photograph = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def people(celeba: Path) -> dict[str, list[Path]]:
    """The photographs of each person in test."""
    found = defaultdict(list)
    with (celeba / "test.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["ids"]].append(celeba / "img_align_celeba" / row["img"])
    return found


@pytest.fixture(scope="module")
def distance() -> Callable[..., float]:
    """Between the faces of two photographs, as the experiments see and embed them."""
    image = load_experiment(EXPERIMENTS / "dlib_celeba.yaml").image
    image = image.model_copy(update={"no_face": "error", "several_faces": "largest"})
    network = backbones.spec("dlib_face").build().eval()

    def between(first: Image.Image, second: Image.Image, **settings: Any) -> float:
        preprocessing = Preprocessing.of(image.model_copy(update=settings))
        pixels = [torch.from_numpy(preprocessing.convert(each)) for each in (first, second)]
        with torch.no_grad():
            a, b = network(torch.stack(pixels).permute(0, 3, 1, 2))
        return float((a - b).norm())

    return between


@pytest.mark.parametrize("name", ["dlib_lfw", "dlib_celeba", "dlib_celeba_head"])
def test_an_experiment_gives_the_network_the_chips_that_it_was_made_for(name: str) -> None:
    experiment = load_experiment(EXPERIMENTS / f"{name}.yaml")
    assert (experiment.image.template, experiment.image.size) == ("dlib", (150, 150))
    assert experiment.name == name
    assert (experiment.train.epochs == 0) == (experiment.head.name == "identity")


@pytest.mark.celeba
class TestPhotographs:
    @pytest.fixture
    def ann(self, people: dict[str, list[Path]]) -> list[Path]:
        return people["7230"]

    @pytest.fixture
    def bob(self, people: dict[str, list[Path]]) -> list[Path]:
        return people["7240"]

    def test_one_person_is_recognised_rotated_mirrored_small_or_large(
        self, ann: list[Path], bob: list[Path], distance: Callable[..., float]
    ) -> None:
        known = photograph_of(face_of(ann[0]))
        for angle, scale, mirrored in (
            (0, 1, False),
            (20, 1, False),
            (-15, 2, True),
            (0, 0.6, True),
        ):
            again = face_of(ann[1], scale=scale, mirrored=mirrored)
            assert distance(known, photograph_of(again, angle=angle)) < SAME
            other = face_of(bob[0], scale=scale, mirrored=mirrored)
            assert distance(known, photograph_of(other, angle=angle)) > SAME

    def test_of_two_people_the_larger_or_more_central_one_is_meant(
        self, ann: list[Path], bob: list[Path], distance: Callable[..., float]
    ) -> None:
        known = photograph_of(face_of(ann[0]))
        both = photograph_of(face_of(ann[1], scale=1.5), face_of(bob[0]), size=(900, 480))
        assert distance(known, both) < SAME
        assert distance(photograph_of(face_of(bob[1])), both) > SAME
        with pytest.raises(NoFaceError, match="2 faces were found where one is wanted"):
            distance(known, both, several_faces="error")

    def test_no_face_and_one_of_20_pixels_are_none(
        self, ann: list[Path], distance: Callable[..., float]
    ) -> None:
        known = photograph_of(face_of(ann[0]))
        tiny = photograph_of(face_of(ann[1], scale=0.2))
        for photograph in (tiny, Image.new("RGB", (640, 480), "navy")):
            with pytest.raises(NoFaceError, match="no face was found"):
                distance(known, photograph)


@pytest.mark.celeba
def test_a_system_stands_without_training(
    celeba: Path, people: dict[str, list[Path]], tmp_path: Path
) -> None:
    overrides = ["data.exclude=null", "data.workers=0", "evaluate.baselines=false"]
    overrides.append("evaluate.pairs_per_image=2")
    chosen = sorted(people)[:24]
    for number, split in enumerate(("train", "val", "test")):
        rows = [
            f"{path.name},{person}"
            for person in chosen[number * 8 : number * 8 + 8]
            for path in people[person][:4]
        ]
        table = tmp_path / f"{split}.csv"
        table.write_text("\n".join(["img,ids", *rows]) + "\n")
        overrides.append(f"data.{split}.table={table}")
    experiment = load_experiment(EXPERIMENTS / "dlib_celeba.yaml", overrides)
    result = Run.begin(experiment, tmp_path / "runs").complete()
    accuracy = result.metrics["accuracy"].value
    assert accuracy is not None
    assert accuracy > 0.85
