"""Taking the items of an iterable on another thread, ahead of the one who uses them."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")


class _End:
    """Comes after the last item."""


_END: Final = _End()


def prefetched(items: Iterable[T], ahead: int) -> Generator[T]:
    """Yield the items of an iterable, which a thread takes from it ahead of time, in order.

    It hides waiting: for a disk, or for copies, during which Python's lock is free.

    Args:
        items: consumed on one other thread only; an error that it raises comes up in its place.
        ahead: how many items are taken before they are asked for, at least 1.

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
