"""How long the command takes to say how it is used, against Python's own start.

Run: ``python tests/benchmarks/startup.py``.
"""

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 7


def measure() -> dict[str, float]:
    """Medians over rounds in turn; the first line of help is what a person waits for."""
    helps, bare = [], []
    program = "import sys; sys.argv = ['facesim', '--help']; from facesim.cli import main; main()"
    for _ in range(ROUNDS):
        bare.append(_seconds(["-c", "pass"]))
        helps.append(_seconds(["-c", program]))
    return {
        "help_s": statistics.median(helps),
        "bare_python_s": statistics.median(bare),
        "help_to_bare_python_ratio": statistics.median(helps) / statistics.median(bare),
    }


def _seconds(arguments: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
