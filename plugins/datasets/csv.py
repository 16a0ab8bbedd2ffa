"""Images and identities of a CSV file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from facesim import FaceTable, build_table, datasets, read_csv_columns

STARTER = """\
# Tables with the columns img and ids, the images relative to the folder.
train: {name: csv, images: ROOT/images, table: ROOT/train.csv}
val: {name: csv, images: ROOT/images, table: ROOT/val.csv}
test: {name: csv, images: ROOT/images, table: ROOT/test.csv}"""


@datasets("csv", starter=STARTER)
def csv(
    *,
    images: Annotated[Path, Field(description="folder that holds the images")],
    table: Annotated[Path, Field(description="CSV file with a header, one row per image")],
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
) -> FaceTable:
    """Read images and identities from a CSV file; further columns become attributes.

    In the columns of images and identities, and in the header, an apostrophe before ``=``, ``+``,
    ``-``, ``@``, a tab or a carriage return is removed: facesim writes it so that spreadsheets take
    no text for a formula.

    Raises:
        DataError: a row, column or image cannot be used; with file and line.
    """
    columns = read_csv_columns(table, (image_column, identity_column))
    frame = columns.frame
    return build_table(
        images,
        frame[image_column].to_numpy(dtype=object),
        frame[identity_column].to_numpy(dtype=object),
        attributes=columns.attributes(without=(image_column, identity_column)),
        missing=missing,
        place=columns.place,
    )
