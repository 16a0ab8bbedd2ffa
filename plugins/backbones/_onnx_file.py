"""Reading an ONNX file and its external data: digest, size limit, no path outside its folder."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from facesim import FacesimError
from facesim_plugins._optional_package import optional_package

_MAX_BYTES = 4 * 2**30
"""Of the file with its external data; the largest face models have a quarter of it."""


def onnx_package(name: str) -> Any:
    """Import a package of the extra ``onnx``.

    Raises:
        PluginError: it is not installed.
    """
    return optional_package(name, "backbone onnx", 'pip install "facesim[onnx]"')


def content_digest(file: Path) -> str:
    """SHA-256 of an ONNX file and its external data, as hexadecimal digits; nothing is run.

    Raises:
        PluginError: the package ``onnx`` is not installed.
        FacesimError: it cannot be read, is too large, or refers to a file outside its folder.
    """
    if not file.is_file():
        raise FacesimError(f"backbone onnx: there is no file {file}")
    _check_size([file])
    parts = [file, *_external_data(file)]
    _check_size(parts)
    digest = sha256()
    for part in parts:
        with part.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _external_data(file: Path) -> list[Path]:
    """The files besides it that hold tensors of a model."""
    onnx = onnx_package("onnx")
    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # noqa: BLE001  protobuf's own, of a package that may be another
        raise FacesimError(f"backbone onnx: {file} is not an ONNX model ({error})") from None
    names = {
        entry.value
        for tensor in _tensors(model, onnx.TensorProto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [_inside(file, name) for name in sorted(names)]


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """Every tensor of a model, those in attributes, functions and subgraphs included."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in [value] if hasattr(value, "ListFields") else value:
            if isinstance(inner, kind):
                yield inner
            else:
                yield from _tensors(inner, kind)


def _inside(file: Path, name: str) -> Path:
    """The path of external data, which must be in the model's folder or below."""
    folder = file.parent.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise FacesimError(
            f"backbone onnx: {file} refers to {name!r}, which is outside of its folder; put the "
            "model's data beside it, if you trust it"
        )
    if not path.is_file():
        raise FacesimError(f"backbone onnx: {file} refers to {name!r}, and there is no {path}")
    return path


def _check_size(files: list[Path]) -> None:
    total = sum(file.stat().st_size for file in files)
    if total > _MAX_BYTES:
        raise FacesimError(
            f"backbone onnx: {files[0]} has {total / 2**30:.1f} GiB with its data, and at most "
            f"{_MAX_BYTES / 2**30:.0f} GiB are read"
        )
