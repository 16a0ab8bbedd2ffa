"""The folder of a pack: filled under a temporary name, put in place whole."""

import glob
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from facesim.atomic import MANIFEST, MANIFEST_LOCK, begin_manifest
from facesim.errors import FacesimError
from facesim.folders import make_folder, make_public
from facesim.json_files import read_json
from facesim.machine_errors import in_words
from facesim.verifier.pack_file import PACK_FILE, PackFile

_UNFINISHED = ".tmp"
_ABANDONED_SECONDS = 3600.0
"""A folder under a temporary name that is older is no process's any more."""


def require_replaceable(folder: Path) -> None:
    """Raise unless a folder is a pack with nothing else in it, is empty, or is not there."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FacesimError(f"{folder} is not a folder; choose another --out")
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if not there:
        return
    if PACK_FILE not in there:
        raise FacesimError(f"{folder} is not a pack, and is not empty; choose another --out")
    remedy = "delete the folder, or choose another --out"
    pack = read_json(folder / PACK_FILE, PackFile, remedy=remedy)
    more = there - {PACK_FILE, MANIFEST, *([] if pack is None else pack.files)}
    if more:
        raise FacesimError(
            f"{folder} holds {min(more)!r}, which is no part of the pack there; move it, or choose "
            "another --out"
        )


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside ``folder``, and put it there when the block has come to its end.

    A kill leaves at most a folder with a temporary name, which a later pack removes.
    """
    folder = folder.absolute()
    try:
        make_folder(folder.parent)
        _remove_abandoned(folder)
        unfinished = Path(mkdtemp(prefix=f".{folder.name}.", suffix=_UNFINISHED, dir=folder.parent))
        try:
            begin_manifest(unfinished)
            yield unfinished
            (unfinished / MANIFEST_LOCK).unlink(missing_ok=True)
            make_public(unfinished)
            _put_in_place(unfinished, folder)
        finally:  # renamed by now, unless something failed
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise FacesimError(f"{folder}: cannot write the pack: {in_words(error)}") from None


def _put_in_place(unfinished: Path, folder: Path) -> None:
    """Rename a folder to the name of a pack or of nothing; the pack goes."""
    if not folder.exists():
        unfinished.rename(folder)
        return
    former = unfinished.with_name(f"{unfinished.name}.former{_UNFINISHED}")
    folder.rename(former)
    try:
        unfinished.rename(folder)
    except OSError:
        former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary folders of packs that were killed."""
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*{_UNFINISHED}"):
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
