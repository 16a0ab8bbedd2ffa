"""Evaluation pairs: drawn, written, read back, and refused with file and line."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesim.data.pair_sets import draw_pair_set, read_pair_list, read_pair_set, write_pair_set
from facesim.errors import DataError, FacesimError
from facesim.interfaces import FaceTable, PairSet

FILES = ["ann/1.jpg", "ann/2.jpg", "ann/3.jpg", "bob/1.jpg", "bob/2.jpg", "eve/1.jpg"]


def table_of(files: list[str], identities: list[int]) -> FaceTable:
    labels = np.array(["Ann", "Bob", "Eve", *map(str, range(3, max(identities) + 1))])
    return FaceTable(Path("images"), np.array(files, object), np.array(identities), labels)


TABLE = table_of(FILES, [0, 0, 0, 1, 1, 2])


def people(identities: int, images: int) -> FaceTable:
    files = [f"{i}/{j}.jpg" for i in range(identities) for j in range(images)]
    return table_of(files, np.repeat(np.arange(identities), images).tolist())


def assert_equal(first: PairSet, second: PairSet) -> None:
    for name in ("rows", "same", "fold"):
        one, other = getattr(first, name), getattr(second, name)
        if one is None or other is None:
            assert one is other
        else:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_a_drawn_set_has_the_classes_asked_for_and_no_pair_twice() -> None:
    table = people(40, 5)
    pairs = draw_pair_set(table, 2.0, 0.25, seed=1)
    of_pairs = table.identities[pairs.rows]
    np.testing.assert_array_equal(pairs.same, of_pairs[:, 0] == of_pairs[:, 1])
    assert (len(pairs), int(pairs.same.sum()), pairs.fold) == (400, 100, None)
    assert len(np.unique(np.sort(pairs.rows, axis=1), axis=0)) == 400


def test_the_seed_decides_the_set() -> None:
    first, again, other = (draw_pair_set(people(40, 5), 1.0, 0.5, seed) for seed in (1, 1, 2))
    assert_equal(first, again)
    assert (first.rows != other.rows).any()


@pytest.mark.parametrize(("identities", "same_fraction"), [(40, 0.5), (2, 0.1)])
def test_more_pairs_than_there_are_is_refused_with_a_number_that_works(
    identities: int, same_fraction: float
) -> None:
    table = people(identities, 3)
    with pytest.raises(FacesimError, match=r"each pair once: lower pairs_per_image to ") as error:
        draw_pair_set(table, 7.0, same_fraction, seed=0)
    advice = float(str(error.value).split("pairs_per_image to ")[1].split(",")[0])
    assert len(draw_pair_set(table, advice, same_fraction, seed=0)) > 0


def test_a_table_without_a_class_of_pairs_is_refused() -> None:
    with pytest.raises(FacesimError, match="no genuine pair can be drawn"):
        draw_pair_set(people(5, 1), 1.0, 0.5, seed=0)
    with pytest.raises(FacesimError, match="no impostor pair can be drawn"):
        draw_pair_set(people(1, 5), 1.0, 0.5, seed=0)


def test_the_file_is_plain_csv(tmp_path: Path) -> None:
    pairs = PairSet(np.array([[0, 1], [5, 3]]), np.array([True, False]))
    write_pair_set(tmp_path / "pairs.csv", TABLE, pairs)
    expected = b"file1,file2,same\nann/1.jpg,ann/2.jpg,1\neve/1.jpg,bob/1.jpg,0\n"
    assert (tmp_path / "pairs.csv").read_bytes() == expected


def test_folds_are_a_fourth_column(tmp_path: Path) -> None:
    pairs = PairSet(np.array([[0, 1], [5, 3]]), np.array([True, False]), np.array([9, 0]))
    write_pair_set(tmp_path / "pairs.csv", TABLE, pairs)
    expected = "file1,file2,same,fold\nann/1.jpg,ann/2.jpg,1,9\neve/1.jpg,bob/1.jpg,0,0\n"
    assert (tmp_path / "pairs.csv").read_text() == expected
    assert_equal(read_pair_set(tmp_path / "pairs.csv", TABLE), pairs)


def test_a_drawn_set_is_read_back_identically_and_written_to_the_same_bytes(tmp_path: Path) -> None:
    table = people(500, 8)
    pairs = draw_pair_set(table, 2.0, 0.5, seed=3)
    for name in ("first.csv", "again.csv"):
        write_pair_set(tmp_path / name, table, pairs)
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    assert_equal(read_pair_set(tmp_path / "first.csv", table), pairs)


file_names = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(file_names, min_size=2, max_size=5, unique=True))
@settings(deadline=None)
def test_any_file_name_comes_back(
    tmp_path_factory: pytest.TempPathFactory, files: list[str]
) -> None:
    path = tmp_path_factory.mktemp("names") / "pairs.csv"
    table = table_of(files, [0] * len(files))
    rows = np.array([[a, b] for a in range(len(files)) for b in range(len(files)) if a != b])
    pairs = PairSet(rows, np.ones(len(rows), bool))
    write_pair_set(path, table, pairs)
    assert_equal(read_pair_set(path, table), pairs)


def test_a_file_name_that_is_no_utf8_comes_back(tmp_path: Path) -> None:
    table = table_of([os.fsdecode(b"caf\xe9.jpg"), "b.jpg"], [0, 1])
    pairs = PairSet(np.array([[0, 1]]), np.array([False]))
    write_pair_set(tmp_path / "pairs.csv", table, pairs)
    assert b"caf\xe9.jpg,b.jpg,0" in (tmp_path / "pairs.csv").read_bytes()
    assert_equal(read_pair_set(tmp_path / "pairs.csv", table), pairs)


def test_a_file_name_that_csv_cannot_keep_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    table = table_of(["a\r.jpg", "b.jpg"], [0, 1])
    with pytest.raises(DataError, match="carriage return"):
        write_pair_set(
            tmp_path / "pairs.csv", table, PairSet(np.array([[0, 1]]), np.array([False]))
        )
    assert list(tmp_path.iterdir()) == []


def test_other_programs_files_are_read(tmp_path: Path) -> None:
    """A byte order mark, CRLF, quotes and another order of columns are all CSV."""
    path = tmp_path / "pairs.csv"
    path.write_bytes(
        b'\xef\xbb\xbffold,same,file2,file1\r\n3,1,"ann/2.jpg",ann/1.jpg\r\n0,0,bob/1.jpg,eve/1.jpg'
    )
    expected = PairSet(np.array([[0, 1], [5, 3]]), np.array([True, False]), np.array([3, 0]))
    assert_equal(read_pair_set(path, TABLE), expected)


def read_text(tmp_path: Path, text: str, table: FaceTable = TABLE) -> PairSet:
    (tmp_path / "pairs.csv").write_text(text)
    return read_pair_set(tmp_path / "pairs.csv", table)


GOOD = "ann/1.jpg,ann/2.jpg,1"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ann/1.jpg,ann/2.jpg", "2 fields; the header has 3"),
        ("ann/1.jpg,ann/2.jpg,1,7", "4 fields; the header has 3"),
        ("", "0 fields; the header has 3"),
        ("ann/1.jpg,ann/2.jpg,yes", "same is 'yes'; write 1 for one identity or 0 for two"),
        ("ann/1.jpg,ann/1.jpg,1", "'ann/1.jpg' is paired with itself"),
        (
            "ann/1.jpg,bob/2.jpg,1",
            "same is 1, but 'ann/1.jpg' shows identity 'Ann' and 'bob/2.jpg' shows 'Bob'",
        ),
        (
            "bob/1.jpg,bob/2.jpg,0",
            "same is 0, but 'bob/1.jpg' shows identity 'Bob' and 'bob/2.jpg' shows 'Bob'",
        ),
        ("ann/1.jpg,bob/2.jpeg,0", "lists no file 'bob/2.jpeg' (did you mean 'bob/2.jpg'"),
        ("2.jpg/1.jpg,bob/2.jpg,0", "lists no file '2.jpg/1.jpg'"),
        ("people/eve/1.jpg,bob/2.jpg,0", "(did you mean 'eve/1.jpg'"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_text(tmp_path, f"file1,file2,same\n{GOOD}\n{row}\n{GOOD}\n")
    assert str(error.value).startswith(f"{tmp_path / 'pairs.csv'}:3: ")
    assert message in str(error.value)


@pytest.mark.parametrize("fold", ["", "-1", "1.0", "x", "9" * 19, "²"])
def test_a_fold_is_a_whole_number(tmp_path: Path, fold: str) -> None:
    with pytest.raises(DataError, match=f"pairs.csv:2: fold is '{fold}'; write a whole number"):
        read_text(tmp_path, f"file1,file2,same,fold\n{GOOD},{fold}\n")


def test_several_wrong_rows_are_named_at_once_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [GOOD] * 5000 + [f"ann/1.jpg,nobody/{i}.jpg,0" for i in range(9)]
    with pytest.raises(DataError) as error:
        read_text(tmp_path, "\n".join(["file1,file2,same", *rows]))
    lines = str(error.value).splitlines()
    assert [int(line.split("pairs.csv:")[1].split(":")[0]) for line in lines[:-1]] == [
        5002,
        5003,
        5004,
        5005,
        5006,
    ]
    assert lines[-1].endswith("pairs.csv: 4 more rows are wrong")


def test_lines_are_counted_through_names_with_line_breaks(tmp_path: Path) -> None:
    table = table_of(["a\nb", "c"], [0, 0])
    with pytest.raises(DataError, match=r"pairs\.csv:4: 'c' is paired with itself"):
        read_text(tmp_path, 'file1,file2,same\n"a\nb",c,1\nc,c,1\n', table)


def test_the_nearest_name_is_found_quickly_in_a_large_table(tmp_path: Path) -> None:
    files = [f"{i:06d}.jpg" for i in range(200_000)]
    rows = "".join(f"000001.jpg,{i:06d}.jpeg,0\n" for i in range(100, 110))
    with pytest.raises(DataError, match=r"pairs\.csv:2: .* '000100\.jpeg' \(did you mean '0001"):
        read_text(tmp_path, "file1,file2,same\n" + rows, table_of(files, list(range(200_000))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs.csv:1: the columns are missing; a file of pairs has file1,file2,same or"),
        ("a,b,1\n", "pairs.csv:1: the columns are a,b,1; a file of pairs has file1,file2,same or"),
        ("file1,file2,same,same\n", "pairs.csv:1: the columns are file1,file2,same,same"),
        ("file1,file2,same\n", "pairs.csv: there is no pair below the header"),
        (
            f'file1,file2,same\n{GOOD}\n"ann/1.jpg,x\n',
            "pairs.csv:3: not CSV: unexpected end of data",
        ),
    ],
)
def test_a_file_that_holds_no_pairs_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_text(tmp_path, text)
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv: there is no such file of pairs"):
        read_pair_set(tmp_path / "nothing.csv", TABLE)


def test_a_table_that_lists_a_file_twice_cannot_be_named_by_pairs(tmp_path: Path) -> None:
    table = table_of(["a.jpg", "b.jpg", "a.jpg"], [0, 1, 1])
    with pytest.raises(DataError, match=r"lists 'a\.jpg' twice, in rows 0 and 2"):
        read_text(tmp_path, f"file1,file2,same\n{GOOD}\n", table)


def test_a_list_that_somebody_else_made_keeps_what_the_linter_judges(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "file1,file2,same\nann/1.jpg,ann/1.jpg,1\nann/1.jpg,bob/1.jpg,1\nbob/1.jpg,bob/2.jpg,0\n"
    )
    expected = PairSet(np.array([[0, 0], [0, 3], [3, 4]]), np.array([True, True, False]))
    assert_equal(read_pair_list(path, TABLE), expected)


@pytest.mark.parametrize(
    "row", ["ann/1.jpg,ann/2.jpg", "ann/1.jpg,nobody.jpg,0", "ann/1.jpg,ann/2.jpg,yes"]
)
def test_a_list_that_says_nothing_is_refused_whoever_made_it(tmp_path: Path, row: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"file1,file2,same\n{GOOD}\n{row}\n")
    with pytest.raises(DataError, match=r"pairs\.csv:3: "):
        read_pair_list(path, TABLE)


def test_names_that_spreadsheets_take_for_formulas_are_guarded_and_come_back(
    tmp_path: Path,
) -> None:
    table = table_of(["=cmd|' /C calc'!A0.jpg", "-1.jpg", "'=1.jpg", "-1"], [0, 0, 1, 1])
    pairs = PairSet(np.array([[0, 1], [2, 3]]), np.array([True, True]))
    write_pair_set(tmp_path / "p.csv", table, pairs)
    written = (tmp_path / "p.csv").read_text()
    assert written == "file1,file2,same\n'=cmd|' /C calc'!A0.jpg,'-1.jpg,1\n''=1.jpg,-1,1\n"
    assert_equal(read_pair_set(tmp_path / "p.csv", table), pairs)


def test_a_list_of_somebody_elses_need_not_guard(tmp_path: Path) -> None:
    table = table_of(["=1.jpg", "-1.jpg"], [0, 1])
    found = read_text(tmp_path, "file1,file2,same\n=1.jpg,-1.jpg,0\n", table)
    assert found.rows.tolist() == [[0, 1]]
