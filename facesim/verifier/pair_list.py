"""Lists of pairs to verify: ``file1,file2`` in, decisions out, both CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from facesim.atomic import write_text
from facesim.bounded import TABLE_BYTES, open_text
from facesim.csv_cells import guarded, unguarded
from facesim.errors import DataError, did_you_mean
from facesim.reporters import Reporter
from facesim.verifier.verifier import Unjudged, Verdict, Verifier

_FILES = ("file1", "file2")
_FACES = ("faces1", "face1", "faces2", "face2")
_COLUMNS = (*_FILES, "same", "score", "probability", "reason", *_FACES)


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The pairs of a CSV file with the columns ``file1`` and ``file2``; others are not looked at.

    An empty cell is an empty name, whose pair cannot be judged.

    Raises:
        DataError: it cannot be read, or a row has too few or too many cells; the line is named.
    """
    pairs = []
    try:
        with open_text(path, TABLE_BYTES) as file:
            rows = csv.reader(file, strict=True, skipinitialspace=True)
            header = [unguarded(cell) for cell in next(rows, [])]
            columns = [_column(path, header, name) for name in _FILES]
            for row in rows:
                if not row or row == [""]:
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"{path}:{rows.line_num}: {len(row)} cells where the header has "
                        f"{len(header)}"
                    )
                first, second = (unguarded(row[column].strip()) for column in columns)
                if "\0" in first + second:
                    raise DataError(f"{path}:{rows.line_num}: a name holds a null character")
                pairs.append((first, second))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: it is not a CSV file in UTF-8: {error}") from None
    if not pairs:
        raise DataError(f"{path}: there are no pairs; write them below `{','.join(_FILES)}`")
    return pairs


def _column(path: Path, header: Sequence[str], name: str) -> int:
    if header.count(name) != 1:
        raise DataError(
            f"{path}:1: the header must have the column {name!r} once{did_you_mean(name, header)}; "
            f"the first line of a list of pairs is `{','.join(_FILES)}`"
        )
    return header.index(name)


def verify_list(
    verifier: Verifier, pairs: Sequence[tuple[str, str]], folder: Path, reporter: Reporter, at: str
) -> list[Verdict | Unjudged]:
    """Verify pairs of files, with progress.

    Args:
        verifier: decides.
        pairs: of files, relative to ``folder`` unless absolute.
        folder: of the images.
        reporter: shows the progress.
        at: the operating point.
    """
    named = [(folder / a, folder / b) for a, b in pairs if a and b]
    with reporter.task("verifying pairs", len(named)) as advance:
        found = []
        for verdict in verifier.verify_pairs(named, at):
            found.append(verdict)
            advance()
    judged = iter(found)
    unnamed = Unjudged("the list names no file")
    return [next(judged) if a and b else unnamed for a, b in pairs]


def write_verdicts(
    path: Path, pairs: Iterable[tuple[str, str]], verdicts: Iterable[Verdict | Unjudged]
) -> None:
    """Write ``file1,file2,same,score,probability,reason`` and faces, whole or not at all.

    ``same`` is 1 or 0, or empty where the pair could not be judged; then there is a reason.
    ``faces1`` is the number of faces that were found in the first photograph, ``face1`` the edges
    of the one that was taken (left, top, right, bottom); empty where the pack looks for none.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for pair, verdict in zip(pairs, verdicts, strict=True):
        files = [guarded(name) for name in pair]
        if isinstance(verdict, Unjudged):
            rows.writerow([*files, "", "", "", guarded(verdict.reason), *[""] * len(_FACES)])
        else:
            probability = "" if verdict.probability is None else f"{verdict.probability:.6g}"
            judged = [int(verdict.same), f"{verdict.score:.9g}", probability, ""]
            faces = [
                cell
                for face in verdict.faces
                for cell in (
                    ("", "")
                    if face is None
                    else (face.found, " ".join(f"{edge:.0f}" for edge in face.box))
                )
            ]
            rows.writerow([*files, *judged, *faces])
    write_text(path, text.getvalue())
