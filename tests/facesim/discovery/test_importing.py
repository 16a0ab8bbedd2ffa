"""A module that fails takes nothing else with it, and is reported."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facesim import PluginError, interrupts, losses
from tests.facesim.discovery.acme import discover, loss


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: "),
        ("raise ValueError('two\\n lines')", "ValueError: two lines"),
        ("x = '\\0'\nnonsense", "NameError: name 'nonsense' is not defined"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "E: <exception str()"),
        (
            "from facesim import losses\n@losses('x')\ndef f(a): ...",
            "{path}:2: the loss 'x' must take",
        ),
        ("from facesim import no_such_name", "ImportError: cannot import name 'no_such_name'"),
    ],
)
def test_a_module_that_fails_is_reported_and_the_rest_works(
    install: Callable[..., Path], source: str, reason: str
) -> None:
    folder = install(
        {
            "acme/__init__.py": "",
            "acme/a.py": loss("a"),
            "acme/b.py": source,
            "acme/c.py": loss("c"),
        }
    )
    (failure,) = discover()
    assert (failure.module, failure.origin) == ("acme.b", "acme-losses 1.2")
    assert failure.reason.startswith(reason.format(path=folder / "acme" / "b.py"))
    assert "\n" not in failure.reason
    assert losses.names() == ["a", "c"]


def test_the_traceback_has_the_frames_of_the_plugin_alone(install: Callable[..., Path]) -> None:
    folder = install(
        {
            "acme/__init__.py": "",
            "acme/a.py": "from acme.b import f\nf()\n",
            "acme/b.py": "def f():\n    1 / 0\n",
        }
    )
    (failure,) = discover()
    files = [line for line in failure.traceback.splitlines() if line.startswith("  File")]
    assert files == [
        f'  File "{folder}/acme/a.py", line 2, in <module>',
        f'  File "{folder}/acme/b.py", line 2, in f',
    ]
    assert failure.traceback.endswith("ZeroDivisionError: division by zero")


def test_what_a_failed_module_registered_is_undone_and_named(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": loss("a") + "\n1 / 0"})
    (failure,) = discover()
    assert losses.names() == []
    assert failure.declared == {("losses", "a")}
    with pytest.raises(PluginError, match=r"^the loss 'a' cannot be used: acme \(acme-losses 1.2"):
        losses.get("a")


def test_a_plugin_of_a_failed_module_is_known_by_its_aliases(install: Callable[..., Path]) -> None:
    source = "@losses('a.b', aliases=('c', \"d\"), default=True)\ndef f(a, b): ...\n1 / 0"
    install({"acme/__init__.py": "from facesim import losses\n" + source})
    (failure,) = discover()
    assert failure.declared == {("losses", "a.b"), ("losses", "c"), ("losses", "d")}


def test_what_a_module_registered_before_its_importer_failed_stays(
    install: Callable[..., Path],
) -> None:
    install(
        {
            "acme/__init__.py": "",
            "acme/a.py": "import acme.b\n" + loss("a") + "\n1 / 0",
            "acme/b.py": loss("b"),
        }
    )
    (failure,) = discover()
    assert failure.module == "acme.a"
    assert losses.names() == ["b"]


def test_a_package_that_fails_is_reported_once(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": "1 / 0", "acme/a.py": loss("a"), "acme/b.py": loss("b")})
    (failure,) = discover()
    assert failure.module == "acme"


def test_a_module_whose_package_fails_is_not_run_again_to_explain_it(
    install: Callable[..., Path],
) -> None:
    counted = "import builtins\nbuiltins.acme_runs = getattr(builtins, 'acme_runs', 0) + 1\n1 / 0"
    install({"acme/__init__.py": counted, "acme/a.py": loss("a")}, entry="acme.a")
    (failure,) = discover()
    assert failure.reason == "ZeroDivisionError: division by zero"
    assert vars(sys.modules["builtins"]).pop("acme_runs") == 1


def test_a_taken_name_is_reported_with_both_places(install: Callable[..., Path]) -> None:
    first = install({"acme_one/__init__.py": loss("a")}, "acme_one", "acme-one")
    second = install({"acme_two/__init__.py": loss("a", 7)}, "acme_two", "acme-two")
    (failure,) = discover()
    assert failure.origin == "acme-two 1.2"
    assert failure.reason == (
        f"{second}/acme_two/__init__.py:4: the loss 'a' is registered already, by "
        f"{first}/acme_one/__init__.py:4; give one of the two another name"
    )
    assert failure.traceback == ""
    assert losses.spec("a").arguments == {"margin": 1.0}


@pytest.fixture
def _watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C is watched, as on the command line."""
    monkeypatch.setattr(interrupts, "_came", False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.watch_interrupts()
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_watched")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise SystemExit", "SystemExit"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("class Odd(BaseException): ...\nraise Odd('no')", "Odd: no"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os._exit(0)", "it calls os._exit(0), which would end facesim"),
        ("from posix import _exit as f; f(3)", "it calls os._exit(3), which would end facesim"),
        ("import os; os.abort()", "it calls os.abort(), which would end facesim"),
    ],
)
def test_what_would_end_the_process_is_a_failure_like_any_other(
    install: Callable[..., Path], source: str, reason: str
) -> None:
    before = os._exit
    install({"acme.py": source})
    (failure,) = discover()
    assert (failure.module, failure.reason) == ("acme", reason)
    assert os._exit is before


def test_a_process_that_a_module_forks_ends_as_it_does_elsewhere(
    install: Callable[..., Path],
) -> None:
    source = """
import os
pid = os.fork()
if not pid:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
"""
    install({"acme.py": source + loss("a")})
    assert not discover()
    assert losses.names() == ["a"]


@pytest.mark.usefixtures("_watched")
def test_ctrl_c_while_a_module_is_imported_interrupts(install: Callable[..., Path]) -> None:
    install({"acme.py": "import os, signal; os.kill(os.getpid(), signal.SIGINT)"})
    with pytest.raises(KeyboardInterrupt):
        discover()
