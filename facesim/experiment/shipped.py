"""The experiments that come with facesim, each by its name."""

from pathlib import Path

from facesim.errors import FacesimError, did_you_mean

PREFIX = "facesim:"
"""Of a name that means a shipped experiment wherever a file may be named."""

_SUFFIX = ".yaml"


def shipped_experiments() -> list[str]:
    """The names of the experiments that come with facesim, sorted."""
    return sorted(path.stem for path in _folder().glob(f"*{_SUFFIX}"))


def shipped_experiment(name: str) -> Path:
    """The file of an experiment that comes with facesim.

    Args:
        name: without folder and suffix.

    Raises:
        FacesimError: there is none of that name; the message lists those that there are.
    """
    known = shipped_experiments()
    if name not in known:
        raise FacesimError(
            f"no experiment of facesim's is called {name!r}{did_you_mean(name, known)}; "
            f"there are {', '.join(known)}"
        )
    return _folder() / f"{name}{_SUFFIX}"


def experiment_file(given: Path) -> Path:
    """The file that a person means: what they name, or an experiment that comes with facesim.

    Args:
        given: a path; a name without folder and suffix, which is a shipped experiment's unless the
            working directory has such a file; or ``facesim:name``, which always is.

    Raises:
        FacesimError: there is neither such a file nor such an experiment.
    """
    name = str(given)
    if name.startswith(PREFIX):
        return shipped_experiment(name.removeprefix(PREFIX))
    if given.name != name or given.suffix or (given.exists() and not given.is_dir()):
        return given
    if Path(f"{name}{_SUFFIX}").is_file():
        raise FacesimError(f"{name}: there is no such file (did you mean '{name}{_SUFFIX}'?)")
    try:
        return shipped_experiment(name)
    except FacesimError as error:
        raise FacesimError(f"{name}: there is no such file, and {error}") from None


def _folder() -> Path:
    """Beside the package's modules, where a wheel puts it; in a checkout beside the package."""
    package = Path(__file__).parents[1]
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"
