"""Landmarks from a file, in place of a detector."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from facesim import Aligner, DataError, Face, Photograph, aligners, did_you_mean, read_csv_columns
from facesim_plugins.datasets._whitespace_table import WhitespaceFile, WhitespaceTable

POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
COORDINATES = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")
BOX = ("left", "top", "right", "bottom")
CONFIDENCE = "confidence"

_Place = Callable[[int], str]
"""Where a row stands, as ``landmarks.csv:17``."""


@aligners("landmarks")
class Landmarks(Aligner):
    """Look five points per face up by the photograph's file name.

    A file ``*.csv`` has a column with the file's name and the columns ``left_eye_x``,
    ``left_eye_y``, and likewise ``right_eye``, ``nose``, ``left_mouth`` and ``right_mouth``, where
    left is the left of the photograph; underscores may be missing, and so may a point's two cells
    in a row. ``left``, ``top``, ``right``, ``bottom`` of a box and ``confidence`` are optional. It
    is what ``facesim data align`` writes. Any other file is read as CelebA's
    ``list_landmarks_celeba.txt``. Several rows are several faces; a photograph without a row, or
    with a row without points, has no face.

    A name may have folders: ``ann/1.jpg`` means each file whose path ends like that. The name with
    the most folders counts.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a row that is not a face; the
            text names the line.
    """

    content_only = False

    def __init__(
        self,
        *,
        file: Annotated[Path, Field(description="the CSV file, or CelebA's list of landmarks")],
        file_column: Annotated[
            str, Field(description="the column of the CSV file that holds the file names")
        ] = "file",
    ) -> None:
        self.file = file
        if file.suffix.lower() == ".csv":
            names, cells, place = _from_csv(file, file_column)
        else:
            names, cells, place = _from_celeba(file)
        self.points = cells[:, :10].reshape(-1, 5, 2)
        self.boxes = cells[:, 10:14]
        self.confidences = np.nan_to_num(cells[:, 14], nan=1.0)
        self.rows: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            # Also without points, or the photograph of a shorter name would lend it its face.
            rows = self.rows.setdefault(Path(name).as_posix(), [])
            if np.isfinite(self.points[row]).any():
                self._require_face(row, place)
                rows.append(row)
        self.fingerprint = sha256(file.read_bytes()).hexdigest()

    def find(self, photograph: Photograph) -> Sequence[Face]:
        """The faces of its file name.

        Raises:
            DataError: the photograph has no file.
        """
        if photograph.path is None:
            raise DataError(
                f"its landmarks cannot be looked up in {self.file}: it is in memory, and has no "
                "file name"
            )
        parts = photograph.path.parts
        endings = ("/".join(parts[start:]) for start in range(len(parts)))
        rows = next((self.rows[name] for name in endings if name in self.rows), [])
        return [self._face(row) for row in rows]

    def _face(self, row: int) -> Face:
        points = self.points[row]
        box = self.boxes[row]
        if not np.isfinite(box).all():
            # Twice as wide and high as the points are, so that it is about the face.
            first, last = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
            margin = max((last - first).max() / 2, 1)
            box = np.concatenate([first - margin, last + margin])
        left, top, right, bottom = box.tolist()
        return Face((left, top, right, bottom), points, float(self.confidences[row]))

    def _require_face(self, row: int, place: _Place) -> None:
        try:
            self._face(row)
        except ValueError as error:
            raise DataError(f"{place(row)}: {error}") from None


def _from_csv(file: Path, file_column: str) -> tuple[list[str], npt.NDArray[np.float64], _Place]:
    columns = read_csv_columns(file, [file_column])
    frame = columns.frame
    by_name = {name.replace("_", "").lower(): name for name in columns.frame.columns}
    missing = [name for name in COORDINATES if name.replace("_", "") not in by_name]
    if missing:
        hint = did_you_mean(missing[0], [str(name) for name in frame])
        raise DataError(f"{file}: there is no column {missing[0]!r}{hint}")
    table = pd.DataFrame(
        {
            name: frame[by_name[name.replace("_", "")]] if name.replace("_", "") in by_name else ""
            for name in (*COORDINATES, *BOX, CONFIDENCE)
        },
        index=frame.index,
    )
    return frame[file_column].tolist(), _numbers(table, columns.place), columns.place


def _from_celeba(file: Path) -> tuple[list[str], npt.NDArray[np.float64], _Place]:
    """A number of rows, a line of ten column names, and then a name and ten numbers per line."""
    opened = WhitespaceFile.read(file)
    line, count = opened.first()
    header, names = opened.first(line)
    expected = [name.replace("_", "") for name in COORDINATES]
    if len(count) != 1 or [name.replace("_", "").lower() for name in names] != expected:
        raise DataError(
            f"{file}: it is not CelebA's list of landmarks: a number of rows, then a line with "
            "lefteye_x, lefteye_y, righteye_x and so on; a file of another kind must be named *.csv"
        )
    table = WhitespaceTable.parse(opened, ["file", *COORDINATES], above=header)
    frame = table.frame.reindex(columns=["file", *COORDINATES, *BOX, CONFIDENCE], fill_value="")
    return frame.pop("file").tolist(), _numbers(frame, table.place), table.place


def _numbers(table: pd.DataFrame, place: _Place) -> npt.NDArray[np.float64]:
    """The cells [N, 15] as numbers; NaN where one is empty."""
    cells: npt.NDArray[np.float64] = table.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(cells) & (table != "").to_numpy()
    if wrong.any():
        row, column = (int(each) for each in np.argwhere(wrong)[0])
        raise DataError(
            f"{place(row)}: {table.columns[column]} is {table.iat[row, column]!r}, not a number"
        )
    return cells
