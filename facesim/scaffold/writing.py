"""Filling in templates and writing new files."""

from importlib.resources import files
from pathlib import Path
from string import Template

from facesim.errors import FacesimError
from facesim.machine_errors import in_words

TEMPLATES = files("facesim.scaffold").joinpath("templates")


def filled(template: str, **values: str) -> str:
    """The text of a template of this package with its ``$names`` filled in."""
    text = TEMPLATES.joinpath(f"{template}.txt").read_text("utf-8")
    return Template(text).substitute(values)


def require_new(path: Path) -> None:
    """Raise FacesimError if a file exists already."""
    if path.exists() or path.is_symlink():
        raise FacesimError(f"{path} exists already; remove it, or choose another name")


def write_new(texts: dict[Path, str]) -> tuple[Path, ...]:
    """Write files with the folders that they lie in; all of them or, if one exists, none.

    Raises:
        FacesimError: a file exists already, or cannot be written.
    """
    for path in texts:
        require_new(path)
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise FacesimError(f"{path} cannot be written: {in_words(error)}") from None
    return tuple(texts)
