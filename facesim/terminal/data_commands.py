"""The group ``facesim data``, most of whose commands come from plugins."""

from typing import Any

import typer
from typer.core import TyperGroup


class DataCommandGroup(TyperGroup):
    """Imports plugins only when it is asked for its commands: that takes seconds."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, those of the engine first."""
        from facesim.discovery import load_installed_plugins
        from facesim.interfaces import data_commands

        load_installed_plugins()
        own = super().list_commands(ctx)
        return [*own, *(name for name in data_commands.names() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name, or None, which click takes for a mistake in the name.

        Raises:
            PluginError: the module that should have brought it could not be imported.
        """
        from facesim.interfaces import data_commands

        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        if cmd_name in self.list_commands(ctx) or data_commands.failed_to_register(cmd_name):
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command(cmd_name)(data_commands.get(cmd_name).factory)
            return typer.main.get_command(app)
        return None
