"""Questions that `facesim new experiment` asks on a terminal, each until its answer can be used."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import typer

from facesim.console import Console, say
from facesim.errors import FacesimError
from facesim.scaffold.experiment import Answers, require_valid, suggested
from facesim.scaffold.faces import Faces, find_faces, needs_root, possible_faces

T = TypeVar("T")

_FACES = "Which faces: a folder of images, a table of them, or {drawn} for drawn ones?"
_FOLDER = "In which folder, or file, are they?"
_OTHERS = {
    "backbone": "Which backbone: a name, or {name: NAME, PARAMETER: VALUE}?",
    "loss": "Which loss: a name, or {name: NAME, PARAMETER: VALUE}?",
    "epochs": "How many epochs?",
}


def ask(given: dict[str, Any]) -> Answers:
    """The answers: what is given, and for the rest the person's own or, without one, the default.

    Args:
        given: by the name of the answer; None is left to be asked.

    Raises:
        FacesimError: what is given cannot be used.
    """
    asks = sys.stdin.isatty()
    faces = _ask_faces(given["faces"], given["root"], asks=asks)
    say(faces.told)
    answers = suggested(faces)
    for key in _OTHERS:
        if given[key] is not None:
            answers = replace(answers, **{key: given[key]})
    require_valid(answers)
    for key, question in _OTHERS.items():
        if asks and given[key] is None:
            default = str(getattr(answers, key)).partition(" #")[0]  # without its comment
            use = partial(_with_answer, answers, key, default)
            answers = _asked(question, default, use)
    if not asks:
        _say_taken(given, answers)
    node, _, note = answers.backbone.partition(" #")
    if note:
        say(f"backbone {node.strip()}:{note}")
    return answers


def _say_taken(given: dict[str, Any], answers: Answers) -> None:
    """Say which default each question that nobody was asked has got."""
    taken = []
    if given["faces"] is None and given["root"] is None:
        taken.append(f"--faces {possible_faces()[0].name}")
    for key in _OTHERS:
        if given[key] is None:
            value = str(getattr(answers, key)).partition(" #")[0].strip()
            taken.append(f"--{key} {shlex.quote(value)}")
    if taken:
        say(
            "standard input is no terminal, so nothing is asked and nothing read from it; taken: "
            f"{' '.join(taken)}"
        )


def _ask_faces(faces: str | None, root: str | None, *, asks: bool) -> Faces:
    if not asks or root is not None or (faces is not None and not needs_root(faces)):
        return find_faces(faces or "", root or "")
    if faces is not None:
        return _ask_folder(faces)
    drawn = possible_faces()[0].name
    return _asked(_FACES.format(drawn=drawn), drawn, _ask_folder)


def _ask_folder(faces: str) -> Faces:
    if not needs_root(faces):
        return find_faces(faces)
    return _asked(_FOLDER, None, partial(find_faces, faces))


def _asked(question: str, default: str | None, use: Callable[[str], T]) -> T:
    """What an answer leads to; asked again, with what is wrong, until there is one."""
    console = Console(stderr=True, soft_wrap=True)
    while True:
        try:
            answer = str(typer.prompt(question, default=default))
        except typer.Abort:
            console.print()  # what is said of it begins a line
            raise
        try:
            return use(answer.strip())
        except FacesimError as error:
            console.print(str(error), style="red", markup=False, highlight=False)


def _with_answer(answers: Answers, key: str, default: str, answer: str) -> Answers:
    if answer == default:
        return answers
    value: Any = answer
    if key == "epochs":
        try:
            value = int(answer)
        except ValueError:
            raise FacesimError(f"{answer!r} is not a whole number, such as 6") from None
    changed = replace(answers, **{key: value})
    require_valid(changed)
    return changed
