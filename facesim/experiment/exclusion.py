"""Exclusion files: CSV files of images that an experiment leaves out of its splits."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from facesim.atomic import write_text
from facesim.bounded import TABLE_BYTES, read_file
from facesim.csv_cells import guarded, unguarded
from facesim.machine_errors import why_unread

SPLITS = ("train", "val", "test")
_COLUMNS = ("split", "file", "reason")


class ExcludedImage(NamedTuple):
    """One row of an exclusion file.

    Attributes:
        split: ``train``, ``val`` or ``test``; empty for whichever holds the image.
        file: the image's path as the split's table has it.
        reason: for people; nothing reads it.
    """

    split: str
    file: str
    reason: str = ""


def read_exclusion(path: Path) -> dict[str, tuple[str, ...]]:
    """The images of an exclusion file, by the keys of ``data.exclude``.

    Args:
        path: a CSV file with the columns ``split`` and ``file``; others are for people. Where the
            split is empty, the image is left out of whichever split holds it.

    Raises:
        ValueError: it cannot be read, or a row is wrong; the text names the file and the line.
    """
    found: dict[str, list[str]] = {split: [] for split in (*SPLITS, "anywhere")}
    lines: dict[ExcludedImage, int] = {}
    for line, image in _rows(path):
        if image.split not in ("", *SPLITS):
            raise ValueError(
                f"{path}:{line}: there is no split {image.split!r}: {', '.join(SPLITS)}"
            )
        if image in lines:
            raise ValueError(f"{path}:{line}: {image.file!r} is in line {lines[image]} already")
        lines[image] = line
        found[image.split or "anywhere"].append(image.file)
    if not lines:
        raise ValueError(f"{path}: it has no row; leave `exclude` out to exclude nothing")
    return {split: tuple(files) for split, files in found.items()}


def write_exclusion(path: Path, images: Iterable[ExcludedImage]) -> None:
    """Write an exclusion file.

    A cell that a spreadsheet would take for a formula is guarded by an apostrophe.

    Raises:
        OSError: it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(map(guarded, image) for image in images)
    write_text(path, text.getvalue())


def place_of(path: Path | None, split: str, file: str) -> str:
    """Where it says to exclude an image from a split: file and line, or the experiment's key."""
    try:
        for line, image in [] if path is None else _rows(path):
            if image.file == file and image.split in ("", split):
                return f"{path}:{line}"
    except ValueError:  # the file has changed since it was read
        pass
    return f"data.exclude.{split or 'anywhere'}"


def _rows(path: Path) -> Iterator[tuple[int, ExcludedImage]]:
    """The rows with their lines, as split and file alone."""
    try:
        text = read_file(path, TABLE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: {why_unread(error)}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
    # not splitlines(), which ends a line at characters that a file's name may hold
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        yield from _images(path, reader)
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: not CSV: {error}") from None


def _images(path: Path, reader: "csv.DictReader[str]") -> Iterator[tuple[int, ExcludedImage]]:
    for name in _COLUMNS[:2]:
        if name not in (reader.fieldnames or ()):
            raise ValueError(f"{path}:1: there is no column {name!r}; write `split,file` first")
    for record in reader:
        split, file = ((record[name] or "").strip() for name in _COLUMNS[:2])
        if not file:
            raise ValueError(f"{path}:{reader.line_num}: the cell of the column 'file' is empty")
        yield reader.line_num, ExcludedImage(split, unguarded(file))
