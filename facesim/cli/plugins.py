"""Commands on plugins and the installation."""

from pathlib import Path
from typing import Annotated

import typer

from facesim.cli.application import app, new_app
from facesim.cli.options import Plugins, Trust
from facesim.console import Console, say


@app.command()
def schema(more: Plugins = None, trust: Trust = False) -> None:
    """Print the JSON Schema of experiment files, with the parameters of all plugins."""
    import json

    from facesim.discovery import load_installed_plugins
    from facesim.experiment.json_schema import experiment_json_schema
    from facesim.experiment.loading import load_plugins_of

    load_installed_plugins()
    for named in more or ():
        load_plugins_of(named, trust=trust)
    say(json.dumps(experiment_json_schema(), indent=2))


@app.command()
def plugins(
    kind: Annotated[
        str | None,
        typer.Argument(help="losses, samplers, backbones, ..."),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="A plugin of that kind.")] = None,
    more: Plugins = None,
    trust: Trust = False,
) -> None:
    """List plugins, or describe one: parameters, defaults and origin."""
    from facesim.discovery import load_installed_plugins
    from facesim.experiment.loading import load_plugins_of
    from facesim.interfaces import REGISTRIES
    from facesim.plugin_info import describe_kind, describe_plugin, failed_plugins
    from facesim.terminal.plugins import print_failures, print_kind, print_plugin

    console = Console()
    load_installed_plugins()
    for named in more or ():
        load_plugins_of(named, trust=trust)
    if kind is not None and name is not None:
        print_plugin(console, describe_plugin(kind, name))
        return
    for one in [kind] if kind is not None else [registry.plural for registry in REGISTRIES]:
        print_kind(console, one, describe_kind(one))
    print_failures(console, failed_plugins())


@app.command()
def doctor() -> None:
    """Check environment and plugins; exits with 1 if something is wrong."""
    from facesim.doctor import examine_distributions, examine_environment
    from facesim.terminal.doctor import print_distributions, print_environment

    console = Console()
    environment = examine_environment()
    print_environment(console, environment)
    distributions = examine_distributions()
    print_distributions(console, distributions)
    raise typer.Exit(not (environment.ok and all(status.ok for status in distributions)))


@new_app.command("plugin")
def new_plugin(
    kind: Annotated[str, typer.Argument(help="loss, sampler, backbone, ...")],
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
        str | None, typer.Option(help="The dataset; a wrong name lists the known ones.")
    ] = None,
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="Its folder, relative to the file.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A name, or '{name: NAME, PARAMETER: VALUE}'.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="As for --backbone.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of training.")] = None,
) -> None:
    """Create a commented experiment; on a terminal, asks for missing options."""
    from facesim.scaffold.experiment import write_experiment
    from facesim.terminal.questions import ask

    given = {"faces": faces, "root": root, "backbone": backbone, "loss": loss, "epochs": epochs}
    say(f"written: {write_experiment(ask(file.stem, given), file)}")
