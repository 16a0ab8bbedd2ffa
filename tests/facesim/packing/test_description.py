"""What a pack says of its preprocessing and its operating points."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field

from facesim import Aligner, Face, Photograph, aligners
from facesim.errors import FacesimError
from facesim.experiment.sections import Image
from facesim.packing.card import model_card
from facesim.packing.description import packed_image, requirements
from facesim.packing.pack import PackOptions, pack_run
from facesim.runs.run import Run


class Middle(Aligner):
    """Finds one face, in the middle."""

    fingerprint = "0123"

    def __init__(
        self, *, model: Annotated[Path, Field(description="a file")], listed: bool = False
    ) -> None:
        self.content_only = not listed
        self.model = model.read_bytes()

    def find(self, photograph: Photograph) -> Sequence[Face]:
        height, width = photograph.pixels.shape[:2]
        eyes = np.array([[0.35, 0.4], [0.65, 0.4]]) * [width, height]
        landmarks = np.concatenate([eyes, np.full((3, 2), np.nan)])
        return [Face((0.0, 0.0, width - 1.0, height - 1.0), landmarks, 1.0)]


@pytest.fixture(autouse=True)
def middle() -> Iterator[None]:
    with aligners.isolated():
        aligners("middle", packages=("numpy",))(Middle)
        yield


def aligned(model: Path, **settings: Any) -> Image:
    aligner = {"name": "middle", "model": model, **settings}
    return Image.model_validate({"size": (24, 20), "aligner": aligner, "template": "dlib"})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "of this machine" / "faces.bin"
    path.parent.mkdir()
    path.write_bytes(b"a model")
    return path


def test_images_as_they_are_have_their_size_and_crop() -> None:
    image = Image.model_validate({"size": (24, 20), "crop": (1, 2, 3, 4)})
    of_image = {"size": [24, 20], "crop": [1, 2, 3, 4], "fit": "letterbox"}
    assert packed_image(image) == (of_image, {})
    stretched = image.model_copy(update={"fit": "stretch"})
    assert packed_image(stretched) == ({"size": [24, 20], "crop": [1, 2, 3, 4]}, {})


def test_a_file_of_the_aligner_has_its_name_in_the_pack(model: Path) -> None:
    settings, files = packed_image(aligned(model))
    assert files == {"aligner-model.bin": model}
    alignment: Any = settings["alignment"]
    assert alignment["aligner"] == {
        "name": "middle",
        "model": "aligner-model.bin",
        "listed": False,
    }
    assert (alignment["template"], alignment["fingerprint"]) == ("dlib", "0123")
    assert "of this machine" not in str(settings)


def test_an_aligner_that_looks_faces_up_by_name_is_not_packed(model: Path) -> None:
    with pytest.raises(FacesimError, match="aligner 'middle' knows the photographs of a list"):
        packed_image(aligned(model, listed=True))


def test_a_pack_of_photographs_brings_its_aligner(
    train_run: Callable[..., Run], model: Path, tmp_path: Path
) -> None:
    aligner = f"{{name: middle, model: {model}}}"
    image = f"size: [24, 20], aligner: {aligner}, template: dlib, no_face: centre_crop"
    run = train_run(f"image={{{image}}}")
    pack = pack_run(run, tmp_path / "pack", PackOptions())
    assert (tmp_path / "pack/aligner-model.bin").read_bytes() == b"a model"
    assert "aligner-model.bin" in pack.files
    assert pack.measured_on.left_out is False  # there were none, but their centres would be used
    assert not pack.measured_on.includes_centres
    for agreement in pack.remeasurement.agreements:
        assert set(agreement.decisions.values()) == {0}
    assert "the aligner `middle` finds the face" in model_card(pack)
    lines = requirements(pack).splitlines()
    assert lines[0].startswith("# ")
    assert f"numpy>={np.__version__}" in lines
