"""Files of tensors and plain data, written by ``torch.save``; nothing in them is executed."""

from pathlib import Path
from typing import Any

import torch

from facesim.bounded import require_file
from facesim.errors import DataError


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
