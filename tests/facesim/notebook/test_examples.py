"""The examples in the docstrings of the notebook's functions run as they stand."""

import doctest
from collections.abc import Iterator
from typing import Any

import pytest

import facesim
from facesim import OpenedRun, load_experiment

PUBLIC = (
    facesim.load_experiment,
    facesim.check,
    facesim.run,
    facesim.open_run,
    facesim.evaluate,
    facesim.compare,
    facesim.OpenedRun,
)


def examples() -> Iterator[doctest.DocTest]:
    for public in PUBLIC:
        found = doctest.DocTestFinder().find(public, globs={})
        yield from (test for test in found if test.examples)


EXAMPLES = {test.name: test for test in examples()}


def test_every_public_function_has_an_example() -> None:
    named = {public.__name__ for public in PUBLIC}
    assert named | {"OpenedRun.score", "OpenedRun.verify"} == set(EXAMPLES)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, trained: OpenedRun) -> None:
    test = EXAMPLES[name]
    test.globs = globals_of_an_example(trained)
    runner = doctest.DocTestRunner(verbose=False)
    failures: list[str] = []
    runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


def globals_of_an_example(trained: OpenedRun) -> dict[str, Any]:
    experiment = load_experiment("experiments/quickstart.yaml", {"train.epochs": 1})
    public = {name: getattr(facesim, name) for name in facesim.__all__}
    return {**public, "experiment": experiment, "trained": trained}
