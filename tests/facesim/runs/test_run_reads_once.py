"""One command reads its experiment, builds each of its tables and decodes each image once."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facesim.cli import main
from facesim.data import loader
from facesim.data.image_digests import TableDigests
from facesim.discovery import load_installed_plugins
from facesim.experiment import loading
from facesim.interfaces import FaceTable, datasets


@pytest.fixture
def built() -> Iterator[Counter[str]]:
    """How often the dataset ``counted`` was built, by the split that asks for it."""
    counts: Counter[str] = Counter()
    load_installed_plugins()  # whose registrations must outlive the isolation
    with datasets.isolated():

        @datasets("counted")
        def counted(*, split: str, first: int, root: str) -> FaceTable:
            counts[split] += 1
            spec = datasets.spec(
                "synthetic_faces",
                identities=6,
                images_per_identity=4,
                first_identity=first,
                size=24,
                root=root,
            )
            table: FaceTable = spec.build()
            return table

        yield counts


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """The first arguments of all calls of a function from now on."""
    seen: list[Any] = []
    function: Callable[..., Any] = getattr(owner, name)

    def counting(*arguments: Any, **settings: Any) -> Any:
        seen.append(arguments[0])
        return function(*arguments, **settings)

    monkeypatch.setattr(owner, name, counting)
    return seen


def test_a_run_with_its_evaluation_and_its_report(
    built: Counter[str], tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of its own: another test may have left embeddings of an image in the shared one.
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    parsed = count_calls(monkeypatch, loading, "read_with_bases")
    parsed_again = count_calls(monkeypatch, loading, "read_source")
    digests = count_calls(monkeypatch, TableDigests, "__init__")
    decoded = count_calls(monkeypatch, loader, "read_image")
    data = [
        f"--set=data.{split}={{name: counted, split: {split}, first: {first}, root: {tmp_path}}}"
        for first, split in ((0, "train"), (6, "val"), (12, "test"))
    ]
    arguments = ["facesim", "run", str(tiny_file), *data, "--set=train.epochs=2"]
    monkeypatch.setattr(sys, "argv", [*arguments, f"--out={tmp_path / 'runs'}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    (report,) = (tmp_path / "runs").glob("*/*/report.html")
    assert "data:image/jpeg" in report.read_text(encoding="utf-8")
    assert built == {"train": 1, "val": 1, "test": 1}
    assert len(digests) == 3
    assert len(parsed) == 1
    assert parsed_again == []
    # In all epochs, validations and evaluations; and for raw pixels, which are of their own size.
    assert len(set(decoded)) == 72
    assert max(Counter(decoded).values()) == 2
