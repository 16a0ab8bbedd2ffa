"""The model of a pack."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from facesim.verifier.pack_file import PackFile
from facesim.verifier.verifier import embedding_kind

DIGEST = "0" * 64
RATE = {"value": 0.01, "low": 0.005, "high": 0.02, "errors": 3, "comparisons": 300}
MINIMAL: dict[str, Any] = {
    "format": 1,
    "facesim": "0.1.0",
    "name": "tiny",
    "run": "20260101-000000",
    "checkpoint": "best",
    "network": {
        "file": "network.onnx",
        "format": "onnx",
        "image_size": [24, 20],
        "embedding_dim": 4,
    },
    "score": {"file": "score.onnx", "comparison": "euclidean"},
    "image": {"size": [24, 20], "crop": None},
    "operating_points": [
        {
            "name": "eer",
            "rule": "FMR and FNMR are equal",
            "threshold": -0.5,
            "chosen_on": {"split": "val", "pairs": 600, "genuine": 300, "identities": 40},
            "fmr": RATE,
            "fnmr": RATE,
        }
    ],
    "probability": {
        "slope": 2.0,
        "offset": 1.0,
        "genuine_share": 0.5,
        "calibration_error": 0.02,
    },
    "trained_on": {
        "dataset": "csv",
        "images": 100,
        "identities": 10,
        "epochs": 1,
        "steps": 7,
        "seed": 0,
    },
    "measured_on": {
        "split": "test",
        "dataset": "csv",
        "protocol": "pairs",
        "pairs": 600,
        "genuine": 300,
        "impostor": 300,
        "identities": 40,
        "metrics": {},
    },
    "remeasurement": {
        "runtime": "onnxruntime 1.22.0",
        "most_decisions": 0.0,
        "most_difference": 1e-4,
        "agreements": [],
    },
    "requirements": {"onnxruntime": "1.22.0"},
    "files": {
        "network.onnx": {"bytes": 12, "sha256": DIGEST},
        "score.onnx": {"bytes": 12, "sha256": DIGEST},
    },
}


def read(**changes: Any) -> PackFile:
    return PackFile.model_validate_json(json.dumps({**MINIMAL, **changes}))


def test_it_reads_what_it_writes() -> None:
    pack = read()
    assert PackFile.model_validate_json(pack.model_dump_json()) == pack


def test_a_probability_is_that_of_the_log_odds() -> None:
    scores = np.array([-1000.0, -0.5, 0.0, 1000.0])
    probability = read().probability
    assert probability is not None
    found = probability.probability(scores)
    assert found == pytest.approx([0.0, 0.5, 1 / (1 + np.exp(-1)), 1.0])


def other_weights(files: dict[str, Any]) -> dict[str, Any]:
    return {"files": {**files, "network.onnx": {"bytes": 12, "sha256": "1" * 64}}}


def other_score(files: dict[str, Any]) -> dict[str, Any]:
    return {"files": {**files, "score.onnx": {"bytes": 12, "sha256": "1" * 64}}}


@pytest.mark.parametrize(
    ("changed", "comparable"),
    [
        (other_weights(MINIMAL["files"]), False),
        (other_score(MINIMAL["files"]), False),
        ({"image": {"size": [24, 20], "crop": [0, 0, 20, 20]}}, False),
        ({"name": "other"}, True),
    ],
)
def test_embeddings_of_other_weights_scores_or_pixels_are_of_another_kind(
    changed: dict[str, Any], comparable: bool
) -> None:
    mine, other = embedding_kind(read()), embedding_kind(read(**changed))
    assert (mine.sha256 == other.sha256) is comparable


def in_torch(experiment: str) -> PackFile:
    files = MINIMAL["files"] | {"experiment.yaml": {"bytes": 9, "sha256": experiment * 64}}
    return read(files=files, network=MINIMAL["network"] | {"format": "torch"})


def test_embeddings_of_other_experiments_in_torch_are_of_another_kind() -> None:
    assert embedding_kind(in_torch("1")) == embedding_kind(in_torch("1"))
    assert embedding_kind(in_torch("1")).sha256 != embedding_kind(in_torch("2")).sha256


def network(**changes: Any) -> dict[str, Any]:
    return {"network": {**MINIMAL["network"], **changes}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (network(file="../network.onnx"), "network.file"),
        (network(file="/etc/passwd"), "network.file"),
        (network(file=".hidden"), "network.file"),
        (network(file="absent.onnx"), "absent.onnx"),
        (network(format="torch"), "files lacks 'experiment.yaml'"),
        (network(embedding_dim=10**9), "network.embedding_dim"),
        (network(image_size=[24, 10**6]), "network.image_size"),
        (network(format="pickle"), "network.format"),
        ({"format": 2}, "format"),
        ({"files": {**MINIMAL["files"], "a/b": {"bytes": 1, "sha256": DIGEST}}}, "files"),
        ({"files": {**MINIMAL["files"], "pack.json": {"bytes": 1, "sha256": DIGEST}}}, "own"),
        ({"files": {**MINIMAL["files"], "score.onnx": {"bytes": 1, "sha256": "x"}}}, "sha256"),
        ({"operating_points": MINIMAL["operating_points"] * 2}, "one name"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_no_pack_says_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(**changed)
    assert said in str(refused.value)


def test_it_is_read_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import facesim.verifier.pack_file\n"
        "print(*{'pandas', 'onnxruntime'} & set(sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert finished.stdout.split() == []
