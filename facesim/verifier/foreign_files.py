"""Files of packs and galleries that may come from anybody: within bounds, never through a link."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from facesim.bounded import read_file
from facesim.errors import DataError
from facesim.json_files import JsonModel, parse_json

M = TypeVar("M", bound=JsonModel)


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn an OSError of the block into a DataError that names the file and says what to do."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from None


def read_description(path: Path, model: type[M], limit: int, missing: str, remedy: str) -> M:
    """The JSON file that says what else is in a folder.

    Args:
        path: the file.
        model: of its content.
        limit: in bytes.
        missing: what is said if there is no such file.
        remedy: what can be done if it is not as it was written.

    Raises:
        DataError: there is none, or it cannot be read as the model.
    """
    with reading(path, remedy):
        try:
            content = read_file(path, limit, follow_links=False)
        except FileNotFoundError:
            raise DataError(f"{path.parent}: {missing}") from None
    return parse_json(path, content, model, remedy=remedy)
