"""Images and identities of a table: CSV, Parquet or Excel."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facesim import BoolArray, DataError, FaceTable, build_table, datasets, read_table_columns
from facesim_plugins.datasets._table_layout import recognise_tables

STARTER = """\
# Tables with the columns img and ids, the images relative to the folder.
train: {name: csv, images: ROOT/images, table: ROOT/train.csv}
val: {name: csv, images: ROOT/images, table: ROOT/val.csv}
test: {name: csv, images: ROOT/images, table: ROOT/test.csv}"""


@datasets("csv", starter=STARTER, suggest=recognise_tables)
def csv(
    *,
    images: Annotated[
        Path | None,
        Field(description="folder that holds the images; by default that of the table"),
    ] = None,
    table: Annotated[
        Path,
        Field(description="CSV, .parquet or .xlsx file with a header, one row per image"),
    ],
    image_column: Annotated[
        str, Field(description="column of paths relative to `images`", min_length=1)
    ] = "img",
    identity_column: Annotated[
        str, Field(description="column of the identities; any text", min_length=1)
    ] = "ids",
    missing: Annotated[
        Literal["error", "drop"],
        Field(description="what to do about a row whose image does not exist"),
    ] = "error",
    allow_absolute: Annotated[
        bool, Field(description="whether paths of images may be absolute, anywhere on this machine")
    ] = False,
    delimiter: Annotated[
        Literal[",", ";", "\t", "|"] | None,
        Field(description="between the columns of a CSV file; found in its header by default"),
    ] = None,
    encoding: Annotated[
        Literal["utf-8", "utf-16", "cp1252", "latin-1"] | None,
        Field(description="of a CSV file; found by default"),
    ] = None,
) -> FaceTable:
    """Read images and identities from a table; further columns become attributes.

    Parquet needs the extra ``parquet``, and Excel, whose first sheet is read, ``excel``. In
    texts and in the header an apostrophe before ``=``, ``+``, ``-``, ``@``, a tab or a carriage
    return is removed: facesim writes it so that spreadsheets take no text for a formula.

    Raises:
        DataError: a row, column or image cannot be used; with file and line.
    """
    required = {"image_column": image_column, "identity_column": identity_column}
    columns = read_table_columns(table, required, delimiter=delimiter, encoding=encoding)
    frame = columns.frame
    files = frame[image_column].to_numpy(dtype=object)
    root = table.parent if images is None else images
    absolute = frame[image_column].str.match(r"/|[A-Za-z]:[/\\]|\\\\").to_numpy(dtype=bool)
    if absolute.any():
        if not allow_absolute:
            row = int(absolute.argmax())
            raise DataError(
                f"{columns.place(row)}: {image_column}: the path {files[row]!r} is absolute; write "
                f"it relative to {root.absolute()}, or allow it: `allow_absolute: true` beside "
                "`table` in the experiment, `--allow-absolute` of `facesim data split`"
            )
        named = frame[image_column].str.match(r"[A-Za-z]:[/\\]|\\\\").to_numpy(dtype=bool)
        if named.any() and os.name == "posix":
            row = int(named.argmax())
            raise DataError(
                f"{columns.place(row)}: {image_column}: {files[row]!r} is a path of Windows, which "
                "leads nowhere on this machine; write where the image is here"
            )
        root, files = _below_one_folder(root, files, absolute, columns.place)
    return build_table(
        root,
        files,
        frame[identity_column].to_numpy(dtype=object),
        attributes=columns.attributes(without=(image_column, identity_column)),
        missing=missing,
        place=columns.place,
        notes=columns.notes,
    )


def _below_one_folder(
    root: Path, files: npt.NDArray[Any], absolute: BoolArray, place: Callable[[int], str]
) -> tuple[Path, npt.NDArray[Any]]:
    """The deepest folder that holds all images, and their paths relative to it.

    Args:
        root: what relative paths are relative to.
        files: str [N], as the table has them.
        absolute: bool [N].
        place: where a row was read.

    Raises:
        DataError: a path goes up, or through nothing.
    """
    base = f"{root.resolve().as_posix().rstrip('/')}/"
    whole = np.where(absolute, files, base + files)
    folders = {file[: file.rfind("/")] for file in whole}
    for folder in folders:
        if not {"", ".", ".."}.isdisjoint(folder.split("/")[1:]):
            row = next(row for row, file in enumerate(whole) if file.startswith(f"{folder}/"))
            raise DataError(
                f"{place(row)}: the path {files[row]!r} is to be written without '..', '.' or '//'"
            )
    deepest = os.path.commonpath([folder or "/" for folder in folders])
    skipped = len(deepest.rstrip("/")) + 1
    return Path(deepest), np.array([file[skipped:] for file in whole], dtype=object)
