"""The numbers by which data, training and results are judged, and what is too much to be read.

What two versions of facesim say of the same run can be compared only where these are the same. A
change is to be meant: say in the changelog what is judged otherwise from then on.
"""

from importlib import import_module

import pytest

JUDGED_BY: dict[str, dict[str, float]] = {
    "data.linter.copies": {"MOST_COPIES": 0.5},
    "data.linter.pairs": {"DOMINANT_SHARE": 0.25, "DOMINANT_SHARE_OF_A_KIND": 0.5},
    "data.linter.properties": {
        "SAMPLED_IMAGES": 300,
        "SAMPLED_PAIRS": 150,
        "SHIFTED_SHARE": 0.15,
        "SHIFTED_AREA": 0.3,
        "SHORTCUT_AREA": 0.4,
        "HINT_AREA": 0.2,
    },
    "evaluation.attribute_values": {"MOST_VALUES": 20},
    "evaluation.baselines": {"PIXELS_SIDE": 32},
    "evaluation.diagnostics": {
        "WARMUP_EPOCHS": 2,
        "POINT_VARIANCE": 1e-4,
        "LINE_RANK": 1.2,
        "CHANCE_LOSS": 0.98,
        "CHANCE_AUC": 0.55,
    },
    "evaluation.embedding_suspects": {
        "TELLING": 0.9,
        "CLEARLY_TELLING": 0.95,
        "LOWEST": 0.25,
        "WORTH_TELLING": 0.05,
        "INDISTINCT": 0.65,
        "TOO_MANY_WRONG": 0.07,
        "WORTH_LISTING": 0.003,
        "FEWEST_IMAGES": 8,
        "FEWEST_IN_A_SPACE": 500,
        "TWIN_DEVIATIONS": 5.5,
    },
    "evaluation.headline": {"MOSTLY_ONE_KIND": 0.75},
    "evaluation.identity_jackknife": {"MOST_GROUPS": 200, "PAIR_GROUPS": 60},
    "evaluation.intervals": {"LEVEL": 0.95},
    "evaluation.label_suspects": {"SIGNIFICANCE": 0.05, "EXTREME": 0.01},
    "evaluation.probabilities": {"BINS": 15},
    "evaluation.slices": {"FEWEST_PAIRS": 30},
    "evaluation.threshold_spread": {"RESAMPLES": 200, "QUANTILES": 50},
    "evaluation.uncertainty": {
        "FEWEST_EFFECTIVE_IDENTITIES": 3,
        "MOST_UNDEFINED": 0.1,
        "INTRACLASS": 0.1,
        "PRIOR_DEGREES": 2,
    },
    "interfaces.fmr_support": {"RULE_OF_30": 30, "RULE_OF_3": 3},
}
LIMITS: dict[str, dict[str, float]] = {
    "data.csv_columns": {"MOST_COLUMNS": 2000},
    "data.decoding": {"MAX_PIXELS": 64 * 2**20, "MAX_FILE_BYTES": 256 * 2**20},
    "data.image_copies": {"COMPARED_WITHIN": 100_000},
    "data.linter.findings": {"ROWS_SHOWN": 10},
    "data.pair_drawing": {"MOST_PAIRS": 10**9},
}


@pytest.mark.parametrize("module", [*JUDGED_BY, *LIMITS])
def test_the_numbers_are_those_of_the_versions_before(module: str) -> None:
    recorded = {**JUDGED_BY, **LIMITS}[module]
    found = vars(import_module(f"facesim.{module}"))
    assert {name: found[name] for name in recorded} == recorded
