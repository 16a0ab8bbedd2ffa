"""Decoded images that are kept in memory: what one epoch has decoded the next need not decode."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import ClassVar, NamedTuple

from facesim.arrays import FloatArray, UInt8Array
from facesim.data.preprocessing import Preprocessing

KEPT_BYTES = 128 * 2**20
"""Of pixels, in one process. Images beyond it are decoded anew in every epoch; which are kept does
not change, since epochs go through all images, so that throwing out any would save nothing."""


class _Signature(NamedTuple):
    """What changes when a file does; the change time cannot be set back."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "_Signature":
        status = os.stat(path)  # noqa: PTH116  half the time of Path.stat
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class _Kept(NamedTuple):
    signature: _Signature
    pixels: UInt8Array


class PixelMemory:
    """The pixels of images as one preprocessing decodes them, without augmentation.

    Tables, splits, folds and baselines that see images by the same preprocessing share them. Where
    there is no room, the images of other preprocessings make some, those of its own do not. Threads
    may use it at once.

    Args:
        preprocessing: whatever decides the pixels; its cache key stands for all of it.
    """

    _everything: ClassVar[dict[str, dict[tuple[str, bytes], _Kept]]] = {}
    _room: ClassVar[int] = KEPT_BYTES
    _lock: ClassVar[Lock] = Lock()

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._kept = self._everything.setdefault(preprocessing.cache_key, {})

    def fill(
        self,
        into: UInt8Array,
        path: Path,
        placement: FloatArray | None,
        decode: Callable[[], None],
    ) -> None:
        """Fill an array with an image: from memory, or by decoding its file, which is then kept.

        Args:
            into: uint8 [height, width, 3].
            path: the file, which is decoded again if it has changed.
            placement: of the face, where it has been found before.
            decode: fills ``into``.
        """
        key = str(path), b"" if placement is None else placement.tobytes()
        kept = self._kept.get(key)
        try:
            signature = _Signature.of(path)
        except OSError:  # decode() says what is wrong with it
            signature = None
        if kept is not None and kept.signature == signature:
            into[...] = kept.pixels
            return
        decode()
        with self._lock:
            if signature is not None and (key in self._kept or self._take(into.nbytes)):
                self._kept[key] = _Kept(signature, into.copy())

    def _take(self, needed: int) -> bool:
        """Take bytes of the room that all memories share, if need be from the others."""
        if needed > PixelMemory._room:
            for other in self._everything.values():
                if other is not self._kept:
                    PixelMemory._room += sum(each.pixels.nbytes for each in other.values())
                    other.clear()
        if needed > PixelMemory._room:
            return False
        PixelMemory._room -= needed
        return True
