"""facesim data celeba: identity-disjoint CSV files, the same bytes every time, nothing unsaid."""

import os
import sys
from pathlib import Path

import pandas as pd
import pytest
import torchvision

from facesim import DataError, FacesimError
from facesim_plugins.datasets._celeba_files import how_to_get
from facesim_plugins.datasets.celeba_splits import (
    SplitsReport,
    split_celeba,
    write_celeba_splits,
)

NAMES = ("train", "val", "test")


def _make(root: Path, identities: list[int], partition: list[int]) -> Path:
    """Images 0.jpg, 1.jpg, ... of these identities in these partitions."""
    (root / "img_align_celeba").mkdir(parents=True)
    for image in range(len(identities)):
        (root / "img_align_celeba" / f"{image}.jpg").touch()
    for name, numbers in (("identity_CelebA", identities), ("list_eval_partition", partition)):
        lines = [f"{image}.jpg {number}\n" for image, number in enumerate(numbers)]
        (root / f"{name}.txt").write_text("".join(lines))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten identities with three images each, six for train and two each for val and test."""
    identities = [number for number in range(100, 110) for _ in range(3)]
    return _make(tmp_path / "celeba", identities, [0] * 18 + [1] * 6 + [2] * 6)


def _read(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(folder / f"{name}.csv") for name in NAMES}


def _counts(report: SplitsReport) -> list[tuple[int, int]]:
    return [(file.images, file.identities) for file in report.files]


def test_the_official_partition_is_followed(root: Path) -> None:
    report = write_celeba_splits(root)
    assert _counts(report) == [(18, 6), (6, 2), (6, 2)]
    assert report.left_out == ()
    assert report.advice == ""
    assert (root / "val.csv").read_bytes() == (
        b"img,ids\n18.jpg,106\n19.jpg,106\n20.jpg,106\n21.jpg,107\n22.jpg,107\n23.jpg,107\n"
    )


def test_ratios_divide_the_identities_and_the_seed_decides_how(root: Path, tmp_path: Path) -> None:
    ratios = (0.5, 0.2, 0.3)
    report = write_celeba_splits(root, out=tmp_path / "a", ratios=ratios)
    assert _counts(report) == [(15, 5), (6, 2), (9, 3)]
    of_split = [set(table["ids"]) for table in _read(tmp_path / "a").values()]
    assert sum(map(len, of_split)) == len(set.union(*of_split)) == 10
    write_celeba_splits(root, out=tmp_path / "b", ratios=ratios)
    write_celeba_splits(root, out=tmp_path / "c", ratios=ratios, seed=1)
    for name in NAMES:
        first = (tmp_path / "a" / f"{name}.csv").read_bytes()
        assert first == (tmp_path / "b" / f"{name}.csv").read_bytes()
        assert first != (tmp_path / "c" / f"{name}.csv").read_bytes()


def test_ratios_divide_the_identities_that_have_images(root: Path, tmp_path: Path) -> None:
    for image in range(15):
        (root / "img_align_celeba" / f"{image}.jpg").unlink()
    for seed in range(5):
        report = write_celeba_splits(
            root, out=tmp_path / str(seed), ratios=(0.6, 0.2, 0.2), seed=seed
        )
        assert _counts(report) == [(9, 3), (3, 1), (3, 1)]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_a_file_whose_name_is_not_utf_8_is_no_matter(root: Path) -> None:
    (root / "img_align_celeba" / os.fsdecode(b"\xff.jpg")).touch()
    assert _counts(write_celeba_splits(root)) == [(18, 6), (6, 2), (6, 2)]


def test_missing_images_are_left_out_and_counted_with_how_to_get_them(root: Path) -> None:
    for image in (0, 18, 19, 20):
        (root / "img_align_celeba" / f"{image}.jpg").unlink()
    report = write_celeba_splits(root)
    assert _counts(report) == [(17, 6), (3, 1), (6, 2)]
    [sentence] = report.left_out
    assert "4 of 30 images (the first: 0.jpg): not in" in sentence
    assert "Kaggle" in str(report)
    assert "--download" in str(report)


def test_an_identity_in_two_partitions_stays_where_most_of_its_images_are(tmp_path: Path) -> None:
    """7 is mostly in val, 8 is in train and test alike, 9 and 10 are where they belong."""
    root = _make(tmp_path, [7, 7, 7, 8, 8, 9, 10], [0, 1, 1, 0, 2, 2, 0])
    report = write_celeba_splits(root)
    tables = {name: table["img"].tolist() for name, table in _read(root).items()}
    assert tables == {
        "train": ["3.jpg", "6.jpg"],
        "val": ["1.jpg", "2.jpg"],
        "test": ["5.jpg"],
    }
    [sentence] = report.left_out
    assert "2 of 7 images (the first: 0.jpg): the identity is in several partitions" in sentence


def test_the_place_of_an_identity_does_not_depend_on_the_images_there(tmp_path: Path) -> None:
    root = _make(tmp_path, [7, 7, 7, 8, 9], [0, 1, 1, 0, 2])
    (root / "img_align_celeba" / "1.jpg").unlink()
    write_celeba_splits(root)
    assert _read(root)["val"]["img"].tolist() == ["2.jpg"]


def test_rows_without_an_identity_or_a_partition_are_counted(root: Path) -> None:
    with (root / "list_eval_partition.txt").open("a") as file:
        file.write("99.jpg 0\n")
    with (root / "identity_CelebA.txt").open("a") as file:
        file.write("98.jpg 100\n")
    (root / "img_align_celeba" / "98.jpg").touch()
    report = write_celeba_splits(root)
    assert _counts(report)[0] == (18, 6)
    assert len(report.left_out) == 2


def test_nested_images_get_paths_that_the_shipped_experiments_find(root: Path) -> None:
    images = root / "img_align_celeba"
    images.rename(root / "inner")
    images.mkdir()
    (root / "inner").rename(images / "img_align_celeba")
    write_celeba_splits(root)
    first = _read(root)["train"]["img"][0]
    assert first == "img_align_celeba/0.jpg"
    assert (root / "img_align_celeba" / first).is_file()


def test_existing_files_are_replaced_only_by_force(root: Path) -> None:
    (root / "val.csv").write_text("mine")
    (root / "test.csv").write_text("mine too")
    both = rf"^{root}/val\.csv, {root}/test\.csv: there already; write --force"
    with pytest.raises(FacesimError, match=both):
        write_celeba_splits(root)
    assert (root / "val.csv").read_text() == "mine"
    assert not (root / "train.csv").exists()
    write_celeba_splits(root, force=True)
    assert (root / "val.csv").read_text().startswith("img,ids\n")


@pytest.mark.parametrize("ratios", [(0.7, 0.1, 0.1), (1.0, 0.0, 0.0), (0.8, 0.4, -0.2)])
def test_ratios_that_are_none_are_refused(root: Path, ratios: tuple[float, float, float]) -> None:
    with pytest.raises(FacesimError, match=r"three positive numbers with the sum 1"):
        write_celeba_splits(root, ratios=ratios)


def test_a_split_that_would_be_empty_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    root = _make(tmp_path, [7, 7, 8, 8], [0, 0, 2, 2])
    with pytest.raises(DataError, match="no image would be left for val"):
        write_celeba_splits(root)
    assert not list(root.glob("*.csv"))


@pytest.mark.parametrize("emptied", [True, False])
def test_without_any_image_it_says_how_to_get_them(root: Path, emptied: bool) -> None:
    (root / "img_align_celeba").rename(root / "elsewhere")
    if emptied:
        (root / "img_align_celeba").mkdir()
    with pytest.raises(DataError, match=r"none of the 30 images is there.*official page.*Kaggle"):
        write_celeba_splits(root)


def test_without_a_partition_file_it_asks_for_it_or_for_ratios(root: Path) -> None:
    (root / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match=r"no list_eval_partition\.txt.*--ratios"):
        write_celeba_splits(root)
    write_celeba_splits(root, ratios=(0.6, 0.2, 0.2))


def test_the_command_says_what_it_wrote_and_what_it_left_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for image in (1, 2):
        (root / "img_align_celeba" / f"{image}.jpg").unlink()
    out = tmp_path / "out"
    split_celeba(root=root, out=out)
    told = capsys.readouterr().out.splitlines()
    assert told[:-1] == [
        "CelebA, no identity in two splits, by the official partition:",
        f"       16 images       6 identities (1 with one image only)  {out}/train.csv",
        f"        6 images       2 identities  {out}/val.csv",
        f"        6 images       2 identities  {out}/test.csv",
        f"The column img is relative to {root}/img_align_celeba",
        "Left out:",
        f"- 2 of 30 images (the first: 1.jpg): not in {root}/img_align_celeba.",
    ]
    assert told[-1] == how_to_get(root)


def test_where_nothing_is_missing_nothing_is_advised(root: Path) -> None:
    report = write_celeba_splits(root, ratios=(0.6, 0.2, 0.2), seed=3)
    assert report.rule == "by ratios (0.6, 0.2, 0.2), seed 3"
    assert str(report).endswith("\nLeft out:\n- nothing")


def test_a_seed_means_the_same_division_for_ever(root: Path) -> None:
    write_celeba_splits(root, ratios=(0.5, 0.2, 0.3))
    divided = {name: sorted(set(table["ids"])) for name, table in _read(root).items()}
    assert divided == {
        "train": [100, 102, 103, 105, 108],
        "val": [104, 107],
        "test": [101, 106, 109],
    }


def test_the_download_goes_right_into_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []

    def fetch(dataset: torchvision.datasets.CelebA, root: str, download: bool) -> None:
        places.append((Path(root) / dataset.base_folder, download))

    monkeypatch.setattr(torchvision.datasets.CelebA, "__init__", fetch)
    write_celeba_splits(root, download=True)
    assert places == [(root, True)]


def test_a_failed_download_is_told_with_its_reason_and_what_else_to_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(dataset: torchvision.datasets.CelebA) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(torchvision.datasets.CelebA, "download", fail)
    with pytest.raises(FacesimError, match=r"no route to host.*facesim\[celeba\].*official page"):
        write_celeba_splits(root, download=True)


def test_the_real_files_give_splits_of_the_images_that_are_there(
    celeba: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no image would be left for val; 5,081 of .*--ratios"):
        write_celeba_splits(celeba, out=tmp_path)
    report = write_celeba_splits(celeba, out=tmp_path, ratios=(0.7, 0.1, 0.2))
    assert sum(file.images for file in report.files) == 5081
    assert "197,518 of 202,599 images" in report.left_out[0]
    identities = [set(table["ids"]) for table in _read(tmp_path).values()]
    assert sum(map(len, identities)) == len(set.union(*identities)) == 240
