"""The commands: parse, call, print. Slow packages are imported where they are used."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from facesim.console import Console, guard_terminal, printable, say
from facesim.errors import FacesimError
from facesim.interrupts import is_ctrl_c, watch_interrupts
from facesim.terminal.data_commands import DataCommandGroup
from facesim.terminal.streams import discard, outlive_stdout, prepare_streams


class _Group(TyperGroup):
    """Hands a KeyboardInterrupt that nobody but code has caused on: typer makes an exit of all."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            if is_ctrl_c(error):
                raise
            raise _RaisedByCodeError from error


class _RaisedByCodeError(Exception):
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

ExperimentFile = Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value: --set train.epochs=5."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Import the plugins, which are code, that a run or a study of somebody else names.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for run directories.")]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Also load plugins from this file, module or experiment.",
    ),
]
EvaluationName = Annotated[str, typer.Option(help="An evaluation of the run: a folder of eval/.")]


def main() -> None:
    """Run the command line.

    A user's mistake, an error of the machine or of a plugin is a message and exit code 2, a bug of
    facesim one with 70; there is a traceback with ``--traceback`` only.
    """
    # OpenMP threads that wait must not spin on a busy core; read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    guard_terminal()
    prepare_streams()
    watch_interrupts()
    arguments = sys.argv[1:]
    if arguments[:2] == ["plugins", "doctor"]:  # the former name of `facesim doctor`
        del arguments[0]
    if _TRACEBACK in arguments:  # wherever it stands
        arguments = [_TRACEBACK, *(word for word in arguments if word != _TRACEBACK)]
    try:
        try:
            # not on its own, where typer prints arguments as they are
            code = app(arguments, standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where an error can still be told
    except _UsageError as error:
        from typer.rich_utils import rich_format_error

        error.message = printable(error.message)  # it repeats an argument
        rich_format_error(error)
        sys.exit(error.exit_code)
    except BaseException as error:  # noqa: BLE001  a plugin may raise any
        cause = error.__cause__ if isinstance(error, _RaisedByCodeError) else None
        _end(cause or error, traceback=_TRACEBACK in arguments)
    sys.exit(code if isinstance(code, int) else 0)


_TRACEBACK = "--traceback"


def _end(error: BaseException, *, traceback: bool) -> NoReturn:
    """Tell a person what went wrong, and exit."""
    from facesim.terminal.failure import failure_of

    if isinstance(error, BrokenPipeError):  # the reader has gone, and the reason to go on with it
        sys.exit(1)
    failure = failure_of(error, asked=traceback)
    if failure is None:
        raise error
    try:
        if failure.traceback:
            sys.stderr.write(printable(failure.traceback))
        Console(stderr=True, soft_wrap=True).print(failure.message, markup=False, highlight=False)
    except OSError:  # standard error itself cannot be written
        discard(sys.stderr)
    sys.exit(failure.exit_code)


_UsageError: Any = typer.BadParameter.__base__
"""Of click, which some versions of typer bring along under a name of their own."""


def _exit_if_any(problems: Sequence[str]) -> None:
    if problems:
        raise FacesimError("\n".join(problems))


def _print_version(context: typer.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:  # which shell completion does
        from facesim.version import __version__

        say(f"facesim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option(_TRACEBACK, help="Print the traceback of an error; may stand anywhere."),
    ] = False,
) -> None:
    """Options of facesim itself, before any command."""


@app.command()
def run(
    file: ExperimentFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN_DIR", help="Resume this run; `auto`: the latest unfinished one."),
    ] = None,
    trust: Trust = False,
) -> None:
    """Train and evaluate an experiment; writes a run directory."""
    from facesim.experiment.loading import load_experiment
    from facesim.processes import Processes, reporter_for
    from facesim.report.run_report import write_report
    from facesim.runs.run import Run
    from facesim.terminal.results import print_result
    from facesim.training.stop import Stopped

    outlive_stdout()
    experiment = load_experiment(file, overrides or (), trust=trust)
    console = Console()
    reporter = reporter_for(console)
    processes = Processes(reporter)
    try:
        if resume == "auto":
            run = Run.latest_unfinished(experiment, out, processes)
        else:
            run = Run.open(Path(resume), processes) if resume else None
        if run is None:
            run = Run.begin(experiment, out, processes)
        else:
            run.take_experiment(experiment)
            reporter.say(f"still to do: {', '.join(run.missing_stages) or 'nothing'}")
        run.complete()
    except Stopped as stopped:
        again = ["facesim", "run", str(file), *(f"--set={value}" for value in overrides or ())]
        reporter.say(f"stopped by {stopped}; resume with:")
        reporter.say(shlex.join([*again, f"--out={out}", "--resume=auto"]))
        raise typer.Exit(stopped.exit_code) from None
    files = run.read()
    print_result(console, files)
    reporter.say(f"report: {write_report(files)}")
    reporter.say(f"run directory: {run.path}")


