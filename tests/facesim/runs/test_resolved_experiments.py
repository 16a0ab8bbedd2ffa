"""Experiments that runs of format 1 resolved are those that their file resolves to today.

Resuming and comparing look for differences: a renamed plugin or a new default must not be one.
What a key of today means by default and was not done then, such as `image.fit`, is left aside.
"""

import tarfile
from pathlib import Path

import pytest

from facesim.experiment.differences import differences
from facesim.experiment.loading import as_before, load_experiment


@pytest.mark.parametrize(
    ("resolved", "overrides"),
    [
        ("finished", []),
        ("interrupted", []),
        ("finished/eval/all", ["evaluate.protocol=exhaustive", "evaluate.baselines=false"]),
        (
            "finished/eval/folds",
            [
                "evaluate.protocol=k_fold",
                "evaluate.test_pairs=/somewhere/folds.csv",
                "lint.identity_in_two_folds=warning",
            ],
        ),
    ],
)
def test_a_resolved_experiment_is_the_one_of_its_file(
    tmp_path: Path, resolved: str, overrides: list[str]
) -> None:
    with tarfile.open(Path(__file__).with_name("run_format_1.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    before = load_experiment(tmp_path / resolved / "experiment.yaml")
    now = as_before(load_experiment(tmp_path / "experiment.yaml", overrides))
    assert differences(before.as_data(), now.as_data()) == {}
    assert before == now
