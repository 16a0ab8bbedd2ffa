"""Quantisation of an exported network: float16, or int8 with calibration images."""

import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facesim.errors import FacesimError
from facesim.model.onnx_export import serialized
from facesim.packing.export import PIXELS, require_packages

Quantization = Literal["int8", "float16"]

CALIBRATION_IMAGES = 256
"""Of the training split, from which the ranges of activations are read."""


def to_float16(network: bytes) -> bytes:
    """An ONNX network with float16 weights and activations; its input and output stay as they are.

    Numbers that float16 does not hold are clipped to its range.

    Raises:
        FacesimError: the network cannot be quantised.
    """
    onnx, float16 = require_packages("onnx", "onnxruntime.transformers.float16")
    with _told("float16"):
        model = float16.convert_float_to_float16(onnx.load_from_string(network), keep_io_types=True)
    return serialized(model)


def to_int8(network: bytes, pixels: Iterable[npt.NDArray[np.uint8]]) -> bytes:
    """An ONNX network whose convolutions and matrix products are of 8-bit integers.

    Ranges of activations are fixed beforehand, from calibration images. If each batch had its own,
    an embedding would depend on the other images of its batch. Weights have a scale per output
    channel, and are unsigned as the activations are: products of unsigned by signed bytes saturate
    on older processors, which would then decide otherwise.

    Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", 2018.

    Args:
        network: ONNX.
        pixels: batches of calibration images, uint8 [N, 3, H, W].

    Raises:
        FacesimError: the network cannot be quantised, or an image cannot be used.
    """
    onnx, quantization, shapes = require_packages(
        "onnx", "onnxruntime.quantization", "onnxruntime.quantization.shape_inference"
    )

    class Images(quantization.CalibrationDataReader):  # type: ignore[name-defined,misc]
        """Hands the calibration images over, batch after batch."""

        def __init__(self) -> None:
            self.batches: Iterator[Any] = iter(pixels)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {PIXELS: batch}

    with tempfile.TemporaryDirectory(prefix="facesim-pack-") as folder, _told("int8"):
        names = ("float32.onnx", "prepared.onnx", "int8.onnx")
        original, prepared, quantized = (Path(folder, name) for name in names)
        original.write_bytes(network)
        # Batch normalisation becomes part of the convolution before it, which is then one integer.
        shapes.quant_pre_process(original, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            quantized,
            Images(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            extra_options={"WeightSymmetric": True},
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return serialized(onnx.load(quantized))


@contextmanager
def _told(numbers: Quantization) -> Iterator[None]:
    """Make what a quantiser raises an error for the person who reads it; its warnings are dropped.

    It warns of each number that it clips, for instance.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (FacesimError, OSError):
        raise
    except Exception as error:  # of any kind: protocol buffers and C++ have their own
        lines = str(error).splitlines() or [type(error).__name__]
        raise FacesimError(
            f"the network cannot be quantised to {numbers}: {lines[0][:300]}; leave --quantize out"
        ) from error
