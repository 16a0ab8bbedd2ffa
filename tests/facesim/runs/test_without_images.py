"""Report and comparison need nothing but run directories: the images and their table may go."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run


@pytest.fixture
def faces(tiny_file: Path, tmp_path: Path) -> Path:
    """A folder of test's images with their table, whose order is not the sorted one."""
    drawn = load_experiment(tiny_file, ["data.test.identities=30"]).data.dataset_of("test").build()
    shutil.copytree(drawn.root, tmp_path / "faces")
    table = pd.DataFrame({"file": drawn.files, "identity": drawn.labels[drawn.identities]})
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "faces" / "test.csv", index=False)
    return tmp_path / "faces"


def test_they_say_the_same_as_with_the_images(
    tiny_file: Path, faces: Path, tmp_path: Path, facesim: Callable[..., str]
) -> None:
    test = (
        f"{{name: csv, images: {faces}, table: {faces}/test.csv, image_column: file,"
        " identity_column: identity}"
    )
    runs: list[Path] = []
    for name in ("one", "two"):
        changes = [f"name={name}", f"data.test={test}", f"head.out_dim={3 + len(runs)}"]
        more = ["train.epochs=1", "evaluate.pairs_per_image=3"]
        run = Run.begin(load_experiment(tiny_file, [*changes, *more]), tmp_path / "runs")
        run.complete()
        runs.append(run.path)
    before = facesim("compare", *runs)
    facesim("report", runs[0])
    with_images = (runs[0] / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(faces)

    assert facesim("compare", *runs) == before
    assert "as if it were independent" not in before
    facesim("report", runs[0])
    page = (runs[0] / "report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" in with_images
    assert "data:image/jpeg" not in page
    assert "Faces and filters by attribute are left out, since " in page
    for part in ('id="label-noise"', 'id="roc"'):
        assert part in with_images
        assert part in page
    assert "The band is a 95% interval" in plot(page, "roc")
    assert plot(page, "roc") == plot(with_images, "roc")


def plot(page: str, name: str) -> str:
    """The part of a page from one plot to the next."""
    return page.partition(f'id="{name}"')[2].partition("</figure>")[0]
