"""CelebA's official files -> identity-disjoint train.csv, val.csv and test.csv."""

from collections.abc import Iterator
from itertools import accumulate
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.atomic import write_text
from facesim.data.celeba import PARTITIONS, CelebA, how_to_get, read_celeba
from facesim.data.celeba_download import download_celeba
from facesim.data.existing_files import on_disk
from facesim.data.splits_report import SplitFile, SplitsReport
from facesim.errors import DataError, FacesimError
from facesim.seeds import derive_seed

Splits = npt.NDArray[np.int8]
"""int8 [N]: an index into PARTITIONS, or -1 for a row that is left out."""


def write_celeba_splits(
    root: Path,
    *,
    out: Path | None = None,
    ratios: tuple[float, float, float] | None = None,
    seed: int = 0,
    download: bool = False,
    force: bool = False,
) -> SplitsReport:
    """Write ``train.csv``, ``val.csv`` and ``test.csv`` with the columns ``img,ids``.

    Only images that are there are written, sorted by name; the same input gives the same bytes.

    Args:
        root: the folder of the official files.
        out: the folder of the CSV files; ``root`` if None.
        ratios: shares of the identities for train, val and test, which ``seed`` then divides;
            None follows the official partition.
        seed: of the division by ratios.
        download: fetch what is missing first.
        force: replace files that exist.

    Raises:
        DataError: the official files are malformed or absent, no image is there, or a split would
            be empty.
        FacesimError: files exist already, the ratios are wrong, the download or the writing failed.
    """
    paths = [(out or root) / f"{name}.csv" for name in PARTITIONS]
    _refuse_existing(paths, force)
    if ratios is not None:
        _check_ratios(ratios)
    if download:
        download_celeba(root)
    celeba = read_celeba(root)
    present = _present(celeba)
    splits = _official(celeba) if ratios is None else _by_ratios(celeba, present, ratios, seed)
    kept = np.where(present, splits, np.int8(-1))
    tables = [_table(celeba, kept == index) for index in range(len(PARTITIONS))]
    _refuse_empty(tables, celeba, present)
    for path, table in zip(paths, tables, strict=True):
        _write(path, table)
    return SplitsReport(
        images=root / "img_align_celeba",
        rule="by the official partition" if ratios is None else f"by ratios {ratios}, seed {seed}",
        files=tuple(map(_described, paths, tables)),
        left_out=(*celeba.notes, *_left_out(celeba, present, splits)),
        advice="" if present.all() else how_to_get(root),
    )


def _refuse_existing(paths: list[Path], force: bool) -> None:
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        raise FacesimError(
            f"{', '.join(existing)}: there already; write --force to replace them, or --out with "
            "another folder"
        )


def _check_ratios(ratios: tuple[float, float, float]) -> None:
    if min(ratios) <= 0 or not isclose(sum(ratios), 1, abs_tol=1e-6):
        raise FacesimError(
            f"the ratios {ratios} are not three positive numbers with the sum 1; write for "
            "instance 0.7 0.1 0.2"
        )


def _present(celeba: CelebA) -> npt.NDArray[np.bool_]:
    if celeba.images.is_dir():
        present = on_disk(celeba.images, {""}, pd.Index(celeba.files))
        if present.any():
            return present
    raise DataError(
        f"{celeba.images}: none of the {len(celeba.files):,} images is there. "
        f"{how_to_get(celeba.root)}"
    )


def _official(celeba: CelebA) -> Splits:
    """The official partition; an identity found in several stays where most of its images are.

    The earlier partition wins a tie. It divides by identity as published, so this is for files
    that were changed.
    """
    known = celeba.partition >= 0
    if not known.any():
        raise DataError(
            f"{celeba.root}: there is no list_eval_partition.txt for these images; add it, or "
            "write --ratios to divide the identities without it"
        )
    identities, labels = pd.factorize(celeba.labels)
    images = np.zeros((len(labels), len(PARTITIONS)), dtype=np.int64)
    np.add.at(images, (identities[known], celeba.partition[known]), 1)
    home = images.argmax(axis=1).astype(np.int8)[identities]
    return np.where(celeba.partition == home, celeba.partition, np.int8(-1))


def _by_ratios(
    celeba: CelebA, present: npt.NDArray[np.bool_], ratios: tuple[float, float, float], seed: int
) -> Splits:
    """Divide the identities of the images that are there, in an order that the seed decides."""
    labels = pd.unique(celeba.labels[present])
    order = sorted(labels, key=lambda label: (derive_seed(seed, "split", label), label))
    first, second = (round(share * len(order)) for share in list(accumulate(ratios))[:2])
    split_of = {label: int(at >= first) + int(at >= second) for at, label in enumerate(order)}
    return pd.Series(celeba.labels).map(split_of).fillna(-1).to_numpy().astype(np.int8)


def _table(celeba: CelebA, rows: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """The columns of one CSV file, sorted by image."""
    deeper = celeba.images.relative_to(celeba.root / "img_align_celeba").as_posix()
    prefix = "" if deeper == "." else f"{deeper}/"
    frame = pd.DataFrame({"img": celeba.files[rows], "ids": celeba.labels[rows]}, dtype=object)
    return frame.assign(img=prefix + frame["img"]).sort_values("img", ignore_index=True)


def _refuse_empty(
    tables: list[pd.DataFrame], celeba: CelebA, present: npt.NDArray[np.bool_]
) -> None:
    for name, table in zip(PARTITIONS, tables, strict=True):
        if table.empty:
            raise DataError(
                f"{celeba.root}: no image would be left for {name}; {np.count_nonzero(present):,} "
                f"of {len(present):,} images are in {celeba.images}, of "
                f"{len(pd.unique(celeba.labels[present])):,} identities. Write for instance "
                "`--ratios 0.7 0.1 0.2` to divide these, or get the others: "
                f"{how_to_get(celeba.root)}"
            )


def _write(path: Path, table: pd.DataFrame) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
    except OSError as error:
        raise FacesimError(f"{path}: cannot be written: {error.strerror}") from error


def _described(path: Path, table: pd.DataFrame) -> SplitFile:
    images = table["ids"].value_counts()
    return SplitFile(path, len(table), len(images), int((images == 1).sum()))


def _left_out(celeba: CelebA, present: npt.NDArray[np.bool_], splits: Splits) -> Iterator[str]:
    if not present.all():
        yield _sentence(celeba, ~present, f"not in {celeba.images}")
    divided = (splits < 0) & (celeba.partition >= 0) & present
    if divided.any():
        yield _sentence(
            celeba,
            divided,
            "the identity stands in several partitions and stays where most of its images are "
            "(the earlier one on a tie)",
        )


def _sentence(celeba: CelebA, rows: npt.NDArray[np.bool_], why: str) -> str:
    files: npt.NDArray[Any] = celeba.files[rows]
    return f"{len(files):,} of {len(celeba.files):,} images (the first: {files[0]}): {why}."
