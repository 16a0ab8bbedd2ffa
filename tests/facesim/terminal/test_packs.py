"""A pack on the terminal."""

import io
import json
from typing import Any

import pytest

from facesim.console import Console
from facesim.terminal.packs import print_pack
from facesim.verifier.pack_file import PackFile
from tests.facesim.packing.test_card import METRICS, REMEASURED, UNREACHED
from tests.facesim.verifier.test_pack_file import MINIMAL


def shown(**changes: Any) -> str:
    content = {
        **MINIMAL,
        "operating_points": [*MINIMAL["operating_points"], UNREACHED],
        "measured_on": {**MINIMAL["measured_on"], "metrics": METRICS},
        **changes,
    }
    console = Console(file=io.StringIO(), width=120)
    print_pack(console, PackFile.model_validate_json(json.dumps(content)))
    printed: str = console.file.getvalue()  # type: ignore[attr-defined]
    return printed


def test_operating_points_have_their_measured_rates() -> None:
    text = shown()
    assert "tiny, packed: test, 600 pairs of 40 identities" in text
    [row] = [line for line in text.splitlines() if line.startswith("│ eer")]
    assert row.count("1.00% (0.50% to 2.00%)") == 2
    assert "without a threshold, for lack of pairs of val: far_1e-6" in text
    assert "minus original" not in text


def test_agreement_and_paired_differences_are_told() -> None:
    lines = shown(remeasurement=REMEASURED).splitlines()
    assert (
        "test, run by onnxruntime 1.22.0 and compared with the network in float32: 7 of 600 "
        "decisions differ, scores by at most 0.012"
    ) in lines
    assert (
        "Accuracy, pack minus original: -0.40 points (-1.00 to +0.20, paired, 95% over people)"
    ) in lines


@pytest.mark.parametrize(
    ("fmr", "said"),
    [
        ({"value": None, "comparisons": 0, "reason": "no impostors"}, "no impostors"),
        ({"value": 0.1, "comparisons": 10, "errors": 1, "reason": "few people"}, " 10.00% "),
    ],
)
def test_a_rate_without_value_or_interval_is_told(fmr: dict[str, Any], said: str) -> None:
    point = {**MINIMAL["operating_points"][0], "fmr": fmr}
    [row] = [
        line for line in shown(operating_points=[point]).splitlines() if line.startswith("│ eer")
    ]
    assert said in row
