"""Commands of ``facesim data``: what a plugin offers to prepare data sets with."""

from facesim.registry import Registry

data_commands: Registry[None] = Registry("data command", "data_commands")
"""Registers a function as ``facesim data NAME``.

Its keyword-only parameters are the command's arguments and options, annotated as typer wants them,
and its docstring is the help. It prints what it has to say and raises FacesimError for a mistake::

    @data_commands("celeba")
    def split(*, root: Annotated[Path, typer.Argument(metavar="ROOT")], seed: int = 0) -> None: ...

They are not a kind of plugin that an experiment file can name.
"""
