"""Prefetching an iterable on a thread."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

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
