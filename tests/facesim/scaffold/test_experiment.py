"""``facesim new experiment``: a commented file that is valid as it is written."""

import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from facesim import FacesimError, FaceTable, Registry, datasets
from facesim.cli import main
from facesim.experiment.loading import load_experiment
from facesim.interfaces import REGISTRIES
from facesim.scaffold.experiment import Answers, write_experiment
from facesim.terminal.questions import ask


@pytest.mark.parametrize("faces", ["synthetic", "folder", "csv", "celeba"])
@pytest.mark.parametrize("root", ["data/faces", "with space: and, comma", "${HOME}", "ä'\"\\"])
def test_the_file_says_what_was_answered(faces: str, root: str, tmp_path: Path) -> None:
    answers = Answers("mine", faces, root, "{name: resnet, depth: 18}", "learned", 3)
    experiment = load_experiment(write_experiment(answers, tmp_path / "mine.yaml"))
    assert (experiment.name, experiment.train.epochs) == ("mine", 3)
    assert (experiment.backbone.name, experiment.loss.name) == ("resnet", "learned")
    paths = [
        value
        for value in experiment.data.dataset_of("val").arguments.values()
        if isinstance(value, Path)
    ]
    assert all(str(path).startswith(root) for path in paths)
    assert bool(paths) == (faces != "synthetic")


def test_the_plugins_say_what_an_experiment_begins_with(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(Answers("mine"), tmp_path / "mine.yaml"))
    specs = [experiment.specs()[at][0] for at in ("data.val", "backbone", "head", "sampler")]
    assert [spec.plugin.name for spec in specs] == [
        "synthetic_faces",
        "small_cnn",
        "linear",
        "identity_balanced",
    ]
    with datasets.isolated():

        @datasets("mine", starter="train: mine\nval: mine\ntest: mine")
        def mine() -> FaceTable:
            raise NotImplementedError

        answers = Answers("mine", faces="mine")
        text = write_experiment(answers, tmp_path / "of_mine.yaml").read_text()
    assert "data:\n  train: mine\n  val: mine\n  test: mine\n" in text


@pytest.mark.parametrize("registry", [r for r in REGISTRIES if r.kind != "dataset"])
def test_a_starter_is_its_own_plugin(registry: Registry[Any]) -> None:
    for plugin in registry.starters():
        node = yaml.safe_load(plugin.starter)
        assert registry.get(node if isinstance(node, str) else node["name"]) is plugin


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "../mine"}, "cannot name a run's folder"),
        ({"faces": "synthetics"}, "no faces 'synthetics' .did you mean 'synthetic' "),
        ({"loss": "contrastiv"}, r"no loss 'contrastiv' \(did you mean 'contrastive'\?\)"),
        ({"backbone": "resnett"}, r"no backbone 'resnett' \(did you mean 'resnet'\?\)"),
        ({"root": "a\udcff", "faces": "folder"}, "one of the answers is not UTF-8"),
        ({"epochs": -1}, r"mine.yaml:\d+:\d+: train.epochs: "),
        ({"backbone": "resnet"}, "backbone: the key `depth` is missing"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FacesimError, match=message):
        write_experiment(Answers(**{"name": "mine", **changed}), tmp_path / "mine.yaml")
    assert list(tmp_path.iterdir()) == []


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["facesim", "new", "experiment", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_without_a_terminal_nothing_is_asked_and_nothing_overwritten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "mine.yaml", "--loss", "learned") == 0
    text = (tmp_path / "mine.yaml").read_text()
    assert load_experiment(tmp_path / "mine.yaml").loss.name == "learned"
    assert command(monkeypatch, "mine.yaml") == 2
    assert "mine.yaml exists already" in capsys.readouterr().err
    assert (tmp_path / "mine.yaml").read_text() == text


def test_on_a_terminal_a_person_is_asked_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = iter(["folder", "my faces", "small_cnn", 4])
    asked = []

    def prompt(question: str, default: object) -> object:
        asked.append((question, default))
        return next(said)

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", prompt)
    answers = ask("mine", {"loss": "learned", "epochs": None})
    assert answers == Answers("mine", "folder", "my faces", "small_cnn", "learned", 4)
    assert len(asked) == 4
