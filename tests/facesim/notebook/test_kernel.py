"""A notebook in a Jupyter kernel: tables, and the bar of the browser."""

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

CELLS = (
    "import facesim",
    "experiment = facesim.load_experiment('experiments/quickstart.yaml', {'train.epochs': 1})",
    "facesim.check(experiment)",
    "trained = facesim.run(experiment, 'in_kernel')",
    "trained.metrics",
    "trained.scores.head()",
    "face = experiment.data.test.build().path(0)\ntrained.verify(face, face)",
)


@pytest.fixture(scope="module")
def outputs(workplace: Path) -> list[list[Any]]:
    """The outputs of each cell."""
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, CELLS)))
    resources = {"metadata": {"path": str(workplace)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize(
    ("cell", "shown"), [(2, "ready to run"), (4, "ROC AUC"), (5, "file1"), (6, "same person")]
)
def test_results_are_tables(cell: int, shown: str, outputs: list[list[Any]]) -> None:
    (result,) = (each for each in outputs[cell] if each.output_type == "execute_result")
    assert "<table" in result.data["text/html"]
    assert shown in result.data["text/html"]


def test_the_progress_is_a_bar_that_goes_away_and_lines_stay(outputs: list[list[Any]]) -> None:
    bars = [each.data["text/html"] for each in outputs[3] if each.output_type == "display_data"]
    assert bars
    assert set(bars) == {""}
    said = "".join(each.text for each in outputs[3] if each.output_type == "stream")
    assert "epoch 1/1" in said
    assert "run directory: in_kernel" in said
