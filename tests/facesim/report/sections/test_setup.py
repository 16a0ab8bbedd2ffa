import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from facesim.experiment.decisions import Decision
from facesim.experiment.loading import load_experiment
from facesim.page import Code, Table, Text
from facesim.report.sections.setup import reproduction_section, setup_section, summary_line
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles


@pytest.fixture
def files(build_run: Callable[..., Run]) -> RunFiles:
    return build_run().read()


def rows_of(files: RunFiles) -> dict[str, str]:
    (table,) = setup_section(files).blocks
    assert isinstance(table, Table)
    return {row[0]: row[1] for row in table.rows}


def test_each_component_has_its_parameters(files: RunFiles) -> None:
    rows = rows_of(files)
    assert rows["loss"].startswith("contrastive: margin ")
    assert rows["transforms"] == "none"
    assert "out_dim 4" in rows["head"]
    assert rows["image"] == "size [16, 16], fit letterbox"
    assert rows["status"] == "finished"
    assert rows["protocol"] == "pairs"


def test_what_an_evaluation_changed_is_shown_and_what_was_trained_is_not(files: RunFiles) -> None:
    other = load_experiment(
        files.path / "experiment.yaml",
        ["data.test.identities=3", "data.train.identities=2", "evaluate.protocol=exhaustive"],
    )
    rows = rows_of(replace(files, name="other", evaluated=other))
    assert "identities 3," in rows["other"]
    assert "identities 4," in rows["train"]
    assert rows["protocol"] == "exhaustive"
    assert "test" not in rows


def test_a_source_and_its_split_are_shown_in_place_of_the_splits(files: RunFiles) -> None:
    assert "source" not in rows_of(files)
    source = (
        "data={source: {name: synthetic_faces, identities: 9}, split: {seed: 4}, train: null, "
        "val: null, test: null}"
    )
    divided = load_experiment(files.path / "experiment.yaml", [source])
    rows = rows_of(replace(files, experiment=divided, evaluated=divided))
    assert rows["source"].startswith("synthetic_faces: identities 9,")
    assert rows["split"] == "ratios [0.7, 0.1, 0.2], seed 4, stratify []"
    assert not {"train", "val", "test"} & set(rows)
    other = load_experiment(
        files.path / "experiment.yaml",
        [source, "data.test={name: synthetic_faces, identities: 3}"],
    )
    rows = rows_of(replace(files, experiment=divided, name="other", evaluated=other))
    assert rows["other"].startswith("synthetic_faces: identities 3,")


def test_the_summary_names_loss_network_and_data(files: RunFiles) -> None:
    assert summary_line(files) == (
        "contrastive loss on small_cnn and mlp, trained on synthetic_faces, tested on "
        "synthetic_faces"
    )


START = {"command": ["/somewhere/facesim", "run", "a file.yaml"], "packages": {"timm": None}}


def test_the_resolved_experiment_is_whole(build_run: Callable[..., Run]) -> None:
    files = build_run().read("test")
    experiment = reproduction_section(files).blocks[-1]
    assert isinstance(experiment, Code)
    assert experiment.text == files.experiment.as_yaml()


def test_a_start_on_several_processes_says_how_many(build_run: Callable[..., Run]) -> None:
    run = build_run()
    together = {**START, "command": ["/a/facesim/__main__.py", "run", "a.yaml"], "processes": 2}
    (run.path / "environment.json").write_text(json.dumps([together, START]))
    _, _, environment, _ = reproduction_section(run.read("test")).blocks
    assert isinstance(environment, Table)
    rows = {row[0]: row[1:] for row in environment.rows}
    assert rows["command"][0] == "facesim run a.yaml"
    assert rows["processes"] == ("2", "")


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


def test_values_are_written_as_people_write_them(files: RunFiles) -> None:
    """Without what was not asked for; the evaluation's own components stand in their own rows."""
    rows = rows_of(files)
    assert rows["training"].startswith("epochs 3, batch_size 8, ")
    assert "None" not in "".join(rows.values())
    assert "baselines yes" in rows["evaluation"]
    assert "protocol" not in rows["evaluation"]
    assert "metrics" not in rows["evaluation"]
    assert rows["seed"] == "0"
    assert rows_of(replace(files, log=None))["status"] == "not started"
    assert list(rows)[:3] == ["train", "val", "test"]
    assert list(rows)[-5:] == ["image", "training", "evaluation", "seed", "status"]


def test_a_run_that_never_started_has_no_environment_and_says_nothing_of_a_resume(
    files: RunFiles,
) -> None:
    section = reproduction_section(replace(files, starts=()))
    assert (section.name, section.title) == ("reproduction", "Reproduction")
    command, experiment = section.blocks
    assert command == Code("Run this in the run directory", "facesim run experiment.yaml\n")
    assert isinstance(experiment, Code)
    assert experiment.folded
    assert len(reproduction_section(files).blocks) == 3


def test_one_process_and_a_folder_without_a_repository_are_said_as_such(files: RunFiles) -> None:
    _, environment, _ = reproduction_section(files).blocks
    assert isinstance(environment, Table)
    rows = {row[0]: row[1] for row in environment.rows}
    assert "processes" not in rows
    assert rows["git commit"] == "not in a repository"
    assert rows["python"] == "3.11.7"


def test_what_was_decided_when_the_run_began_is_shown_with_what_was_measured(
    files: RunFiles,
) -> None:
    assert "backbone engine" not in rows_of(files)
    decision = Decision(
        chosen="compiled",
        why="the fastest here",
        versions="torch 2.9",
        measured={"eager, images per second": 1137.66, "largest difference of a score": 2e-6},
        refused={"onnxruntime": "an extra is missing"},
    )
    first = files.starts[0].model_copy(update={"decisions": {"backbone_engine": decision}})
    rows = rows_of(replace(files, starts=(first, *files.starts)))
    assert rows["backbone engine"] == (
        "compiled: the fastest here; torch 2.9; eager, images per second 1,138; largest "
        "difference of a score 2e-06; not onnxruntime: an extra is missing"
    )
