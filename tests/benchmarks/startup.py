"""How long facesim takes to say how it is used, against Python's own start and typer's import.

Run: ``python tests/benchmarks/startup.py``.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

from facesim.cli.front_page import STEERING

ROUNDS = 7

PROGRAMS = {
    "help": "import sys; sys.argv = ['facesim', '--help']; from facesim.cli import main; main()",
    "command_help": "import sys; sys.argv = ['facesim', 'run', '--help']; "
    "from facesim.cli import main; main()",
    "bare_python": "pass",
    "typer": "import typer, rich.console",
}
"""The last is the least that the help of a command takes."""


def measure() -> dict[str, float]:
    """Medians over rounds in turn, of seconds that pass and of those of the processor."""
    passed: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    worked: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    # Without what would have typer draw the page.
    inherited = {name: each for name, each in os.environ.items() if name not in STEERING}
    environment = {**inherited, "COLUMNS": "80", "TERM": "xterm"}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            begin, before = time.perf_counter(), _processor_seconds()
            subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, check=True
            )
            passed[name].append(time.perf_counter() - begin)
            worked[name].append(_processor_seconds() - before)
    wall = {name: statistics.median(seconds) for name, seconds in passed.items()}
    processor = {name: statistics.median(seconds) for name, seconds in worked.items()}
    return {
        "help_s": wall["help"],
        "bare_python_s": wall["bare_python"],
        "help_to_bare_python_ratio": wall["help"] / wall["bare_python"],
        "help_to_bare_python_processor_ratio": processor["help"] / processor["bare_python"],
        "command_help_to_typer_processor_ratio": processor["command_help"] / processor["typer"],
    }


def _processor_seconds() -> float:
    """Of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
