"""One object decides the pixels: it decodes, and is part of cache keys and provenance."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facesim.data import decoding
from facesim.data import preprocessing as module
from facesim.data.decoding import decode_image
from facesim.data.preprocessing import Preprocessing
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
    "image", [Image(), Image(size=(32, 24)), Image(size=(112, 112), crop=(1, 2, 30, 40))]
)
def test_that_of_an_experiment_has_all_its_settings_and_the_text_of_calibration_files(
    image: Image,
) -> None:
    preprocessing = Preprocessing.of(image)
    assert {field.name for field in fields(preprocessing)} == set(Image.model_fields)
    assert (preprocessing.size, preprocessing.crop) == (image.size, image.crop)
    assert preprocessing.provenance == image.model_dump_json()


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
    others = [replace(plain, size=(16, 20)), replace(plain, crop=(0, 0, 16, 20))]
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
