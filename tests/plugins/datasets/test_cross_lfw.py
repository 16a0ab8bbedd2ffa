"""The lists of CALFW and CPLFW: two lines a pair."""

from pathlib import Path

import pytest

from facesim import DataError
from facesim_plugins.datasets.cross_lfw import cross_lfw

CALFW = """Ann_Lee_0001.jpg 1
Ann_Lee_0002.jpg 1
Bob_0001.jpg 2
Bob_0003.jpg 2
Ann_Lee_0001.jpg 0
Bob_0002.jpg 0
Di_1.jpg 0
Bob_0001.jpg 0
"""


def listed(folder: Path, text: str) -> Path:
    for line in CALFW.splitlines():
        (folder / line.split()[0]).touch()
    path = folder / "pairs.txt"
    path.write_text(text)
    return path


def test_two_lines_are_a_pair_and_any_label_but_0_is_genuine(tmp_path: Path) -> None:
    table = cross_lfw(root=tmp_path, pairs=listed(tmp_path, CALFW))
    pairs = table.pairs
    assert pairs is not None
    assert table.labels[table.identities[pairs.rows]].tolist() == [
        ["Ann_Lee", "Ann_Lee"],
        ["Bob", "Bob"],
        ["Ann_Lee", "Bob"],
        ["Di", "Bob"],
    ]
    assert table.files[pairs.rows[3]].tolist() == ["Di_1.jpg", "Bob_0001.jpg"]
    assert len(table) == 6
    assert pairs.same.tolist() == [True, True, False, False]
    assert pairs.fold is None


def test_folds_are_equal_parts_of_each_kind_in_the_list_s_order(tmp_path: Path) -> None:
    table = cross_lfw(root=tmp_path, pairs=listed(tmp_path, CALFW), folds=2)
    assert table.pairs is not None
    assert table.pairs.fold is not None
    assert table.pairs.fold.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"pairs\.txt: 0 lines; a pair is two lines"),
        ("Bob_0001.jpg 1\nBob_0002.jpg 1\nBob_0003.jpg 1\n", r"pairs\.txt: 3 lines"),
        ("Bob_0001.jpg 1\nBob_0002.jpg 0\n", r"pairs\.txt:2: the label is 0, and that of the line"),
        ("Bob_0001.jpg 1\nBob_0002.jpg\n", r"pairs\.txt:2: 'Bob_0002\.jpg' is not a line"),
        ("Bob_0001.jpg 1\nBob_0002.jpg yes\n", r"pairs\.txt:2: 'Bob_0002\.jpg yes' is not a line"),
        (
            "Bob_0001.jpg \u00b2\nBob_0002.jpg 1\n",
            r"pairs\.txt:1: 'Bob_0001\.jpg \u00b2' is not a line",
        ),
        ("Bob_0001.jpg 1\nBob.jpg 1\n", r"pairs\.txt:2: 'Bob\.jpg 1' is not a line"),
        ("Bob_0001.jpg 1\nBob_0009.jpg 1\n", r"pairs\.txt:2: .*Bob_0009\.jpg does not exist"),
        (
            "Bob_0001.jpg 1\nBob_0009.jpg 1\nBob_0002.jpg 1\nBob_0009.jpg 1\n",
            r"pairs\.txt:2: .*Bob_0009\.jpg does not exist",  # the first of its lines
        ),
        ("Bob_0001.jpg 1\n../Bob_0009.jpg 1\n", r"pairs\.txt:2: the path '\.\./Bob_0009\.jpg'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cross_lfw(root=tmp_path, pairs=listed(tmp_path, text))
