"""What a person is asked on a terminal, and what not."""

import sys
from typing import Any

import pytest
import typer

from facesim.discovery import load_installed_plugins
from facesim.scaffold.experiment import Answers, suggested
from facesim.terminal.questions import ask

load_installed_plugins()

KEYS = ("faces", "root", "backbone", "loss", "epochs")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The questions and their defaults; each is answered by ``folder``, which is faces."""
    questions: list[tuple[str, Any]] = []

    def prompt(question: str, default: Any) -> Any:
        questions.append((question, default))
        return "folder"

    monkeypatch.setattr(typer, "prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    return questions


def test_everything_is_asked_in_order_with_its_default(asked: list[tuple[str, Any]]) -> None:
    everything: dict[str, Any] = dict.fromkeys(KEYS, "folder")
    assert ask("mine", dict.fromkeys(KEYS)) == Answers("mine", **everything)
    of = suggested("mine")
    faces, *others = asked
    assert faces[0].startswith("Where do the faces come from: ")
    assert "synthetic" in faces[0]
    assert faces[1] == of.faces
    assert others == [
        ("In which folder are they?", of.root),
        ("Which backbone: a name, or {name: NAME, PARAMETER: VALUE}?", of.backbone),
        ("Which loss: a name, or {name: NAME, PARAMETER: VALUE}?", of.loss),
        ("How many epochs?", of.epochs),
    ]


def test_faces_that_are_drawn_have_no_folder(asked: list[tuple[str, Any]]) -> None:
    ask("mine", {"faces": "synthetic"})
    assert [question.split()[1] for question, _ in asked] == ["backbone:", "loss:", "many"]


@pytest.mark.parametrize("key", KEYS)
def test_what_is_given_is_not_asked(asked: list[tuple[str, Any]], key: str) -> None:
    given = {"faces": "folder", key: "folder"}
    answers = ask("mine", given)
    assert getattr(answers, key) == "folder"
    assert len(asked) == len(KEYS) - len(given)


def test_without_a_terminal_nothing_is_asked(
    asked: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    given = {"loss": "triplet", "root": None}
    answers, default = ask("mine", given), suggested("mine")
    assert (answers.loss, answers.root, answers.epochs) == ("triplet", default.root, default.epochs)
    assert asked == []
