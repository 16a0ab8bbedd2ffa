"""The trunk cache as tables on the terminal."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.table import Table
from rich.text import Text

from facesim.console import Console
from facesim.errors import FacesimError, count
from facesim.model.cache_admin import StoreInfo
from facesim.model.feature_store import Verification

SMALL_BYTES = 1_000_000
"""Stores of less are listed together, in one line."""


def print_stores(
    console: Console, root: Path, stores: Sequence[StoreInfo], *, every: bool = False
) -> None:
    """Print the stores of the trunk cache, the small ones in one line unless ``every``."""
    table = Table(title=Text(f"trunk cache in {root}"))
    for column in ("key", "backbone", "shape", "dtype", "view", "engine", "MB", "last used"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    there = [store for store in stores if not store.problem]
    small = [] if every else [store for store in there if store.size_bytes < SMALL_BYTES]
    small = small if len(small) > 1 else []
    for store in there:
        if store in small:
            continue
        about = store.description
        used = _when(store.last_used)
        described = ("unreadable", "", "", "", "")
        if about is not None:
            shape = " x ".join(map(str, about.row_shape))
            described = (about.backbone, shape, store.stored_as, about.view, about.engine)
        cells = (store.folder.name[:8], *described, f"{store.size_bytes / 1e6:,.1f}", used)
        table.add_row(*map(Text, cells))
    console.print(table)
    if small:
        together = sum(store.size_bytes for store in small) / 1e6
        newest = max(store.last_used for store in small)
        line = (
            f"and {len(small):,} small stores of {together:,.1f} MB together, last used "
            f"{_when(newest)}; --all lists them"
        )
        console.print(Text(line), soft_wrap=True)


def _when(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp).astimezone().strftime("%Y-%m-%d %H:%M")


def print_removed(console: Console, stores: Sequence[StoreInfo]) -> None:
    """Print how much was removed."""
    freed = sum(store.size_bytes for store in stores)
    console.print(f"removed {count(len(stores), 'store')}, {freed / 1e6:,.1f} MB", highlight=False)


def print_verification(
    console: Console, store: StoreInfo, found: Verification | FacesimError
) -> None:
    """Print whether the checksums of a store are valid, or why it cannot be read."""
    if isinstance(found, FacesimError):
        console.print(Text(str(found)), soft_wrap=True)
        return
    states = [f"{count(len(found.dropped), 'damaged chunk')} dropped"] if found.dropped else []
    states += found.unreadable
    state = ", ".join(states) or "all checksums valid"
    line = f"{store.folder.name[:8]}: {count(found.rows, 'image')}, {state}"
    console.print(Text(line), soft_wrap=True)
