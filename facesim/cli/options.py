"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from facesim.terminal.completion import complete_experiment, complete_run_dir

ExperimentFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="An experiment file (YAML), or the name of one that comes with facesim: quickstart.",
        autocompletion=complete_experiment,
    ),
]
RunDir = Annotated[
    Path,
    typer.Argument(metavar="RUN_DIR", help="A run directory.", autocompletion=complete_run_dir),
]
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
ProcessCount = Annotated[
    int,
    typer.Option(
        "--processes",
        min=1,
        max=1024,
        help="Processes on this machine that share the work. On several machines: torchrun.",
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
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document, and everything else on standard error."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but the result, and errors.")
]
