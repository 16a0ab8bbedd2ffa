"""What the `from_file` sampler promises beyond the contract."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim import DataError, FaceTable, samplers

TABLE = FaceTable(
    root=Path(),
    files=np.array([f"{row}.jpg" for row in range(6)]),
    identities=np.array([0, 0, 1, 1, 2, 2]),
    labels=np.array(["ann", "bob", "eve"]),
)
LINES = ["0.jpg,1.jpg,1", "2.jpg,3.jpg,1", "0.jpg,2.jpg,0", "5.jpg,1.jpg,0", "3.jpg,4.jpg,0"]


def build(path: Path, lines: list[str], header: str = "file1,file2,same", size: int = 2) -> Any:
    path.write_text("\n".join([header, *lines]) + "\n")
    sampler: Any = samplers.spec("from_file", pairs=path).build(TABLE.identities, size, 7)
    sampler.read_table(TABLE)
    return sampler


def drawn(sampler: Any, epoch: int) -> list[tuple[int, int, bool]]:
    return [
        (int(batch.images[a]), int(batch.images[b]), bool(same))
        for batch in sampler.batches(epoch)
        for (a, b), same in zip(batch.pairs, batch.same, strict=True)
    ]


EXPECTED = {(0, 1, True), (2, 3, True), (0, 2, False), (5, 1, False), (3, 4, False)}


@pytest.mark.parametrize("labelled", [True, False])
def test_every_pair_comes_once_an_epoch_in_another_order(labelled: bool, tmp_path: Path) -> None:
    lines = LINES if labelled else [line.rpartition(",")[0] for line in LINES]
    header = "file1,file2,same" if labelled else "file1,file2"
    sampler = build(tmp_path / "pairs.csv", lines, header)
    epochs = [drawn(sampler, epoch) for epoch in range(4)]
    assert all(len(pairs) == 5 and set(pairs) == EXPECTED for pairs in epochs)
    assert len({tuple(pairs) for pairs in epochs}) > 1
    assert len(sampler) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.jpg,7.jpg,0", r"pairs\.csv:3: the table lists no file '7.jpg'"),
        ("0.jpg,0.jpg,1", r"pairs\.csv:3: '0.jpg' is paired with itself"),
        ("0.jpg,1.jpg,0", r"pairs\.csv:3: same is 0, but '0.jpg' shows identity 'ann'"),
        ("0.jpg,1.jpg,yes", r"pairs\.csv:3: same is 'yes'; write 1"),
        ("0.jpg", r"pairs\.csv:3: 1 fields; the header has 3"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        build(tmp_path / "pairs.csv", [LINES[0], line, LINES[2]])


@pytest.mark.parametrize("line", ["0.jpg,7.jpg", "0.jpg,0.jpg", "0.jpg"])
def test_a_wrong_line_is_named_without_labels_too(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pairs\.csv:3: "):
        build(tmp_path / "pairs.csv", ["0.jpg,1.jpg", line], "file1,file2")


def test_a_list_of_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all 2 pairs are genuine ones"):
        build(tmp_path / "pairs.csv", LINES[:2])


def test_other_columns_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has file1,file2 or file1,file2,same"):
        build(tmp_path / "pairs.csv", LINES, "a,b,same")
