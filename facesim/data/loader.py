"""Loading the pixels of table rows in order, decoded ahead by workers.

Decoding is libraries' C code that releases Python's lock, so its workers are threads: they start at
once, and write straight into the tensors that the caller gets. Random transforms and detectors are
Python code of plugins, which holds the lock and draws from torch's global generator; where there
are any, the workers are processes.
"""

import itertools
import math
import multiprocessing
import multiprocessing.queues
import os
import re
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final, NoReturn, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling

from facesim.arrays import Int64Array, UInt8Array
from facesim.data.augmentation import Augmentation
from facesim.data.decoding import read_image
from facesim.data.image_digests import TableDigests
from facesim.data.pixel_memory import PixelMemory
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
    memory: PixelMemory | None = None,
) -> Iterator[tuple[B, Tensor]]:
    """Pair each batch with the pixels of its images.

    The tensors do not depend on the number of workers. Batches are drawn on demand, a few ahead of
    the caller. An iterator that is closed or dropped midway stops its workers.

    Args:
        table: where the rows of a batch are found.
        batches: as a sampler yields them; consumed in this process.
        preprocessing: decodes the images.
        augmentation: the epoch's, or None.
        workers: threads that decode ahead, or processes that also augment. With 0, or where the
            threads are behind, images are decoded as the caller waits.
        memory: keeps the images for the next time; not used by processes.

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

    preprocessing = _without_detector(table, preprocessing)
    images = _Images(table, preprocessing, augmentation=augmentation, memory=memory)
    with closing(_decode_parts(images, rows(), workers)) as decoded:
        for pixels in decoded:
            yield drawn.popleft(), pixels


def load_images(
    table: FaceTable,
    rows: Int64Array,
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    workers: int = 0,
    memory: PixelMemory | None = None,
) -> Iterator[Tensor]:
    """The pixels of some rows, in order and without augmentation.

    Yields:
        uint8 [B, 3, H, W] as in :func:`load_batches`; B is ``batch_size`` but for the last.

    Raises:
        DataError: an image cannot be used; the text names its file.
    """
    parts = (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
    images = _Images(table, _without_detector(table, preprocessing), memory=memory)
    return _decode_parts(images, parts, workers)


def load_rows(
    images: TableDigests,
    parts: Iterable[Int64Array],
    preprocessing: Preprocessing,
    *,
    workers: int = 0,
) -> Generator[Tensor]:
    """The pixels of batches of rows, drawn on demand, without augmentation.

    An image is read once, for its digest and for its pixels.

    Yields:
        uint8 [B, 3, H, W] of each batch, as in :func:`load_batches`.

    Raises:
        DataError: an image cannot be used, or has changed since its digest was computed; the text
            names its file.
    """
    preprocessing = _without_detector(images.table, preprocessing)
    decoder = _Images(images.table, preprocessing, digests=images)
    return _decode_parts(decoder, iter(parts), workers)


_CHANGED = "it has changed since the run began; start the run again"


@dataclass(frozen=True)
class _Images:
    """Decodes and augments rows of a table.

    Attributes:
        table: the images.
        preprocessing: decodes them.
        augmentation: the epoch's, or None.
        digests: the table's, where an image that has changed since is an error.
        memory: keeps what is decoded, or None.
    """

    table: FaceTable
    preprocessing: Preprocessing
    augmentation: Augmentation | None = None
    digests: TableDigests | None = None
    memory: PixelMemory | None = None

    def empty(self, count: int) -> Tensor:
        """Memory for the pixels of some images, uint8 [B, H, W, 3], pinned where there is CUDA."""
        shape = (count, *self.preprocessing.size, 3)
        if torch.cuda.is_available():
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        # numpy gets large pages; a large tensor of torch takes several times as long to fill.
        return torch.from_numpy(np.empty(shape, np.uint8))

    def decode(self, rows: Int64Array, into: UInt8Array) -> None:
        """Fill uint8 [B, H, W, 3] with the pixels of some rows."""
        for row, pixels in zip(rows.tolist(), into, strict=True):
            try:
                self._decode(row, pixels)
            except DataError as error:
                raise DataError(f"{error} (row {row} of its table)") from None
            if self.augmentation is not None:
                augmented = self.augmentation(torch.from_numpy(pixels).permute(2, 0, 1), row)
                pixels[...] = augmented.permute(1, 2, 0).numpy()

    def _decode(self, row: int, into: UInt8Array) -> None:
        path, placement = self.table.path(row), self.table.placement(row)

        def decode() -> None:
            content = read_image(path)
            if self.digests is not None:
                self.digests.require_unchanged(row, _CHANGED, content)
            self.preprocessing.decode_content(path, content, into, placement)

        if self.memory is None:
            decode()
        else:
            self.memory.fill(into, path, placement, decode)


def _without_detector(table: FaceTable, preprocessing: Preprocessing) -> Preprocessing:
    """Where faces have been placed, workers need no detector, which may be large."""
    if table.placements is None:
        return preprocessing
    return replace(preprocessing, alignment=None)


def _decode_parts(images: _Images, parts: Iterator[Int64Array], workers: int) -> Generator[Tensor]:
    """The pixels of each part, uint8 [B, 3, H, W]."""
    if workers == 0:
        decoded = _decode_here(images, parts)
    elif images.augmentation is None and images.preprocessing.alignment is None:
        decoded = _decode_in_threads(images, parts, workers)
    else:
        decoded = _decode_in_processes(replace(images, memory=None), parts, workers)
    with closing(decoded):
        for pixels in decoded:
            yield pixels.permute(0, 3, 1, 2)


def _decode_here(images: _Images, parts: Iterator[Int64Array]) -> Generator[Tensor]:
    for rows in parts:
        pixels = images.empty(len(rows))
        images.decode(rows, pixels.numpy())
        yield pixels


_IMAGES_PER_TASK = 16
"""What is waited for when loading is broken off, each of them perhaps a large photograph."""


def _decode_in_threads(
    images: _Images, parts: Iterator[Int64Array], workers: int
) -> Generator[Tensor]:
    waiting: deque[tuple[Tensor, list[tuple[Future[None], Callable[[], None]]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="facesim-decode")

    def begin_next() -> None:
        """Two batches; small ones until each worker has two tasks or there is one more of them."""
        while len(waiting) < 2 or (
            len(waiting) <= workers and sum(len(tasks) for _, tasks in waiting) < 2 * workers
        ):
            rows = next(parts, None)
            if rows is None:
                return
            pixels = images.empty(len(rows))
            tasks = []
            for start in range(0, len(rows), _IMAGES_PER_TASK):
                task = slice(start, start + _IMAGES_PER_TASK)
                decode: Callable[[], None] = partial(
                    images.decode, rows[task], pixels[task].numpy()
                )
                tasks.append((pool.submit(decode), decode))
            waiting.append((pixels, tasks))

    try:
        begin_next()
        while waiting:
            pixels, tasks = waiting.popleft()
            # The caller waits for this batch: what no worker has begun is decoded meanwhile here.
            done = [
                _done_here(decode) if task.cancel() else task for task, decode in reversed(tasks)
            ]
            wait(done)  # so that this thread is woken once, not by every task
            for each in reversed(done):
                each.result()
            begin_next()
            yield pixels
    finally:
        pool.shutdown(cancel_futures=True)


def _done_here(decode: Callable[[], None]) -> Future[None]:
    done: Future[None] = Future()
    try:
        decode()
        done.set_result(None)
    except FacesimError as error:  # which is raised in the order of the images
        done.set_exception(error)
    return done


_IMAGES_PER_BLOCK = 32
"""Fewer would pay more for being sent for, more would keep the other workers waiting."""


@dataclass(frozen=True)
class _Blocks(Dataset[int | FacesimError]):
    """The dataset of a worker: its items are written into shared memory.

    What the worker sends back would be memory of its own otherwise, made and mapped anew for every
    item. The main process copies a block out once, so that the caller's tensor lives for as long
    as he likes, and the block is written again.

    Attributes:
        images: decodes them.
        shared: uint8 [blocks, images, H, W, 3].
    """

    images: _Images
    shared: Tensor

    def __getitem__(self, item: tuple[int, Int64Array]) -> int | FacesimError:
        """Decode some rows into a block; returns its number, or an error that is the user's."""
        block, rows = item
        # A raised error would reach the user wrapped in the worker's traceback.
        try:
            self.images.decode(rows, self.shared[block].numpy()[: len(rows)])
        except FacesimError as error:
            # Another process does not see what an error came from.
            return error if machine_error(error) is None else MachineError(str(error))
        except BaseException as error:
            if _can_be_made_again(type(error)):
                raise
            raise RuntimeError(reason_of(error)).with_traceback(error.__traceback__) from None
        return block


