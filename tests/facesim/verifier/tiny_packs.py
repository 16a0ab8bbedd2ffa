"""Tiny packs, made by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facesim.verifier.search import Comparison
from tests.facesim.verifier import tiny_networks as tiny
from tests.facesim.verifier.test_pack_file import MINIMAL, RATE

FNMR = {"value": 0.2, "low": 0.15, "high": 0.25, "errors": 60, "comparisons": 300}
THRESHOLDS = {"cosine": 0.3, "euclidean": -2.0, None: 0.0}


def point(name: str, threshold: float | None, target: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "rule": "by hand",
        "target_fmr": target,
        "threshold": threshold,
        "reason": None if threshold is not None else "too few impostor pairs",
        "chosen_on": MINIMAL["operating_points"][0]["chosen_on"],
        "fmr": RATE,
        "fnmr": FNMR,
    }


def pack_file(files: dict[str, bytes], comparison: Comparison | None) -> dict[str, Any]:
    threshold = THRESHOLDS[comparison]
    return {
        **MINIMAL,
        "network": {
            **MINIMAL["network"],
            "image_size": list(tiny.SIZE),
            "embedding_dim": tiny.DIMENSION,
        },
        "score": {"file": "score.onnx", "comparison": comparison},
        "image": {"size": list(tiny.SIZE), "crop": None},
        "operating_points": [
            point("best_accuracy", threshold),
            point("eer", threshold),
            point("far_1e-1", threshold, 0.1),
            point("far_1e-2", threshold, 0.01),
            point("far_1e-3", None, 0.001),
        ],
        "files": {name: described(content) for name, content in files.items()},
    }


def described(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_pack(
    folder: Path,
    comparison: Comparison | None = "cosine",
    *,
    seed: int = 0,
    network: bytes | None = None,
    score: bytes | None = None,
    **changes: Any,
) -> Path:
    """A pack of a random network, with keys of ``pack.json`` changed."""
    files = {
        "network.onnx": network or tiny.network(seed),
        "score.onnx": score or tiny.SCORES[comparison](),
        "README.md": b"# tiny\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "pack.json").write_text(json.dumps(pack_file(files, comparison) | changes))
    return folder


def write_faces(folder: Path, identities: int = 4, images: int = 3) -> Path:
    """One folder per identity; the images of one look alike."""
    random = np.random.default_rng(0)
    for identity in range(identities):
        face = random.integers(0, 256, (*tiny.SIZE, 3))
        (folder / f"p{identity}").mkdir(parents=True)
        for number in range(images):
            pixels = np.clip(face + random.normal(0, 15, face.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"p{identity}" / f"{number}.png")
    return folder
