"""The names of a run's files."""

from enum import StrEnum

EVALUATE_AGAIN = "`facesim eval` writes it again"
"""How errors about damaged files end."""


class RunFile(StrEnum):
    """Files of a run directory, by their names in it."""

    FORMAT = "run.json"
    EXPERIMENT = "experiment.yaml"
    ENVIRONMENT = "environment.json"
    LOG = "metrics.jsonl"
    LINT = "lint.json"
    TRUNK = "trunk.pt"
    CALIBRATION = "calibration.json"
    REPORT = "report.html"


class EvaluationFile(StrEnum):
    """Files of an evaluation, by their names in its folder ``eval/NAME``."""

    EXPERIMENT = "experiment.yaml"
    LINT = "lint.json"
    VAL_PAIRS = "val_pairs.csv"
    CALIBRATION = "calibration.json"
    SCORES = "scores.csv"
    IDENTITIES = "identities.json"
    BASELINES = "baselines.json"
    SLICES = "slices.json"
    METRICS = "metrics.json"
