"""The map of embeddings: which file, which identities, and where their images are."""

import io
import tracemalloc
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from facesim import DataError, Plot, RunRecord, Section, Text, report_sections
from facesim.experiment.loading import load_experiment
from facesim.report.run_report import write_report
from facesim.runs.run import Run


def record(**files: tuple[Path, ...]) -> RunRecord:
    return RunRecord(
        path=Path(),
        title="tried / run",
        evaluation="test",
        experiment={},
        status="finished",
        stopped=None,
        steps=(),
        epochs=(),
        logged=(),
        result=None,
        metrics={},
        scores=None,
        files={name.replace("_2", "-2"): paths for name, paths in files.items()},
    )


def saved(folder: Path, name: str, embeddings: list[list[float]], labels: str) -> Path:
    path = folder / name
    numbers = np.array(embeddings, np.float32)
    np.savez(path, files=np.array([*labels]), labels=np.array([*labels]), embeddings=numbers)
    return path


def section_of(run: RunRecord, **parameters: object) -> Section:
    section = report_sections.spec("embedding_map", **parameters).build().section(run)
    assert section is not None
    return section


def test_the_newest_file_of_each_split_is_drawn(tmp_path: Path) -> None:
    square = [[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]]
    val = [saved(tmp_path, f"val-epoch-000{it}.npz", square, "aabb") for it in (1, 2)]
    train = saved(tmp_path, "train-epoch-0002.npz", square, "aabb")
    section = section_of(record(save_embeddings=(*val,), save_embeddings_2=(train,)))
    of_train, of_val = section.blocks
    assert isinstance(of_val, Plot)
    assert isinstance(of_train, Plot)
    titles = "Embeddings of train after epoch 2", "Embeddings of val after epoch 2"
    assert (of_train.title, of_val.title) == titles
    (panel,) = of_val.panels
    assert panel.x.title == "First component, 80% of the variance"
    assert panel.y.title == "Second component, 20% of the variance"
    first, second = panel.series
    assert np.abs(np.array(first.x)) == pytest.approx([2, 2])
    assert np.abs(np.array(second.y, dtype=float)) == pytest.approx([1, 1])
    assert [first.name, second.name] == ["a", "b"]


def test_identities_with_the_most_images_are_drawn(tmp_path: Path) -> None:
    points = [[float(row), float(row % 3)] for row in range(9)]
    path = saved(tmp_path, "val-epoch-0001.npz", points, "abbccccdd")
    (plot,) = section_of(record(save_embeddings=(path,)), identities=2).blocks
    assert isinstance(plot, Plot)
    assert [series.name for series in plot.panels[0].series] == ["c", "b"]
    assert plot.description.startswith("2 of 4 identities")


@pytest.mark.parametrize("embeddings", [[[1.0, 2.0]], [[1.0], [3.0]], [[1.0, 1.0], [1.0, 1.0]]])
def test_few_images_and_dimensions_have_a_map(
    tmp_path: Path, embeddings: list[list[float]]
) -> None:
    path = saved(tmp_path, "val-epoch-0001.npz", embeddings, "ab"[: len(embeddings)])
    (plot,) = section_of(record(save_embeddings=(path,))).blocks
    assert isinstance(plot, Plot)
    assert all(np.isfinite(series.x).all() for series in plot.panels[0].series)


def test_the_newest_of_more_than_9999_epochs_is_drawn(tmp_path: Path) -> None:
    names = "val-epoch-10000.npz", "val-epoch-9999.npz"
    assert sorted(names) == [*names]
    paths = tuple(saved(tmp_path, name, [[1.0, 2.0], [3.0, 1.0]], "ab") for name in names)
    (plot,) = section_of(record(save_embeddings=paths)).blocks
    assert isinstance(plot, Plot)
    assert plot.title == "Embeddings of val after epoch 10000"


def test_of_many_images_a_sample_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "val-epoch-0001.npz"
    spread = np.random.default_rng(0).normal(size=(10_500, 3)).astype(np.float32)
    np.savez(path, labels=np.array(["a", "b"] * 5_250), embeddings=spread)
    (plot,) = section_of(record(save_embeddings=(path,))).blocks
    assert isinstance(plot, Plot)
    assert "components of 10,000 images of 10,500;" in plot.description
    assert sum(len(series.x) for series in plot.panels[0].series) == 10_000


def test_a_small_file_of_large_arrays_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "val-epoch-0001.npz"
    zeros = np.zeros((300 * 2**10, 256), np.float32)
    np.savez_compressed(path, labels=np.array(["a"]), embeddings=zeros)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(DataError, match="larger than 256 MiB"):
        section_of(record(save_embeddings=(path,)))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_an_array_that_is_shorter_than_its_header_says_is_refused_unread(tmp_path: Path) -> None:
    path = saved(tmp_path, "val-epoch-0001.npz", [[1.0, 2.0]], "a")
    header = io.BytesIO()
    said = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2)}
    np.lib.format.write_array_header_1_0(header, said)
    with ZipFile(path) as before:
        labels = before.read("labels.npy")
    with ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", labels)
        archive.writestr("embeddings.npy", header.getvalue())
    with pytest.raises(DataError, match=r"embeddings are float32 of shape \(1099511627776, 2\)"):
        section_of(record(save_embeddings=(path,)))


@pytest.mark.parametrize(
    ("labels", "embeddings"),
    [
        (np.array(["a"]), np.zeros(1)),
        (np.array(["a"]), np.zeros((1, 0))),
        (np.array(["a"]), np.zeros((1, 5000), np.float32)),
        (np.array(["a"]), np.zeros((2, 2))),
        (np.array([{}]), np.zeros((1, 2))),
        (np.array(["a"]), np.full((1, 2), np.nan)),
        (np.array([], str), np.zeros((0, 2))),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(
    tmp_path: Path, labels: Any, embeddings: Any
) -> None:
    path = tmp_path / "val-epoch-0001.npz"
    np.savez(path, labels=labels, embeddings=embeddings)
    with pytest.raises(DataError, match=r"val-epoch-0001\.npz: "):
        section_of(record(save_embeddings=(path,)))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "val-epoch-0001.npz").write_text("none")
    with pytest.raises(DataError, match="is not what save_embeddings writes"):
        section_of(record(save_embeddings=(tmp_path / "val-epoch-0001.npz",)))


def test_without_a_file_it_says_what_writes_one() -> None:
    (text,) = section_of(record(early_stopping=(Path("val-epoch-0001.npz"),))).blocks
    assert isinstance(text, Text)
    assert "save_embeddings" in text.text


def test_it_is_in_the_report_of_a_run(tmp_path: Path) -> None:
    from tests.plugins.test_trains import BASE

    (tmp_path / "mapped.yaml").write_text(BASE)
    chosen = ["callbacks=[save_embeddings]", "report_sections=[embedding_map]", "train.epochs=1"]
    run = Run.begin(load_experiment(tmp_path / "mapped.yaml", chosen), tmp_path / "runs")
    run.train()
    page = write_report(run.read()).read_text(encoding="utf-8")
    assert "Embeddings of val after epoch 1" in page
    assert "is left out" not in page
