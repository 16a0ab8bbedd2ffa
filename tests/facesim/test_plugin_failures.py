"""Which plugin an exception comes from, where it was raised, and in which call."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from facesim import interfaces
from facesim.discovery import load_installed_plugins, load_named_plugin
from facesim.interfaces import REGISTRIES, heads, losses, metrics
from facesim.plugin_failures import (
    describe_failure,
    keep_traceback,
    kept_traceback,
    plugins_of_others,
    reason_of,
)

load_installed_plugins()

SOURCE = """
from facesim import Metric, heads, losses, metrics
import json


class Base:
    def call(self, run):
        return self.inner(run)

    def inner(self, run):
        return run()


@heads("first")
class First(Base):
    def __init__(self, features, *, size: int = 1): ...


@losses("second")
def second(embedding_dim, num_identities):
    return json.loads("{")


class Late(Metric):
    def value(self, roc, threshold): ...

    def own(self):
        raise KeyError("margin")


metrics("third")(lambda: Late())
"""


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(registry.isolated())
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    load_named_plugin(str(path), tmp_path)
    return path


def raised(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_a_factory_that_calls_a_library_is_named_with_its_own_line(file: Path) -> None:
    factory: Any = losses.get("second").factory
    error = raised(lambda: factory(1, 2))
    told = describe_failure(error)
    assert told is not None
    assert told.startswith(f"the loss 'second' failed in second ({file}:21): JSONDecodeError: ")


def test_of_several_plugins_in_a_file_the_object_tells_which(file: Path) -> None:
    late: Any = metrics.spec("third").build()
    told = describe_failure(raised(late.own))
    assert told == f"the metric 'third' failed in Late.own ({file}:28): KeyError: 'margin'"


def test_the_call_is_where_the_engine_came_in_and_the_line_where_it_failed(file: Path) -> None:
    first: Any = heads.get("first").factory(1)
    told = describe_failure(raised(lambda: first.call(lambda: 1 / 0)))
    assert told is not None
    assert f"failed in Base.call ({file}:11): ZeroDivisionError: division by zero" in told


def test_a_call_that_does_not_fit_is_the_plugins_too(file: Path) -> None:
    factory: Any = losses.get("second").factory
    told = describe_failure(raised(lambda: factory(1)))
    assert told is not None
    assert told.startswith(f"the loss 'second' ({file}:19): TypeError: second() missing 1 required")


def test_what_the_engine_or_others_raise_is_nobodys(file: Path) -> None:
    assert describe_failure(raised(lambda: 1 / 0)) is None
    assert describe_failure(raised(lambda: interfaces.find_kind("nothing"))) is None
    assert describe_failure(raised(lambda: int("x", base=77))) is None


def test_a_traceback_of_another_process_is_read(file: Path) -> None:
    text = dedent(f"""\
        Caught ValueError in DataLoader worker process 0.
        Original Traceback (most recent call last):
          File "/usr/lib/torch/worker.py", line 349, in _worker_loop
            data = fetcher.fetch(index)
          File "{file}", line 16, in __call__
            raise ValueError("two lines")
        ValueError: two
          lines
        """)
    told = describe_failure(ValueError(text))
    assert told == f"the head 'first' failed in First.__call__ ({file}:16): ValueError: two lines"


def test_a_traceback_of_another_process_tells_the_reason_where_torch_changed_the_kind(
    file: Path,
) -> None:
    text = f"""Caught UnicodeDecodeError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "{file}", line 16, in __call__
    raise error
UnicodeDecodeError: 'utf-8' codec"""
    told = describe_failure(RuntimeError(text))
    assert told is not None
    assert told.endswith(": UnicodeDecodeError: 'utf-8' codec")
    assert reason_of(RuntimeError("Original Traceback (most recent call last):"))


def test_reasons_are_one_line_whatever_the_exception_is() -> None:
    class StrangeError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert reason_of(KeyError("a\nb")) == "KeyError: 'a\\nb'"
    assert reason_of(ValueError("a\n\n  b")) == "ValueError: a b"
    assert reason_of(SystemExit()) == "SystemExit"
    assert reason_of(StrangeError()).startswith("StrangeError: <exception str() failed>")
    assert len(reason_of(ValueError("x" * 10_000))) <= 500


def test_a_traceback_is_kept_and_the_error_says_where(tmp_path: Path) -> None:
    error = raised(lambda: 1 / 0)
    assert kept_traceback(error) is None
    keep_traceback(error, tmp_path / "none" / "traceback.txt")
    assert kept_traceback(error) is None
    keep_traceback(error, tmp_path / "traceback.txt")
    assert kept_traceback(error) == f"the traceback is in {tmp_path / 'traceback.txt'}"
    assert (
        (tmp_path / "traceback.txt").read_text().endswith("ZeroDivisionError: division by zero\n")
    )


def test_plugins_of_files_are_told_from_those_of_facesim(file: Path) -> None:
    assert "contrastive" in losses.names()
    assert plugins_of_others() == ["the head 'first'", "the loss 'second'", "the metric 'third'"]


def test_the_call_is_the_engine_s_last_where_plugins_call_it_again(file: Path) -> None:
    first: Any = heads.get("first").factory(1)
    told = describe_failure(raised(lambda: first.call(lambda: losses.spec("second").build(1, 2))))
    assert told is not None
    assert told.startswith(f"the loss 'second' failed in second ({file}:21): ")


def test_whatever_fails_in_the_file_of_one_plugin_is_that_plugin_s(tmp_path: Path) -> None:
    """Also above the line that registers it."""
    path = tmp_path / "single.py"
    path.write_text(
        "from facesim import losses\n\n\n"
        "def above():\n    raise KeyError('a')\n\n\n"
        "@losses('only')\ndef only(embedding_dim, num_identities): ...\n\n\n"
        "only.above = above\n"
    )
    load_named_plugin(str(path), tmp_path)
    factory: Any = losses.get("only").factory
    told = describe_failure(raised(factory.above))
    assert told == f"the loss 'only' failed in above ({path}:5): KeyError: 'a'"


def test_a_function_that_is_registered_below_itself_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "below.py"
    path.write_text(
        "from facesim import losses\n\n\n"
        "@losses('early')\ndef early(embedding_dim, num_identities): ...\n\n\n"
        "def late(embedding_dim, num_identities):\n    raise KeyError('a')\n\n\n"
        "losses('late')(late)\n"
    )
    load_named_plugin(str(path), tmp_path)
    factory: Any = losses.get("late").factory
    told = describe_failure(raised(lambda: factory(1, 2)))
    assert told == f"the loss 'late' failed in late ({path}:9): KeyError: 'a'"
