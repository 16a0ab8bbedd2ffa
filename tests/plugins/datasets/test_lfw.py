"""LFW's folders and lists of pairs."""

from pathlib import Path

import pytest

from facesim import DataError, FaceTable, PairSet
from facesim.data.linter.findings import Findings
from facesim.data.linter.pairs import lint_pairs
from facesim_plugins.datasets.lfw import lfw, suggest

PEOPLE = ("Ann_Lee", "Bob", "Cy_Young", "Di")

VIEW_2 = """2\t2
Ann_Lee\t1\t2
Bob\t2\t3
Ann_Lee\t3\tBob\t1
Bob\t3\tAnn_Lee\t1
Cy_Young\t1\t3
Di\t1\t2
Cy_Young\t2\tDi\t3
Di\t1\tCy_Young\t3
"""


def tree(root: Path, extension: str = "jpg") -> Path:
    for name in PEOPLE:
        (root / name).mkdir(parents=True)
        for number in (1, 2, 3):
            (root / name / f"{name}_{number:04d}.{extension}").touch()
    return root


def listed(folder: Path, text: str) -> Path:
    path = folder / "pairs.txt"
    path.write_text(text)
    return path


def named(table: FaceTable) -> list[tuple[str, str]]:
    pairs = table.pairs
    assert pairs is not None
    return [(str(table.files[a]), str(table.files[b])) for a, b in pairs.rows]


def test_the_folders_are_the_identities(tmp_path: Path) -> None:
    table = lfw(root=tree(tmp_path / "lfw"))
    assert table.labels.tolist() == list(PEOPLE)
    assert len(table) == 12
    assert table.pairs is None


def test_view_2_is_read_with_its_folds(tmp_path: Path) -> None:
    table = lfw(root=tree(tmp_path / "lfw"), pairs=listed(tmp_path, VIEW_2))
    assert named(table) == [
        ("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg"),
        ("Bob/Bob_0002.jpg", "Bob/Bob_0003.jpg"),
        ("Ann_Lee/Ann_Lee_0003.jpg", "Bob/Bob_0001.jpg"),
        ("Bob/Bob_0003.jpg", "Ann_Lee/Ann_Lee_0001.jpg"),
        ("Cy_Young/Cy_Young_0001.jpg", "Cy_Young/Cy_Young_0003.jpg"),
        ("Di/Di_0001.jpg", "Di/Di_0002.jpg"),
        ("Cy_Young/Cy_Young_0002.jpg", "Di/Di_0003.jpg"),
        ("Di/Di_0001.jpg", "Cy_Young/Cy_Young_0003.jpg"),
    ]
    pairs = table.pairs
    assert pairs is not None
    assert pairs.fold is not None
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4
    assert [str(array.dtype) for array in (pairs.rows, pairs.same, pairs.fold)] == [
        "int64",
        "bool",
        "int64",
    ]


def rules(table: FaceTable, pairs: PairSet) -> list[str]:
    findings = Findings({})
    lint_pairs("test", table, pairs, 1.0, findings)
    return [finding.rule for finding in findings.report().findings]


def test_the_linter_finds_nobody_in_two_folds_unless_there_is(tmp_path: Path) -> None:
    root = tree(tmp_path / "lfw")
    right = lfw(root=root, pairs=listed(tmp_path, VIEW_2))
    assert right.pairs is not None
    assert "identity_in_two_folds" not in rules(right, right.pairs)
    wrong = lfw(root=root, pairs=listed(tmp_path, VIEW_2.replace("Di\t1\t2", "Bob\t1\t2")))
    assert wrong.pairs is not None
    assert "identity_in_two_folds" in rules(wrong, wrong.pairs)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_view_1_has_no_folds(tmp_path: Path, newline: str) -> None:
    text = "1\nDi\t1\t2\nDi\t3\tBob\t1\n".replace("\n", newline)
    table = lfw(root=tree(tmp_path / "lfw"), pairs=listed(tmp_path, text))
    assert named(table) == [
        ("Di/Di_0001.jpg", "Di/Di_0002.jpg"),
        ("Di/Di_0003.jpg", "Bob/Bob_0001.jpg"),
    ]
    assert table.pairs is not None
    assert table.pairs.fold is None
    assert table.pairs.same.tolist() == [True, False]


def test_images_may_have_been_saved_in_another_format(tmp_path: Path) -> None:
    table = lfw(root=tree(tmp_path / "lfw", "png"), pairs=listed(tmp_path, VIEW_2))
    assert named(table)[0] == ("Ann_Lee/Ann_Lee_0001.png", "Ann_Lee/Ann_Lee_0002.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"pairs\.txt:1: the first line is ''; LFW's lists begin with the number of folds"),
        ("Ann_Lee\t1\t2\n", r"pairs\.txt:1: the first line is 'Ann_Lee 1 2'"),
        ("\u00b2\n", r"pairs\.txt:1: the first line is '\u00b2'"),
        ("9" * 5000 + "\n", r"pairs\.txt:1: the first line is '999"),
        ("1\nBob\t\u00b2\t2\nDi\t3\tBob\t1\n", r"pairs\.txt:2: '\u00b2' and '2' must be the num"),
        ("0\t300\n", r"pairs\.txt:1: the first line is '0 300'"),
        (
            "2\t2\nBob\t1\t2\n",
            r"pairs\.txt:1: it announces 2 x 2 .* 1 lines stand below instead of 8",
        ),
        ("1\t1\t1\nBob\t1\t2\nDi\t3\tBob\t1\n", r"pairs\.txt:1: the first line is '1 1 1'"),
        ("1\nBob\t1\t2\nDi\t3\tBob\tx\n", r"pairs\.txt:3: '3' and 'x' must be the numbers"),
        ("1\nBob\t1\t2\tDi\nDi\t3\tBob\t1\n", r"pairs\.txt:2: .* is not a genuine pair `name i j`"),
        ("1\nBob\t1\t2\nDi\t3\t1\n", r"pairs\.txt:3: .* is not an impostor pair `name i name j`"),
        ("1\nBob\tone\t2\nDi\t3\tBob\t1\n", r"pairs\.txt:2: 'one' and '2' must be the numbers"),
        ("1\nBob\t1\t2\n\nDi\t3\tBob\t7\n", r"pairs\.txt:4: .*Bob/Bob_0007 does not exist"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        lfw(root=tree(tmp_path / "lfw"), pairs=listed(tmp_path, text))


@pytest.mark.parametrize(
    ("images", "pairs"), [("", ""), ("lfw", ""), ("lfw_funneled", "."), ("", "..")]
)
def test_the_folders_with_their_list_are_recognised(
    tmp_path: Path, images: str, pairs: str
) -> None:
    named = tmp_path / "data"
    root = tree(named / images)
    list_of_pairs = listed((root.parent if pairs == ".." else named), VIEW_2)
    found = suggest(named)
    assert found is not None
    assert (found.certain, found.divided) == (True, False)
    assert found.data == {"source": {"name": "lfw", "root": root}}
    assert str(list_of_pairs) in found.notes[0]
    assert f"root: {root}, pairs: {list_of_pairs}" in found.notes[0]


def test_without_its_list_or_its_names_it_is_another_folder(tmp_path: Path) -> None:
    assert suggest(tree(tmp_path / "lfw")) is None
    (tmp_path / "other" / "ann").mkdir(parents=True)
    listed(tmp_path / "other", VIEW_2)
    assert suggest(tmp_path / "other") is None
    assert suggest(tmp_path / "other" / "pairs.txt") is None
