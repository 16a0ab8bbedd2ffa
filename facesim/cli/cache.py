"""Commands on the trunk cache."""

from collections.abc import Sequence
from typing import Annotated

import typer

from facesim.cli.application import cache_app
from facesim.cli.options import AsJson
from facesim.console import Console
from facesim.errors import FacesimError


@cache_app.command("list")
def cache_list(
    every: Annotated[
        bool, typer.Option("--all", help="List the small stores one by one, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the feature stores of the trunk cache, most recently used first."""
    from facesim.model.cache_admin import list_stores, stores_root
    from facesim.terminal.cache import print_stores
    from facesim.terminal.documents import print_document, stores_content

    stores = list_stores(stores_root())
    if as_json:
        print_document("cache list", stores_content(stores_root(), stores))
    else:
        print_stores(Console(), stores_root(), stores, every=every)
    _exit_if_any([f"{store.folder}: {store.problem}" for store in stores if store.problem])


@cache_app.command("prune")
def cache_prune(
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=0, help="Remove stores not used for this many days."),
    ] = None,
    max_gb: Annotated[
        float | None,
        typer.Option(
            "--max-gb", min=0, help="Then remove the least recently used beyond this size."
        ),
    ] = None,
) -> None:
    """Remove unused features; a run that needs them computes them again."""
    from facesim.model.cache_admin import prune, stores_root
    from facesim.terminal.cache import print_removed

    pruned = prune(stores_root(), older_than_days=older_than, max_gb=max_gb)
    print_removed(Console(), pruned.removed)
    _exit_if_any(pruned.problems)


@cache_app.command("verify")
def cache_verify() -> None:
    """Verify all checksums; damaged features are dropped and computed again when needed.

    Exits with 2 if something cannot be read; the rest is verified all the same.
    """
    from facesim.model.cache_admin import stores_root, verify_stores
    from facesim.terminal.cache import print_verification

    unread = False
    for store, found in verify_stores(stores_root()):
        print_verification(Console(), store, found)
        unread |= isinstance(found, FacesimError) or bool(found.unreadable)
    raise typer.Exit(2 * unread)


def _exit_if_any(problems: Sequence[str]) -> None:
    if problems:
        raise FacesimError("\n".join(problems))
