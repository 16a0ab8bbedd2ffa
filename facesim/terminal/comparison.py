"""The comparison of runs on the terminal."""

from rich.console import Console

from facesim.report.comparison_report import comparison_blocks
from facesim.runs.comparison import Comparison
from facesim.terminal.blocks import print_block


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the differences of the experiments, then those of the metrics."""
    for block in comparison_blocks(comparison):
        print_block(console, block)
