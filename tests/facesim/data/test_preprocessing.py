"""One object decides the pixels: it decodes, and is part of cache keys and provenance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facesim import Aligner, Face, Photograph, aligners
from facesim.alignment.alignment import NoFaceError
from facesim.alignment.crop import crop_face
from facesim.alignment.fit import Fit
from facesim.data import decoding
from facesim.data import preprocessing as module
from facesim.data.decoding import decode_image
from facesim.data.preprocessing import Preprocessing
from facesim.discovery import load_installed_plugins
from facesim.errors import DataError
from facesim.experiment.sections import Image
from facesim.model.trunk_key import Fingerprint, TrunkRecipe


@dataclass(frozen=True)
class Rotating(Preprocessing):
    """Preprocessing to which a setting was added."""

    quarter_turns: int = 0


def key_of(preprocessing: Preprocessing) -> str:
    return Fingerprint("weights", "code").key(TrunkRecipe(preprocessing))


def test_it_decodes_by_its_size_and_crop(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    path = tmp_path / "image.png"
    PillowImage.fromarray(pixels).save(path)
    whole, cropped = Preprocessing((20, 30)), Preprocessing((8, 6), (2, 3, 12, 16))
    assert np.array_equal(whole.decode(path), pixels)
    assert np.array_equal(cropped.decode(path), decode_image(path, (8, 6), (2, 3, 12, 16)))


@pytest.mark.parametrize(
    "image",
    [Image(), Image(size=(32, 24), fit="crop"), Image(size=(112, 112), crop=(1, 2, 30, 40))],
)
def test_that_of_an_experiment_has_all_its_settings(image: Image) -> None:
    preprocessing = Preprocessing.of(image)
    found = (preprocessing.size, preprocessing.crop, preprocessing.fit)
    assert found == (image.size, image.crop, image.fit)
    assert preprocessing.alignment is None
    assert preprocessing.provenance == image.model_dump_json(include={"size", "crop", "fit"})


def test_stretched_images_have_the_text_of_calibration_files_from_before_there_was_a_choice() -> (
    None
):
    image = Image(size=(112, 112), crop=(1, 2, 30, 40), fit="stretch")
    assert Preprocessing.of(image).provenance == '{"size":[112,112],"crop":[1,2,30,40]}'


def test_a_fit_is_part_of_pixels_cache_key_and_provenance(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(
        path
    )
    fits: tuple[Fit, ...] = ("stretch", "letterbox", "crop")
    each = [Preprocessing((20, 16), fit=fit) for fit in fits]
    pixels = [preprocessing.decode(path).tobytes() for preprocessing in each]
    for distinct in (pixels, [one.cache_key for one in each], [one.provenance for one in each]):
        assert len(set(distinct)) == 3
    with PillowImage.open(path) as image:
        assert [one.convert(image).tobytes() for one in each] == pixels


def test_a_setting_that_it_does_not_know_cannot_be_forgotten() -> None:
    class Turned(Image):
        quarter_turns: int = 0

    with pytest.raises(TypeError, match="quarter_turns"):
        Preprocessing.of(Turned())


def test_an_added_setting_changes_cache_key_and_provenance() -> None:
    plain, turned = Rotating(), Rotating(quarter_turns=1)
    assert turned.provenance == '{"size":[218,178],"crop":null,"quarter_turns":1}'
    assert turned.cache_key != plain.cache_key
    assert key_of(turned) != key_of(plain)


def test_an_added_setting_at_its_default_applies_to_thresholds_from_before_it_was_there() -> None:
    assert Rotating().provenance == Preprocessing().provenance == '{"size":[218,178],"crop":null}'


def test_code_and_libraries_that_decode_are_part_of_the_cache_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = Preprocessing().cache_key
    assert len(key) == 32
    with monkeypatch.context() as changed:
        changed.setattr(module, "decoder_versions", lambda: "another")
        assert Preprocessing().cache_key != key
    for position, source in enumerate(module._SOURCES):
        edited = tmp_path / source.name
        edited.write_bytes(source.read_bytes() + b"\n")
        sources = [*module._SOURCES]
        sources[position] = edited
        with monkeypatch.context() as changed:
            changed.setattr(module, "_SOURCES", tuple(sources))
            assert Preprocessing().cache_key != key
    assert Preprocessing().cache_key == key


@pytest.mark.parametrize("source", [module.__file__, decoding.__file__])
def test_an_edit_of_the_code_that_makes_pixels_changes_the_cache_key(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, read = Preprocessing().cache_key, Path.read_bytes
    edited = Path(source)
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read(path) + (b"\n" if path == edited else b"")
    )
    assert Preprocessing().cache_key != key


def test_size_and_crop_are_part_of_the_cache_key() -> None:
    plain = Preprocessing((20, 16))
    others = [
        replace(plain, size=(16, 20)),
        replace(plain, crop=(0, 0, 16, 20)),
    ]
    assert len({each.cache_key for each in (plain, *others)}) == 3


@pytest.mark.parametrize("size", [(0, 8), (8, 0), (-1, 8)])
def test_an_empty_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="both must be at least 1"):
        Preprocessing(size)


def test_one_pixel_is_a_crop_and_a_size() -> None:
    assert Preprocessing((1, 1), crop=(0, 0, 1, 1)).size == (1, 1)


@pytest.mark.parametrize("crop", [(-1, 0, 4, 4), (0, -1, 4, 4), (0, 0, 0, 4), (0, 0, 4, 0)])
def test_an_empty_crop_is_refused(crop: tuple[int, int, int, int]) -> None:
    with pytest.raises(DataError, match="left and top must be at least 0"):
        Preprocessing(crop=crop)


class Middle(Aligner):
    def find(self, photograph: Photograph) -> Sequence[Face]:
        height, width = photograph.pixels.shape[:2]
        if not photograph.pixels.any():
            return []
        eyes = np.array([[width * 0.4, height * 0.5], [width * 0.6, height * 0.5]])
        landmarks = np.concatenate([eyes, np.full((3, 2), np.nan)])
        return [Face((0.0, 0.0, float(width), float(height)), landmarks, 1.0)]


@pytest.fixture
def aligned() -> Iterator[Image]:
    load_installed_plugins()  # once per process: not to be undone with the test
    with aligners.isolated():
        aligners("middle")(Middle)
        yield Image.model_validate({"size": (28, 20), "aligner": "middle", "template": "arcface"})


def test_faces_are_found_and_cut_out_unless_their_place_is_known(
    tmp_path: Path, aligned: Image
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    path = tmp_path / "photograph.png"
    PillowImage.fromarray(pixels).save(path)
    preprocessing = Preprocessing.of(aligned)
    alignment = preprocessing.alignment
    assert alignment is not None
    placement = alignment.place(Photograph(pixels, path), (28, 20)).placement
    assert placement is not None
    expected = crop_face(PillowImage.fromarray(pixels), placement, (28, 20))
    assert np.array_equal(preprocessing.decode(path), expected)
    assert np.array_equal(preprocessing.decode(path, placement), expected)
    assert np.array_equal(preprocessing.convert(PillowImage.fromarray(pixels)), expected)
    moved = preprocessing.decode(path, placement + np.array([[0, 0, 9], [0, 0, 0]]))
    assert not np.array_equal(moved, expected)


@pytest.mark.parametrize("no_face", ["error", "skip"])
def test_a_photograph_without_a_face_is_an_error_that_names_it(
    tmp_path: Path, aligned: Image, no_face: str
) -> None:
    path = tmp_path / "nothing.png"
    PillowImage.fromarray(np.zeros((60, 80, 3), np.uint8)).save(path)
    image = aligned.model_copy(update={"no_face": no_face})
    with pytest.raises(NoFaceError, match=r"nothing\.png: no face was found"):
        Preprocessing.of(image).decode(path)
    with pytest.raises(NoFaceError, match=r"^no face was found"):
        Preprocessing.of(image).convert(PillowImage.open(path))


def test_every_setting_of_the_alignment_is_in_key_and_provenance(aligned: Image) -> None:
    others: list[dict[str, object]] = [
        {"template": "celeba"},
        {"no_face": "skip"},
        {"several_faces": "error"},
        {"min_confidence": 0.5},
        {"size": (30, 20)},
    ]
    all_of = [Preprocessing.of(aligned.model_copy(update=each)) for each in [{}, *others]]
    assert len({each.provenance for each in all_of}) == len(all_of)
    assert len({each.cache_key for each in all_of}) == len(all_of)
    plain = Preprocessing.of(Image(size=(28, 20)))
    assert plain.provenance != all_of[0].provenance
    assert '"aligner":{"name":"middle"}' in all_of[0].provenance


def test_an_aligner_and_a_crop_exclude_each_other(aligned: Image) -> None:
    alignment = Preprocessing.of(aligned).alignment
    with pytest.raises(DataError, match="leave the crop out"):
        Preprocessing((8, 8), (0, 0, 4, 4), alignment=alignment)
    with pytest.raises(DataError, match="leave the fit out"):
        Preprocessing((8, 8), fit="crop", alignment=alignment)
