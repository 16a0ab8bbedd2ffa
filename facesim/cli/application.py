"""The application that the commands are registered with."""

from typing import Any

import typer
from typer.core import TyperGroup

from facesim.interrupts import is_ctrl_c
from facesim.terminal.data_commands import DataCommandGroup


class _Group(TyperGroup):
    """Hands a KeyboardInterrupt that nobody but code has caused on: typer makes an exit of all."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            if is_ctrl_c(error):
                raise
            raise RaisedByCodeError from error


class RaisedByCodeError(Exception):
    """What it was raised from is what ended the command."""


app = typer.Typer(
    name="facesim",
    cls=_Group,
    help="Train and compare face-verification systems honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(cls=DataCommandGroup, help="Prepare data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
cache_app = typer.Typer(help="Manage the trunk cache.", no_args_is_help=True)
app.add_typer(cache_app, name="cache")
new_app = typer.Typer(help="Create plugins and experiments from templates.", no_args_is_help=True)
app.add_typer(new_app, name="new")
gallery_app = typer.Typer(help="Manage galleries of enrolled people.", no_args_is_help=True)
app.add_typer(gallery_app, name="gallery")
