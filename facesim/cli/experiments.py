"""Commands on an experiment file."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesim.cli.application import app
from facesim.cli.options import AsJson, ExperimentFile, Out, Overrides, ProcessCount, Quiet, Trust
from facesim.console import Console, say
from facesim.terminal.completion import complete_run_dir
from facesim.terminal.streams import outlive_stdout

if TYPE_CHECKING:
    from facesim.reporters import Reporter


def _say_if_shipped(file: Path, reporter: "Reporter") -> None:
    """Say which file a name without a folder stands for."""
    from facesim.experiment.shipped import experiment_file

    if (found := experiment_file(file)) != file:
        reporter.say(f"{file} comes with facesim: {found}")


@app.command()
def run(
    file: ExperimentFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN_DIR",
            help="Resume this run; `auto`: the latest unfinished one.",
            autocompletion=complete_run_dir,
        ),
    ] = None,
    trust: Trust = False,
    processes: ProcessCount = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate an experiment; writes a run directory."""
    from facesim.experiment.loading import load_experiment
    from facesim.rendezvous import is_launched, remember_run, run_of_launch
    from facesim.report.run_report import write_report
    from facesim.reporters import reporter_for
    from facesim.runs.follower import follow
    from facesim.runs.run import Run
    from facesim.terminal.documents import evaluation_content, print_document
    from facesim.terminal.launching import together
    from facesim.terminal.results import print_result
    from facesim.training.shards import Shards
    from facesim.training.stop import Stopped

    outlive_stdout()
    console = Console()
    reporter = reporter_for(console, quiet=quiet)
    try:
        with together(reporter, processes) as group:
            experiment = load_experiment(file, overrides or (), trust=trust)
            if not group.is_main:
                follow(experiment, group)
                return
            _say_if_shipped(file, reporter)
            Shards.of(experiment.train.shards, group)  # an error before anything is written
            run = None
            if (begun := run_of_launch()) is not None:  # before torchrun started all again
                run = Run.open(begun, group)
            elif resume == "auto":
                run = Run.latest_unfinished(experiment, out, group)
            elif resume:
                run = Run.open(Path(resume), group)
            if run is None:
                run = Run.begin(experiment, out, group, on_created=remember_run)
            else:
                run.take_experiment(experiment)
                reporter.say(f"still to do: {', '.join(run.missing_stages) or 'nothing'}")
                remember_run(run.path)
            run.complete()
    except Stopped as stopped:
        again = ["facesim", "run", str(file), *(f"--set={value}" for value in overrides or ())]
        again += [f"--processes={processes}"] * (processes > 1) + ["--trust"] * trust
        again += [f"--out={out}", "--resume=auto"]
        if is_launched() and processes == 1:  # by a torchrun of the person's own
            again = ["torchrun", "...", "-m", *again]
        say(f"stopped by {stopped}; resume with:")
        say(shlex.join(again))
        raise typer.Exit(stopped.exit_code) from None
    files = run.read()
    if as_json:
        report = write_report(files).absolute()
        print_document("run", {**evaluation_content(files), "report": report})
        return
    print_result(console, files)
    say(f"report: {write_report(files)}")
    say(f"run directory: {run.path}")


@app.command()
def check(
    file: ExperimentFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    trust: Trust = False,
    processes: ProcessCount = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Validate an experiment, build all components and dry-run one step; writes nothing."""
    from facesim.experiment.loading import load_experiment
    from facesim.reporters import reporter_for
    from facesim.runs.dry_run import check_experiment
    from facesim.runs.follower import follow
    from facesim.terminal.documents import check_content, print_document
    from facesim.terminal.launching import together
    from facesim.terminal.results import print_check
    from facesim.training.stop import Stopped

    console = Console()
    reporter = reporter_for(console, quiet=quiet)
    try:
        with together(reporter, processes) as group:
            experiment = load_experiment(file, overrides or (), trust=trust)
            if not group.is_main:
                follow(experiment, group)
                return
            _say_if_shipped(file, reporter)
            report = check_experiment(experiment, out, group)
    except Stopped as stopped:
        say(f"stopped by {stopped}")
        raise typer.Exit(stopped.exit_code) from None
    if as_json:
        print_document("check", check_content(experiment.name, report))
    else:
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
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Lint the data of an experiment; trains nothing. Exits with 1 if a finding stops a run."""
    from facesim.experiment.loading import load_experiment
    from facesim.processes import Processes
    from facesim.reporters import reporter_for
    from facesim.terminal.documents import lint_content, print_document
    from facesim.terminal.results import print_exclusion, print_lint
    from facesim.training.lint import lint_experiment

    experiment = load_experiment(file, overrides or (), trust=trust)
    console = Console()
    reporter = reporter_for(console, quiet=quiet)
    _say_if_shipped(file, reporter)
    linted = lint_experiment(experiment, Processes(reporter))
    written = None if write is None else linted.write_exclusion(write)
    if as_json:
        content = lint_content(experiment.name, linted.report, write if written else None)
        print_document("lint", content)
    else:
        print_lint(console, linted.report)
        if write is not None and written is not None:
            print_exclusion(console, write, written)
    raise typer.Exit(not linted.report.allows_run)


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
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Trials at once on this machine.")
    ] = 1,
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
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=256, help="Processes of each worker, which share the work of a trial."
        ),
    ] = 1,
) -> None:
    """Search the space that an experiment declares; retrain the winner, then test it.

    Exits with 3 if some of the trials or trainings that were asked for came to no result. An error
    of the machine stops the search with 2; the same command goes on where it stopped.
    """
    from facesim.processes import Processes
    from facesim.reporters import reporter_for
    from facesim.terminal.study import print_summary, study_view
    from facesim.training.stop import Stopped
    from facesim.tuning.optimize import Request
    from facesim.tuning.optimize import optimize as search

    outlive_stdout()
    request = Request(
        file, overrides or (), out, storage, trials, workers, resume, trust, processes
    )
    console = Console()
    reporter = reporter_for(console)
    _say_if_shipped(file, reporter)
    try:
        with study_view(console) as view:
            folder, summary = search(request, view, Processes(reporter))
    except Stopped as stopped:
        say(f"stopped by {stopped}; run the same command to resume")
        raise typer.Exit(stopped.exit_code) from None
    print_summary(console, summary)
    say(f"written to {folder}; run the winner: facesim run {folder / 'best.yaml'}")
    raise typer.Exit(0 if summary.is_whole else 3)
