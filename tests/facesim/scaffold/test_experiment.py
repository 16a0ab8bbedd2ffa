"""``facesim new experiment``: a commented file that is valid as it is written."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from facesim import FacesimError, FaceTable, Registry, datasets
from facesim.cli import main
from facesim.discovery import load_installed_plugins
from facesim.experiment.loading import load_experiment
from facesim.experiment.shipped import shipped_experiment, shipped_experiments
from facesim.experiment.yaml_parser import read_source
from facesim.experiment.yaml_scalars import resolve
from facesim.interfaces import REGISTRIES, backbones
from facesim.scaffold.experiment import Answers, copy_experiment, write_experiment
from facesim.scaffold.faces import Faces, find_faces

load_installed_plugins()
DRAWN = find_faces()


@pytest.mark.parametrize("root", ["data/faces", "with space: and, comma", "${HOME}", "ä'\"\\"])
def test_the_file_says_what_was_answered(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for image in ("train/ann/1", "train/bob/1", "test/cy/1", "test/di/1", "val/ed/1", "val/flo/1"):
        path = Path(root) / f"{image}.pgm"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"P5 20 20 255\n" + bytes(400))
    answers = Answers(find_faces(root), "{name: resnet, depth: 18}", "learned", 3)
    experiment = load_experiment(write_experiment(answers, tmp_path / "mine.yaml")[0])
    assert (experiment.name, experiment.train.epochs) == ("mine", 3)
    assert (experiment.backbone.name, experiment.loss.name) == ("resnet", "learned")
    assert experiment.data.dataset_of("val").arguments == {"root": Path(root) / "val"}
    assert experiment.image.size == (20, 20)


def test_the_plugins_say_what_an_experiment_begins_with(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(Answers(DRAWN), tmp_path / "mine.yaml")[0])
    val = experiment.data.dataset_of("val")
    specs = (val, experiment.backbone, experiment.head, experiment.sampler)
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

        answers = Answers(find_faces("mine"))
        text = write_experiment(answers, tmp_path / "of_mine.yaml")[0].read_text()
    assert "data:\n  train: mine\n  val: mine\n  test: mine\n" in text


def test_what_suits_the_images_is_in_the_file(tmp_path: Path) -> None:
    faces = Faces("", DRAWN.data, (112, 96), protocol="exhaustive")
    experiment = load_experiment(write_experiment(Answers(faces), tmp_path / "mine.yaml")[0])
    assert experiment.image.size == (112, 96)
    assert experiment.evaluate.protocol.name == "exhaustive"
    assert experiment.backbone.as_node()["depth"] == 18


@pytest.mark.parametrize("registry", [r for r in REGISTRIES if r.kind != "dataset"])
def test_a_starter_is_its_own_plugin(registry: Registry[Any]) -> None:
    for plugin in registry.starters():
        node = yaml.safe_load(plugin.starter)
        assert registry.get(node if isinstance(node, str) else node["name"]) is plugin


def test_a_backbone_that_suits_a_size_is_its_own_plugin() -> None:
    suggestions = [(it, it.suggest((224, 224))) for it in backbones if it.suggest is not None]
    assert suggestions
    for plugin, text in suggestions:
        assert backbones.spec(**yaml.safe_load(text)).plugin is plugin


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": "contrastiv"}, r"^loss.*: .*no loss 'contrastiv' \(did you mean 'contrastive'\?"),
        ({"backbone": "resnett"}, r"^backbone.*: .*no backbone 'resnett' \(did you mean 'resnet'"),
        ({"backbone": "{name: resnet"}, "^"),
        ({"loss": "a\udcff"}, "^one of the answers is not UTF-8"),
        ({"epochs": -1}, r"^train.epochs: "),
        ({"backbone": "resnet"}, "^backbone: the key `depth` is missing"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FacesimError, match=message):
        write_experiment(Answers(**{"faces": DRAWN, **changed}), tmp_path / "mine.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("..yaml", "cannot name a run's folder"),
        ("a b.yaml", "'a b' cannot name a run's folder"),
        ("mine", "mine: an experiment file ends with .yaml; write .*mine.yaml"),
        ("taken.yaml", "taken.yaml exists already"),
        ("link.yaml", "link.yaml exists already"),
        ("other/mine.yaml", "facesim.schema.json exists, and is no schema that facesim wrote"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(file: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "taken.yaml").write_text("mine")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "facesim.schema.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FacesimError, match=message):
        write_experiment(Answers(DRAWN), tmp_path / file)
    with pytest.raises(FacesimError, match=message):
        copy_experiment("quickstart", tmp_path / file)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "taken.yaml").read_text() == "mine"


def test_an_editor_finds_the_schema_beside_the_file(tmp_path: Path) -> None:
    path, schema = write_experiment(Answers(DRAWN), tmp_path / "new" / "mine.yaml")
    first = path.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={schema.relative_to(path.parent)}"
    validator = Draft202012Validator(json.loads(schema.read_text()))
    data, _ = resolve(read_source(path)[0], {})
    assert validator.is_valid(data)
    assert not validator.is_valid({**data, "los": 1})
    schema.write_text(schema.read_text().replace("contrastive", "outdated"))
    write_experiment(Answers(DRAWN), tmp_path / "new" / "second.yaml")
    assert "outdated" not in schema.read_text()


@pytest.mark.parametrize("like", shipped_experiments())
def test_a_copy_of_a_shipped_experiment_is_the_same_under_another_name(
    like: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LFW_DIR", "lfw")
    path, *_ = copy_experiment(like, tmp_path / "mine.yaml")
    copied, original = (load_experiment(it) for it in (path, shipped_experiment(like)))
    assert copied.name == "mine"
    left_out: Any = {"name": True, "data": {"exclude": {"file": True}}}
    assert copied.model_dump(exclude=left_out) == original.model_dump(exclude=left_out)
    assert "yaml-language-server" in path.read_text().splitlines()[0]
    assert f"experiments/{like}.yaml" not in path.read_text()


def test_a_copy_of_an_unknown_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"'quikstart' \(did you mean 'quickstart' "):
        copy_experiment("quikstart", tmp_path / "mine.yaml")
    assert list(tmp_path.iterdir()) == []
    assert copy_experiment("facesim:quickstart", tmp_path / "mine.yaml")[0].is_file()


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--loss", "contrastiv"], "did you mean 'contrastive'"),
        (["--faces", "nowhere"], "nowhere: no such folder or file"),
        (["--like", "quickstart", "--epochs", "3"], "leave --epochs out"),
    ],
)
def test_a_wrong_option_is_an_error_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert command(monkeypatch, "mine.yaml", *words) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("people", "folds"), [(6, 3), (12, 4), (29, 5), (30, None)])
def test_few_people_are_tested_in_turn(people: int, folds: int | None, tmp_path: Path) -> None:
    for person in range(people):
        path = tmp_path / "photos" / str(person) / "1.pgm"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"P5 20 20 255\n" + bytes(400))
    answers = Answers(find_faces(str(tmp_path / "photos")))
    experiment = load_experiment(write_experiment(answers, tmp_path / "mine.yaml")[0])
    assert experiment.folds == folds
