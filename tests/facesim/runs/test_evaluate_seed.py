"""Pairs follow ``evaluate.seed``: trainings share them, and runs of before keep theirs."""

import re
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from facesim.atomic import write_text
from facesim.data.pair_sets import draw_pair_set, read_pair_set
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment, load_run_experiment
from facesim.experiment.schema import Experiment
from facesim.runs.group_comparison import compare_two
from facesim.runs.run import Run
from facesim.seeds import derive_seed


def experiment(file: Path, *overrides: str) -> Experiment:
    return load_experiment(file, ["train.epochs=0", *overrides])


def has_pairs_of_seed(seed: int, run: Run, split: str, name: str | None = None) -> bool:
    """Whether the pairs of val, or of an evaluation of test, are those that a seed draws."""
    data, evaluate = run.experiment.data, run.experiment.evaluate
    table = data.dataset_of(split).build()
    drawn = draw_pair_set(
        table,
        evaluate.pairs_per_image,
        evaluate.same_fraction,
        derive_seed(seed, "pairs", split),
    )
    stored = read_pair_set(run.directory.pairs_file(name or split), table)
    return np.array_equal(stored.rows, drawn.rows)


def as_before(run: Run) -> Run:
    """The run with the file that facesim wrote before the key existed."""
    file = run.path / "experiment.yaml"
    without, found = re.subn(
        r"^evaluate:\n  seed: \d+\n", "evaluate:\n", file.read_text(), flags=re.M
    )
    assert found == 1
    write_text(file, without)
    return Run.open(run.path)


def test_two_trainings_are_measured_on_the_same_pairs_and_compared_as_pairs(
    tiny_file: Path, tmp_path: Path
) -> None:
    runs = []
    for seed in (0, 3):
        run = Run.begin(experiment(tiny_file, f"seed={seed}"), tmp_path / str(seed))
        run.complete()
        runs.append(run)
        assert has_pairs_of_seed(0, run, "val")
        assert has_pairs_of_seed(0, run, "test")
    first, second = (run.read() for run in runs)
    assert first.result is not None
    assert second.result is not None
    assert first.result.seed == second.result.seed == derive_seed(0, "bootstrap")
    assert [each.result.metrics for each in first.baselines[:1]] == [
        each.result.metrics for each in second.baselines[:1]
    ]  # chance
    assert compare_two([first], [second], first.metrics).why_unpaired is None


def test_another_evaluate_seed_draws_other_pairs(tiny_file: Path, tmp_path: Path) -> None:
    run = Run.begin(experiment(tiny_file, "evaluate.seed=5"), tmp_path)
    run.complete()
    assert has_pairs_of_seed(5, run, "val")
    assert has_pairs_of_seed(5, run, "test")
    run.evaluate(name="redrawn", overrides=["evaluate.seed=6"])
    assert has_pairs_of_seed(6, run, "test", "redrawn")


def test_a_run_of_before_keeps_the_pairs_of_its_seed(tiny_file: Path, tmp_path: Path) -> None:
    """It was stopped before its test pairs were drawn; the file does not know the key either."""
    of_file = experiment(tiny_file, "seed=3")
    run = as_before(Run.begin(of_file, tmp_path))
    found = Run.latest_unfinished(of_file, tmp_path)
    assert found is not None
    assert found.path == run.path
    found.take_experiment(of_file)
    found.complete()
    assert has_pairs_of_seed(3, found, "val")
    assert has_pairs_of_seed(3, found, "test")
    assert found.read().result is not None
    rmtree(found.directory.evaluation("test"))
    Run.open(found.path).evaluate(name="again", overrides=["evaluate.batch_size=7"])
    assert has_pairs_of_seed(3, found, "test", "again")


def test_a_run_of_before_is_not_resumed_with_other_pairs(tiny_file: Path, tmp_path: Path) -> None:
    run = as_before(Run.begin(experiment(tiny_file, "seed=3"), tmp_path))
    with pytest.raises(FacesimError, match=r"evaluate\.seed: 3 -> 0"):
        run.take_experiment(experiment(tiny_file, "seed=3", "evaluate.seed=0"))
    run.take_experiment(experiment(tiny_file, "seed=3", "evaluate.seed=3"))


def test_an_experiment_of_today_says_its_key_when_it_is_written(
    tiny_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(experiment(tiny_file, "seed=3").as_yaml())
    assert load_run_experiment(file).evaluate.seed == 0
    assert load_run_experiment(file, ["evaluate.seed=4"]).evaluate.seed == 4
