"""The build backend: setuptools, and the two things that it cannot be told in pyproject.toml."""

import base64
import hashlib
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = Mapping[str, Any] | None

_THIS = ".ci/build_backend.py"
_PTH = "facesim_checkout.pth"


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """A wheel by which the checkout is imported, from wherever Python is started.

    In the folder that holds the checkout `facesim/`, that folder is a namespace package `facesim`
    to Python. A regular package that lies on `sys.path` takes precedence over it; the import hook
    by which setuptools finds mapped packages is asked only after `sys.path`. So the checkout is put
    there, too.
    """
    name = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    wheel = Path(wheel_directory, name)
    with zipfile.ZipFile(wheel) as archive:
        files = {file: archive.read(file) for file in archive.namelist()}
    line = f"{Path.cwd()}\n".encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(line).digest()).rstrip(b"=").decode()
    (record,) = (file for file in files if file.endswith(".dist-info/RECORD"))
    files[record] += f"{_PTH},sha256={digest},{len(line)}\n".encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in {_PTH: line, **files}.items():
            archive.writestr(file, content)
    return name


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """The sources from which a wheel can be built: with this file, without a part of the tests."""
    name = build_meta.build_sdist(sdist_directory, config_settings)
    path, root = Path(sdist_directory, name), name.removesuffix(".tar.gz")
    with tempfile.TemporaryDirectory(dir=sdist_directory) as folder:
        made = Path(folder, name)
        with tarfile.open(path) as before, tarfile.open(made, "w:gz") as after:
            for member in before:
                if not member.name.startswith(f"{root}/tests"):
                    after.addfile(member, before.extractfile(member) if member.isfile() else None)
            after.add(_THIS, f"{root}/{_THIS}")
        made.replace(path)
    return name
