"""All benchmarks, or those named, each in a process of its own: a table, and JSON if asked.

Run: ``python tests/benchmarks/run.py [NAME ...] [--json FILE]``. Every figure that ends in
``ratio`` compares with a baseline that was measured in the same run; absolute times hold nowhere.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.table import Table

from facesim.console import Console

HERE = Path(__file__).parent
NAMES = sorted(
    path.stem
    for path in HERE.glob("*.py")
    if path.stem not in ("run", "bootstrap_coverage", "seed_verdicts")
)
"""bootstrap_coverage and seed_verdicts are simulations of many minutes, run by themselves."""


def run_one(name: str) -> dict[str, float]:
    """The figures of one benchmark, which prints them as JSON, and its peak memory."""
    command = [sys.executable, str(HERE / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    figures: dict[str, float] = json.loads(printed)
    return {**figures, "process_peak_mb": usage.ru_maxrss / 1024}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    found: dict[str, dict[str, float]] = {}
    table = Table("benchmark", "figure", "value")
    for name in arguments.names or NAMES:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        found[name] = run_one(name)
        for figure, value in found[name].items():
            style = "bold" if "ratio" in figure else ""
            table.add_row(name, figure, f"{value:,.4g}", style=style)
        table.add_section()
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
