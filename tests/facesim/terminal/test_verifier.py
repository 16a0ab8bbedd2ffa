"""What is told about a search in a gallery, and about photographs without a face."""

import json
from pathlib import Path

import pytest

from facesim.terminal.verifier import identification_note, matches_as_json, print_rates
from facesim.verifier.pack_file import MeasuredRate, PackedPoint
from facesim.verifier.verifier import load_pack
from tests.facesim.verifier.test_pack_file import MINIMAL
from tests.facesim.verifier.tiny_packs import write_pack


def point(fmr: MeasuredRate) -> PackedPoint:
    found = PackedPoint.model_validate(MINIMAL["operating_points"][0])
    return found.model_copy(update={"fmr": fmr})


@pytest.mark.parametrize(
    ("fmr", "bound", "said"),
    [
        (MeasuredRate(value=0.0, low=0.0, high=0.004, comparisons=300), 0.4, "as high as 40% "),
        (MeasuredRate(value=0.01, low=0.0, high=0.02, comparisons=300), 1.0, "as high as 100% "),
        (
            MeasuredRate(value=0.0, comparisons=3, reason="3 comparisons are too few"),
            None,
            "can be given, since the FMR has no interval (3 comparisons are too few)",
        ),
    ],
)
def test_the_bound_of_a_search_is_that_of_the_upper_end_of_the_fmr(
    tmp_path: Path, fmr: MeasuredRate, bound: float | None, said: str
) -> None:
    assert said in identification_note(point(fmr), 100)
    verifier = load_pack(write_pack(tmp_path / "pack"))
    found = json.loads(matches_as_json(verifier, [], point(fmr), 100))
    assert found["fpir_at_most"] == bound


@pytest.mark.parametrize(("left_out", "told"), [(False, True), (True, False), (None, False)])
def test_rates_that_include_photographs_without_a_face_are_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left_out: bool | None, told: bool
) -> None:
    rate = {"value": 0.02, "errors": 4, "comparisons": 200}
    measured = {**MINIMAL["measured_on"], "failure_to_acquire": rate, "left_out": left_out}
    verifier = load_pack(write_pack(tmp_path / "pack", measured_on=measured))
    print_rates(verifier, verifier.operating_point())
    printed = capsys.readouterr().out
    assert "failure to acquire 2% (no interval, 4 of 200): no face found" in printed
    assert ("of which the centre was used; here, such a photograph is refused" in printed) is told
