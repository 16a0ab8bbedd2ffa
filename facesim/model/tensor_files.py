"""Files of tensors and plain data: nothing in them is run, equal content gives equal bytes."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facesim.atomic import replacing
from facesim.bounded import require_file
from facesim.errors import DataError, FacesimError
from facesim.machine_errors import in_words


def load_tensors(path: Path) -> Any:
    """What a file holds, tensors on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is damaged, no file, or holds more than tensors and plain data; the text says
            why and does not name the file.
    """
    try:
        require_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(error.strerror or str(error)) from error
    except Exception as error:
        # Damaged bytes lead torch's unpickler to errors of any kind.
        text = str(error) or type(error).__name__
        if "weights_only" in text:  # torch's own advice is to run what is in the file
            text = "it is damaged, or holds more than tensors and plain data"
        raise DataError(text.splitlines()[0]) from error


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain data with ``torch.save``, atomically.

    Equal content gives equal bytes, so that a resumed run leaves the files of one that was never
    stopped. By itself pickle writes an object that stands at two places once, and two equal objects
    twice; which of both a state is changes when it is saved and loaded.

    Args:
        path: the file.
        content: dictionaries, lists and tuples of tensors, numbers and strings.

    Raises:
        FacesimError: the disk is full or the folder cannot be written.
    """
    try:
        with replacing(path) as file:
            torch.save(_without_identity(content, set()), file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise FacesimError(f"{path}: cannot be written: {in_words(error)}") from None


def on_cpu(value: Any) -> Any:
    """A copy of nested plain data in which all tensors are on the CPU, for another process."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {key: on_cpu(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(on_cpu, value))
    return value


def _without_identity(value: Any, storages: set[int]) -> Any:
    """A copy in which equal strings are one object, and nothing else is an object of two places.

    Tensors are not copied unless they share memory.
    """
    if isinstance(value, Tensor):
        return _of_its_own(value.detach(), storages)
    if isinstance(value, dict):
        return {
            _without_identity(key, storages): _without_identity(each, storages)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        copied = (_without_identity(each, storages) for each in value)
        return list(copied) if isinstance(value, list) else tuple(copied)
    # Torch's own strings, such as "cpu", are interned as well.
    return sys.intern(value) if type(value) is str else value


def _of_its_own(tensor: Tensor, storages: set[int]) -> Tensor:
    """The tensor, alone in its memory, with the layout that a dense one had."""
    storage = tensor.untyped_storage()
    shared = storage.data_ptr() in storages or storage.nbytes() != tensor.nbytes
    owned = tensor.clone() if shared else tensor
    storages.add(owned.untyped_storage().data_ptr())
    return owned
