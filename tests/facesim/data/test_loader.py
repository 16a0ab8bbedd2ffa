import errno
import multiprocessing
import multiprocessing.util
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from facesim.data import loader
from facesim.data.augmentation import Augmentation
from facesim.data.decoding import read_image
from facesim.data.loader import load_batches, load_images, prefetched
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.interfaces import CallableTransform, FaceTable, PairBatch
from facesim.machine_errors import MachineError

PREPROCESSING = Preprocessing(size=(8, 6), crop=(1, 0, 6, 8))
WORKERS = pytest.mark.parametrize("workers", [0, 2])
KEPT = Augmentation((CallableTransform(torch.clone),), seed=0, epoch=0)
"""Changes nothing, but is decoded by processes."""

WAYS = pytest.mark.parametrize(
    ("workers", "augmentation"),
    [(0, None), (2, None), (2, KEPT)],
    ids=["here", "threads", "processes"],
)


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    """Twenty pictures of noise, two of each identity."""
    generator = np.random.default_rng(0)
    for row in range(20):
        noise = generator.integers(0, 256, (8, 9, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{row}.png")
    files = np.array([f"{row}.png" for row in range(20)])
    return FaceTable(tmp_path, files, np.arange(20) // 2, np.array(list("abcdefghij")))


def _batches(table: FaceTable, count: int = 5) -> Iterator[PairBatch]:
    generator = np.random.default_rng(1)
    for _ in range(count):
        yield PairBatch.of_pairs(
            generator.permutation(len(table))[:6].reshape(3, 2), table.identities
        )


def _in_order(table: FaceTable) -> Iterator[PairBatch]:
    for row in range(0, len(table), 2):
        yield PairBatch.of_pairs(np.array([[row, row + 1]]), table.identities)


def _noise(image: Tensor) -> Tensor:
    return torch.randint(0, 256, image.shape, dtype=torch.uint8)


def _die(image: Tensor) -> Tensor:
    os.kill(os.getpid(), signal.SIGKILL)
    return image


def _fail(image: Tensor) -> Tensor:
    raise ZeroDivisionError("a bug in a transform")


@WAYS
def test_each_batch_comes_with_the_pixels_of_its_images(
    table: FaceTable, workers: int, augmentation: Augmentation | None
) -> None:
    loaded = list(
        load_batches(
            table, _batches(table, 12), PREPROCESSING, augmentation=augmentation, workers=workers
        )
    )
    assert len(loaded) == 12  # more than are under way at once
    for expected, (batch, pixels) in zip(_batches(table, 12), loaded, strict=True):
        assert torch.equal(batch.images, expected.images)
        assert torch.equal(batch.pairs, expected.pairs)
        assert pixels.dtype == torch.uint8
        assert pixels.is_contiguous(memory_format=torch.channels_last)
        for row, image in zip(batch.images.tolist(), pixels, strict=True):
            assert np.array_equal(image.permute(1, 2, 0), PREPROCESSING.decode(table.path(row)))


@WAYS
def test_batches_may_have_any_sizes(
    table: FaceTable, workers: int, augmentation: Augmentation | None
) -> None:
    sizes = (1, 10, 3, 8, 1)
    batches = [
        PairBatch.of_pairs(np.arange(2 * size).reshape(-1, 2), table.identities) for size in sizes
    ]
    loaded = load_batches(table, batches, PREPROCESSING, augmentation=augmentation, workers=workers)
    everything = torch.stack(
        [torch.from_numpy(PREPROCESSING.decode(table.path(row))) for row in range(20)]
    )
    for size, (_, pixels) in zip(sizes, loaded, strict=True):
        assert torch.equal(pixels.permute(0, 2, 3, 1), everything[: 2 * size])


def test_augmented_pixels_do_not_depend_on_the_workers(table: FaceTable) -> None:
    augmentation = Augmentation((CallableTransform(_noise),), seed=0, epoch=0)
    here, there = (
        [
            p
            for _, p in load_batches(
                table, _batches(table), PREPROCESSING, augmentation=augmentation, workers=n
            )
        ]
        for n in (0, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


def test_an_image_is_augmented_alike_in_any_batch_of_an_epoch(table: FaceTable) -> None:
    augmentation = Augmentation((CallableTransform(_noise),), seed=0, epoch=0)
    batches = [PairBatch.of_pairs(np.array([pair]), table.identities) for pair in [(3, 5), (3, 9)]]
    (_, first), (_, second) = load_batches(table, batches, PREPROCESSING, augmentation=augmentation)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


@WORKERS
def test_rows_are_loaded_in_order_and_the_last_part_is_smaller(
    table: FaceTable, workers: int
) -> None:
    rows = np.array([7, 3, 19, 0, 3])
    parts = list(load_images(table, rows, PREPROCESSING, batch_size=2, workers=workers))
    assert [len(part) for part in parts] == [2, 2, 1]
    for row, image in zip(rows, torch.cat(parts), strict=True):
        assert np.array_equal(image.permute(1, 2, 0), PREPROCESSING.decode(table.path(row)))


def test_no_rows_give_no_tensors(table: FaceTable) -> None:
    assert list(load_images(table, np.empty(0, np.int64), PREPROCESSING, batch_size=2)) == []


@WAYS
def test_batches_are_drawn_only_a_few_ahead(
    table: FaceTable, workers: int, augmentation: Augmentation | None
) -> None:
    drawn = []

    def endless() -> Iterator[PairBatch]:
        while True:
            drawn.append(1)
            yield from _batches(table, 1)

    loaded = load_batches(
        table, endless(), PREPROCESSING, augmentation=augmentation, workers=workers
    )
    next(loaded)
    assert len(drawn) <= 1 + 2 * workers
    assert isinstance(loaded, Generator)
    loaded.close()


def test_large_batches_are_drawn_two_ahead_however_many_the_threads(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which bounds the memory of many threads."""
    monkeypatch.setattr(loader, "_IMAGES_PER_TASK", 1)
    drawn = []

    def endless() -> Iterator[PairBatch]:
        while True:
            drawn.append(1)
            yield PairBatch.of_pairs(np.arange(20).reshape(-1, 2), table.identities)

    loaded = load_batches(table, endless(), PREPROCESSING, workers=10)
    next(loaded)
    assert len(drawn) == 3


def test_a_caller_that_waits_decodes_what_no_worker_has_begun(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one worker is never slower than none."""
    monkeypatch.setattr(loader, "_IMAGES_PER_TASK", 1)
    main, decoded_here = threading.main_thread(), threading.Event()

    def read(path: Path) -> bytes:
        if threading.current_thread() is main:
            decoded_here.set()
        else:
            assert decoded_here.wait(60)
        return read_image(path)

    monkeypatch.setattr(loader, "read_image", read)
    (pixels,) = load_images(table, np.arange(20), PREPROCESSING, batch_size=20, workers=1)
    for row, image in enumerate(pixels):
        assert np.array_equal(image.permute(1, 2, 0), PREPROCESSING.decode(table.path(row)))


@WORKERS
def test_of_several_damaged_images_the_first_is_named(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(loader, "_IMAGES_PER_TASK", 1)
    for row in (13, 17, 19):
        table.path(row).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"\(row 13 of its table\)"):
        list(load_images(table, np.arange(20), PREPROCESSING, batch_size=20, workers=workers))


def _numpy_state() -> npt.NDArray[np.uint32]:
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    assert isinstance(state, dict)
    return np.array(state["state"]["key"])


@WORKERS
def test_the_callers_random_states_are_left_as_they_were(table: FaceTable, workers: int) -> None:
    before = torch.get_rng_state(), random.getstate(), _numpy_state()
    augmentation = Augmentation((CallableTransform(_noise),), seed=0, epoch=0)
    list(
        load_batches(
            table, _batches(table), PREPROCESSING, augmentation=augmentation, workers=workers
        )
    )
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], _numpy_state())


@WAYS
def test_a_damaged_image_is_a_data_error_with_its_own_text_only(
    table: FaceTable, workers: int, augmentation: Augmentation | None
) -> None:
    table.path(4).write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        list(
            load_batches(
                table, _in_order(table), PREPROCESSING, augmentation=augmentation, workers=workers
            )
        )
    assert str(caught.value).startswith(f"{table.path(4)}: its header is not that of an image")
    assert str(caught.value).endswith("(row 4 of its table)")
    assert "Traceback" not in str(caught.value)
    assert not multiprocessing.active_children()


@WORKERS
def test_a_bug_in_a_transform_keeps_its_kind(table: FaceTable, workers: int) -> None:
    augmentation = Augmentation((CallableTransform(_fail),), seed=0, epoch=0)
    with pytest.raises(ZeroDivisionError, match="a bug in a transform") as caught:
        list(
            load_batches(
                table, _batches(table), PREPROCESSING, augmentation=augmentation, workers=workers
            )
        )
    assert str(caught.value)
    assert not multiprocessing.active_children()


class OddError(BaseException):
    """No Exception, so that torch does not catch it in a worker."""


@pytest.mark.parametrize(
    "raised", [SystemExit(0), OddError("odd"), ExceptionGroup("several", [ValueError("one")])]
)
def test_what_torch_cannot_hand_on_comes_out_of_a_worker_with_its_frames(
    table: FaceTable, raised: BaseException
) -> None:
    def fail_oddly(_image: Tensor) -> Tensor:
        raise raised

    augmentation = Augmentation((CallableTransform(fail_oddly),), seed=0, epoch=0)
    with pytest.raises(RuntimeError, match="Original Traceback") as caught:
        list(
            load_batches(
                table, _batches(table), PREPROCESSING, augmentation=augmentation, workers=1
            )
        )
    assert "in fail_oddly" in str(caught.value)
    assert type(raised).__name__ in str(caught.value).splitlines()[-1]
    assert not multiprocessing.active_children()


def _raise_what_cannot_be_sent(image: Tensor) -> Tensor:
    error = FacesimError("a transform's own")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    raise error


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (_die, r"a process that decodes images was killed by SIGKILL: probably memory ran out; "),
        (
            _raise_what_cannot_be_sent,
            r"a process .* could not hand them over: memory, shared memory \(/dev/shm\) or ",
        ),
    ],
)
def test_a_lost_worker_is_said_to_be_one(
    table: FaceTable,
    transform: Callable[[Tensor], Tensor],
    text: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    augmentation = Augmentation((CallableTransform(transform),), seed=0, epoch=0)
    with pytest.raises(MachineError, match=text):
        list(
            load_batches(
                table, _batches(table), PREPROCESSING, augmentation=augmentation, workers=2
            )
        )
    assert not multiprocessing.active_children()
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_dies_disturbs_nothing_but_the_loading(table: FaceTable) -> None:
    loaded = load_batches(table, _in_order(table), PREPROCESSING, augmentation=KEPT, workers=2)
    next(loaded)
    for process in multiprocessing.active_children():
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    until = time.monotonic() + 0.3
    while time.monotonic() < until:  # what must not be interrupted: a rename, a clean-up
        pass
    with pytest.raises(MachineError, match="was killed by SIGKILL"):
        list(loaded)
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_at_once_is_said_to_be_lost(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_worker: int) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setattr(loader, "_begin_worker", die)
    with pytest.raises(MachineError, match="a process that decodes images was killed by SIGSEGV"):
        list(load_batches(table, _in_order(table), PREPROCESSING, augmentation=KEPT, workers=2))
    assert not multiprocessing.active_children()
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL


def test_workers_that_cannot_all_be_started_are_ended(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fork, forked = os.fork, list[int]()

    def one_only() -> int:
        if forked:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        forked.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", one_only)
    with pytest.raises(BlockingIOError):
        list(load_batches(table, _in_order(table), PREPROCESSING, augmentation=KEPT, workers=2))
    assert not multiprocessing.active_children()
    assert capfd.readouterr().err == ""


def test_an_iterator_that_is_dropped_midway_ends_its_workers(table: FaceTable) -> None:
    loaded = load_batches(table, _batches(table), PREPROCESSING, augmentation=KEPT, workers=2)
    next(loaded)
    assert len(multiprocessing.active_children()) == 2
    del loaded
    assert not multiprocessing.active_children()


def _decoding_threads() -> list[str]:
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith("facesim-decode")]


def test_only_the_code_of_plugins_is_run_by_processes(table: FaceTable) -> None:
    loaded = load_batches(table, _batches(table), PREPROCESSING, workers=2)
    next(loaded)
    assert _decoding_threads()
    assert not multiprocessing.active_children()
    del loaded
    assert not _decoding_threads()


@pytest.mark.skipif(sys.platform != "linux", reason="where shared memory is has no name there")
def test_shared_memory_has_no_name_that_could_outlive_the_process(table: FaceTable) -> None:
    for _ in load_batches(table, _batches(table), PREPROCESSING, augmentation=KEPT, workers=2):
        assert not list(Path("/dev/shm").glob(f"*_{os.getpid()}_*"))
        mapped = Path("/proc/self/maps").read_text()
        assert re.search(rf"/dev/shm/\S*_{os.getpid()}_\S* \(deleted\)", mapped)


def test_too_little_shared_memory_is_said_before_a_worker_is_started(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_tensor: Tensor) -> None:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(Tensor, "share_memory_", fail)
    with pytest.raises(MachineError, match=r"no shared memory \(/dev/shm\) .* use fewer workers"):
        next(load_batches(table, _batches(table), PREPROCESSING, augmentation=KEPT, workers=2))


def test_an_error_of_the_consumer_ends_the_workers(table: FaceTable) -> None:
    def consume() -> None:
        for _ in load_batches(table, _batches(table), PREPROCESSING, augmentation=KEPT, workers=2):
            raise KeyError

    with pytest.raises(KeyError) as caught:
        consume()
    del caught
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_ctrl_c_is_the_main_process_business_alone(table: FaceTable, workers: str) -> None:
    script = textwrap.dedent("""
        import signal
        import sys
        from pathlib import Path
        import numpy as np
        import torch
        # A shell starts what it runs in the background with this signal ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from facesim.data.augmentation import Augmentation
        from facesim.data.preprocessing import Preprocessing
        from facesim.data.loader import load_batches
        from facesim.interfaces import CallableTransform, FaceTable, PairBatch

        files = np.array([f"{row}.png" for row in range(20)])
        table = FaceTable(Path(sys.argv[1]), files, np.arange(20), files)
        pairs = np.arange(20).reshape(10, 1, 2)
        batches = (PairBatch.of_pairs(each, table.identities) for each in pairs)
        changes_nothing = Augmentation((CallableTransform(torch.clone),), seed=0, epoch=0)
        augmentation = changes_nothing if sys.argv[2] == "processes" else None
        preprocessing = Preprocessing(size=(8, 6))
        try:
            for _ in load_batches(
                table, batches, preprocessing, augmentation=augmentation, workers=2
            ):
                print("decoded", flush=True)
                sys.stdin.readline()
        except KeyboardInterrupt:
            print("interrupted")
    """)
    command = [sys.executable, "-c", script, str(table.root), workers]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "decoded\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert out == "interrupted\n"
    assert err == ""


@pytest.mark.parametrize("ahead", [1, 2, 10])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_all_items_come_in_order(ahead: int, count: int) -> None:
    assert list(prefetched(range(count), ahead)) == list(range(count))


def test_items_are_taken_ahead_on_another_thread_and_not_further() -> None:
    taken: list[int] = []
    threads: set[threading.Thread] = set()
    enough = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            threads.add(threading.current_thread())
            if number == 3:
                enough.set()
            yield number

    prefetching = prefetched(items(), ahead=3)
    assert next(prefetching) == 0
    assert enough.wait(30)
    prefetching.close()

    assert taken == [0, 1, 2, 3]
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("the third")

    prefetching = prefetched(items(), ahead=5)

    assert [next(prefetching), next(prefetching)] == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(prefetching)


@pytest.mark.parametrize(
    ("error", "is_printed"),
    [(ConnectionResetError(), False), (EOFError(), False), (ValueError("lost"), True)],
)
def test_a_worker_says_nothing_of_a_main_process_that_was_killed(
    capsys: pytest.CaptureFixture[str], error: Exception, is_printed: bool
) -> None:
    loader._print_unless_alone(type(error), error, None)
    assert ("lost" in capsys.readouterr().err) is is_printed


def test_workers_that_torch_had_to_end_after_the_last_image_are_no_error(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = loader._begin_worker

    def begin_worker(number: int) -> None:
        begin(number)
        multiprocessing.util.Finalize(None, os._exit, args=(3,), exitpriority=100)

    monkeypatch.setattr(loader, "_begin_worker", begin_worker)
    loaded = load_batches(table, _in_order(table), PREPROCESSING, augmentation=KEPT, workers=2)
    assert sum(len(pixels) for _, pixels in loaded) == 20
