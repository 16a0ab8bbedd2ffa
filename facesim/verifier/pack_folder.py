"""Reading a pack: every file is what ``pack.json`` says, and lies in the folder itself."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from facesim.atomic import MANIFEST, require_unchanged
from facesim.bounded import open_file, read_file
from facesim.errors import DataError
from facesim.verifier.foreign_files import read_description, reading
from facesim.verifier.onnx_network import ONNX_BYTES
from facesim.verifier.pack_file import PACK_FILE, PackFile

_PACK_FILE_BYTES = 4 * 2**20
_REMEDY = "pack the run again, or copy the pack again"


@dataclass(frozen=True)
class PackFolder:
    """A pack whose files have all been checked.

    Attributes:
        folder: of the pack.
        file: the content of ``pack.json``.
    """

    folder: Path
    file: PackFile

    def read(self, name: str, limit: int = ONNX_BYTES) -> bytes:
        """The content of a file of the pack, checked again: what is returned is what was packed.

        Args:
            name: of the file.
            limit: in bytes; a larger one is refused.

        Raises:
            DataError: it is not.
        """
        path = self.folder / name
        packed = self.file.files.get(name)
        if packed is None:
            raise DataError(f"{self.folder / PACK_FILE}: files: {name!r} is missing; {_REMEDY}")
        with reading(path, _REMEDY):
            content = read_file(path, min(packed.bytes, limit), follow_links=False)
        if hashlib.sha256(content).hexdigest() != packed.sha256:
            raise DataError(f"{path}: its digest is not that of {PACK_FILE}; {_REMEDY}")
        return content


def open_pack(folder: Path) -> PackFolder:
    """Open a pack and check the digests of all of its files.

    Raises:
        DataError: it is no pack, or a file is not what was packed.
    """
    path = folder / PACK_FILE
    missing = f"there is no pack; make one with `facesim pack RUN_DIR --out {folder}`"
    file = read_description(path, PackFile, _PACK_FILE_BYTES, missing, _REMEDY)
    for name, packed in file.files.items():
        _check(folder / name, packed.bytes, packed.sha256)
    manifest = folder / MANIFEST
    if manifest.is_symlink():
        raise DataError(f"{manifest}: cannot be read: it is a symbolic link; {_REMEDY}")
    require_unchanged(path, _REMEDY)
    return PackFolder(folder, file)


def _check(path: Path, size: int, sha256: str) -> None:
    with reading(path, _REMEDY), open_file(path, size, follow_links=False) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise DataError(f"{path}: its digest is not that of {PACK_FILE}; {_REMEDY}")
