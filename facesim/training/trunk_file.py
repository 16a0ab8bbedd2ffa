"""The file of a run's frozen trunk: written once, because training does not change it."""

from pathlib import Path
from typing import Any

from facesim.atomic import begin_manifest, link_file, require_unchanged
from facesim.errors import DataError, FacesimError
from facesim.model.network import SiameseNetwork
from facesim.model.tensor_files import load_tensors, save_tensors


def save_trunk(path: Path, network: SiameseNetwork) -> None:
    """Write the state of a network's trunk atomically; no file if nothing is frozen.

    Raises:
        FacesimError: the disk is full or the folder cannot be written.
    """
    if not network.backbone.has_trunk:
        return
    save_tensors(path, network.backbone.trunk.state_dict())


def share_trunk(path: Path, folder: Path, network: SiameseNetwork) -> None:
    """Like :func:`save_trunk`, but a link to one file in ``folder`` per trunk, shared by runs.

    A shared file that is damaged is written again.

    Raises:
        FacesimError: the disk is full or the folder cannot be written.
    """
    if not network.backbone.has_trunk:
        return
    shared = folder / f"{network.trunk_digest}.pt"
    folder.mkdir(exist_ok=True)
    begin_manifest(folder)
    try:
        require_unchanged(shared, "delete it")
    except DataError:
        shared.unlink()
    if not shared.exists():
        save_trunk(shared, network)
    link_file(shared, path)


def load_trunk(path: Path, network: SiameseNetwork) -> None:
    """Load a run's trunk into its network; does nothing if nothing is frozen.

    Raises:
        FacesimError: the file cannot be read or holds another trunk.
    """
    if not network.backbone.has_trunk:
        return
    require_unchanged(
        path,
        "delete it if the backbone still has these weights: the next start writes it again",
    )
    try:
        state = load_tensors(path)
    except FileNotFoundError:
        raise FacesimError(f"there is no {path}, which holds the run's frozen weights") from None
    except DataError as error:
        raise FacesimError(f"{path} cannot be read: {error}") from error
    restore_trunk(path, state, network)


def restore_trunk(source: Path | str, state: Any, network: SiameseNetwork) -> None:
    """Give a network the trunk that a file or another process had.

    Args:
        source: where the state comes from, for messages.
        state: of the trunk.
        network: whose trunk may be another one; nothing is done if it has none.

    Raises:
        FacesimError: the state is that of another trunk.
    """
    if not network.backbone.has_trunk:
        return
    try:
        network.load_trunk_state(state)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:400]
        raise FacesimError(f"{source} does not fit this experiment's trunk: {reason}") from None
