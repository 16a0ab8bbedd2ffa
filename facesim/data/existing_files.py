"""Finding which files of a table exist, by listing folders instead of a ``stat`` per file."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.errors import DataError


def folders_of(files: Iterable[str]) -> set[str]:
    """The distinct folders of some paths, each with its trailing slash; ``""`` is the root."""
    return {file[: file.rfind("/") + 1] for file in files}


def on_disk(root: Path, folders: set[str], files: "pd.Index[str]") -> npt.NDArray[np.bool_]:
    """Which of the files exist; nothing outside ``folders`` is found.

    Args:
        root: what the paths are relative to.
        folders: of the files, as :func:`folders_of` returns them.
        files: str [N], distinct.

    Raises:
        DataError: no such root, or a folder that may not be listed.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder of images")
    listing = [name for folder in folders for name in _names(root, folder)]
    rows = files.get_indexer(pd.Index(listing, dtype=object))
    present = np.zeros(len(files), dtype=bool)
    present[rows[rows >= 0]] = True
    return present


def _names(root: Path, folder: str) -> Iterator[str]:
    try:
        with os.scandir(root / folder) as entries:
            yield from (folder + entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DataError(f"{root / folder}: cannot be listed: {error.strerror}") from error
