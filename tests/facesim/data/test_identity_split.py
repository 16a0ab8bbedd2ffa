"""The splits of a source share nobody, follow labels and image counts alone, in proportion."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesim.arrays import Int64Array
from facesim.data.identity_split import divide_identities, folds_of_identities, split_table
from facesim.errors import DataError
from facesim.experiment.sections import IdentitySplit
from facesim.interfaces import FaceTable, PairSet


def people(images: Int64Array | list[int], labels: list[str] | None = None) -> FaceTable:
    """A table of identities with that many images each."""
    images = np.asarray(images)
    labels = labels or [f"person {index}" for index in range(len(images))]
    identities = np.repeat(np.arange(len(images)), images)
    files = np.array([f"{labels[person]}/{row}.png" for row, person in enumerate(identities)])
    return FaceTable(Path("faces"), files, identities, np.array(labels))


def with_attribute(table: FaceTable, name: str, of_identity: list[str]) -> FaceTable:
    values = np.array(of_identity)[table.identities]
    return replace(table, attributes=table.attributes.assign(**{name: values}))


def members(tables: dict[str, FaceTable]) -> dict[str, set[str]]:
    return {name: set(table.labels.tolist()) for name, table in tables.items()}


@pytest.fixture
def crowd() -> FaceTable:
    return people(np.random.default_rng(0).integers(1, 40, size=300))


def test_each_row_is_in_one_split_and_nobody_in_two(crowd: FaceTable) -> None:
    tables = split_table(crowd, IdentitySplit())
    assert sorted(f for table in tables.values() for f in table.files) == sorted(crowd.files)
    train, val, test = members(tables).values()
    assert (len(train), len(val), len(test)) == (210, 30, 60)
    assert len(train | val | test) == 300


def test_the_order_of_the_rows_and_the_folder_change_nothing(crowd: FaceTable) -> None:
    rows = np.random.default_rng(1).permutation(len(crowd))
    names = np.random.default_rng(2).permutation(300)
    moved = FaceTable(
        Path("elsewhere"),
        crowd.files[rows],
        np.argsort(names)[crowd.identities[rows]],
        crowd.labels[names],
    )
    split = IdentitySplit(seed=3)
    assert members(split_table(crowd, split)) == members(split_table(moved, split))


def test_a_label_is_the_same_however_its_accents_are_encoded() -> None:
    images = [4] * 40
    composed = [f"Jos\N{LATIN SMALL LETTER E WITH ACUTE} {index}" for index in range(40)]
    apart = [f"Jose\N{COMBINING ACUTE ACCENT} {index}" for index in range(40)]
    first, second = (
        divide_identities(people(images, labels), IdentitySplit()) for labels in (composed, apart)
    )
    assert first.tolist() == second.tolist()


def test_another_seed_divides_otherwise(crowd: FaceTable) -> None:
    first, second = (divide_identities(crowd, IdentitySplit(seed=seed)) for seed in (0, 1))
    assert np.count_nonzero(first != second) > 100


def test_each_seed_may_put_a_rare_person_anywhere() -> None:
    table = people([3] * 30 + [500])
    splits = {int(divide_identities(table, IdentitySplit(seed=s))[-1]) for s in range(40)}
    assert splits == {0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_people_with_few_and_with_many_images_are_in_each_split_in_proportion(
    crowd: FaceTable, seed: int
) -> None:
    images = np.bincount(crowd.identities)
    of_identity = divide_identities(crowd, IdentitySplit(seed=seed))
    for least, most in ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 63)):
        stratum = of_identity[(images >= least) & (images <= most)]
        expected = len(stratum) * np.array([0.7, 0.1, 0.2])
        assert (abs(np.bincount(stratum, minlength=3) - expected) <= 1.5).all()


def test_an_attribute_is_in_each_split_in_proportion_if_asked_for(crowd: FaceTable) -> None:
    kinds = np.random.default_rng(4).choice(["a", "b", "c"], size=300, p=[0.8, 0.1, 0.1])
    table = with_attribute(crowd, "kind", kinds.tolist())
    of_identity = divide_identities(table, IdentitySplit(stratify=("kind",)))
    for kind in "abc":
        stratum = of_identity[kinds == kind]
        expected = len(stratum) * np.array([0.7, 0.1, 0.2])
        assert (abs(np.bincount(stratum, minlength=3) - expected) <= 1.5).all()


def test_the_attribute_of_an_identity_is_that_of_most_of_its_images() -> None:
    table = people([3] * 40)
    kinds = ["old", "young"] * 20
    clean = with_attribute(table, "age", kinds)
    mixed = clean.attributes.copy()
    mixed.loc[::3, "age"] = "other"  # one image of three of each person
    split = IdentitySplit(stratify=("age",))
    of_mixed = divide_identities(replace(table, attributes=mixed), split)
    assert of_mixed.tolist() == divide_identities(clean, split).tolist()


def test_a_number_is_the_same_attribute_whether_or_not_a_cell_is_empty() -> None:
    table = people([3] * 40)
    whole = pd.DataFrame({"group": np.repeat([9, 10], 60)})
    holed = whole.astype(float)
    holed.loc[0, "group"] = np.nan
    split = IdentitySplit(stratify=("group",))
    first, second = (
        divide_identities(replace(table, attributes=each), split) for each in (whole, holed)
    )
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("seed", range(8))
def test_an_image_more_moves_few_people(crowd: FaceTable, seed: int) -> None:
    images = np.bincount(crowd.identities)
    split = IdentitySplit(seed=seed)
    before = divide_identities(crowd, split)
    at_a_bound = int(np.flatnonzero(images == 15)[seed])  # the worst case: the next stratum
    within = int(np.flatnonzero(images == 20)[seed])
    assert before.tolist() == divide_identities(people(_more(images, within)), split).tolist()
    after = divide_identities(people(_more(images, at_a_bound)), split)
    assert np.count_nonzero(before != after) <= 5


def _more(images: Int64Array, person: int) -> Int64Array:
    more: Int64Array = images.copy()
    more[person] += 1
    return more


@pytest.mark.parametrize("seed", range(10))
def test_a_person_more_moves_few_people(crowd: FaceTable, seed: int) -> None:
    split = IdentitySplit(seed=seed)
    before = divide_identities(crowd, split)
    after = divide_identities(people([*np.bincount(crowd.identities), 9]), split)
    assert np.count_nonzero(before != after[:-1]) <= 25


def test_many_identities_are_divided_in_a_second() -> None:
    images = np.random.default_rng(0).integers(1, 3, size=200_000)
    of_identity = divide_identities(people(images), IdentitySplit())
    assert np.bincount(of_identity).tolist() == [140_000, 20_000, 40_000]


TOO_FEW = [
    ([5] * 5, "of which ratios 0.7, 0.1, 0.2 leave 1 for val; it needs two", "Add people, or"),
    ([5] * 6, "leave 1 for val", "such as [0.34, 0.33, 0.33], or"),
    ([5] * 8, "leave 1 for val", "such as [0.5, 0.25, 0.25], or"),
    ([1] * 40, "leave 28 for train, none of them with two images", "[0.5, 0.25, 0.25], or"),
]


@pytest.mark.parametrize(("images", "told", "remedy"), TOO_FEW)
def test_too_few_people_are_refused_with_what_to_write(
    images: list[int], told: str, remedy: str
) -> None:
    with pytest.raises(DataError) as refused:
        split_table(people(images), IdentitySplit())
    assert told in str(refused.value)
    assert remedy in str(refused.value)
    assert "`evaluate: {protocol: identity_folds}`" in str(refused.value)


def test_an_unknown_and_an_almost_unique_attribute_are_refused(crowd: FaceTable) -> None:
    table = with_attribute(crowd, "gender", ["f", "m"] * 150)
    table = with_attribute(table, "born", [f"day {index}" for index in range(300)])
    with pytest.raises(DataError, match=r"no attribute 'gendr' \(did you mean 'gender'\?\)"):
        split_table(table, IdentitySplit(stratify=("gendr",)))
    with pytest.raises(DataError, match="'born' has 300 values for 300 identities"):
        split_table(table, IdentitySplit(stratify=("born",)))


@pytest.mark.parametrize(
    ("people_there", "ratios"), [(6, (0.34, 0.33, 0.33)), (8, (0.5, 0.25, 0.25))]
)
@pytest.mark.parametrize("seed", range(5))
def test_the_ratios_that_an_error_names_are_enough(
    people_there: int, ratios: tuple[float, float, float], seed: int
) -> None:
    split_table(people([5] * people_there), IdentitySplit(ratios=ratios, seed=seed))


@pytest.mark.parametrize(
    "words",
    [["train", "val", "test"], [" Train", "validation", "TEST"], [0, 1, 2], [0.0, 1.0, 2.0]],
)
def test_a_column_split_is_taken_at_its_word(words: list[str] | list[float]) -> None:
    table = people([4] * 6)
    column = pd.DataFrame({"split": np.repeat(words, 8), "kind": "x"})
    tables = split_table(replace(table, attributes=column), None)
    assert {name: table.labels.tolist() for name, table in tables.items()} == {
        "train": ["person 0", "person 1"],
        "val": ["person 2", "person 3"],
        "test": ["person 4", "person 5"],
    }
    assert tables["val"].attributes.columns.tolist() == ["kind"]


def test_an_identity_in_two_splits_of_the_column_stays_there_for_the_linter() -> None:
    column = pd.DataFrame({"split": ["train", "test", "val", "test", "train", "val"]})
    tables = split_table(replace(people([2, 2, 2]), attributes=column), None)
    assert "person 0" in members(tables)["train"] & members(tables)["test"]


def test_a_wrong_column_is_refused() -> None:
    table = people([2] * 3)
    words = ["train", "train", "val", "val", "test", "tset"]
    with pytest.raises(DataError, match=r"of 1 rows of the source is no split: 'tset' of person 2"):
        split_table(replace(table, attributes=pd.DataFrame({"split": words})), None)
    words = ["train", "train", "val", "val", "val", "val"]
    with pytest.raises(DataError, match="no row of the column `split` of the source says test"):
        split_table(replace(table, attributes=pd.DataFrame({"split": words})), None)


def test_one_of_the_column_and_the_key_says_how(crowd: FaceTable) -> None:
    with pytest.raises(DataError, match=r"`split: \{ratios: \[0.7, 0.1, 0.2\], seed: 0\}`"):
        split_table(crowd, None)
    with pytest.raises(DataError, match="has a column `split` already"):
        split_table(with_attribute(crowd, "split", ["train"] * 300), IdentitySplit())


def test_what_is_unusual_of_the_source_is_told_once(crowd: FaceTable) -> None:
    pairs = PairSet(np.array([[0, 1]]), np.array([True]))
    tables = split_table(replace(crowd, notes=("One is odd.",), pairs=pairs), IdentitySplit())
    assert tables["test"].pairs is None
    assert (tables["val"].notes, tables["test"].notes) == ((), ())
    assert tables["train"].notes == (
        "Of the whole source: One is odd.",
        "Of the whole source: The dataset's own 1 pairs are not used, as they cross the splits.",
    )


def folds_of(table: FaceTable, seed: int = 0, folds: int = 5) -> list[dict[str, set[str]]]:
    splits = [IdentitySplit(seed=seed, folds=folds, fold=at + 1) for at in range(folds)]
    return [members(split_table(table, split)) for split in splits]


def test_each_person_is_in_test_once_in_val_once_and_else_in_train(crowd: FaceTable) -> None:
    folds = folds_of(crowd)
    for name, times in (("test", 1), ("val", 1), ("train", 3)):
        counts = Counter(person for fold in folds for person in fold[name])
        assert set(counts.values()) == {times}
        assert len(counts) == 300
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert len(fold["train"] | fold["val"] | fold["test"]) == 300
        assert fold["val"] == following["test"]


def test_folds_are_of_one_size_and_hold_their_share_of_every_stratum(crowd: FaceTable) -> None:
    sexes = np.where(np.arange(300) % 3 == 0, "f", "m").tolist()
    table = with_attribute(crowd, "sex", sexes)
    split = IdentitySplit(folds=5, fold=1, stratify=("sex",))
    of_identity = folds_of_identities(table, split, 5)
    assert np.bincount(of_identity).tolist() == [60] * 5
    women = np.bincount(of_identity[np.array(sexes) == "f"])
    assert women.min() >= 19
    assert women.max() <= 21
    images = np.bincount(table.identities)
    many = np.bincount(of_identity[images >= 16])
    assert many.max() - many.min() <= 3


def test_folds_follow_from_labels_and_seed_alone(crowd: FaceTable) -> None:
    rows = np.random.default_rng(1).permutation(len(crowd))
    moved = FaceTable(Path("elsewhere"), crowd.files[rows], crowd.identities[rows], crowd.labels)
    assert folds_of(crowd) == folds_of(moved)
    assert folds_of(crowd) != folds_of(crowd, seed=1)


def test_all_folds_together_have_everybody_in_test_and_no_train(crowd: FaceTable) -> None:
    tables = split_table(crowd, IdentitySplit(folds=5))
    assert members(tables) == {"test": set(crowd.labels.tolist())}


def test_too_few_people_for_so_many_folds() -> None:
    with pytest.raises(DataError, match="identity_folds, folds: 3"):
        folds_of(people([4] * 7), folds=4)
    with pytest.raises(DataError, match="So few people allow no test"):
        folds_of(people([4] * 5), folds=3)


def test_folds_of_a_source_that_somebody_has_split(crowd: FaceTable) -> None:
    table = with_attribute(crowd, "split", ["train"] * 300)
    with pytest.raises(DataError, match="folds divide its people anew"):
        split_table(table, IdentitySplit(folds=5, fold=1))
