"""JSON files as models."""

import math
from pathlib import Path

import pytest
from pydantic import FiniteFloat

from facesim.atomic import begin_manifest
from facesim.errors import DataError
from facesim.json_files import JsonModel, read_json, write_json


class Rate(JsonModel):
    name: str
    value: FiniteFloat | None


class Loose(JsonModel):
    value: float


RATES = (Rate(name="eer", value=0.1), Rate(name="naïve", value=None))


def test_one_model_or_several_read_back(tmp_path: Path) -> None:
    file = tmp_path / "rates.json"
    write_json(file, RATES[0])
    assert read_json(file, Rate, remedy="") == RATES[0]
    write_json(file, RATES)
    assert read_json(file, tuple[Rate, ...], remedy="") == RATES
    assert file.read_text(encoding="utf-8").startswith('[\n  {\n    "name": "eer",\n')


def test_what_is_not_a_number_becomes_null(tmp_path: Path) -> None:
    write_json(tmp_path / "loose.json", Loose(value=math.nan))
    assert (tmp_path / "loose.json").read_text() == '{\n  "value": null\n}\n'


def test_a_file_that_is_not_as_it_was_written_is_refused_with_the_remedy(tmp_path: Path) -> None:
    begin_manifest(tmp_path)
    file = tmp_path / "rates.json"
    write_json(file, RATES)
    file.write_text(file.read_text().replace("0.1", "0.2"))
    with pytest.raises(DataError, match=r"is not what facesim wrote: .*; measure again\."):
        read_json(file, tuple[Rate, ...], remedy="measure again")


def test_no_file_is_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "rates.json", Rate, remedy="") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the file: Invalid JSON"),
        ('[{"name": "eer"}]', r"0\.value: Field required"),
        ('[{"name": "eer", "value": 1, "more": 2}]', r"0\.more: Extra inputs"),
        ('[{"name": "eer", "value": Infinity}]', r"0\.value: Input should be a finite number"),
    ],
)
def test_a_damaged_file_is_named_with_the_key_and_the_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "rates.json"
    file.write_text(text)
    with pytest.raises(DataError, match=rf"rates\.json: {message}.*; measure again$"):
        read_json(file, tuple[Rate, ...], remedy="measure again")


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it is a folder, not a file; measure again"):
        read_json(tmp_path, Rate, remedy="measure again")
