"""The comparison of runs on the terminal."""

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text as RichText

from facesim.page import Table, Text
from facesim.report.comparison_report import (
    comparison_notes,
    configuration_block,
    metrics_table,
)
from facesim.runs.comparison import Comparison


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the differences of the experiments, then those of the metrics."""
    for block in (configuration_block(comparison), metrics_table(comparison)):
        _print(console, block)
    for note in comparison_notes(comparison):
        _print(console, note)


def _print(console: Console, block: Table | Text) -> None:
    if isinstance(block, Text):
        console.print(block.text, markup=False, highlight=False)
        return
    table = RichTable(title=RichText(block.caption))
    for number, column in enumerate(block.columns):
        right = block.numeric and number > 0
        table.add_column(RichText(column), justify="right" if right else "left", overflow="fold")
    for row in block.rows:
        table.add_row(*map(RichText, row))
    console.print(table)
