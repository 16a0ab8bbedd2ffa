"""The model card of a pack."""

import json
from typing import Any

import pytest
import yaml

from facesim.packing.card import model_card
from facesim.verifier.pack_file import PackFile
from tests.facesim.verifier.test_pack_file import MINIMAL

REMEASURED = {
    "runtime": "onnxruntime 1.22.0",
    "most_decisions": 0.02,
    "most_difference": None,
    "agreements": [
        {
            "split": "test",
            "reference": "network",
            "pairs": 600,
            "largest_difference": 0.0123,
            "largest_relative_difference": 0.05,
            "decisions": {"eer": 7},
        }
    ],
    "differences": [
        {"metric": "accuracy", "difference": -0.004, "low": -0.01, "high": 0.002, "interval": "x"}
    ],
}
UNREACHED = {
    **MINIMAL["operating_points"][0],
    "name": "far_1e-6",
    "threshold": None,
    "reason": "not measurable with 300 impostors",
}
METRICS = {
    "accuracy": {"label": "Accuracy", "unit": "percent", "value": 0.9, "low": 0.88, "high": 0.92},
    "d_prime": {"label": "d-prime | x", "value": 2.5},
    "gone": {"label": "Gone", "value": None},
}


def card(**changes: Any) -> str:
    content = {
        **MINIMAL,
        "remeasurement": REMEASURED,
        "operating_points": [*MINIMAL["operating_points"], UNREACHED],
        "measured_on": {**MINIMAL["measured_on"], "metrics": METRICS},
        **changes,
    }
    return model_card(PackFile.model_validate_json(json.dumps(content)))


def test_every_operating_point_has_its_measured_rates_with_intervals() -> None:
    text = card()
    rate = "1.00% (0.50% to 2.00%), 3 of 300"
    assert f"| `eer` | FMR and FNMR are equal | -0.5 | {rate} | {rate} |" in text
    assert "`far_1e-6` has no threshold: not measurable with 300 impostors." in text
    assert "chosen on 600 pairs of 40 identities of val" in text
    assert "600 pairs of test (300 genuine, 300 impostor, 40 identities)" in text


def test_a_rate_has_the_interval_of_another_val_where_it_is_known() -> None:
    point = MINIMAL["operating_points"][0]
    again = {**point, "fmr": {**point["fmr"], "procedure": [0.003, 0.026]}}
    between = "(0.50% to 2.00%; with val drawn again 0.30% to 2.60%)"
    assert f"1.00% {between}, 3 of 300" in card(operating_points=[again])


def test_it_says_how_far_the_files_agree_with_the_original() -> None:
    text = card()
    assert "Allowed were 2.00% of the decisions of each operating point." in text
    assert "| test | the network in float32 | 600 | 7 (`eer`) | 0.012 |" in text
    assert "| accuracy | -0.004 | -0.01 to +0.002 |" in text


def test_a_label_does_not_break_its_table() -> None:
    assert "| d-prime \\| x | 2.5 | - |" in card()


def test_its_metadata_are_those_of_the_hub() -> None:
    _, block, _ = card().split("---\n", 2)
    found = yaml.safe_load(block)
    assert found["library_name"] == "facesim"
    assert found["metrics"] == ["accuracy", "d_prime"]
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(card()).data
    assert data.model_name == "tiny"
    results = {(each.metric_type, each.metric_name): each for each in data.eval_results}
    assert results["accuracy", "Accuracy"].metric_value == 0.9
    assert results["accuracy", "Accuracy"].dataset_split == "test"
    assert results["fmr", "FMR at the operating point eer"].metric_value == 0.01
    assert not any(value.metric_value is None for value in data.eval_results)


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (MINIMAL["probability"], "assume that 50.00% of the pairs are genuine"),
        (None, "There are no probabilities: too few pairs."),
    ],
)
def test_it_says_what_probabilities_assume(probability: Any, said: str) -> None:
    assert said in card(probability=probability, probability_reason="too few pairs")


def test_photographs_without_a_face_are_a_rate_beside_the_error_rates() -> None:
    rate = {"value": 0.02, "low": 0.01, "high": 0.05, "errors": 4, "comparisons": 200}
    measured = {**MINIMAL["measured_on"], "failure_to_acquire": rate}
    text = card(measured_on={**measured, "left_out": True})
    assert "Failure to acquire (ISO/IEC 19795-1): 2.00% (1.00% to 5.00%), 4 of 200" in text
    assert "no face was found; the error rates hold for the others." in text
    assert "no face was found. The error rates" not in text
    assert "Failure to acquire" not in card()
    centred = card(measured_on={**measured, "left_out": False})
    assert "no face was found. The error rates include these, of which the centre was" in centred
    assert "the pack refuses such photographs" in centred
    assert "no face was found.\n" in card(measured_on=measured)  # a pack that does not say it