def _can_be_made_again(kind: type[BaseException]) -> bool:
    """Whether torch hands an exception of a worker on, for which it calls the class with a text.

    Whatever is no Exception ends the worker instead, and a class with a message is called by it.
    """
    return issubclass(kind, Exception) and not getattr(kind, "message", None)


def _decode_in_processes(
    images: _Images, parts: Iterator[Int64Array], workers: int
) -> Generator[Tensor]:
    first = next(parts, None)
    if first is None:
        return
    size = min(max(1, len(first)), _IMAGES_PER_BLOCK)
    # Each worker has at least two blocks to do, and all together have the next two batches.
    ahead = max(2, math.ceil(2 * len(first) / size / workers))
    numbers = range(ahead * workers + 1)  # one more, which is being copied
    blocks = _Blocks(images, _shared_memory((len(numbers), size, *images.preprocessing.size, 3)))
    drawn: deque[int] = deque()

    def items() -> Iterator[tuple[int, Int64Array]]:
        free = itertools.cycle(numbers)
        for rows in itertools.chain([first], parts):
            drawn.append(len(rows))
            for start in range(0, max(1, len(rows)), size):
                yield next(free), rows[start : start + size]

    with closing(_filled_blocks(blocks, items(), workers, ahead)) as filled:
        for block in filled:
            pixels = images.empty(drawn.popleft())
            for start in range(0, max(1, len(pixels)), size):
                part = pixels[start : start + size]
                part.copy_(blocks.shared[block if start == 0 else next(filled)][: len(part)])
            yield pixels


