"""Pipes, sockets, devices and folders are refused unopened wherever a path is read."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from facesim.bounded import open_file, read_file, require_file
from facesim.data.csv_columns import read_csv_columns
from facesim.data.decoding import decode_image
from facesim.data.image_digests import digest_file, image_digests
from facesim.data.linter.image_properties import read_properties
from facesim.data.pair_sets import read_pair_list
from facesim.discovery.named import load_named_plugin
from facesim.errors import FacesimError
from facesim.experiment.exclusion import read_exclusion
from facesim.experiment.loading import load_experiment
from facesim.interfaces import FaceTable
from facesim.json_files import JsonModel, read_json
from facesim.report.face_pairs import whole_image
from facesim.runs.log import read_log
from facesim.training.checkpoint import read_checkpoint
from facesim_plugins.backbones._weights import read_weights
from facesim_plugins.datasets._restricted_pickle import read_restricted_pickle

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such files there")


def _table(path: Path) -> FaceTable:
    return FaceTable(path.parent, np.array([path.name]), np.array([0]), np.array(["p"]))


def _extending(path: Path) -> object:
    experiment = path.parent / "extending.yaml"
    experiment.write_text(f"extends: {path}\n")
    return load_experiment(experiment)


READERS: dict[str, Callable[[Path], object]] = {
    "experiment": load_experiment,
    "extends": _extending,
    "exclusion": read_exclusion,
    "table": partial(read_csv_columns, required=("img",)),
    "pairs": lambda path: read_pair_list(path, _table(path)),
    "image": partial(decode_image, size=(8, 8)),
    "digest": digest_file,
    "digests": lambda path: image_digests(_table(path)),
    "properties": lambda path: read_properties(_table(path), np.array([0])),
    "json": partial(read_json, kind=JsonModel, remedy="write it"),
    "log": read_log,
    "checkpoint": read_checkpoint,
    "weights": read_weights,
    "pickle": read_restricted_pickle,
    "plugin": lambda path: load_named_plugin(f"./{path.name}", path.parent),
}
KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "device": partial(os.symlink, "/dev/zero"),
}


@pytest.fixture(autouse=True)
def _no_wait() -> Iterator[None]:
    """A reader that waits for a writer, or reads for ever, fails."""

    def too_long(number: int, frame: FrameType | None) -> None:
        pytest.fail("still reading")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_reader_opens_anything_but_a_file(tmp_path: Path, reader: str, kind: str) -> None:
    path = tmp_path / ("odd.py" if reader == "plugin" else "odd")
    KINDS[kind](path)
    with pytest.raises((FacesimError, ValueError), match=path.name):
        READERS[reader](path)


def test_an_image_that_is_a_pipe_is_shown_by_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert whole_image(tmp_path / "pipe.jpg").image is None


def test_what_it_is_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a named pipe, not a file"):
        require_file(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_file(Path("/dev/zero"), 10)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket"))
        with pytest.raises(OSError, match="it is a socket, not a file"):
            require_file(tmp_path / "socket")


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_file(path, 4)
    with pytest.raises(OSError, match="more than 4 bytes"):
        open_file(path, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's file system of processes")
def test_a_file_without_a_size_is_bounded_too() -> None:
    with pytest.raises(OSError, match="more than 5 bytes"):
        read_file(Path("/proc/self/status"), 5)
