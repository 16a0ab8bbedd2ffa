"""``scores.csv``: written, and read as arrays."""

import json
from pathlib import Path

import numpy as np
import pytest

from facesim.arrays import Int64Array
from facesim.errors import DataError
from facesim.interfaces import FaceTable, PairSet
from facesim.interfaces.protocol import ScoredPairs
from facesim.interfaces.scores import LabelledScores
from facesim.runs.scored_pairs import (
    NamedPairs,
    ScoredImages,
    read_scored_pairs,
    shared_pairs,
    write_scored_pairs,
)

TABLE = FaceTable(
    Path(),
    np.array(["a.png", "b.png", "NA", 'odd, "name".png']),
    np.array([1, 1, 0, 2]),
    np.array(["9", "10", "NA"]),  # in no order that sorting gives
)


def read(folder: Path, text: str) -> NamedPairs:
    (folder / "scores.csv").write_text(text)
    pairs = read_scored_pairs(folder)
    assert pairs is not None
    return pairs


def written(folder: Path, *rows: tuple[int, int], same: list[bool]) -> NamedPairs:
    scores = np.linspace(0, 1, len(rows))
    pairs = ScoredPairs(PairSet(np.array(rows), np.array(same), np.arange(len(rows))), scores)
    write_scored_pairs(folder, TABLE, pairs, scores / 2)
    found = read_scored_pairs(folder)
    assert found is not None
    return found


def rank(codes: Int64Array) -> Int64Array:
    return np.unique(codes, return_inverse=True)[1].astype(np.int64).reshape(codes.shape)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    pairs = written(tmp_path, (0, 1), (2, 0), (3, 2), same=[True, False, False])
    assert pairs.files.tolist() == [
        ["a.png", "b.png"],
        ["NA", "a.png"],
        ['odd, "name".png', "NA"],
    ]
    assert pairs.same.tolist() == [True, False, False]
    assert pairs.scores.tolist() == [0, 0.5, 1]
    assert pairs.probabilities is not None
    assert pairs.probabilities.tolist() == [0, 0.25, 0.5]
    assert pairs.identities is not None
    assert pairs.identities.labels.tolist() == ["9", "10", "NA"]
    assert pairs.identities.codes.tolist() == [[1, 1], [0, 1], [2, 0]]


def test_the_file_says_its_labels_and_folds(tmp_path: Path) -> None:
    written(tmp_path, (0, 1), (2, 0), same=[True, False])
    assert (tmp_path / "scores.csv").read_text().splitlines() == [
        "file1,file2,identity1,identity2,same,score,fold,probability",
        "a.png,b.png,10,10,1,0.0,0,0.0",
        "NA,a.png,9,10,0,1.0,1,0.5",
    ]
    assert json.loads((tmp_path / "identities.json").read_text()) == ["9", "10"]


def test_identities_are_those_of_the_table_in_its_order(tmp_path: Path) -> None:
    """The resamples of an interval depend on the order, and contradictory pairs keep theirs."""
    rows = ((3, 0), (0, 1), (0, 2), (1, 0))
    pairs = written(tmp_path, *rows, same=[False, True, True, False])
    assert pairs.identities is not None
    from_table = ScoredImages.find(pairs, TABLE).identities(pairs.same)
    expected = LabelledScores.of_pairs(
        pairs.scores, PairSet(np.array(rows), pairs.same), TABLE.identities
    )
    order = rank(np.stack([expected.first, expected.second]))
    for identities in (pairs.identities, from_table):
        labelled = pairs.labelled(identities)
        assert rank(np.stack([labelled.first, labelled.second])).tolist() == order.tolist()


def test_format_1_names_no_identities_and_a_fold_is_left_out(tmp_path: Path) -> None:
    pairs = read(tmp_path, "file1,file2,same,score,fold\na.png,b.png,1,0.5,0\nNA,a.png,0,-2.5,1\n")
    assert pairs.files.tolist() == [["a.png", "b.png"], ["NA", "a.png"]]
    assert pairs.same.tolist() == [True, False]
    assert pairs.scores.tolist() == [0.5, -2.5]
    assert pairs.probabilities is None
    assert pairs.identities is None
    assert ScoredImages.find(pairs, TABLE).rows.tolist() == [[0, 1], [2, 0]]


