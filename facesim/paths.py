"""The cache folder and the state folder."""

import os
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

CHECK_CACHE = "Check the disk and its permissions, or let FACESIM_CACHE name another folder"
"""What to do where the cache cannot be written."""


def cache_dir() -> Path:
    """``$FACESIM_CACHE``, or the user's cache folder of the platform; it need not exist yet."""
    return Path(os.environ.get("FACESIM_CACHE") or user_cache_path("facesim")).absolute()


def state_dir() -> Path:
    """``$FACESIM_STATE``, or the user's state folder of the platform; it need not exist yet."""
    return Path(os.environ.get("FACESIM_STATE") or user_state_path("facesim")).absolute()
