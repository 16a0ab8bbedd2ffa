"""All that a table says counts, and neither where it lies nor how it is kept."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesim.data.table_content import rows_digest
from facesim.data.tables import build_table
from facesim.interfaces import FaceTable, PairSet


def table(**changes: object) -> FaceTable:
    values: dict[str, object] = {
        "root": Path("/somewhere"),
        "files": np.array(["a.png", "b.png", "c.png"]),
        "identities": np.array([0, 0, 1]),
        "labels": np.array(["x", "y"]),
        "attributes": pd.DataFrame({"age": [1.5, 2.0, 3.0], "name": ["p", "q", "r"]}),
        "pairs": PairSet(np.array([[0, 1], [1, 2]]), np.array([True, False])),
    }
    return FaceTable(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"files": np.array(["a.png", "c.png", "b.png"])},
        {"identities": np.array([0, 1, 1])},
        {"labels": np.array(["x", "z"])},
        {"attributes": pd.DataFrame({"age": [1.5, 2.0, 3.5], "name": ["p", "q", "r"]})},
        {"attributes": pd.DataFrame({"age": [1.5, 2.0, 3.0], "called": ["p", "q", "r"]})},
        {"pairs": None},
        {"pairs": PairSet(np.array([[0, 1], [1, 2]]), np.array([True, True]))},
        {"pairs": PairSet(np.array([[0, 1], [1, 2]]), np.array([True, False]), np.array([0, 1]))},
    ],
)
def test_all_that_a_table_says_of_its_images_counts(changes: dict[str, object]) -> None:
    assert rows_digest(table()) != rows_digest(table(**changes))


def test_the_form_in_which_a_table_is_kept_does_not_count() -> None:
    frame = table().attributes
    same = table(
        root=Path("/elsewhere"),
        files=np.array(["a.png", "b.png", "c.png"], dtype=object),
        identities=np.array([0, 0, 1], dtype=np.int32),
        attributes=frame.astype({"name": "string"}),
        notes=("2 rows were left out",),
    )
    assert rows_digest(same) == rows_digest(table())


def test_a_table_may_have_names_that_are_not_utf8() -> None:
    name = os.fsdecode(b"\xff.png")
    rows_digest(table(files=np.array([name, "b.png", "c.png"])))


def test_a_table_of_a_csv_file_has_the_same_digest_however_it_was_built(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    files, labels = np.array(["a.png", "b.png"], dtype=object), np.array(["p", "p"], dtype=object)
    built = build_table(tmp_path, files, labels)
    plain = FaceTable(tmp_path, np.array(["a.png", "b.png"]), np.array([0, 0]), np.array(["p"]))
    assert rows_digest(built) == rows_digest(plain)