def test_pairs_are_the_same_whichever_side_an_image_is_on(tmp_path: Path) -> None:
    here = written(tmp_path, (0, 1), (2, 0), (3, 2), same=[True, False, False])
    there = written(tmp_path, (0, 2), (1, 0), (3, 1), same=[False, True, False])
    shared = shared_pairs(here, there)
    assert [pairs.scores.tolist() for pairs in shared] == [[0, 0.5], [0.5, 0]]


def test_no_file_is_no_pairs(tmp_path: Path) -> None:
    assert read_scored_pairs(tmp_path) is None


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="score"):
        read(tmp_path, "file1,file2,same\na.png,b.png,1\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", r"identities\.json: Invalid JSON"),
        ('["9"]', r"identities\.json: the identity '10' of scores\.csv is missing"),
        (None, r"identities\.json: .*No such file"),
    ],
)
def test_a_damaged_order_of_identities_is_named(
    tmp_path: Path, content: str | None, message: str
) -> None:
    written(tmp_path, (0, 1), (2, 0), same=[True, False])
    (tmp_path / "identities.json").unlink()
    if content is not None:
        (tmp_path / "identities.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_scored_pairs(tmp_path)


def test_a_file_that_left_the_table_is_named(tmp_path: Path) -> None:
    pairs = read(tmp_path, "file1,file2,same,score\na.png,gone.png,1,0.5\n")
    with pytest.raises(DataError, match=r"'gone\.png'"):
        ScoredImages.find(pairs, TABLE)


def test_the_same_pairs_are_the_same_whatever_their_scores(tmp_path: Path) -> None:
    first = read(tmp_path, "file1,file2,same,score\na.png,b.png,1,0.5\n")
    second = read(tmp_path, "file1,file2,same,score\na.png,b.png,1,0.9\n")
    other = read(tmp_path, "file1,file2,same,score\nb.png,a.png,1,0.5\n")
    assert first.same_pairs_as(second)
    assert not first.same_pairs_as(other)


def test_names_that_spreadsheets_take_for_formulas_are_guarded_and_come_back(
    tmp_path: Path,
) -> None:
    table = FaceTable(
        Path(), np.array(["=1.png", "'@.png"]), np.array([0, 1]), np.array(["+label", "-2"])
    )
    pairs = PairSet(np.array([[0, 1]]), np.array([False]))
    write_scored_pairs(tmp_path, table, ScoredPairs(pairs, np.array([-1.5])), None)
    line = (tmp_path / "scores.csv").read_text().splitlines()[1]
    assert line == "'=1.png,''@.png,'+label,-2,0,-1.5"
    found = read_scored_pairs(tmp_path)
    assert found is not None
    assert found.identities is not None
    assert found.files.tolist() == [["=1.png", "'@.png"]]
    assert found.identities.labels.tolist() == ["+label", "-2"]


def test_scores_of_several_networks_keep_which_one_gave_them(tmp_path: Path) -> None:
    pairs = PairSet(np.array([[0, 1], [0, 3], [1, 3]]), np.array([True, False, False]))
    scored = ScoredPairs(pairs, np.arange(3.0), network=np.array([1, 2, 2]))
    write_scored_pairs(tmp_path, TABLE, scored, None)
    found = read_scored_pairs(tmp_path)
    assert found is not None
    assert found.network is not None
    assert found.network.tolist() == [1, 2, 2]
    assert found.identities is not None
    labelled = found.taken([0, 2]).labelled(found.taken([0, 2]).identities or found.identities)
    assert labelled.network is not None
    assert labelled.network.tolist() == [1, 2]


def test_the_curve_of_several_networks_is_the_mean_of_theirs_at_each_fmr() -> None:
    generator = np.random.default_rng(0)
    same = np.tile(np.arange(200) % 2 == 0, 2)
    scores = generator.normal(size=400) + same * np.repeat([1.0, 2.5], 200)
    network = np.repeat([1, 2], 200)
    files = np.full((400, 2), "a.png", object)
    apart = [NamedPairs(files, same, scores, None).taken(range(i, i + 200)) for i in (0, 200)]
    scales = np.where(network == 1, 100 + scores, scores / 50)
    together = NamedPairs(files, same, scales, network=network).roc()
    for fmr in (0.05, 0.2, 0.5):
        of_each = [each.roc().tar[each.roc().fmr <= fmr].max() for each in apart]
        assert together.tar[together.fmr <= fmr + 1e-9].max() == pytest.approx(np.mean(of_each))
    mean = np.mean([each.roc().area for each in apart])
    assert together.area == pytest.approx(mean)
