"""CSV tracker: one table for spreadsheets and pandas."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from facesim import FacesimError, Tracker, trackers, write_text


@trackers("csv")
class Csv(Tracker):
    """Write metrics to ``metrics.csv`` in the run directory: one row per step, one column per name.

    A cell is empty where nothing was logged. A resumed run continues from its last checkpoint:
    rows of later steps are removed, since those steps are trained again.
    """

    _columns: dict[str, str]
    _row: dict[str, str]  # the last one, still open,
    _offset: int  # which begins here
    _end: int  # and ends here

    def __init__(self) -> None:
        self._file: BinaryIO | None = None

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        """Remember where to write; the file is created with the first values."""
        self._path = run_dir / "metrics.csv"

    def log(self, values: dict[str, float], step: int) -> None:
        """Add to the row of a step; the row is flushed before this returns."""
        if self._file is None:
            # Only now is it known where a resumed run continues.
            self._begin([row for row in _rows(self._path) if int(row["step"]) <= step])
        if self._row["step"] != str(step):
            self._row, self._offset = {"step": str(step)}, self._end
        self._row |= {name: repr(value) for name, value in values.items()}
        if not self._row.keys() <= self._columns.keys():
            rows = [row for row in _rows(self._path) if row["step"] != str(step)]
            self._begin([*rows, self._row])
        self._write_row()

    def finish(self, status: str) -> None:
        """Close the file; ``status`` is in the run's own log."""
        if self._file is not None:
            self._file.close()

    def _begin(self, rows: list[dict[str, str]]) -> None:
        """Rewrite the file with these rows and a column per name; the last row is still open."""
        self._columns = {name: name for name in ["step", *(name for row in rows for name in row)]}
        self._row = rows[-1] if rows else {"step": ""}
        before = _lines([self._columns, *rows[:-1]], self._columns)
        last = _lines(rows[-1:], self._columns)
        write_text(self._path, before + last)
        if self._file is not None:
            self._file.close()
        self._file = self._path.open("r+b")
        self._offset, self._end = len(before.encode()), len((before + last).encode())

    def _write_row(self) -> None:
        assert self._file is not None  # noqa: S101  opened by the first values
        self._file.seek(self._offset)
        self._file.write(_lines([self._row], self._columns).encode())
        self._file.truncate()
        self._file.flush()
        self._end = self._file.tell()


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of the file, without empty cells, and without a line that a kill truncated."""
    if not path.exists():
        return []
    try:
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        header, *records = csv.reader(io.StringIO(whole)) if whole else [["step"]]
        steps = [int(record[0]) for record in records if len(record) == len(header)]
    except (OSError, ValueError, csv.Error, IndexError) as error:
        raise FacesimError(f"{path}: cannot be read: {error}; delete it") from None
    if header[:1] != ["step"] or len(set(header)) < len(header) or any(at < 0 for at in steps):
        raise FacesimError(f"{path}: is not what this tracker wrote; delete it")
    return [
        {name: cell for name, cell in zip(header, record, strict=True) if cell}
        for record in records
        if len(record) == len(header)
    ]


def _lines(rows: Iterable[dict[str, str]], columns: Iterable[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, list(columns), lineterminator="\n").writerows(rows)
    return text.getvalue()
