"""``facesim data split``: identity-disjoint train.csv, val.csv and test.csv of any people."""

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from pydantic import ValidationError

from facesim import (
    FacesimError,
    FaceTable,
    IdentitySplit,
    data_commands,
    guarded_all,
    make_folder,
    printable,
    split_table,
    write_text,
)
from facesim_plugins.datasets.csv import csv
from facesim_plugins.datasets.folder import folder

SPLITS = ("train", "val", "test")
COLUMN = "split"
RATIOS = (0.7, 0.1, 0.2)


@data_commands("split")
def split_source(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder with one subfolder of images per person; or a CSV, Parquet or Excel file.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for the CSV files; by default ./NAME_splits after SOURCE."
        ),
    ] = None,
    ratios: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="TRAIN VAL TEST",
            help="Shares of the identities; 0.7 0.1 0.2 unless SOURCE has a column `split`.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides who is in which split; 0.")] = None,
    stratify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Also spread the values of this attribute in proportion; may be repeated.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of a table's images; that of the table."),
    ] = None,
    image_column: Annotated[str, typer.Option(help="Column of a table's images.")] = "img",
    identity_column: Annotated[str, typer.Option(help="Column of a table's identities.")] = "ids",
    allow_absolute: Annotated[
        bool, typer.Option("--allow-absolute", help="A table may have absolute paths.")
    ] = False,
) -> None:
    """Write identity-disjoint train.csv, val.csv and test.csv of people whom nobody has split.

    The same people as `data: {source: ..., split: ...}` gives in an experiment for these ratios
    and this seed. A column `split` in SOURCE is taken at its word.
    """
    if source.is_dir():
        table = folder(root=source)
    else:
        table = csv(
            images=images,
            table=source,
            image_column=image_column,
            identity_column=identity_column,
            allow_absolute=allow_absolute,
        )
    asked = [
        f"--{key}"
        for key, given in (("ratios", ratios), ("seed", seed), ("stratify", stratify or None))
        if given is not None
    ]
    split, rule = None, f"by its column `{COLUMN}`"
    if COLUMN not in table.attributes.columns:
        split = _split(ratios or RATIOS, seed or 0, tuple(stratify or ()))
        shares = " ".join(f"{share:g}" for share in split.ratios)
        rule = f"by ratios {shares} and seed {split.seed}"
    elif asked:
        raise FacesimError(
            f"{source}: it has a column `{COLUMN}`, which says who is in which split; leave "
            f"{' and '.join(asked)} out, or the column"
        )
    try:
        tables = split_table(table, split)
    except FacesimError as error:
        raise FacesimError(f"{source}: {error}") from error
    target = out or Path(f"{source.absolute().stem}_splits")
    write_splits(tables, target, (image_column, identity_column))
    typer.echo(printable(f"{len(table.labels):,} identities of {source}, {rule}:\n"))
    typer.echo(printable("\n".join(summary(tables))))
    for note in table.notes:
        typer.echo(printable(note))
    written = ", ".join(str(target / f"{name}.csv") for name in SPLITS)
    typer.echo(printable(f"\nwritten: {written}"))
    typer.echo("\nIn the experiment file:\n")
    typer.echo("\n".join(data_section(tables, target, (image_column, identity_column))))


def _split(
    ratios: tuple[float, float, float], seed: int, stratify: tuple[str, ...]
) -> IdentitySplit:
    try:
        return IdentitySplit(ratios=ratios, seed=seed, stratify=stratify)
    except ValidationError as error:
        first = error.errors()[0]
        key = "-".join(map(str, first["loc"][:1]))
        said = str(first["msg"]).removeprefix("Value error, ")
        raise FacesimError(f"--{key}: {said[:1].lower()}{said[1:]}") from None


def summary(tables: Mapping[str, FaceTable]) -> list[str]:
    """A line per split, and a warning where somebody is in two."""
    lines = [f"{'split':<6}{'identities':>11}{'images':>9}  images per identity"]
    for name, table in tables.items():
        images = np.bincount(table.identities)
        fewest, most = images.min(), images.max()
        spread = f"{fewest} to {most}, median {np.median(images):g}" if fewest < most else fewest
        lines.append(f"{name:<6}{len(images):>11,}{len(table):>9,}  {spread}")
    times = Counter(label for table in tables.values() for label in table.labels.tolist())
    twice = [label for label, splits in times.items() if splits > 1]
    if twice:
        lines.append(
            f"warning: {len(twice):,} identities are in more than one split, such as {twice[0]!r}; "
            "the linter takes that for an error"
        )
    return lines


def data_section(tables: Mapping[str, FaceTable], out: Path, columns: tuple[str, str]) -> list[str]:
    """The lines of an experiment file that name the written tables."""
    keys = zip(("image_column", "identity_column"), columns, ("img", "ids"), strict=True)
    others = "".join(f", {key}: {_text(name)}" for key, name, usual in keys if name != usual)
    root = _text(str(tables["train"].root.absolute()))
    return [
        "data:",
        *(
            f"  {name}: {{name: csv, images: {root}, "
            f"table: {_text(str(out.absolute() / f'{name}.csv'))}{others}}}"
            for name in SPLITS
        ),
    ]


def _text(text: str) -> str:
    """A text in an experiment file, in quotes unless it is a plain path."""
    if re.fullmatch(r"/[\w/.-]+", text, re.ASCII):
        return text
    return json.dumps(text.replace("${", "$${"), ensure_ascii=False)


def write_splits(tables: Mapping[str, FaceTable], out: Path, columns: tuple[str, str]) -> None:
    """Write the splits of a source as CSV files: all three of them, or none.

    Args:
        tables: by split, as ``split_table`` returns them.
        out: the folder, which is made if need be.
        columns: the names of the columns of images and identities.

    Raises:
        FacesimError: one of the files exists already, or cannot be written.
    """
    paths = {name: out / f"{name}.csv" for name in SPLITS}
    existing = [str(path) for path in paths.values() if os.path.lexists(path)]
    if existing:
        raise FacesimError(
            f"{', '.join(existing)}: there already, and not overwritten; write --out with another "
            "folder"
        )
    made: list[Path] = []
    try:
        make_folder(out)
        with tempfile.TemporaryDirectory(prefix=".splits-", dir=out) as temporary:
            for name, table in tables.items():
                text = _frame(table, columns).to_csv(index=False, lineterminator="\n")
                write_text(Path(temporary) / f"{name}.csv", text)
            for name, path in paths.items():
                (Path(temporary) / f"{name}.csv").rename(path)
                made.append(path)
    except BaseException as error:
        for path in made:
            with suppress(OSError):
                path.unlink()
        if isinstance(error, OSError):
            raise FacesimError(f"{out}: cannot be written: {error.strerror or error}") from error
        raise


def _frame(table: FaceTable, columns: tuple[str, str]) -> pd.DataFrame:
    """The table as it is written: no name of a column and no text is a formula."""
    image, identity = columns
    frame = pd.DataFrame({image: table.files, identity: table.labels[table.identities]})
    if not table.attributes.columns.empty:
        frame = pd.concat([frame, table.attributes.reset_index(drop=True)], axis=1)
    for at, name in enumerate(frame.columns):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame.isetitem(at, guarded_all(frame[name].to_numpy(dtype=object)))
    return frame.set_axis(guarded_all(frame.columns.to_numpy(dtype=object)), axis=1)
