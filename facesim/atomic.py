"""Files that are written whole, and read as they were written."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from facesim.bounded import require_file, require_regular
from facesim.console import warn_once
from facesim.errors import DataError
from facesim.folders import new_file_mode
from facesim.locks import UNSUPPORTED, ProcessLock

MANIFEST = "facesim-manifest.json"
"""Digests of the files in a folder and those in it, by their paths relative to it."""

MANIFEST_LOCK = ".manifest.lock"
"""Held while it is written."""

_LEVELS = 3
"""Folders above a file, its own among them, in which its manifest may be."""

_DIGESTS_KEPT = 8
"""A digest enters before the file has its name, so that a kill in between leaves the file with an
earlier one; that many kills in a row may come at this point."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name beside ``path``, flush it to disk and rename it.

    If the block raises, ``path`` is unchanged. A kill leaves at most a ``.tmp`` file. Where a
    folder above has a manifest, the file's digest enters it.
    """
    with _replacing(path, _enter_into_manifest) as file:
        yield file


@contextmanager
def _replacing(
    path: Path, before_rename: Callable[[Path, Path], None] | None = None
) -> Iterator[BinaryIO]:
    temporary = path
    try:
        with suppress(FileNotFoundError):
            require_file(path)  # a rename would put a file in the place of a device
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            flush_to_disk(file.fileno(), path.parent)
        temporary.chmod(new_file_mode(path.parent))
        if before_rename is not None:
            before_rename(temporary, path)
        temporary.replace(path)
    except BaseException as error:
        if temporary != path:
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError) and _is_nameless(error, path):
            error.filename = str(path)
        raise
    _flush_folder(path.parent)


def _is_nameless(error: OSError, path: Path) -> bool:
    """Whether an error names no file, as of a write, or the temporary one."""
    name = error.filename
    return name is None or (isinstance(name, str) and Path(name).name.startswith(f".{path.name}."))


def flush_to_disk(descriptor: int, folder: Path) -> None:
    """Wait until what was written to an open file, or folder, is on the disk.

    Where the file system cannot do so, that is said once.

    Args:
        descriptor: of the open file.
        folder: where it lies.

    Raises:
        OSError: it could not be written after all.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warn_once(
            f"{folder}: its file system cannot flush files to the disk; after a power cut the "
            "newest of them may be damaged"
        )


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a file atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def link_file(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, which is never written in place, atomically.

    Where there are no hard links it is a copy.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        with source.open("rb") as content, replacing(target) as file:
            shutil.copyfileobj(content, file)
        return
    _enter_into_manifest(temporary, target)
    temporary.replace(target)
    temporary.unlink(missing_ok=True)  # a rename to a link of the same file does nothing


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def begin_manifest(folder: Path) -> None:
    """From now on the files that are written in a folder can be checked when they are read."""
    if not (folder / MANIFEST).exists():
        _write_manifest(folder, {})


def seal(path: Path) -> None:
    """From now on a file that was written in place can be checked as those that are replaced."""
    _enter_into_manifest(path, path)


def unseal(path: Path) -> None:
    """Forget a file's digest, before it is written in place."""
    folder = _folder_of_manifest(path)
    if folder is None:
        return
    with ProcessLock(folder / MANIFEST_LOCK):
        manifest = _read_manifest(folder)
        if manifest.pop(_name_in(folder, path), None) is not None:
            _write_manifest(folder, manifest)


def settle_manifest(folder: Path) -> None:
    """Forget the digests of former contents and of files that are gone.

    The manifest then depends on the files alone, but for a file whose last write was cut short
    between the manifest and the rename, or may be under way: the digests that are newer than its
    content's stay, and so do all of one that has none of these contents.
    """
    if not (folder / MANIFEST).is_file():
        return
    with ProcessLock(folder / MANIFEST_LOCK):
        manifest = _read_manifest(folder)
        settled = {
            name: _up_to_own(digests, folder, name)
            for name, digests in manifest.items()
            if (folder / name).exists()
        }
        if settled != manifest:
            _write_manifest(folder, settled)
        remove_leftovers(folder, of=MANIFEST)  # who writes one holds the lock


def _up_to_own(digests: list[str], folder: Path, name: str) -> list[str]:
    """A file's digests without those that are older than that of its content."""
    path, named = folder / name, Path(name)
    # Somebody else's manifest may name anything, on which a read would wait without end.
    if len(digests) < 2 or named.is_absolute() or ".." in named.parts:
        return digests
    try:
        require_regular(path.lstat(), path)
        own = sha256_of(path)
    except OSError:
        return digests
    return digests[: digests.index(own) + 1] if own in digests else digests


def require_unchanged(path: Path, remedy: str, *, or_a_sibling: bool = False) -> None:
    """Check a file against the manifest of a folder above; does nothing where neither exists.

    Args:
        path: the file.
        remedy: what can still be done, for the message.
        or_a_sibling: whether the content of another file of its folder is as good.

    Raises:
        DataError: it is not what facesim wrote, or the manifest is damaged.
    """
    folder = _folder_of_manifest(path)
    if folder is None or not path.is_file():
        return
    name = _name_in(folder, path)
    parent = Path(name).parent
    own = ""
    for _ in range(2):  # once more where it does not fit: both may have been written in between
        manifest = _read_manifest(folder)
        if name not in manifest:
            return
        own = own or sha256_of(path)
        accepted = [key for key in manifest if or_a_sibling and Path(key).parent == parent]
        if own in {digest for key in accepted or [name] for digest in manifest[key]}:
            return
    raise DataError(
        f"{path}: is not what facesim wrote: it is damaged, or was edited; {remedy}. Where the "
        f"change is on purpose, delete the file's entry in {folder / MANIFEST}"
    )


def _enter_into_manifest(written: Path, path: Path) -> None:
    """Add the digest of what is about to be renamed to ``path``."""
    folder = _folder_of_manifest(path)
    if folder is None:
        return
    digest, name = sha256_of(written), _name_in(folder, path)
    with ProcessLock(folder / MANIFEST_LOCK):
        manifest = _read_manifest(folder)
        before = [each for each in manifest.get(name, []) if each != digest]
        manifest[name] = [digest, *before][:_DIGESTS_KEPT]
        _write_manifest(folder, manifest)


def _folder_of_manifest(path: Path) -> Path | None:
    above = path.absolute().parents[:_LEVELS]
    return next((folder for folder in above if (folder / MANIFEST).is_file()), None)


def _name_in(folder: Path, path: Path) -> str:
    return path.absolute().relative_to(folder).as_posix()


def _read_manifest(folder: Path) -> dict[str, list[str]]:
    """Raises DataError: it is damaged."""
    path = folder / MANIFEST
    try:
        found: dict[str, list[str]] = json.loads(path.read_bytes())
        if all(isinstance(each, str) for digests in found.values() for each in digests):
            return found
        reason = "an entry is not a list of digests"
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        reason = str(error)
    except OSError as error:
        reason = str(error.strerror)
    raise DataError(
        f"{path}: cannot be read: {reason}; delete it, and the files that it lists are read "
        "without a check"
    )


def _write_manifest(folder: Path, manifest: dict[str, list[str]]) -> None:
    with _replacing(folder / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")


ORPHANED_SECONDS = 3600.0
"""A temporary file that is older is no process's any more."""


def remove_leftovers(folder: Path, older_than: float = 0.0, of: str = "") -> None:
    """Remove the temporary files of killed writers.

    Args:
        folder: looked at itself, without the folders in it.
        older_than: seconds since the last change; 0 where no other process writes there now.
        of: the name of the file that was being written; any by default.
    """
    for path in folder.glob(f".{of}*.tmp"):
        with suppress(OSError):  # somebody else removed it, or may
            if path.is_file() and time.time() - path.stat().st_mtime >= older_than:
                path.unlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; not every platform can open a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        flush_to_disk(descriptor, folder)
    finally:
        os.close(descriptor)
