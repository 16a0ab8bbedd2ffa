"""A metric in a file beside the experiment stands wherever the built-in ones do."""

import io
from pathlib import Path

import pytest

from facesim.console import Console
from facesim.experiment.loading import load_experiment
from facesim.report.comparison_files import write_comparison
from facesim.report.run_report import write_report
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run
from facesim.terminal.results import print_comparison, print_result

PLUGIN = '''
from facesim import Metric, Roc, metrics

@metrics("weighted_error")
class WeightedError(Metric):
    """FMR and FNMR, weighted."""

    higher_is_better = False
    at_threshold = True
    headline = True

    def __init__(self, *, weight: float) -> None:
        self.weight = weight
        self.name = f"weighted_error_{weight:g}"
        self.label = f"Error <weighted {weight:g}>"

    def value(self, roc: Roc, threshold: float) -> float:
        at = roc.at(threshold)
        return self.weight * at.fmr + (1 - self.weight) * at.fnmr
'''


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_file: Path) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "weighted.py").write_text(PLUGIN)
    file = folder / "own.yaml"
    file.write_text(f"extends: {tiny_file}\nplugins: [./weighted.py]\n")
    measured = (
        "name=own",
        "train.epochs=1",
        "evaluate.pairs_per_image=2",
        "evaluate.metrics=[accuracy, {name: weighted_error, weight: 0.25}]",
    )
    first, second = (
        Run.begin(load_experiment(file, [*measured, f"seed={seed}"]), folder) for seed in (0, 1)
    )
    first.complete()
    second.complete()
    return first, second


def shown(screen: io.StringIO) -> Console:
    return Console(file=screen, width=200)


def test_on_the_terminal(runs: tuple[Run, Run]) -> None:
    screen = io.StringIO()
    print_result(shown(screen), runs[0].read())
    assert "Error <weighted 0.25>" in screen.getvalue()


def test_in_the_report_on_a_card_among_baselines_and_in_the_training_curves(
    runs: tuple[Run, Run],
) -> None:
    files = runs[0].read()
    text = write_report(files).read_text(encoding="utf-8")
    label = "Error &lt;weighted 0.25&gt;"
    assert f"<dt>{label}</dt>" in text
    assert f'<th scope="col">{label}</th>' in text.split('id="baselines"')[1]
    assert f'<th scope="col">{label}</th>' in text.split('id="validation"')[1]
    assert files.result is not None
    value = files.result.metrics["weighted_error_0.25"].value
    assert f'<dd class="value">{value:.2%}</dd>' in text


def test_in_the_comparison_with_its_direction(runs: tuple[Run, Run], tmp_path: Path) -> None:
    comparison = compare_runs(runs)
    screen = io.StringIO()
    print_comparison(shown(screen), comparison)
    for word in ("Error", "<weighted", "0.25>"):
        assert word in screen.getvalue()
    page = write_comparison(comparison, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert '<th scope="col">Error &lt;weighted 0.25&gt;</th>' in page
