"""What an ONNX file is made of, and that nothing of it lies where it should not."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from facesim import FacesimError
from facesim_plugins.backbones._optional_package import optional_package

_MOST_BYTES = 4 * 2**30
"""Of the file and of what it refers to, together; the largest face models have a fourth of it."""


def onnx_package(name: str) -> Any:
    """Import a package of the extra ``onnx``.

    Raises:
        PluginError: it is not installed.
    """
    return optional_package(name, "onnx", 'pip install "facesim[onnx]"')


def content_digest(file: Path) -> str:
    """SHA-256 over an ONNX file and the files of tensors that it refers to, as hexadecimal digits.

    The file is parsed and nothing of it is run.

    Raises:
        PluginError: the package ``onnx`` is not installed.
        FacesimError: it cannot be read, is too large, or refers to a file outside its folder.
    """
    if not file.is_file():
        raise FacesimError(f"backbone onnx: there is no file {file}")
    _require_bytes([file])
    parts = [file, *_referred_to(file)]
    _require_bytes(parts)
    digest = sha256()
    for part in parts:
        with part.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _referred_to(file: Path) -> list[Path]:
    """The files that hold tensors of a model."""
    onnx = onnx_package("onnx")
    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # noqa: BLE001  protobuf's own, of a package that may be another
        raise FacesimError(f"backbone onnx: {file} is no ONNX model ({error})") from None
    names = {
        entry.value
        for tensor in _tensors(model, onnx.TensorProto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [_inside(file, name) for name in sorted(names)]


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """Every tensor of a model, also those in attributes, functions and inner graphs."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in [value] if hasattr(value, "ListFields") else value:
            if isinstance(inner, kind):
                yield inner
            else:
                yield from _tensors(inner, kind)


def _inside(file: Path, name: str) -> Path:
    """A file that the model refers to, which must lie in the model's folder or below."""
    folder = file.parent.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise FacesimError(
            f"backbone onnx: {file} refers to {name!r}, which is outside of its folder; a model "
            "that you trust has its data beside it"
        )
    if not path.is_file():
        raise FacesimError(f"backbone onnx: {file} refers to {name!r}, and there is no {path}")
    return path


def _require_bytes(files: list[Path]) -> None:
    total = sum(file.stat().st_size for file in files)
    if total > _MOST_BYTES:
        raise FacesimError(
            f"backbone onnx: {files[0]} has {total / 2**30:.1f} GiB with its data, and at most "
            f"{_MOST_BYTES / 2**30:.0f} GiB are read"
        )
