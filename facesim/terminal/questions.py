"""What a person is asked who wants an experiment file."""

import sys
from dataclasses import fields
from typing import Any

import typer

from facesim.scaffold.experiment import Answers

_QUESTIONS = {
    "faces": "Where do the faces come from: synthetic, folder, csv or celeba?",
    "root": "In which folder are they?",
    "backbone": "Which backbone: a name, or {name: resnet, depth: 50}?",
    "loss": "Which loss: a name, or {name: contrastive, margin: 2.0}?",
    "epochs": "How many epochs?",
}


def ask(name: str, given: dict[str, Any]) -> Answers:
    """The answers: what is given, and for the rest the person's own or, without one, the default.

    Args:
        name: of the experiment.
        given: by the name of the answer; None is left to be asked.
    """
    known = {key: value for key, value in given.items() if value is not None}
    defaults = {field.name: field.default for field in fields(Answers)}
    for key, question in _QUESTIONS.items():
        synthetic = known.get("faces", defaults["faces"]) == "synthetic"
        if sys.stdin.isatty() and key not in known and not (key == "root" and synthetic):
            known[key] = typer.prompt(question, default=defaults[key])
    return Answers(name, **known)
