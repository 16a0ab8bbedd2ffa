"""Commands on packs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facesim.cli.application import app
from facesim.cli.options import RunDir, Trust
from facesim.console import Console, say


class _Format(StrEnum):
    ONNX = "onnx"
    TORCH = "torch"


class _Quantization(StrEnum):
    INT8 = "int8"
    FLOAT16 = "float16"


@app.command()
def pack(
    run_dir: RunDir,
    checkpoint: Annotated[
        str, typer.Option(help="best, last, or the name of a periodic checkpoint.")
    ] = "best",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The pack's folder; RUN_DIR/pack if left out."),
    ] = None,
    form: Annotated[
        _Format,
        typer.Option("--format", help="onnx runs without torch; torch needs the plugins."),
    ] = _Format.ONNX,
    quantize: Annotated[
        _Quantization | None, typer.Option(help="Smaller numbers in the network; ONNX only.")
    ] = None,
    most_decisions: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Decisions of an operating point that may differ from the run's: 0, or 0.005 "
            "with float16 and 0.05 with int8.",
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Pack a trained run into a folder that verifies faces, and measure the packed files again."""
    from facesim.packing.pack import PackOptions, pack_run
    from facesim.processes import Processes
    from facesim.reporters import reporter_for
    from facesim.runs.run import Run
    from facesim.terminal.packs import print_pack

    options = PackOptions(
        checkpoint,
        form.value,
        None if quantize is None else quantize.value,
        most_decisions,
    )
    console = Console()
    run = Run.open(run_dir, Processes(reporter_for(console)), trust=trust)
    folder = run.path / "pack" if out is None else out
    print_pack(console, pack_run(run, folder, options))
    say(f"written to {folder}")
