import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facesim.cli.program import app
from facesim.console import Console
from facesim.errors import FacesimError
from facesim.model.cache_admin import StoreDescription, StoreInfo
from facesim.model.feature_store import FeatureStore, Verification
from facesim.terminal.cache import print_removed, print_stores, print_verification

DESCRIPTION = StoreDescription(
    backbone="resnet",
    row_shape=(512, 7, 7),
    dtype="float16",
    view="plain",
    precision="float32",
    size=(224, 224),
    crop=None,
    decoder="simplejpeg",
    created="2026-01-01T00:00:00Z",
    engine="compiled",
)


def printed(print_it: Callable[[Console], None]) -> str:
    screen = io.StringIO()
    print_it(Console(file=screen, width=200))
    return screen.getvalue()


def store(description: StoreDescription | None = DESCRIPTION) -> StoreInfo:
    return StoreInfo(Path("/cache/0123456789abcdef"), description, 2_500_000, 1e9)


def test_each_store_says_what_it_holds_and_how_large_it_is() -> None:
    text = printed(lambda console: print_stores(console, Path("/cache"), [store()]))
    for cell in ("01234567", "resnet", "512 x 7 x 7", "float16", "plain", "compiled", "2.5"):
        assert cell in text


def test_a_compressed_store_says_so() -> None:
    compressed = replace(store(), compressed_bytes=2_500_000)
    text = printed(lambda console: print_stores(console, Path("/cache"), [compressed]))
    assert "float16, compressed" in text


def test_a_store_that_nothing_describes_is_listed_all_the_same() -> None:
    text = printed(lambda console: print_stores(console, Path("/cache"), [store(None)]))
    assert "unreadable" in text
    assert "2.5" in text


def test_small_stores_are_one_line_unless_all_are_asked_for() -> None:
    large = store()
    small = [
        replace(large, folder=Path(f"/cache/small{n:03}"), size_bytes=40_000) for n in range(9)
    ]
    stores = [large, *small[:4], *small[4:]]
    text = printed(lambda console: print_stores(console, Path("/cache"), stores))
    assert "01234567" in text
    assert "small" not in text.split("and 9 small stores")[0]
    assert "and 9 small stores of 0.4 MB together, last used 2001-09-0" in text
    every = printed(lambda console: print_stores(console, Path("/cache"), stores, every=True))
    assert every.count("small0") == 9
    assert "together" not in every


def test_a_single_small_store_is_listed() -> None:
    small = replace(store(), folder=Path("/cache/small001"), size_bytes=40_000)
    assert "small001" in printed(lambda console: print_stores(console, Path("/cache"), [small]))


def test_what_was_removed_is_counted() -> None:
    assert printed(lambda console: print_removed(console, [store(), store()])) == (
        "removed 2 stores, 5.0 MB\n"
    )


def test_damaged_chunks_are_counted() -> None:
    whole, damaged = Verification(3, 1200, ()), Verification(2, 800, ("a.chunk",))
    assert printed(lambda console: print_verification(console, store(), whole)) == (
        "01234567: 1,200 images, all checksums valid\n"
    )
    assert "1 damaged chunk dropped" in printed(
        lambda console: print_verification(console, store(), damaged)
    )


def test_what_cannot_be_read_is_named_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path))
    root = tmp_path / "trunk"
    for name, row in (("aaaaaaaaaa", 1.0), ("zzzzzzzzzz", 2.0)):
        FeatureStore(root / name, (1,), np.float32).append(
            np.zeros((1, 16), np.uint8), np.array([[row]], np.float32)
        )
        replace(DESCRIPTION, row_shape=(1,), dtype="float32").mark_used(root / name)
    (root / "notes.txt").touch()
    problem = f"{root / 'notes.txt'}: is no store of facesim; move it elsewhere"
    verified = CliRunner().invoke(app, ["cache", "verify"], terminal_width=200)
    assert verified.exit_code == 2
    assert sorted(verified.stdout.splitlines()) == [
        problem,
        "aaaaaaaa: 1 image, all checksums valid",
        "zzzzzzzz: 1 image, all checksums valid",
    ]
    for command, printed_first in (
        ("list --all", "aaaaaaaa"),
        ("prune --max-gb 0", "removed 2 stores"),
    ):
        ended = CliRunner().invoke(app, ["cache", *command.split()])
        assert printed_first in ended.stdout
        assert isinstance(ended.exception, FacesimError)
        assert str(ended.exception) == problem
