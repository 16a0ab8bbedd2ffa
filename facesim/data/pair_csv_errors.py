"""Error messages for the rows of a pairs file."""

import csv
import re
from bisect import bisect_left
from itertools import islice
from pathlib import Path

from facesim.arrays import Int64Array
from facesim.bounded import TABLE_BYTES, open_text
from facesim.errors import did_you_mean
from facesim.interfaces import FaceTable

_SHOWN = 5
_CANDIDATES = 20


def is_whole_number(text: str) -> bool:
    """Whether a text is a non-negative whole number that int64 holds."""
    return re.fullmatch("[0-9]{1,18}", text) is not None


def describe_problems(
    path: Path, wrong: Int64Array, table: FaceTable, row_of: dict[str, int]
) -> str:
    """One line ``file:line: what is wrong`` for each of the first wrong records.

    Args:
        path: the CSV file, read again, because lines matter only now.
        wrong: int64, ascending, records below the header, counted from 0.
        table: of the paired images.
        row_of: file name -> row of the table.
    """
    shown = set(wrong[:_SHOWN].tolist())
    lines = []
    with open_text(path, TABLE_BYTES, errors="surrogateescape") as file:
        reader = csv.reader(file)
        header = next(reader)
        line = reader.line_num + 1
        for number, record in enumerate(reader):
            if number in shown:
                lines.append(f"{path}:{line}: {_problem(record, header, table, row_of)}")
            line = reader.line_num + 1
    if len(wrong) > _SHOWN:
        lines.append(f"{path}: {len(wrong) - _SHOWN} more rows are wrong")
    return "\n".join(lines)


def _problem(record: list[str], header: list[str], table: FaceTable, row_of: dict[str, int]) -> str:
    if len(record) != len(header):
        return f"{len(record)} fields; the header has {len(header)}"
    fields = dict(zip(header, record, strict=True))
    files = [fields["file1"], fields["file2"]]
    for file in files:
        if file not in row_of:
            return f"the table lists no file {file!r}{_nearest(file, row_of)}"
    if files[0] == files[1]:
        return f"{files[0]!r} is paired with itself; a pair is two different images"
    if fields.get("same", "0") not in ("0", "1"):
        return f"same is {fields['same']!r}; write 1 for one identity or 0 for two"
    if not is_whole_number(fields.get("fold", "0")):
        return f"fold is {fields['fold']!r}; write a whole number from 0"
    labels = [str(table.labels[table.identities[row_of[file]]]) for file in files]
    return (
        f"same is {fields['same']}, but {files[0]!r} shows identity {labels[0]!r} and "
        f"{files[1]!r} shows {labels[1]!r}"
    )


def _nearest(file: str, row_of: dict[str, int]) -> str:
    """Suggest files that sort next to it, or have the same name in another folder."""
    files = sorted(row_of)
    place = bisect_left(files, file)
    near = files[max(place - _CANDIDATES, 0) : place + _CANDIDATES]
    name = file.rpartition("/")[2]
    elsewhere = (other for other in files if other.endswith("/" + name) or other == name)
    return did_you_mean(file, [*near, *islice(elsewhere, _CANDIDATES)])
