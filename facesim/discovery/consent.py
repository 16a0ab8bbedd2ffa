"""Consent to the plugins that a run directory names: recorded outside of it, when the run begins.

A run directory may come from anybody, and importing a plugin file runs it. So what its experiment
names is imported only where this user's own experiment named the same entry, with the same content,
when the run began; or where the user says so (``--trust``).
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from facesim.errors import FacesimError
from facesim.json_files import JsonModel, read_json, write_json
from facesim.paths import state_dir

_RUN = "experiment.yaml"
_STUDY = "study.yaml"
_OF_RUNS = (
    "run.json",
    "facesim-manifest.json",
    "metrics.jsonl",
    "environment.json",
    "calibration.json",
    "trunk.pt",
    "checkpoints/last.pt",
    "checkpoints/best.pt",
)
_OF_STUDIES = ("journal.log", "trials", "trunks", "summary.json", "best.yaml", ".study.held")


class UntrustedPluginsError(FacesimError):
    """A run names plugins that this user's own experiment did not name when it began."""


class _Record(JsonModel):
    """What one resolved experiment named when this user began it.

    Attributes:
        plugins: the SHA-256 of the code of each entry of its ``plugins:``.
    """

    plugins: dict[str, str]


def record_consent(experiment: bytes, plugins: Sequence[str]) -> str | None:
    """Record that this user began a run with the plugins of its experiment, as they are now.

    Args:
        experiment: the content of the file that the run directory keeps.
        plugins: the entries of its ``plugins:``, as :func:`load_named_plugin` returned them.

    Returns:
        Why it could not be recorded, and what is lost by it; None if it was, or need not be.
    """
    digests = {entry: digest for entry in plugins if (digest := code_digest(entry)) is not None}
    if not digests:
        return None
    path = _record_of(experiment)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(path, _Record(plugins=digests))
    except OSError as error:
        return (
            f"{path.parent}: cannot be written: {error.strerror}; that this run began with your "
            f"plugins ({', '.join(digests)}) is not recorded, so `facesim eval` of it will ask for "
            "--trust. FACESIM_STATE names another folder"
        )
    return None


def recorded_consent(experiment: bytes) -> dict[str, str] | None:
    """The digests of the plugins with which this user began an experiment; None without a record.

    Raises:
        DataError: the record is damaged.
    """
    path = _record_of(experiment)
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
    except OSError:
        return None
    record = read_json(path, _Record, remedy="delete it")
    return None if record is None else record.plugins


def require_consent(wanted: Mapping[str, Path]) -> dict[str, str]:
    """The digests that the code of entries must have.

    Args:
        wanted: the file of a run or a study that names it, by entry of ``plugins:``.

    Raises:
        UntrustedPluginsError: some are not recorded or have changed; the message lists them.
    """
    allowed, refused = {}, {}
    for entry, file in wanted.items():
        recorded = _recorded_of_file(file)
        if recorded is None:
            refused[entry] = "no run of yours began with this experiment"
        elif entry not in recorded:
            refused[entry] = "was not named when the run began"
        elif (now := code_digest(entry)) != recorded[entry]:
            refused[entry] = "is not there any more" if now is None else "has changed since then"
        else:
            allowed[entry] = recorded[entry]
    if refused:
        files = ", ".join(map(str, dict.fromkeys(wanted.values())))
        listed = "\n".join(f"  {entry}: {why}" for entry, why in refused.items())
        raise UntrustedPluginsError(
            f"{files} names plugins, which are code, and nothing records that you began the run "
            f"with them. Not imported:\n{listed}\n"
            "Read them first. Then add --trust (in Python: trust=True), or go on with the "
            "experiment file of your own that names them: facesim run FILE --resume RUN_DIR"
        )
    return allowed


def lies_in_results(file: Path) -> bool:
    """Whether a file lies in a run directory or in the folder of a study, linked there or not."""
    folders = {*file.absolute().parents, *file.resolve().parents}
    return any(
        (folder / name).is_file() and any((folder / sign).exists() for sign in signs)
        for folder in folders
        for name, signs in ((_RUN, _OF_RUNS), (_STUDY, _OF_STUDIES))
    )


def code_digest(entry: str) -> str | None:
    """SHA-256 of what importing an entry of ``plugins:`` would run, found without running it.

    Of a module it is that of its source and of the packages that it is in. None where there is no
    such file or module.
    """
    try:
        if entry.endswith(".py"):
            path = Path(entry)
            return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        found = hashlib.sha256()
        for spec in _specs(entry):
            if spec is None:
                return None
            origin = Path(spec.origin or "")
            found.update(origin.read_bytes() if origin.is_file() else b"")
        return found.hexdigest()
    except (OSError, ValueError):
        return None


def _specs(module: str) -> Iterator[ModuleSpec | None]:
    """The specs of a module's packages and its own; ``find_spec`` would import the packages."""
    path = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        found = (
            finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec")
        )
        spec = next((each for each in found if each is not None), None)
        yield spec
        if spec is None:
            return
        path = spec.submodule_search_locations or []


def _record_of(experiment: bytes) -> Path:
    return state_dir() / "runs" / f"{hashlib.sha256(experiment).hexdigest()}.json"


def _recorded_of_file(file: Path) -> dict[str, str] | None:
    try:
        return recorded_consent(file.read_bytes())
    except OSError:
        return None
