"""Recognising the columns of images, identities and splits in a table of images."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from facesim import DataError, Recognised, read_table_columns
from facesim_plugins.datasets.folder import EXTENSIONS, SPLITS

_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".xlsx", ".xlsm")
"""Of the tables in a folder; a file that is named itself may have any but an image's."""
_SPLIT = "split"
_USUAL = {"image": "img", "identity": "ids"}
"""The columns that need not be named."""
_OF_PEOPLE = (
    "ids",
    "id",
    "identity",
    "identity_id",
    "person",
    "person_id",
    "subject",
    "subject_id",
    "individual",
    "name",
    "label",
    "class",
)
"""What a column of identities may be called, the likeliest first, in capitals too."""
_SAMPLE = 20
_FOLDERS = 50


def recognise_tables(path: Path) -> Recognised | None:
    """Recognise a table, a folder with one, or a folder with one for train, val and test each.

    Raises:
        DataError: a table cannot be read, or which of its columns are which is not to be seen.
    """
    if path.is_file():
        return None if path.suffix.lower() in EXTENSIONS else _of_source(path)
    if not path.is_dir():
        return None
    with os.scandir(path) as entries:
        files = sorted(Path(entry.path) for entry in entries if entry.is_file())
    tables = [it for it in files if it.suffix.lower() in _SUFFIXES and it.name[0] != "."]
    of_splits = {
        split: table
        for split, names in SPLITS.items()
        for table in tables
        if table.stem.lower() in names
    }
    if "train" in of_splits:
        return _of_splits(of_splits)
    if len(tables) > 1:
        listed = ", ".join(table.name for table in tables)
        raise DataError(f"{path}: it holds several tables, {listed}; name the one that is meant")
    return _of_source(tables[0]) if tables else None


def _of_source(table: Path) -> Recognised:
    node, divided = _node(table)
    images, people = (node.get(f"{it}_column", usual) for it, usual in _USUAL.items())
    what = f"a table of images (`{images}`) and people (`{people}`)"
    if divided:
        what += f", divided by its column `{_SPLIT}`"
    return Recognised(
        what, {"source": node}, divided=divided, certain=True, notes=_notes_of(table, node)
    )


def _of_splits(tables: dict[str, Path]) -> Recognised:
    nodes = {split: _node(table)[0] for split, table in tables.items()}
    what = f"tables of images and people, {', '.join(table.name for table in tables.values())}"
    notes = tuple(note for it, node in nodes.items() for note in _notes_of(tables[it], node))
    if len(nodes) == len(SPLITS):
        return Recognised(what, nodes, certain=True, notes=notes)
    missing = " and ".join(split for split in SPLITS if split not in nodes)
    note = f"No table is of {missing}; people of {tables['train'].name} are taken."
    others = {split: node for split, node in nodes.items() if split != "train"}
    return Recognised(
        what, {"source": nodes["train"], **others}, certain=True, notes=(note, *notes)
    )


def _notes_of(table: Path, node: dict[str, Any]) -> tuple[str, ...]:
    if not node.get("allow_absolute"):
        return ()
    note = (
        f"`allow_absolute` is written because {table.name} has absolute paths: images are read "
        "from wherever it says; remove it if you do not trust the table."
    )
    return (note,)


def _node(table: Path) -> tuple[dict[str, Any], bool]:
    """The parameters of the dataset ``csv``, and whether a column says who is in which split."""
    frame = read_table_columns(table, ()).frame
    image_column, where = _images_of(table, frame)
    identity_column = _identities_of(table, frame, image_column)
    node: dict[str, Any] = {"name": "csv", "table": table, **where}
    for it, column in (("image", image_column), ("identity", identity_column)):
        if column != _USUAL[it]:
            node[f"{it}_column"] = column
    return node, _SPLIT in frame.columns


def _images_of(table: Path, frame: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """The column of the images, and the parameters that say where they are."""
    best: tuple[int, str, dict[str, Any]] = (0, "", {})
    for folder in _folders(table.parent):
        for column in frame.columns:
            paths = [path.strip() for path in frame[column].iloc[:_SAMPLE]]
            there = sum(bool(path) and _is_file(folder / path) for path in paths)
            if there > best[0]:
                where: dict[str, Any] = {} if folder == table.parent else {"images": folder}
                if any(Path(path).is_absolute() for path in paths):
                    where = {"allow_absolute": True}
                best = (there, str(column), where)
    if not best[0]:
        raise DataError(
            f"{table}: no column holds the paths of images, relative to its folder or to one in "
            f"it; its columns are {_listed(frame)}. Put the table beside the images, or correct "
            "the paths"
        )
    return best[1:]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a cell of text, too long for a name
        return False


def _folders(folder: Path) -> Iterator[Path]:
    """The folder, then those in it."""
    yield folder
    with os.scandir(folder) as entries:
        inside = sorted(Path(entry.path) for entry in entries if entry.is_dir())
    yield from inside[:_FOLDERS]


def _identities_of(table: Path, frame: pd.DataFrame, image_column: str) -> str:
    others = [str(it) for it in frame.columns if it not in (image_column, _SPLIT)]
    named = [it for wanted in _OF_PEOPLE for it in others if it.lower() == wanted]
    if named or len(others) == 1:
        return (named or others)[0]
    raise DataError(
        f"{table}: which column says who is on an image? Call it `ids`; its columns are "
        f"{_listed(frame)}, and {image_column!r} holds the images"
    )


def _listed(frame: pd.DataFrame) -> str:
    return ", ".join(repr(str(column)) for column in frame.columns[:_SAMPLE])
