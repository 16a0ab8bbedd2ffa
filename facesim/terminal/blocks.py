"""Tables and paragraphs of a page on the terminal."""

from rich.table import Table as RichTable
from rich.text import Text as RichText

from facesim.console import Console
from facesim.page import Table, Text


def print_block(console: Console, block: Table | Text) -> None:
    """Print a table or a paragraph."""
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
