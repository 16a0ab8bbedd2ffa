"""Reading the layers of a network that dlib has serialised."""

from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facesim import FacesimError

_MAX_BYTES = 256 * 2**20
"""The face recognition network has 22 MB."""

_TENSOR_VERSION = 2
"""Of dlib's format for tensors: four sizes, then little-endian float32 values."""


class DlibLayers:
    """Reads the weights of a network's layers, in the order in which an image passes them.

    dlib writes a network as a nesting of all its layers, each with its settings and its weights. A
    layer is found by its name, which stands before its weights; what else stands between two
    layers' weights follows from the architecture, and is skipped. Nothing in the file is run.

    Args:
        file: written by ``dlib::serialize`` or with it.

    Raises:
        FacesimError: it cannot be read or is too large.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            if file.stat().st_size > _MAX_BYTES:
                raise self._misfit(f"it is larger than {_MAX_BYTES // 2**20} MiB")
            self._content = file.read_bytes()
        except OSError as error:
            raise FacesimError(
                f"backbone dlib_face: {file} cannot be read: {error.strerror}"
            ) from None
        self._position = 0

    def next(self, name: str, *shapes: tuple[int, ...], settings: int = 0) -> list[Tensor]:
        """The tensors of the next layer of a kind, which dlib keeps as one array.

        Args:
            name: of the kind, with its version, such as ``con_4``.
            shapes: of the tensors.
            settings: how many integers stand between the name and the weights.

        Raises:
            FacesimError: there is no further layer of that kind, or it has another size.
        """
        key = bytes([1, len(name)]) + name.encode()
        found = self._content.find(key, self._position)
        if found < 0:
            raise self._misfit(f"a layer {name} is missing")
        self._position = found + len(key)
        for _ in range(settings):
            self._integer()
        version, *sizes = [self._integer() for _ in range(5)]
        counts = [prod(shape) for shape in shapes]
        end = self._position + 4 * sum(counts)
        fits = (version, prod(sizes)) == (_TENSOR_VERSION, sum(counts))
        if not fits or end > len(self._content):
            raise self._misfit(f"the layer {name} at byte {found} has not {sum(counts)} weights")
        values = np.frombuffer(self._content, "<f4", sum(counts), self._position)
        if not np.isfinite(values).all():
            raise self._misfit(f"the layer {name} at byte {found} holds values that are not finite")
        self._position = end
        parts = np.split(values.astype(np.float32), np.cumsum(counts)[:-1])
        return [
            torch.from_numpy(part.reshape(shape)) for part, shape in zip(parts, shapes, strict=True)
        ]

    def _integer(self) -> int:
        """An integer as dlib writes it: the number of its bytes with the sign, then the bytes."""
        if self._position >= len(self._content):
            raise self._misfit("it ends too early")
        control = self._content[self._position]
        end = self._position + 1 + (control & 0x0F)
        magnitude = int.from_bytes(self._content[self._position + 1 : end], "little")
        self._position = end
        return -magnitude if control & 0x80 else magnitude

    def _misfit(self, why: str) -> FacesimError:
        return FacesimError(
            f"backbone dlib_face: {self.file} is not dlib's face recognition network: {why}; it "
            "must be dlib_face_recognition_resnet_model_v1.dat or a network of its architecture"
        )
