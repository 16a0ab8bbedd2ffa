"""Saved embeddings: what the files hold, how many there are, and that they stay the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesim import EmbeddedImages, callbacks, open_run
from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run
from tests.plugins.callbacks.views import view_of

Save = Callable[..., list[str]]


def embedded(split: str, at_most: int | None) -> EmbeddedImages:
    count = min(12, at_most or 12)
    files = np.array([f"{split}/{row}.png" for row in range(count)])
    return EmbeddedImages(split, files, files, np.ones((count, 4), np.float32))


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    """The names of the files after some epochs."""

    def save(epochs: range, **parameters: object) -> list[str]:
        callback = callbacks.spec("save_embeddings", **parameters).build()
        for epoch in epochs:
            callback.on_epoch_end(view_of(epoch, {}, folder=tmp_path / "own", embed=embedded))
        return sorted(path.name for path in (tmp_path / "own").glob("*"))

    return save


def test_the_newest_files_are_kept(saved: Save) -> None:
    assert saved(range(1, 6)) == [f"val-epoch-000{epoch}.npz" for epoch in (3, 4, 5)]


def test_every_so_many_epochs(saved: Save) -> None:
    names = saved(range(1, 8), split="train", every_epochs=3, keep=9)
    assert names == ["train-epoch-0003.npz", "train-epoch-0006.npz"]


def test_epochs_of_five_digits_are_newer(saved: Save) -> None:
    assert saved(range(9999, 10002), keep=2) == ["val-epoch-10000.npz", "val-epoch-10001.npz"]


def test_going_on_from_an_earlier_checkpoint_keeps_what_is_written_again(saved: Save) -> None:
    saved(range(1, 6), keep=2)
    assert saved(range(2, 3), keep=2) == [f"val-epoch-000{epoch}.npz" for epoch in (2, 4, 5)]
    assert saved(range(3, 6), keep=2) == [f"val-epoch-000{epoch}.npz" for epoch in (4, 5)]


def test_no_more_images_than_asked_for_are_in_a_file_that_is_the_same_again(
    saved: Save, tmp_path: Path
) -> None:
    saved(range(1, 2), images=5)
    file = tmp_path / "own" / "val-epoch-0001.npz"
    before = file.read_bytes()
    with np.load(file, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["embeddings", "files", "labels"]
        assert arrays["embeddings"].shape == (5, 4)
        assert arrays["files"].tolist() == [f"val/{row}.png" for row in range(5)]
    saved(range(1, 2), images=5)
    assert file.read_bytes() == before


def test_in_a_run_they_are_those_of_the_trained_network(tmp_path: Path) -> None:
    from tests.plugins.test_trains import BASE

    (tmp_path / "saves.yaml").write_text(BASE)
    chosen = "callbacks=[save_embeddings, {name: save_embeddings, split: train, images: 7}]"
    experiment = load_experiment(tmp_path / "saves.yaml", [chosen, "train.epochs=1"])
    run = Run.begin(experiment, tmp_path / "runs")
    run.complete()
    files = run.directory.callback_files()
    (of_val,), (of_train,) = files["save_embeddings"], files["save_embeddings-2"]
    table = run.components.val.table
    with np.load(of_val, allow_pickle=False) as arrays:
        assert arrays["files"].tolist() == table.files.tolist()
        assert arrays["labels"].tolist() == table.labels[table.identities].tolist()
        saved = arrays["embeddings"]
    opened = open_run(run.path)
    paths = [table.path(row) for row in range(3)]
    np.testing.assert_allclose(opened.embed(paths), saved[:3], atol=2e-3)  # cached as float16
    with np.load(of_train, allow_pickle=False) as arrays:
        assert arrays["embeddings"].shape == (7, 16)
