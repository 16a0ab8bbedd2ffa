"""Run directories of format 1, written before directories said their format, still open.

``run_format_1.tar.gz`` holds one that finished, with three evaluations, one that was stopped after
the first of three epochs, and their experiment.
"""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.interfaces.result import EvaluationResult
from facesim.report.formatting import is_measurable

Values = dict[str, float | None]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    with tarfile.open(Path(__file__).with_name("run_format_1.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def values(run: Path, name: str = "test") -> Values:
    """The metrics by name, without those that the rule of 3 calls not measurable now.

    FNMR at FMR, which is what TAR at FAR leaves, is not standard any more.
    """
    text = (run / "eval" / name / "metrics.json").read_text(encoding="utf-8")
    found = EvaluationResult.model_validate_json(text)
    lost = {
        name for name, each in found.metrics.items() if each.support and not is_measurable(each)
    }
    lost |= {name for name in found.metrics if name.startswith("fnmr_at_fmr_")}
    return {name: value for name, value in found.values().items() if name not in lost}


def close_to(expected: Values) -> object:
    """Another machine may round otherwise."""
    return pytest.approx(expected, abs=1e-3)


def test_eval_finds_the_same_again(runs: Path, facesim: Callable[..., str]) -> None:
    before = values(runs / "finished")
    assert before["accuracy"] == 0.4375
    facesim("eval", runs / "finished")
    assert values(runs / "finished") == close_to(before)


def test_eval_under_a_new_name(runs: Path, facesim: Callable[..., str]) -> None:
    facesim("eval", runs / "finished", "--name=again")
    assert values(runs / "finished", "again") == close_to(values(runs / "finished"))


@pytest.mark.parametrize("name", ["test", "all", "folds"])
def test_each_evaluation_has_a_report(name: str, runs: Path, facesim: Callable[..., str]) -> None:
    facesim("report", runs / "finished", f"--name={name}")
    file = "report.html" if name == "test" else f"report-{name}.html"
    page = (runs / "finished" / file).read_text(encoding="utf-8")
    assert "format_1 / finished" in page
    assert ("data:image/jpeg" in page) == (name != "all")


def test_compare_pairs_a_run_with_its_copy(runs: Path, facesim: Callable[..., str]) -> None:
    shutil.copytree(runs / "finished", runs / "copy")
    printed = facesim("compare", runs / "finished", runs / "copy")
    assert "no difference shown" in printed
    assert "independent" not in printed


def test_an_interrupted_run_goes_on_to_the_end(runs: Path, facesim: Callable[..., str]) -> None:
    facesim("run", runs / "experiment.yaml", f"--resume={runs / 'interrupted'}")
    assert values(runs / "interrupted") == close_to(values(runs / "finished"))
    assert (runs / "interrupted" / "report.html").is_file()


def test_a_finished_run_stays_as_it_is(runs: Path, facesim: Callable[..., str]) -> None:
    before = values(runs / "finished")
    facesim("run", runs / "experiment.yaml", f"--resume={runs / 'finished'}")
    assert values(runs / "finished") == close_to(before)
