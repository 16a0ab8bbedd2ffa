"""JSON files as pydantic models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from facesim.atomic import require_unchanged, write_text
from facesim.bounded import JSON_BYTES, read_file
from facesim.errors import DataError

T = TypeVar("T")


class JsonModel(BaseModel):
    """Content of a JSON file: frozen, and without keys that the model does not know.

    NaN and infinity, which JSON does not have, are written as null; a field that must not be null
    is a `pydantic.FiniteFloat`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def write_json(path: Path, content: BaseModel | Sequence[BaseModel]) -> None:
    """Write a file of one model or of several, whole or not at all."""
    write_text(path, to_json(content, indent=2).decode() + "\n")


def read_json(path: Path, kind: type[T], *, remedy: str) -> T | None:
    """Read a file of a model, or of ``tuple[Model, ...]``; None if there is no such file.

    Raises:
        DataError: it cannot be read, or is not what facesim wrote; the message names file and key,
            and ends with the remedy.
    """
    require_unchanged(path, remedy)
    try:
        content = read_file(path, JSON_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from None
    return parse_json(path, content, kind, remedy=remedy)


def parse_json(path: Path, content: bytes, kind: type[T], *, remedy: str) -> T:
    """The model, or ``tuple[Model, ...]``, of the content of a JSON file.

    Raises:
        DataError: as of :func:`read_json`; ``path`` is named.
    """
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{path}: {where[:200]}: {first['msg'][:500]}; {remedy}") from None
