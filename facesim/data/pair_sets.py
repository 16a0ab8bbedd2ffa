"""Evaluation pairs: drawn from a seed, stored as CSV, read back identically."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path

import numpy as np

from facesim.arrays import BoolArray, Int64Array
from facesim.atomic import replacing
from facesim.bounded import TABLE_BYTES, open_text
from facesim.csv_cells import guarded, guarded_all
from facesim.data.pair_csv_errors import describe_problems, is_whole_number
from facesim.data.pair_drawing import PairSpace
from facesim.errors import DataError, FacesimError
from facesim.interfaces import FaceTable, PairSet

_Judge = Callable[[PairSet, FaceTable], BoolArray]
"""Marks the pairs of a table that are refused: bool [P]."""

_FILES = ["file1", "file2"]
_COLUMNS = [*_FILES, "same"]
_WITH_FOLD = [*_COLUMNS, "fold"]
_RECORDS_AT_ONCE = 1 << 11  # Python's collector makes longer lists of rows slower to read


def draw_pair_set(
    table: FaceTable, pairs_per_image: float, same_fraction: float, seed: int
) -> PairSet:
    """Draw distinct pairs, every genuine and every impostor pair of the table equally likely.

    Args:
        table: the images of one split.
        pairs_per_image: pairs to draw, as a multiple of the images.
        same_fraction: share of genuine pairs, from 0 to 1.
        seed: decides every pair.

    Raises:
        FacesimError: no pair is asked for, or more of a class than the table has: counting a pair
            twice would understate the uncertainty.
    """
    space = PairSpace.of(table.identities)
    genuine, impostor = space.count(pairs_per_image, same_fraction)
    _require_distinct("genuine", genuine, space.genuine, len(table) * same_fraction)
    _require_distinct("impostor", impostor, space.impostor, len(table) * (1 - same_fraction))
    numbers = space.draw(genuine, impostor, np.random.default_rng(seed))
    return PairSet(space.rows(numbers), space.same(numbers))


def write_pair_set(path: Path, table: FaceTable, pairs: PairSet) -> None:
    """Write ``file1,file2,same[,fold]``, atomically and reproducibly.

    A file's name that a spreadsheet would take for a formula is guarded by an apostrophe.

    Raises:
        DataError: the table lists a file twice, or a file name holds a carriage return.
    """
    _row_of_each_file(table)
    with replacing(path) as file:
        for text in _csv_parts(table, pairs):
            if "\r" in text:
                raise DataError(
                    f"{path}: a file name with a carriage return cannot be stored in CSV"
                )
            file.write(text.encode(errors="surrogateescape"))


def read_pair_set(path: Path, table: FaceTable) -> PairSet:
    """Read ``file1,file2,same[,fold]``: paths as in ``table.files``, 1 for genuine, 0 for impostor.

    The columns may be in any order; ``fold`` is a whole number from 0.

    Raises:
        DataError: the file does not exist or has no pair, or it has rows with missing or extra
            fields, a file that the table does not list, a file paired with itself, or a ``same``
            that contradicts the table's identities; the message names the first few lines.
    """
    return _read(path, table, refused=_is_self_pair_or_contradictory)


def read_pair_list(path: Path, table: FaceTable) -> PairSet:
    """Read a user's list leniently, for the protocol linter to judge.

    Like :func:`read_pair_set`, but a file paired with itself and a ``same`` that contradicts the
    table's identities are kept.

    Raises:
        DataError: as :func:`read_pair_set`, for everything else.
    """
    return _read(path, table, refused=_none)


def read_training_pairs(path: Path, table: FaceTable) -> PairSet:
    """Read training pairs ``file1,file2[,same]``; without ``same`` the table's identities decide.

    Raises:
        DataError: as :func:`read_pair_set`.
    """
    return _read(path, table, refused=_is_self_pair_or_contradictory, headers=(_FILES, _COLUMNS))


def _read(
    path: Path,
    table: FaceTable,
    refused: _Judge,
    headers: Sequence[list[str]] = (_COLUMNS, _WITH_FOLD),
) -> PairSet:
    row_of = _row_of_each_file(table)
    row_of |= {guarded(file): row for file, row in row_of.items() if guarded(file) != file}
    parts: list[PairSet] = []
    wrong: list[Int64Array] = []
    try:
        # errors: a name that is not UTF-8 is compared by its bytes with those in the table
        with open_text(path, TABLE_BYTES, errors="surrogateescape") as file:
            reader = csv.reader(file, strict=True)
            header = _checked_header(path, next(reader, []), headers)
            while records := list(islice(reader, _RECORDS_AT_ONCE)):
                pairs, malformed = _parse(records, header, row_of, table.identities)
                bad = np.flatnonzero(malformed | refused(pairs, table))
                wrong.append(len(parts) * _RECORDS_AT_ONCE + bad)
                parts.append(pairs)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file of pairs") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not parts:
        raise DataError(f"{path}: there is no pair below the header")
    if any(len(records) for records in wrong):
        raise DataError(describe_problems(path, np.concatenate(wrong), table, row_of))
    return _joined(parts)


def _is_self_pair_or_contradictory(pairs: PairSet, table: FaceTable) -> BoolArray:
    first, second = pairs.rows.T
    contradicts = pairs.same != (table.identities[first] == table.identities[second])
    return np.asarray(contradicts | (first == second))


def _none(pairs: PairSet, table: FaceTable) -> BoolArray:  # noqa: ARG001
    return np.zeros(len(pairs), bool)


def _require_distinct(kind: str, asked: int, there: int, asked_per_unit: float) -> None:
    if asked <= there or there == 0:  # drawing reports a class that the table lacks
        return
    most = 0.99 * there / asked_per_unit
    raise FacesimError(
        f"{asked} {kind} pairs are asked for and the table has {there}; an evaluation counts each "
        f"pair once: lower pairs_per_image to {most:.3g}, or the share of {kind} pairs"
    )


def _row_of_each_file(table: FaceTable) -> dict[str, int]:
    files = table.files.tolist()
    row_of = dict(zip(files, range(len(files)), strict=True))
    if len(row_of) == len(files):
        return row_of
    row, file = next((row, file) for row, file in enumerate(files) if row_of[file] != row)
    raise DataError(
        f"the table lists {file!r} twice, in rows {row} and {row_of[file]}; keep one of them, so "
        "that a pair can name it"
    )


def _csv_parts(table: FaceTable, pairs: PairSet) -> Iterator[str]:
    """The text of the file, in chunks of bounded size."""
    columns = [*pairs.rows.T, pairs.same] + ([] if pairs.fold is None else [pairs.fold])
    files = guarded_all(table.files)
    yield ",".join(_COLUMNS if pairs.fold is None else _WITH_FOLD) + "\n"
    for start in range(0, len(pairs), _RECORDS_AT_ONCE):
        first, second, same, *fold = (part[start : start + _RECORDS_AT_ONCE] for part in columns)
        fields = [files[first], files[second], same.astype(np.int8), *fold]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(zip(*(field.tolist() for field in fields), strict=True))
        yield text.getvalue()


def _checked_header(path: Path, header: list[str], headers: Sequence[list[str]]) -> list[str]:
    if sorted(header) in map(sorted, headers):
        return header
    raise DataError(
        f"{path}:1: the columns are {','.join(header) or 'missing'}; a file of pairs has "
        f"{' or '.join(map(','.join, headers))}"
    )


def _parse(
    records: list[list[str]], header: list[str], row_of: dict[str, int], identities: Int64Array
) -> tuple[PairSet, BoolArray]:
    """The pairs of some records, and which of them are malformed: bool [P]."""
    if set(map(len, records)) != {len(header)}:
        missing = [""] * len(header)
        records = [record if len(record) == len(header) else missing for record in records]
    fields = dict(zip(header, zip(*records, strict=True), strict=True))
    first, second = (_looked_up(row_of, fields[column]) for column in ("file1", "file2"))
    if "same" in fields:
        flag = _looked_up({"0": 0, "1": 1}, fields["same"])
    else:
        flag = (identities[first] == identities[second]).astype(np.int64)
    malformed = (first < 0) | (second < 0) | (flag < 0)
    rows, same = np.stack([first, second], axis=1), flag == 1
    if "fold" not in fields:
        return PairSet(rows, same), malformed
    folds = {text: int(text) for text in set(fields["fold"]) if is_whole_number(text)}
    fold = _looked_up(folds, fields["fold"])
    return PairSet(rows, same, fold), malformed | (fold < 0)


def _looked_up(numbers: dict[str, int], texts: tuple[str, ...]) -> Int64Array:
    """The number of each text; -1 for an unknown one."""
    return np.fromiter(map(numbers.get, texts, repeat(-1)), np.int64, len(texts))


def _joined(parts: list[PairSet]) -> PairSet:
    folds = [part.fold for part in parts if part.fold is not None]
    return PairSet(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.same for part in parts]),
        np.concatenate(folds) if folds else None,
    )
