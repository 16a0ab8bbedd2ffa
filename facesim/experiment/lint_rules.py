"""The rules of the protocol linter, by name, and how serious a break is."""

from typing import Literal

Rule = Literal[
    "identity_in_two_splits",
    "image_in_two_splits",
    "near_image_in_two_splits",
    "threshold_from_same_images",
    "self_pair",
    "duplicate_pair",
    "contradictory_pair",
    "identity_in_two_folds",
    "too_few_impostors",
    "dominant_identity",
]
Severity = Literal["error", "warning", "off"]

WARNINGS: frozenset[Rule] = frozenset(
    {"near_image_in_two_splits", "too_few_impostors", "dominant_identity"}
)
"""Breaking one of these is a warning unless the experiment says otherwise; others stop a run."""
