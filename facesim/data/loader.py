"""Loading the pixels of table rows in order, decoded ahead in worker processes."""

import errno
import multiprocessing
import multiprocessing.queues
import os
import re
import signal
import sys
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final, NoReturn, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.data._utils import signal_handling

from facesim.arrays import Int64Array, UInt8Array
from facesim.data.augmentation import Augmentation
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.interfaces import FaceTable
from facesim.machine_errors import MachineError, machine_error
from facesim.plugin_failures import reason_of


class ImageBatch(Protocol):
    """Some images of a table, such as a :class:`~facesim.PairBatch`."""

    @property
    def images(self) -> Tensor:
        """Rows of the table, int64 [B]."""


B = TypeVar("B", bound=ImageBatch)


def load_batches(
    table: FaceTable,
    batches: Iterable[B],
    preprocessing: Preprocessing,
    *,
    augmentation: Augmentation | None = None,
    workers: int = 0,
) -> Iterator[tuple[B, Tensor]]:
    """Pair each batch with the pixels of its images.

    The tensors do not depend on the number of workers. Batches are drawn on demand, a few ahead of
    the caller. An iterator that is closed or dropped midway stops its workers.

    Args:
        table: where the rows of a batch are found.
        batches: as a sampler yields them; consumed in this process.
        preprocessing: decodes the images.
        augmentation: the epoch's, or None.
        workers: processes that decode; 0 decodes in this process.

    Yields:
        The batch, and the pixels of ``batch.images``: uint8 [B, 3, H, W], channels last in memory,
        pinned where there is CUDA.

    Raises:
        DataError: an image cannot be used; the text names its file.
        FacesimError: a transform breaks its promise, or a worker was killed.
    """
    drawn: deque[B] = deque()

    def rows() -> Iterator[Int64Array]:
        for batch in batches:
            drawn.append(batch)
            yield batch.images.numpy()

    images = _Images(table, _without_detector(table, preprocessing), augmentation)
    with closing(_decode_ahead(images, rows(), workers)) as decoded:
        for pixels in decoded:
            yield drawn.popleft(), pixels