def _shared_memory(shape: tuple[int, ...]) -> Tensor:
    memory = torch.empty(shape, dtype=torch.uint8)
    try:
        memory.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise MachineError(
            f"there is no shared memory (/dev/shm) for the processes that decode images: {error}; "
            f"{_SMALLER}"
        ) from error
    return memory


def _filled_blocks(
    blocks: _Blocks, items: Iterator[tuple[int, Int64Array]], workers: int, ahead: int
) -> Generator[int]:
    """The number of each item's block, in order, once a worker has filled it."""
    decoded = _started(
        DataLoader(
            blocks,
            batch_size=None,
            sampler=items,
            num_workers=workers,
            prefetch_factor=ahead,
            worker_init_fn=_begin_worker,
            # By default the loader draws its workers' seed from the global generator.
            generator=torch.Generator(),
        )
    )
    processes: Sequence[BaseProcess] = getattr(decoded, "_workers", ())
    try:
        yield from _until_a_worker_dies(decoded, processes)
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


def _until_a_worker_dies(decoded: Iterator[Any], processes: Sequence[BaseProcess]) -> Iterator[int]:
    while True:
        try:
            item = next(decoded)
        except StopIteration:
            return
        except Exception as error:
            if _OF_A_DEAD_WORKER.match(str(error)) or any(each.exitcode for each in processes):
                raise _lost(processes) from error
            raise
        if isinstance(item, FacesimError):
            raise item
        yield item


def _lost(processes: Sequence[BaseProcess]) -> MachineError:
    ends = [process.exitcode for process in processes if process.exitcode]
    if _UNSENT in ends or -signal.SIGBUS in ends:
        how = "could not hand them over: memory, shared memory (/dev/shm) or a ulimit ran out"
    else:
        by = next((f" by {signal.Signals(-end).name}" for end in ends if end < 0), "")
        how = f"was killed{by}: probably memory ran out"
    return MachineError(f"a process that decodes images {how}; {_SMALLER}")


def _kill(decoded: Iterator[Any], processes: Sequence[BaseProcess]) -> None:
    """End workers of which one was killed, perhaps with a lock that torch would wait for."""
    decoded._shutdown = True  # type: ignore[attr-defined]  # noqa: SLF001
    signal_handling._remove_worker_pids(id(decoded))  # type: ignore[attr-defined]  # noqa: SLF001
    for process in processes:
        process.kill()
        process.join()


_SMALLER = "use fewer workers (`data.workers`) or smaller batches. The same command goes on"
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
