"""Questions that `facesim new experiment` asks on a terminal."""

import sys
from dataclasses import replace
from typing import Any

import typer

from facesim.scaffold.experiment import Answers, needs_root, possible_faces, suggested

_QUESTIONS = {
    "faces": "Where do the faces come from: {faces}?",
    "root": "In which folder are they?",
    "backbone": "Which backbone: a name, or {{name: NAME, PARAMETER: VALUE}}?",
    "loss": "Which loss: a name, or {{name: NAME, PARAMETER: VALUE}}?",
    "epochs": "How many epochs?",
}


def ask(name: str, given: dict[str, Any]) -> Answers:
    """The answers: what is given, and for the rest the person's own or, without one, the default.

    Args:
        name: of the experiment.
        given: by the name of the answer; None is left to be asked.
    """
    answers = replace(suggested(name), **{k: it for k, it in given.items() if it is not None})
    if not sys.stdin.isatty():
        return answers
    faces = ", ".join(plugin.name for plugin in possible_faces())
    for key, question in _QUESTIONS.items():
        if given.get(key) is None and (key != "root" or needs_root(answers.faces)):
            answer = typer.prompt(question.format(faces=faces), default=getattr(answers, key))
            answers = replace(answers, **{key: answer})
    return answers
