"""What a person is asked on a terminal, what not, and what happens to a wrong answer."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from facesim import FacesimError
from facesim.discovery import load_installed_plugins
from facesim.scaffold.experiment import Answers, suggested
from facesim.scaffold.faces import find_faces
from facesim.terminal.questions import ask

load_installed_plugins()

KEYS = ("faces", "root", "backbone", "loss", "epochs")
Asked = list[tuple[str, Any]]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    """Answers the questions of a terminal in turn, an empty answer by the default; notes them."""

    def answer(*answers: str) -> Asked:
        left: Iterator[str] = iter(answers)
        questions: Asked = []

        def prompt(question: str, default: Any) -> Any:
            questions.append((question, default))
            return next(left) or default

        monkeypatch.setattr(typer, "prompt", prompt)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        return questions

    return answer


def given(**answers: Any) -> dict[str, Any]:
    return dict.fromkeys(KEYS) | answers


@pytest.fixture
def photos(tmp_path: Path) -> str:
    for name in ("ann", "bob", "cy", "di", "ed", "flo"):
        path = tmp_path / "photos" / name / "1.pgm"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"P5 120 120 255\n" + bytes(120 * 120))
    return str(tmp_path / "photos")


def test_everything_is_asked_in_order_with_its_default(answering: Callable[..., Asked]) -> None:
    asked = answering("", "", "", "")
    of = suggested(find_faces())
    assert ask(given()) == of
    assert asked == [
        (
            "Which faces: a folder of images, a table of them, or synthetic_faces for drawn ones?",
            "synthetic_faces",
        ),
        ("Which backbone: a name, or {name: NAME, PARAMETER: VALUE}?", of.backbone),
        ("Which loss: a name, or {name: NAME, PARAMETER: VALUE}?", of.loss),
        ("How many epochs?", "6"),
    ]


def test_a_folder_is_looked_into_and_what_it_is_is_said(
    answering: Callable[..., Asked], photos: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(photos, "", "learned", "3")
    answers = ask(given())
    assert answers == Answers(find_faces(photos), answers.faces.backbone, "learned", 3)
    assert f"{photos}: one folder per person; 6 people, 6 images" in capsys.readouterr().out
    assert asked[1][1].startswith("{name: resnet, depth: 18")


def test_weights_that_will_be_downloaded_are_said(
    answering: Callable[..., Asked], photos: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answering()
    ask(given(faces=photos, backbone="small_cnn", loss="learned", epochs=3))
    assert "download" not in capsys.readouterr().out
    answering("")
    ask(given(faces=photos, loss="learned", epochs=3))
    assert capsys.readouterr().out.splitlines()[-1] == (
        "backbone {name: resnet, depth: 18, frozen_stages: 3}: ImageNet's weights, downloaded on "
        "first use; the last stage is trained"
    )


def test_a_dataset_that_reads_a_folder_is_asked_for_it(
    answering: Callable[..., Asked], photos: str
) -> None:
    asked = answering("folder", photos, "", "", "")
    assert ask(given()).faces == find_faces("folder", photos)
    assert asked[1] == ("In which folder, or file, are they?", None)
    asked = answering(photos)
    assert ask(given(faces="folder", backbone="small_cnn", loss="learned", epochs=1)).epochs == 1
    assert asked == [("In which folder, or file, are they?", None)]


def test_a_wrong_answer_is_asked_again_with_what_was_wrong(
    answering: Callable[..., Asked], photos: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(
        "nowhere", "lfw", "nowhere", photos, photos,
        "resnett", "resnet", "small_cnn", "{name: contrastive, margn: 1}", "", "many", "-1", "2",
    )  # fmt: skip
    with pytest.raises(StopIteration):
        ask(given())
    told = capsys.readouterr().err
    assert "nowhere: no such folder or file, and no dataset is called 'nowhere'" in told
    assert "nowhere: no such folder or file\n" in told
    assert f"{photos}: no dataset finds its images there" in told
    assert [question.split()[0] for question, _ in asked] == ["Which"] * 2 + ["In"] * 12
    asked = answering(
        photos, "resnett", "resnet", "small_cnn", "{name: contrastive, margn: 1}", "", "many",
        "-1", "2",
    )  # fmt: skip
    assert ask(given()) == Answers(find_faces(photos), "small_cnn", "contrastive", 2)
    told = capsys.readouterr().err
    assert "there is no backbone 'resnett' (did you mean 'resnet'?)" in told
    assert "the key `depth` is missing" in told
    assert "unknown key (did you mean 'margin'?)" in told
    assert "'many' is not a whole number, such as 6" in told
    assert "train.epochs: must be a whole number >= 0" in told
    assert [question.split()[1] for question, _ in asked] == [
        "faces:", *["backbone:"] * 3, *["loss:"] * 2, *["many"] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [("backbone", "small_cnn"), ("loss", "triplet"), ("epochs", 3)]
)
def test_what_is_given_is_not_asked(answering: Callable[..., Asked], key: str, value: Any) -> None:
    asked = answering("", "")
    answers = ask(given(**{"faces": "synthetic", key: value}))
    assert getattr(answers, key) == value
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [("faces", "nowhere"), ("root", "nowhere"), ("backbone", "resnet"), ("loss", "losss")],
)
def test_what_is_given_and_wrong_is_an_error_before_anything_is_asked(
    answering: Callable[..., Asked], key: str, value: Any
) -> None:
    asked = answering("")
    with pytest.raises(FacesimError):
        ask(given(**{"faces": "synthetic", key: value}))
    assert asked == []


def test_without_a_terminal_nothing_is_asked(
    answering: Callable[..., Asked],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = answering()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert ask(given(loss="triplet")) == Answers(find_faces(), "small_cnn", "triplet", 6)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "standard input is no terminal, so nothing is asked and nothing read from it; taken: "
        "--faces synthetic_faces --backbone small_cnn --epochs 6"
    )
    ask(given(faces="synthetic", backbone="{name: resnet, depth: 18}", loss="triplet", epochs=1))
    assert "taken" not in capsys.readouterr().out
    with pytest.raises(FacesimError, match="reads a folder; name it too"):
        ask(given(faces="folder"))
    assert asked == []
