"""``facesim data celeba``: identity-disjoint train.csv, val.csv and test.csv."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import isclose
from os import scandir
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import typer

from facesim import (
    DataError,
    FacesimError,
    data_commands,
    derive_seed,
    guarded_all,
    printable,
    write_text,
)
from facesim_plugins.datasets._celeba_files import (
    PARTITIONS,
    CelebA,
    download_celeba,
    how_to_get,
    read_celeba,
)

Splits = npt.NDArray[np.int8]
"""int8 [N]: an index into PARTITIONS, or -1 for a row that is left out."""


@data_commands("celeba")
def split_celeba(
    *,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="CelebA's official files.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the CSV files go; ROOT by default.")
    ] = None,
    ratios: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="TRAIN VAL TEST",
            help="Shares of the identities, such as 0.8 0.1 0.1; else the official partition.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the division by --ratios.")] = 0,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace CSV files that exist.")] = False,
) -> None:
    """Write identity-disjoint train.csv, val.csv and test.csv from CelebA's official files."""
    report = write_celeba_splits(
        root, out=out, ratios=ratios, seed=seed, download=download, force=force
    )
    typer.echo(printable(str(report)))


@dataclass(frozen=True)
class SplitFile:
    """One CSV file that was written, and what it holds."""

    path: Path
    images: int
    identities: int
    single: int


@dataclass(frozen=True)
class SplitsReport:
    """What was written and what was left out. ``str()`` is for people.

    Attributes:
        images: the folder that the column ``img`` is relative to.
        rule: how the identities were divided.
        files: train, val, test.
        left_out: what is not in them and why, counted, one sentence each.
        advice: how to get what is missing, or an empty string.
    """

    images: Path
    rule: str
    files: tuple[SplitFile, ...]
    left_out: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        lines = [f"CelebA, no identity in two splits, {self.rule}:"]
        for file in self.files:
            alone = f" ({file.single:,} with one image only)" if file.single else ""
            counts = f"{file.images:>9,} images {file.identities:>7,} identities"
            lines.append(f"{counts}{alone}  {file.path}")
        lines.append(f"The column img is relative to {self.images}")
        lines += ["Left out:", *(f"- {sentence}" for sentence in self.left_out or ["nothing"])]
        return "\n".join([*lines, self.advice] if self.advice else lines)


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

    Only images that exist are written, sorted by name; the same input gives the same bytes.

    Args:
        root: the folder of the official files.
        out: the folder of the CSV files; ``root`` if None.
        ratios: shares of the identities for train, val and test, which ``seed`` then divides;
            None follows the official partition.
        seed: of the division by ratios.
        download: fetch what is missing first.
        force: replace files that exist.

    Raises:
        DataError: the official files are malformed or absent, no image exists, or a split would
            be empty.
        FacesimError: files exist already, the ratios are wrong, the download or the writing failed.
    """
    paths = [(out or root) / f"{name}.csv" for name in PARTITIONS]
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        raise FacesimError(
            f"{', '.join(existing)}: there already; write --force to replace them, or --out with "
            "another folder"
        )
    if ratios is not None and (min(ratios) <= 0 or not isclose(sum(ratios), 1, abs_tol=1e-6)):
        raise FacesimError(
            f"the ratios {ratios} are not three positive numbers with the sum 1; write for "
            "instance 0.7 0.1 0.2"
        )
    if download:
        download_celeba(root)
    celeba = read_celeba(root)
    present = _present(celeba)
    splits = _official(celeba) if ratios is None else _by_ratios(celeba, present, ratios, seed)
    kept = np.where(present, splits, np.int8(-1))
    tables = [_table(celeba, kept == index) for index in range(len(PARTITIONS))]
    _refuse_empty(tables, celeba, present)
    return SplitsReport(
        images=root / "img_align_celeba",
        rule="by the official partition" if ratios is None else f"by ratios {ratios}, seed {seed}",
        files=tuple(map(_write, paths, tables)),
        left_out=(*celeba.notes, *_left_out(celeba, present, splits)),
        advice="" if present.all() else how_to_get(root),
    )


def _present(celeba: CelebA) -> npt.NDArray[np.bool_]:
    """Whether each image exists, bool [N]."""
    if celeba.images.is_dir():
        with scandir(celeba.images) as entries:
            names = [entry.name for entry in entries if entry.is_file()]
        # As objects: names in a folder need not be UTF-8, which pandas' own text has to be.
        present: npt.NDArray[np.bool_] = pd.Index(celeba.files, dtype=object).isin(names)
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
    """Divide the identities of the images that exist, in an order that the seed decides."""
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


def _write(path: Path, table: pd.DataFrame) -> SplitFile:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = table.assign(img=guarded_all(table["img"].to_numpy(dtype=object)))
        write_text(path, cells.to_csv(index=False, lineterminator="\n"))
    except OSError as error:
        raise FacesimError(f"{path}: cannot be written: {error.strerror}") from error
    images = table["ids"].value_counts()
    return SplitFile(path, len(table), len(images), int((images == 1).sum()))


def _left_out(celeba: CelebA, present: npt.NDArray[np.bool_], splits: Splits) -> Iterator[str]:
    moved = (
        "the identity is in several partitions and stays where most of its images are (the "
        "earlier one on a tie)"
    )
    divided = (splits < 0) & (celeba.partition >= 0) & present
    for rows, reason in ((~present, f"not in {celeba.images}"), (divided, moved)):
        if rows.any():
            first = celeba.files[rows.argmax()]
            yield (
                f"{np.count_nonzero(rows):,} of {len(rows):,} images (the first: {first}): "
                f"{reason}."
            )
