"""Tables and paragraphs of a page on the terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text as RichText

from facesim.console import Console
from facesim.page import Table, Text


def print_block(console: Console, block: Table | Text, *, light: bool = False) -> None:
    """Print a table or a paragraph.

    Args:
        console: where.
        block: what.
        light: whether a table has no lines between its columns, which are as narrow as can be so
            that the names of its rows have room.
    """
    if isinstance(block, Text):
        console.print(block.text, markup=False, highlight=False)
        return
    table = RichTable(title=RichText(block.caption))
    if light:
        table.box, table.padding = SIMPLE_HEAD, (0, 1, 0, 0)
    for number, column in enumerate(block.columns):
        right = block.numeric and number > 0
        table.add_column(
            RichText(column),
            justify="right" if right else "left",
            overflow="fold",
            max_width=_narrowest(block, number) if light and right else None,
        )
    for row in block.rows:
        table.add_row(*map(RichText, row))
    console.print(table)


def _narrowest(block: Table, number: int) -> int:
    """A width at which no word of a column is broken, and no short line of a cell."""
    short = 12 if len(block.columns) > 5 else 22
    lines = [line for row in block.rows for line in (row[number:] or ("",))[0].split("\n")]
    parts = [each for line in lines for each in ([line] if len(line) <= short else line.split())]
    return max(map(len, [*parts, *block.columns[number].split(), ""]))