def load_images(
    table: FaceTable,
    rows: Int64Array,
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    workers: int = 0,
) -> Iterator[Tensor]:
    """The pixels of some rows, in order and without augmentation.

    Yields:
        uint8 [B, 3, H, W] as in :func:`load_batches`; B is ``batch_size`` but for the last.

    Raises:
        DataError: an image cannot be used; the text names its file.
    """
    parts = (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
    return load_rows(table, parts, preprocessing, workers=workers)


def load_rows(
    table: FaceTable, parts: Iterable[Int64Array], preprocessing: Preprocessing, *, workers: int = 0
) -> Generator[Tensor]:
    """The pixels of batches of rows, drawn on demand and without augmentation.

    Yields:
        uint8 [B, 3, H, W] of each batch, as in :func:`load_batches`.

    Raises:
        DataError: an image cannot be used; the text names its file.
    """
    images = _Images(table, _without_detector(table, preprocessing), None)
    with closing(_decode_ahead(images, iter(parts), workers)) as decoded:
        yield from decoded


@dataclass(frozen=True)
class _Images(Dataset[Tensor | FacesimError]):
    """The dataset of a worker: indexed by arrays of rows, whose pixels are the items."""

    table: FaceTable
    preprocessing: Preprocessing
    augmentation: Augmentation | None

    def __getitem__(self, rows: Int64Array) -> Tensor | FacesimError:
        # A raised error would reach the user wrapped in the worker's traceback.
        try:
            return self._pixels(rows)
        except FacesimError as error:
            # Another process does not see what an error came from.
            return error if machine_error(error) is None else MachineError(str(error))
        except BaseException as error:
            if get_worker_info() is None or _can_be_made_again(type(error)):
                raise
            raise RuntimeError(reason_of(error)).with_traceback(error.__traceback__) from None

    def _pixels(self, rows: Int64Array) -> Tensor:
        # numpy, because torch would start its threads to copy every single image.
        pixels = np.empty((len(rows), *self.preprocessing.size, 3), dtype=np.uint8)
        for position, row in enumerate(rows.tolist()):
            pixels[position] = self._image(row)
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _image(self, row: int) -> UInt8Array:
        try:
            image = self.preprocessing.decode(self.table.path(row), self.table.placement(row))
        except DataError as error:
            raise DataError(f"{error} (row {row} of its table)") from None
        if self.augmentation is None:
            return image
        augmented = self.augmentation(torch.from_numpy(image).permute(2, 0, 1), row)
        return augmented.permute(1, 2, 0).numpy()


def _without_detector(table: FaceTable, preprocessing: Preprocessing) -> Preprocessing:
    """Where faces have been placed, workers need no detector, which may be large."""
    if table.placements is None:
        return preprocessing
    return replace(preprocessing, alignment=None)


def _can_be_made_again(kind: type[BaseException]) -> bool:
    """Whether torch hands an exception of a worker on, for which it calls the class with a text.

    Whatever is no Exception ends the worker instead, and a class with a message is called by it.
    """
    return issubclass(kind, Exception) and not getattr(kind, "message", None)


def _decode_ahead(images: _Images, rows: Iterator[Int64Array], workers: int) -> Generator[Tensor]:
    decoded = _started(
        DataLoader(
            images,
            batch_size=None,
            sampler=rows,
            num_workers=workers,
            worker_init_fn=_begin_worker,
            pin_memory=torch.cuda.is_available(),
            # By default the loader draws its workers' seed from the global generator.
            generator=torch.Generator(),
        )
    )
    processes: Sequence[BaseProcess] = getattr(decoded, "_workers", ())
    try:
        for item in _until_a_worker_dies(decoded, processes):
            yield _pixels_or_raise(item)
    except BaseException as error:
        # The frames of torch in the traceback would keep the workers alive as long as the error.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        # torch has already ended them where all is decoded, by force where that took them long.
        if any(process.exitcode for process in processes) and not getattr(
            decoded, "_shutdown", True
        ):
            _kill(decoded, processes)
        del decoded  # which stops the workers


def _started(loader: DataLoader[Any]) -> Iterator[Any]:
    """The loader's iterator, without the signal handler that torch installs.

    The handler raises a RuntimeError wherever this process is when a worker dies: half-way through
    a rename, or in a library that takes it for an answer. The iterator notices, too, within five
    seconds, where it waits for the worker.
    """
    signal_handling._SIGCHLD_handler_set = True  # noqa: SLF001
    hook = sys.unraisablehook
    try:
        return iter(loader)
    except BaseException as error:  # some workers may run, and torch cannot end a part of them
        sys.unraisablehook = lambda _: None
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        sys.unraisablehook = hook


def _until_a_worker_dies(
    decoded: Iterator[Any], processes: Sequence[BaseProcess]
) -> Iterator[Tensor | FacesimError]:
    while True:
        try:
            item = next(decoded)
        except StopIteration:
            return
        except Exception as error:
            if _OF_A_DEAD_WORKER.match(str(error)) or any(each.exitcode for each in processes):
                raise _lost(processes) from error
            if "Too many open files" in str(error):  # what torch makes of it
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from error
            raise
        yield item


def _lost(processes: Sequence[BaseProcess]) -> MachineError:
    ends = [process.exitcode for process in processes if process.exitcode]
    if _UNSENT in ends or -signal.SIGBUS in ends:
        how = "could not hand them over: shared memory (/dev/shm), memory or a ulimit ran out"
    else:
        by = next((f" by {signal.Signals(-end).name}" for end in ends if end < 0), "")
        how = f"was killed{by}: probably memory ran out"
    return MachineError(
        f"a process that decodes images {how}; use fewer workers (`data.workers`) or smaller "
        "batches. The same command goes on"
    )


def _kill(decoded: Iterator[Any], processes: Sequence[BaseProcess]) -> None:
    """End workers of which one was killed, perhaps with a lock that torch would wait for."""
    decoded._shutdown = True  # type: ignore[attr-defined]  # noqa: SLF001
    signal_handling._remove_worker_pids(id(decoded))  # type: ignore[attr-defined]  # noqa: SLF001
    for process in processes:
        process.kill()
        process.join()


def _pixels_or_raise(item: Tensor | FacesimError) -> Tensor:
    if isinstance(item, FacesimError):
        raise item
    return item


_OF_A_DEAD_WORKER = re.compile(r"DataLoader worker \(pid")
_UNSENT = 74
"""The exit code of a worker that could not send an item."""


def _begin_worker(_worker: int) -> None:
    # Ctrl-C reaches every process of the terminal; the main one handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What cannot be sent would be dropped with a traceback, and waited for without end.
    multiprocessing.queues.Queue._on_queue_feeder_error = _exit_unsent  # type: ignore[attr-defined]  # noqa: SLF001
    sys.excepthook = _print_unless_alone


def _print_unless_alone(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an exception of one of a worker's threads, unless the main process has been killed."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _exit_unsent(_queue: object, _error: Exception, _item: object) -> NoReturn:
    os._exit(_UNSENT)


T = TypeVar("T")


class _End:
    """Marks the end of the items."""


_END: Final = _End()


def prefetched(items: Iterable[T], ahead: int) -> Generator[T]:
    """Yield the items of an iterable in order, prefetched on a thread.

    It hides latency, of disks or copies, during which Python's lock is released.

    Args:
        items: consumed on one other thread only; an error is raised where its item was due.
        ahead: number of items to prefetch, at least 1.

    Example:
        >>> list(prefetched(range(3), ahead=2))
        [0, 1, 2]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="facesim-prefetch") as thread:
        waiting = deque(thread.submit(next, iterator, _END) for _ in range(ahead))
        try:
            while not isinstance(item := waiting.popleft().result(), _End):
                waiting.append(thread.submit(next, iterator, _END))
                yield item
        finally:
            for future in waiting:
                future.cancel()
