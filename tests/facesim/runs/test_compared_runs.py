"""Which runs are compared, which of them are one experiment, and what they are called."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.runs.compared_runs import by_experiment, finished_runs, in_short, labels_of
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles

Build = Callable[..., Run]


def labels(runs: list[Run]) -> list[str]:
    return [group.label for group in compare_runs(runs).groups]


def test_runs_are_named_by_the_fewest_keys_in_which_they_differ(build_run: Build) -> None:
    """The margin, too, differs between losses, but their names are enough."""
    runs = [
        build_run("same", loss=loss, seed=seed)
        for loss in ("contrastive", "{name: arcface, margin: 0.3}")
        for seed in (1, 0)
    ]
    groups = compare_runs(runs).groups
    assert [group.label for group in groups] == ["loss=contrastive", "loss=arcface"]
    assert [[run.label for run in group.runs] for group in groups] == [
        ["loss=contrastive, seed=0", "loss=contrastive, seed=1"],
        ["loss=arcface, seed=0", "loss=arcface, seed=1"],
    ]


def test_two_keys_are_named_where_one_does_not_tell_the_runs_apart(build_run: Build) -> None:
    runs = [
        build_run("same", loss=f"{{name: contrastive, margin: {margin}}}", out_dim=out_dim)
        for margin in (1.0, 2.0)
        for out_dim in (4, 8)
    ]
    assert labels(runs) == [
        *("head.out_dim=4, loss.margin=1.0", "head.out_dim=8, loss.margin=1.0"),
        *("head.out_dim=4, loss.margin=2.0", "head.out_dim=8, loss.margin=2.0"),
    ]


def test_a_key_that_all_experiments_have_names_them_rather_than_one_that_some_lack() -> None:
    configuration = {"a.b": ("1", None, "2"), "c.name": ("x", "y", "z")}
    assert labels_of(FILES, configuration) == ["c=x", "c=y", "c=z"]
    assert labels_of(FILES, {"a.b": ("1", None, "2")}) == ["a.b=1", "without a.b", "a.b=2"]


def test_more_keys_than_are_all_tried_are_found_one_by_one() -> None:
    keys = {f"k{n}": tuple("1" if at == n else "0" for at in range(6)) for n in range(5)}
    found = labels_of(FILES * 2, keys)
    assert len(set(found)) == 6


class _Files:
    class experiment:  # noqa: N801
        name = "one"

    path = Path("20260101-120000")


_files: Any = _Files()
FILES: list[list[RunFiles]] = [[_files], [_files], [_files]]


def test_what_nothing_tells_apart_is_called_by_its_directory(build_run: Build) -> None:
    first, second = build_run("same"), build_run("same")
    assert labels([first, second]) == [first.path.name, second.path.name]
    assert labels([first, first]) == [first.path.name, f"{first.path.name} (2)"]


def test_a_seed_stands_once_in_a_group(build_run: Build) -> None:
    """Both seeds trained twice, for instance by two versions, are two groups."""
    read = [build_run("same", seed=seed).read() for seed in (0, 1, 1, 0)]
    assert by_experiment(read) == [[read[0], read[1]], [read[3], read[2]]]


def _elsewhere(run: Run, root: str) -> Run:
    """The same run, as if its data lay in ``root``."""
    file = run.path / "experiment.yaml"
    text = file.read_text()
    write_text(file, text.replace("root: null", f"root: {root}"))
    assert root in file.read_text()
    return Run.open(run.path)


def test_paths_of_machines_are_no_difference(build_run: Build) -> None:
    runs = [
        _elsewhere(build_run("same", seed=0), "/here/faces"),
        _elsewhere(build_run("same", seed=1), "/there/faces"),
    ]
    (group,) = by_experiment([run.read() for run in runs])
    assert [files.experiment.seed for files in group] == [0, 1]


def test_other_data_on_one_machine_are_a_difference(build_run: Build, tmp_path: Path) -> None:
    places = [tmp_path / version / "faces" for version in ("v1", "v2")]
    for place in places:
        place.mkdir(parents=True)
    runs = [
        _elsewhere(build_run("same", seed=seed), str(place)) for seed, place in enumerate(places)
    ]
    assert len(by_experiment([run.read() for run in runs])) == 2


def test_a_folder_means_the_finished_runs_in_it(build_run: Build, tmp_path: Path) -> None:
    first, second, unfinished = (build_run("same", seed=seed) for seed in (0, 1, 2))
    shutil.rmtree(unfinished.path / "eval" / "test")
    (tmp_path / "runs" / "same" / "notes").mkdir()
    for folder in (tmp_path / "runs" / "same", tmp_path / "runs", tmp_path):
        found, (passed,) = finished_runs([folder], "test")
        assert found == [first.path, second.path]
        assert passed == (
            f"passed over in {folder}: 1 run with no evaluation 'test'; the first is "
            f"{unfinished.path}"
        )


def test_a_run_is_taken_once_and_where_it_is_named_first(build_run: Build, tmp_path: Path) -> None:
    first, second = build_run("same"), build_run("same", seed=1)
    assert finished_runs([second.path, tmp_path / "runs"], "test") == (
        [second.path, first.path],
        (),
    )


def test_a_folder_without_a_run_that_can_be_compared_is_an_error(
    build_run: Build, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FacesimError, match="is not a run directory, and there is none in it"):
        finished_runs([empty], "test")
    build_run("same")
    with pytest.raises(FacesimError, match=r"none of the 1 run in .* an evaluation 'lfw'"):
        finished_runs([tmp_path / "runs"], "lfw")


def test_the_command_compares_a_folder_and_says_what_it_passed_over(
    build_run: Build, tmp_path: Path, facesim: Callable[..., str]
) -> None:
    first, second, unfinished = (
        build_run("same", skill, loss=loss)
        for skill, loss in ((1.0, "contrastive"), (3.0, "triplet"), (1.0, "arcface"))
    )
    shutil.rmtree(unfinished.path / "eval" / "test")
    text = facesim("compare", tmp_path / "runs", "--all")
    assert "1 run with no evaluation 'test'" in text
    assert "d-prime" in text
    document = json.loads(facesim("compare", tmp_path / "runs", "--json"))
    assert document["reference"] == "loss=contrastive"
    assert [group["label"] for group in document["groups"]] == ["loss=triplet", "loss=contrastive"]
    best, reference = document["groups"]
    difference = best["metrics"]["accuracy"]["difference"]
    assert difference["verdict"] == "better"
    assert difference["low"] > 0
    assert reference["metrics"]["accuracy"]["difference"] is None
    assert [group["runs"][0]["directory"] for group in document["groups"]] == [
        str(second.path),
        str(first.path),
    ]
    assert len(document["passed_over"]) == 1


def test_long_lists_are_told_by_what_differs_in_them() -> None:
    stop = {"name": "early_stopping", "metric": "eer", "patience": 3, "smallest_gain": 0.0}
    save = {"name": "save_embeddings", "split": "val", "every": 1, "files": "all"}
    later = stop | {"patience": 5}
    values = tuple(map(json.dumps, ([save, stop], [save], [later, save], [])))
    assert in_short((values[0], values[1])) == (
        "early_stopping + 1 alike",
        "save_embeddings",
    )
    assert in_short((values[0], values[2])) == (
        "early_stopping patience=3 + 1 alike",
        "early_stopping patience=5 + 1 alike",
    )
    assert in_short((values[0], json.dumps([stop, save]))) == (
        "save_embeddings + early_stopping",
        "early_stopping + save_embeddings",
    )
    assert in_short((values[0], None, "[]")) == ("save_embeddings + early_stopping", None, "[]")
    path, numbers = "/long" * 40, json.dumps(list(range(100)))
    assert in_short((path, numbers)) == (path, f"{numbers[:60]}...")
    labels = labels_of(FILES, {"callbacks": (values[0], values[2], "[]")})
    assert labels == [
        "callbacks=save_embeddings + early_stopping patience=3",
        "callbacks=early_stopping patience=5 + save_embeddings",
        "callbacks=[]",
    ]
