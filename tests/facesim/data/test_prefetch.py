"""Prefetching: the same items, errors in their place, and no thread that stays."""

import threading
from collections.abc import Iterator

import pytest

from facesim.data.prefetch import prefetched


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