@app.command("eval")
def evaluate(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run directory.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Evaluate something else: --set 'data.test={name: lfw, root: lfw}'.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the folder in eval/; required if --set changes what is measured."
        ),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(help="best, last, or the name of a periodic checkpoint.")
    ] = "best",
    recalibrate: Annotated[
        bool,
        typer.Option("--recalibrate", help="Choose new thresholds on val."),
    ] = False,
    more: Plugins = None,
    trust: Trust = False,
) -> None:
    """Evaluate a trained run on test or on other data, with thresholds from val."""
    from facesim.processes import Processes, reporter_for
    from facesim.runs.run import Run
    from facesim.terminal.results import print_result

    outlive_stdout()
    console = Console()
    reporter = reporter_for(console)
    run = Run.open(run_dir, Processes(reporter), trust=trust)
    plan, _ = run.evaluate(
        overrides=overrides or (),
        plugins=more or (),
        name=name,
        checkpoint=checkpoint,
        recalibrate=recalibrate,
    )
    print_result(console, run.read(plan.name))
    reporter.say(f"written to {plan.folder}")


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run directory.")],
    name: EvaluationName = "test",
    faces: Annotated[
        bool, typer.Option("--faces/--no-faces", help="Embed small images of faces, or none.")
    ] = True,
) -> None:
    """Write a run's report: one self-contained HTML file."""
    from facesim.report.run_report import write_report
    from facesim.runs.run import Run

    say(f"written to {write_report(Run.open(run_dir).read(name), faces=faces)}")


class _Against(TyperCommand):
    """Lets ``--against`` take all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        repeated: list[str] = []
        option = ""
        for word in args:
            if word.startswith("-"):
                option = word
            elif option == "--against" and repeated[-1] != option:
                repeated.append(option)
            repeated.append(word)
        return super().parse_args(ctx, repeated)


@app.command(cls=_Against)
def compare(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...", help="The first is the reference, unless --against is given."
        ),
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN_DIR...",
            help="Runs of a reference with other seeds: compare A1 A2 --against B1 B2.",
        ),
    ] = None,
    name: EvaluationName = "test",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write this HTML file.")
    ] = None,
) -> None:
    """Compare runs: differences in configuration and metrics, and their significance.

    With --against, two systems over several seeds each: what other people and other seeds would
    change is in the intervals.
    """
    from facesim.report.comparison_report import write_comparison
    from facesim.runs.comparison import Comparison, compare_runs
    from facesim.runs.group_comparison import GroupComparison, compare_groups
    from facesim.runs.run import Run
    from facesim.terminal.results import print_comparison

    runs = [Run.open(path) for path in run_dirs]
    comparison: Comparison | GroupComparison
    if against:
        comparison = compare_groups([Run.open(path) for path in against], runs, name=name)
    else:
        comparison = compare_runs(runs, name=name)
    print_comparison(Console(), comparison)
    if out is not None:
        say(f"written to {write_comparison(comparison, out)}")


@app.command()
def check(
    file: ExperimentFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    trust: Trust = False,
) -> None:
    """Validate an experiment, build all components and dry-run one step; writes nothing."""
    from facesim.experiment.loading import load_experiment
    from facesim.processes import Processes, reporter_for
    from facesim.terminal.results import print_check
    from facesim.training.dry_run import check_experiment

    experiment = load_experiment(file, overrides or (), trust=trust)
    console = Console()
    report = check_experiment(experiment, out, Processes(reporter_for(console)))
    print_check(console, experiment.name, report)


@app.command()
def lint(
    file: ExperimentFile,
    overrides: Overrides = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            metavar="FILE",
            help="Write a CSV file for `data.exclude`: images of train that are in val or test, "
            "and images of val that are in test.",
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Lint the data of an experiment; trains nothing. Exits with 1 if a finding stops a run."""
    from facesim.experiment.loading import load_experiment
    from facesim.processes import Processes, reporter_for
    from facesim.terminal.results import print_exclusion, print_lint
    from facesim.training.lint import lint_experiment

    experiment = load_experiment(file, overrides or (), trust=trust)
    console = Console()
    linted = lint_experiment(experiment, Processes(reporter_for(console)))
    written = None if write is None else linted.write_exclusion(write)
    print_lint(console, linted.report)
    if write is not None and written is not None:
        print_exclusion(console, write, written)
    raise typer.Exit(not linted.report.allows_run)


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


@cache_app.command("list")
def cache_list() -> None:
    """List the feature stores of the trunk cache, most recently used first."""
    from facesim.model.cache_admin import list_stores, stores_root
    from facesim.terminal.cache import print_stores

    stores = list_stores(stores_root())
    print_stores(Console(), stores_root(), stores)
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


@app.command()
def optimize(
    file: ExperimentFile,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for studies.")] = Path(
        "studies"
    ),
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, max=10**6, help="Total number of trials, over all workers and machines."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes on this machine.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A database, such as sqlite:///study.db or postgresql+psycopg://host/db; by "
            "default a journal in the study's folder. The same command elsewhere joins in.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an existing study.")] = False,
    trust: Trust = False,
) -> None:
    """Search the space that an experiment declares; retrain the winner, then test it.

    Exits with 3 if some of the trials or trainings that were asked for came to no result. An error
    of the machine stops the search with 2; the same command goes on where it stopped.
    """
    from facesim.processes import Processes, reporter_for
    from facesim.terminal.study import print_summary, study_view
    from facesim.training.stop import Stopped
    from facesim.tuning.optimize import Request
    from facesim.tuning.optimize import optimize as search

    outlive_stdout()
    request = Request(file, overrides or (), out, storage, trials, workers, resume, trust)
    console = Console()
    try:
        with study_view(console) as view:
            folder, summary = search(request, view, Processes(reporter_for(console)))
    except Stopped as stopped:
        say(f"stopped by {stopped}; run the same command to resume")
        raise typer.Exit(stopped.exit_code) from None
    print_summary(console, summary)
    say(f"written to {folder}; run the winner: facesim run {folder / 'best.yaml'}")
    raise typer.Exit(0 if summary.is_whole else 3)
