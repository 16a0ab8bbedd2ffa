"""Pairs of the drawn faces of an experiment, in a file."""

from collections.abc import Sequence
from pathlib import Path

from facesim import datasets, samplers


def training_pairs(folder: Path) -> Sequence[str]:
    """Write random pairs of 100 people with 6 images each; returns the overrides that use them."""
    table = datasets.spec("synthetic_faces", size=32, identities=100, images_per_identity=6).build()
    sampler = samplers.spec("random_pairs", pairs_per_image=4.0).build(table.identities, 1000, 0)
    rows = [batch.images[batch.pairs].numpy() for batch in sampler.batches(0)]
    lines = [f"{a},{b}\n" for part in rows for a, b in table.files[part]]
    (folder / "pairs.csv").write_text("file1,file2\n" + "".join(lines))
    return (f"sampler={{name: from_file, pairs: {folder / 'pairs.csv'}}}",)
