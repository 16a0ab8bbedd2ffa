"""Commands on run directories."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from facesim.cli.application import app
from facesim.cli.options import AsJson, EvaluationName, Plugins, ProcessCount, Quiet, RunDir, Trust
from facesim.console import Console, say
from facesim.terminal.completion import complete_run_dir
from facesim.terminal.streams import outlive_stdout


@app.command("eval")
def evaluate(
    run_dir: RunDir,
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
    processes: ProcessCount = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a trained run on test or on other data, with thresholds from val."""
    from facesim.reporters import reporter_for
    from facesim.runs.follower import follow
    from facesim.runs.run import EvaluationChoices, Run
    from facesim.terminal.documents import evaluation_content, print_document
    from facesim.terminal.launching import together
    from facesim.terminal.results import print_result
    from facesim.training.stop import Stopped

    outlive_stdout()
    console = Console()
    reporter = reporter_for(console, quiet=quiet)
    choices: EvaluationChoices = {
        "overrides": overrides or (),
        "plugins": more or (),
        "name": name,
        "checkpoint": checkpoint,
        "recalibrate": recalibrate,
    }
    try:
        with together(reporter, processes) as group:
            run = Run.open(run_dir, group, trust=trust)
            if not group.is_main:
                follow(run.plan_evaluation(**choices).experiment, group)
                return
            plan, _ = run.evaluate(**choices)
    except Stopped as stopped:
        say(f"stopped by {stopped}; the same command begins the evaluation anew")
        raise typer.Exit(stopped.exit_code) from None
    files = run.read(plan.name)
    if as_json:
        content = {**evaluation_content(files), "folder": plan.folder.absolute()}
        print_document("eval", content)
        return
    print_result(console, files)
    say(f"written to {plan.folder}")


@app.command()
def report(
    run_dir: RunDir,
    name: EvaluationName = "test",
    faces: Annotated[
        bool, typer.Option("--faces/--no-faces", help="Embed small images of faces, or none.")
    ] = True,
    trust: Trust = False,
) -> None:
    """Write a run's report: one self-contained HTML file."""
    from facesim.report.run_report import write_report
    from facesim.runs.run import Run

    run = Run.open(run_dir)
    files = run.read(name)
    say(f"written to {write_report(files, faces=faces, trust=trust)}")
    left = [stage for stage in run.missing_stages if stage not in ("lint", "report")]
    if left:
        command = ["facesim", "run", str(run.path / "experiment.yaml"), f"--resume={run.path}"]
        say(f"still to do: {', '.join(left)}; go on with: {shlex.join(command)}")


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
            metavar="RUN_DIR...",
            help="Run directories, or folders of them. The first is the reference, unless "
            "--against is given.",
            autocompletion=complete_run_dir,
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
    every: Annotated[
        bool, typer.Option("--all", help="Show all metrics, and not the five most telling ones.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write this file: .html, .csv, .md or .tex."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare runs: differences in configuration and metrics, and their significance.

    Runs of one experiment with several seeds are one group: mean and spread, and what other people
    and other seeds would change is in the intervals. With --against, two systems that you name.
    """
    from facesim.report.comparison_files import require_known_suffix, write_comparison
    from facesim.reporters import reporter_for
    from facesim.runs.compared_runs import open_runs
    from facesim.runs.comparison import compare_groups, compare_runs, comparison_data
    from facesim.terminal.documents import print_document
    from facesim.terminal.results import print_comparison

    if out is not None:
        require_known_suffix(out)
    runs, passed = open_runs(run_dirs, name)
    if against:
        others, passed_there = open_runs(against, name)
        passed += passed_there
        comparison = compare_groups(others, runs, name=name)
    else:
        comparison = compare_runs(runs, name=name)
    reporter = reporter_for(Console(), quiet=quiet)
    for line in passed:
        reporter.say(line)
    written = None if out is None else write_comparison(comparison, out, every=every)
    if as_json:
        file = None if written is None else written.absolute()
        content = {**comparison_data(comparison), "passed_over": passed, "written": file}
        print_document("compare", content)
        return
    print_comparison(Console(), comparison, every=every)
    if written is not None:
        reporter.say(f"written to {written}")
