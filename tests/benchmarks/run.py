"""All benchmarks, or those named, each in a process of its own: a table, and JSON if asked.

Run: ``python tests/benchmarks/run.py [NAME ...] [--check] [--json FILE]``, alone on the machine.
Every figure that ends in ``ratio`` compares with a baseline that was measured in the same run, the
median of rounds in turn; absolute times hold nowhere. What ratios must reach is in must.toml;
``--check`` exits with 1 if one of those that were measured does not.
"""

import argparse
import json
import operator
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from facesim.console import Console
from facesim.host import available_cores

HERE = Path(__file__).parent
NAMES = sorted(
    path.stem
    for path in HERE.glob("*.py")
    if path.stem not in ("run", "bootstrap_coverage", "seed_verdicts")
)
"""bootstrap_coverage and seed_verdicts are simulations of many minutes, run by themselves."""

MUST: Mapping[str, Mapping[str, str]] = tomllib.loads((HERE / "must.toml").read_text())
"""By benchmark and figure: ``>= 12`` or ``<= 3``."""

_COMPARISONS = {">=": operator.ge, "<=": operator.le}
_DISTURBED = 0.1
"""Cores that other processes may use before a measurement counts as disturbed."""


@dataclass(frozen=True)
class Measured:
    """What one benchmark found.

    Attributes:
        figures: by name.
        others: cores that other processes used meanwhile, on average; None where unknown.
    """

    figures: dict[str, float]
    others: float | None


def reaches(value: float, must: str) -> bool:
    """Whether a figure is what ``must`` says, such as ``>= 12``."""
    comparison, limit = must.split()
    return bool(_COMPARISONS[comparison](value, float(limit)))


def missed(name: str, figures: Mapping[str, float]) -> list[str]:
    """A line for each figure of a benchmark that is not what it must be.

    One that was not measured, for want of a package or of what a processor can do, is passed over.
    """
    return [
        f"{name}: {figure} is {figures[figure]:.4g} and must be {must}"
        for figure, must in MUST.get(name, {}).items()
        if figure in figures and not reaches(figures[figure], must)
    ]


def run_one(name: str) -> Measured:
    """The figures of one benchmark, which prints them as JSON, and its peak memory."""
    busy, begin = _busy_seconds(), time.perf_counter()
    command = [sys.executable, str(HERE / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    others, after = None, _busy_seconds()
    if busy is not None and after is not None:
        own = usage.ru_utime + usage.ru_stime
        others = max(0.0, (after - busy - own) / (time.perf_counter() - begin))
    figures: dict[str, float] = json.loads(printed)
    return Measured({**figures, "process_peak_mb": usage.ru_maxrss / 1024}, others)


def _busy_seconds() -> float | None:
    """Processor seconds of all processes since the machine was started; None but on Linux."""
    try:
        user, nice, system, _idle, _wait, *rest = (
            int(ticks) for ticks in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
        )
    except OSError:
        return None
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def table_of(found: Mapping[str, Measured]) -> Table:
    """All figures, the ratios in bold, beside what they must be."""
    table = Table("benchmark", "figure", "value", "must be")
    for name, measured in found.items():
        must = MUST.get(name, {})
        for figure, value in measured.figures.items():
            style, expected = "bold" if "ratio" in figure else "", Text("")
            if figure in must:
                is_reached = reaches(value, must[figure])
                style = "bold green" if is_reached else "bold red"
                expected = Text(must[figure] if is_reached else f"{must[figure]}, missed")
            table.add_row(
                name, figure, Text(f"{value:,.4g}", justify="right"), expected, style=style
            )
        for figure in must.keys() - measured.figures.keys():
            table.add_row(name, figure, Text("not measured"), must[figure], style="dim")
        table.add_section()
    return table


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--check", action="store_true", help="exit with 1 if a ratio is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    if os.getloadavg()[0] > _DISTURBED * available_cores():
        _warn(f"the load average is {os.getloadavg()[0]:.2f}: something else is running here")
    found: dict[str, Measured] = {}
    for name in arguments.names or NAMES:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        found[name] = run_one(name)
        others = found[name].others
        if others is not None and others > _DISTURBED:
            _warn(f"other processes used {others:.1f} cores during {name}")
    Console().print(table_of(found))
    if arguments.json:
        figures = {name: measured.figures for name, measured in found.items()}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    lines = [line for name, measured in found.items() for line in missed(name, measured.figures)]
    for line in lines:
        print(line, file=sys.stderr)
    if arguments.check and lines:
        raise SystemExit(1)


def _warn(text: str) -> None:
    print(f"warning: {text}; measure again alone", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
