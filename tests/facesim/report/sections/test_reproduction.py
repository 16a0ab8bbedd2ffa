"""How to reproduce a run, on the page."""

import json
from collections.abc import Callable

from facesim.page import Code, Table, Text
from facesim.report.sections.reproduction import reproduction_section
from facesim.runs.run import Run

START = {"command": ["/somewhere/facesim", "run", "a file.yaml"], "packages": {"timm": None}}


def test_the_resolved_experiment_is_whole(build_run: Callable[..., Run]) -> None:
    files = build_run().read("test")
    experiment = reproduction_section(files).blocks[-1]
    assert isinstance(experiment, Code)
    assert experiment.text == files.experiment.as_yaml()


def test_each_start_has_a_column_and_folders_of_programs_are_left_out(
    build_run: Callable[..., Run],
) -> None:
    run = build_run()
    (run.path / "environment.json").write_text(json.dumps([START, {**START, "device": "cuda:0"}]))
    _, resumed, environment, _ = reproduction_section(run.read("test")).blocks
    assert resumed == Text("The run was resumed; it was started 2 times.")
    assert isinstance(environment, Table)
    assert environment.columns == ("Property", "Start 1", "Start 2")
    rows = {row[0]: row[1:] for row in environment.rows}
    assert rows["command"] == ("facesim run 'a file.yaml'",) * 2
    assert rows["device"] == ("", "cuda:0")
    assert rows["timm"] == ("not installed",) * 2
