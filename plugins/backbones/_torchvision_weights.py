"""torchvision's ImageNet weights as a file, downloaded if it is not there yet."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from facesim import FacesimError


def imagenet_file(weights: Any, plugin: str, network: str) -> Path:
    """The file of some weights that torchvision offers.

    Args:
        weights: a member of one of torchvision's enumerations of weights.
        plugin: and
        network: name the backbone in the error.

    Raises:
        FacesimError: the download failed; the message says where to put the file by hand.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlparse(weights.url).path).name
    if file.is_file():
        return file
    try:
        weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise FacesimError(
            f"backbone {plugin}: the ImageNet weights of {network} cannot be downloaded "
            f"({error}); put torchvision's {file.name} into {folder}, or give its path as "
            "`weights: FILE`, or write `weights: none` to start from random weights"
        ) from None
    return file
