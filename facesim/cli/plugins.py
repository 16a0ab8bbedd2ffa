"""Commands on plugins and the installation."""

from pathlib import Path
from typing import Annotated

import typer

from facesim.cli.application import app, new_app
from facesim.cli.options import AsJson, Plugins, Quiet, Trust
from facesim.console import Console, say
from facesim.terminal.completion import (
    complete_kind,
    complete_kind_in_singular,
    complete_plugin,
)


@app.command()
def schema(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="With --write: the file, facesim.schema.json by default."
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write the schema to FILE, in place of an older one."),
    ] = False,
    more: Plugins = None,
    trust: Trust = False,
) -> None:
    """Print the JSON Schema of experiment files, with the parameters of all plugins."""
    import json

    from facesim.discovery import load_installed_plugins
    from facesim.experiment.json_schema import FILE_NAME, experiment_json_schema, write_schema
    from facesim.experiment.loading import load_plugins_of

    if file is not None and not write:
        raise typer.BadParameter("a FILE is written with --write only", param_hint="FILE")
    load_installed_plugins()
    for named in more or ():
        load_plugins_of(named, trust=trust)
    if write:
        target = file or Path(FILE_NAME)
        say(f"written: {write_schema(target / FILE_NAME if target.is_dir() else target)}")
    else:
        say(json.dumps(experiment_json_schema(), indent=2))


@app.command()
def plugins(
    kind: Annotated[
        str | None,
        typer.Argument(help="losses, samplers, backbones, ...", autocompletion=complete_kind),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(help="A plugin of that kind.", autocompletion=complete_plugin),
    ] = None,
    more: Plugins = None,
    trust: Trust = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List plugins, or describe one: parameters, defaults and origin."""
    from facesim.discovery import load_installed_plugins
    from facesim.experiment.loading import load_plugins_of
    from facesim.interfaces import REGISTRIES
    from facesim.plugin_info import PluginInfo, describe_kind, describe_plugin, failed_plugins
    from facesim.terminal.documents import plugins_content, print_document
    from facesim.terminal.plugins import print_failures, print_kind, print_plugin

    console = Console()
    load_installed_plugins()
    for named in more or ():
        load_plugins_of(named, trust=trust)
    kinds = [registry.plural for registry in REGISTRIES] if kind is None else [kind]
    found: dict[str, tuple[PluginInfo, ...]]
    if name is not None:
        found = {kinds[0]: (describe_plugin(kinds[0], name),)}
    else:
        found = {each: describe_kind(each) for each in kinds}
    every = [plugin for of_kind in found.values() for plugin in of_kind]
    if as_json:
        print_document("plugins", plugins_content(every, failed_plugins()))
    elif name is not None:
        print_plugin(console, every[0])
    elif quiet:
        for plugin in every:
            say(plugin.name if kind is not None else f"{plugin.kind} {plugin.name}")
        print_failures(Console(stderr=True), failed_plugins())
    else:
        for plural, of_kind in found.items():
            print_kind(console, plural, of_kind)
        print_failures(console, failed_plugins())


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check environment and plugins; exits with 1 if something is wrong."""
    from facesim.doctor import examine_distributions, examine_environment
    from facesim.terminal.doctor import print_distributions, print_environment
    from facesim.terminal.documents import doctor_content, print_document

    console = Console()
    environment = examine_environment()
    if not as_json:
        print_environment(console, environment)
    distributions = examine_distributions()
    if as_json:
        print_document("doctor", doctor_content(environment, distributions))
    else:
        print_distributions(console, distributions)
    raise typer.Exit(not (environment.ok and all(status.ok for status in distributions)))


@new_app.command("plugin")
def new_plugin(
    kind: Annotated[
        str,
        typer.Argument(
            help="loss, sampler, backbone, ...", autocompletion=complete_kind_in_singular
        ),
    ],
    name: Annotated[str, typer.Argument(help="Its name in experiment files.")],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Output folder; the current one by default."),
    ] = Path(),
    package: Annotated[
        bool, typer.Option("--package", help="Create a distribution that pip can install.")
    ] = False,
) -> None:
    """Create a working plugin and its test, as a starting point."""
    from facesim.scaffold.plugin import write_package, write_plugin

    for path in (write_package if package else write_plugin)(kind, name, out):
        say(path)


@new_app.command("experiment")
def new_experiment(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to create: mine.yaml.")],
    faces: Annotated[
        str | None,
        typer.Option(help="A folder of images, a table of them, or the name of a dataset."),
    ] = None,
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="The folder or file that the dataset reads.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A name, or '{name: NAME, PARAMETER: VALUE}'.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="As for --backbone.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of training.")] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Copy an experiment that comes with facesim: quickstart."
        ),
    ] = None,
) -> None:
    """Create a commented experiment that fits your images; on a terminal, asks for the rest.

    Beside it the JSON Schema is written by which editors complete and check it.
    """
    from facesim.scaffold.experiment import copy_experiment, require_possible, write_experiment
    from facesim.terminal.questions import ask

    given = {"faces": faces, "root": root, "backbone": backbone, "loss": loss, "epochs": epochs}
    if like is not None:
        beside = [f"--{key}" for key, it in given.items() if it is not None]
        if beside:
            raise typer.BadParameter(f"copies an experiment as it is; leave {beside[0]} out")
        written = copy_experiment(like, file)
    else:
        require_possible(file)
        written = write_experiment(ask(given), file)
    for path in written:
        say(f"written: {path}")
    say(f"next: facesim check {file}")
