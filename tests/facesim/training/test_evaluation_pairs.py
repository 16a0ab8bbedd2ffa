"""Which pairs a split is measured on: listed, the dataset's own, or drawn."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim.data.image_digests import TableDigests
from facesim.data.linter.findings import Findings
from facesim.data.linter.pairs import lint_pairs
from facesim.errors import DataError, FacesimError
from facesim.experiment.schema import Experiment
from facesim.experiment.sections import Evaluate
from facesim.interfaces import Comparisons, FaceTable, PairSet, Protocol, protocols
from facesim.model.inputs import PixelInputs
from facesim.seeds import derive_seed
from facesim.training.build import Split
from facesim.training.evaluation_pairs import (
    choose_all_pairs,
    choose_pairs,
    evaluation_pairs,
    plan_comparisons,
)

FILES = np.array([f"{person}/{number}.jpg" for person in "abcd" for number in range(4)])
TABLE = FaceTable(Path("faces"), FILES, np.repeat(np.arange(4), 4), np.array(list("abcd")))
OWN = PairSet(np.array([[0, 1], [4, 9]]), np.array([True, False]), np.array([0, 1]))


def split(name: str, table: FaceTable = TABLE) -> Split:
    return Split(name, table, object.__new__(PixelInputs), TableDigests(table))


def measured(experiment: Experiment, **settings: Any) -> Experiment:
    if "protocol" in settings:
        settings["protocol"] = protocols.spec(settings["protocol"])
    return experiment.model_copy(update={"evaluate": Evaluate(**settings)})


def listing(folder: Path, *rows: str, columns: str = "file1,file2,same") -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_pairs_are_drawn_where_nobody_lists_any(tiny: Experiment) -> None:
    pairs = choose_pairs(measured(tiny), split("test"))
    assert len(pairs) == len(TABLE)
    assert int(pairs.same.sum()) == len(TABLE) // 2
    np.testing.assert_array_equal(pairs.rows, choose_pairs(measured(tiny), split("test")).rows)
    assert (pairs.rows != choose_pairs(measured(tiny), split("val")).rows).any()


def test_a_dataset_s_own_pairs_go_before_drawn_ones(tiny: Experiment) -> None:
    assert choose_pairs(measured(tiny), split("test", replace(TABLE, pairs=OWN))) is OWN


def test_a_list_goes_before_the_dataset_s_own_pairs(tiny: Experiment, tmp_path: Path) -> None:
    path = listing(tmp_path, "b/0.jpg,c/3.jpg,0")
    listed = measured(tiny, test_pairs=path)
    own = replace(TABLE, pairs=OWN)
    assert choose_pairs(listed, split("test", own)).rows.tolist() == [[4, 11]]
    assert choose_pairs(listed, split("val", own)) is OWN


def test_a_list_is_copied_into_the_run_and_read_from_there(
    tiny: Experiment, tmp_path: Path
) -> None:
    path = listing(tmp_path, "1,a/0.jpg,a/1.jpg", columns="same,file2,file1")
    listed, kept = measured(tiny, val_pairs=path), tmp_path / "val.csv"
    assert evaluation_pairs(kept, listed, split("val")).rows.tolist() == [[1, 0]]
    assert kept.read_text() == "file1,file2,same\na/1.jpg,a/0.jpg,1\n"
    path.unlink()
    assert evaluation_pairs(kept, listed, split("val")).rows.tolist() == [[1, 0]]


def test_the_protocol_s_pairs_are_stored_once_and_read_ever_after(
    tiny: Experiment, tmp_path: Path
) -> None:
    kept = tmp_path / "test.csv"
    planned = plan_comparisons(measured(tiny), split("test"), kept).pairs
    assert planned is not None
    np.testing.assert_array_equal(planned.rows, choose_pairs(measured(tiny), split("test")).rows)
    os.utime(kept, ns=(1, 1))
    again = plan_comparisons(measured(tiny, seed=1), split("test"), kept).pairs
    assert again is not None
    np.testing.assert_array_equal(again.rows, planned.rows)
    assert kept.stat().st_mtime_ns == 1


def test_a_protocol_draws_by_the_seed_of_evaluation(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def plan(self: Protocol, table: FaceTable, listed: object, seed: int) -> Comparisons:
        seeds.append(seed)
        return Comparisons()

    monkeypatch.setattr(type(protocols.spec("pairs").build()), "plan", plan)
    for seed in (0, 0, 1):
        plan_comparisons(measured(tiny, seed=seed), split("test"), tmp_path / "test.csv")
    assert seeds[0] == seeds[1] != seeds[2]
    assert seeds[0] == derive_seed(0, "protocol")
    assert not (tmp_path / "test.csv").exists()


def test_odd_pairs_of_a_list_reach_the_linter_with_their_rows(
    tiny: Experiment, tmp_path: Path
) -> None:
    rows = ["a/0.jpg,a/0.jpg,1", "a/0.jpg,b/0.jpg,1", "c/0.jpg,d/0.jpg,0", "d/0.jpg,c/0.jpg,0"]
    listed = measured(tiny, test_pairs=listing(tmp_path, *rows))
    pairs = evaluation_pairs(tmp_path / "test.csv", listed, split("test"))
    findings = Findings({})
    lint_pairs("test", TABLE, pairs, 1.0, findings)
    found = {finding.rule: finding.rows for finding in findings.report().findings}
    assert found["self_pair"] == ("a/0.jpg - a/0.jpg (genuine)",)
    assert found["contradictory_pair"] == ("a/0.jpg - b/0.jpg (genuine)",)
    assert found["duplicate_pair"] == ("d/0.jpg - c/0.jpg (impostor)",)


def test_drawn_pairs_that_somebody_changed_are_refused(tiny: Experiment, tmp_path: Path) -> None:
    kept = tmp_path / "test.csv"
    evaluation_pairs(kept, measured(tiny), split("test"))
    kept.write_text("file1,file2,same\na/0.jpg,a/0.jpg,1\n")
    with pytest.raises(DataError, match=r"test\.csv:2: 'a/0\.jpg' is paired with itself"):
        evaluation_pairs(kept, measured(tiny), split("test"))


def test_a_missing_list_is_named(tiny: Experiment, tmp_path: Path) -> None:
    listed = measured(tiny, test_pairs=tmp_path / "nothing.csv")
    with pytest.raises(DataError, match=r"nothing\.csv: there is no such file of pairs"):
        choose_pairs(listed, split("test"))


@pytest.mark.parametrize(
    ("own", "has"), [(None, "none"), (replace(OWN, fold=np.array([3, 3])), "one")]
)
def test_k_fold_needs_folds(tiny: Experiment, own: PairSet | None, has: str) -> None:
    with pytest.raises(FacesimError, match=f"those of test have {has}; list them in"):
        plan_comparisons(
            measured(tiny, protocol="k_fold"), split("test", replace(TABLE, pairs=own))
        )


def test_k_fold_asks_nothing_of_val(tiny: Experiment) -> None:
    k_fold = measured(tiny, protocol="k_fold")
    pairs = choose_all_pairs(k_fold, [split("val"), split("test", replace(TABLE, pairs=OWN))])
    assert pairs["val"].fold is None
    assert pairs["test"] is OWN


def test_the_pairs_of_val_and_of_test_are_all_that_is_linted_and_measured(
    tiny: Experiment, tmp_path: Path
) -> None:
    experiment = measured(tiny)
    pairs = choose_all_pairs(experiment, [split("val"), split("test")])
    assert list(pairs) == ["val", "test"]
    for name, chosen in pairs.items():
        kept = evaluation_pairs(tmp_path / f"{name}.csv", experiment, split(name))
        np.testing.assert_array_equal(chosen.rows, kept.rows)


def test_the_exhaustive_protocol_chooses_no_pairs_of_test(tiny: Experiment) -> None:
    pairs = choose_all_pairs(measured(tiny, protocol="exhaustive"), [split("val"), split("test")])
    assert set(pairs) == {"val"}


def test_the_exhaustive_protocol_needs_both_kinds_of_pairs(tiny: Experiment) -> None:
    alone = replace(TABLE, identities=np.zeros(len(TABLE), np.int64))
    with pytest.raises(FacesimError, match="no impostor pair"):
        choose_all_pairs(
            measured(tiny, protocol="exhaustive"), [split("val"), split("test", alone)]
        )


def test_an_exhaustive_protocol_has_no_list_of_pairs() -> None:
    exhaustive = protocols.spec("exhaustive")
    with pytest.raises(ValueError, match="does not compare a list of pairs; leave test_pairs out"):
        Evaluate(protocol=exhaustive, test_pairs=Path("pairs.csv"))
