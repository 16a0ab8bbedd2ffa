"""Objects that show themselves as tables: as HTML in Jupyter, as text elsewhere."""

from collections.abc import Sequence
from html import escape
from io import StringIO

from rich.console import Console

from facesim.page import Table, Text
from facesim.terminal.blocks import print_block

_WIDTH = 120


class Shown:
    """Shows its blocks as tables and paragraphs."""

    def blocks(self) -> Sequence[Table | Text]:
        """What is shown, from top to bottom."""
        raise NotImplementedError

    def __repr__(self) -> str:
        text = StringIO()
        console = Console(file=text, width=_WIDTH, force_jupyter=False)
        for block in self.blocks():
            print_block(console, block)
        return text.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        return "\n".join(_as_html(block) for block in self.blocks())


def _as_html(block: Table | Text) -> str:
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    heading = "".join(_cell("th", column, 0, 1, block) for column in block.columns)
    rows = "".join(f"<tr>{_row(row, block)}</tr>" for row in block.rows)
    caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
    return f"<table>{caption}<thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>"


def _row(row: Sequence[str], block: Table) -> str:
    spans = [1] * (len(row) - 1) + [len(block.columns) - len(row) + 1]
    cells = zip(row, spans, strict=True)
    return "".join(
        _cell("td", text, number, span, block) for number, (text, span) in enumerate(cells)
    )


def _cell(tag: str, text: str, number: int, span: int, block: Table) -> str:
    side = "right" if block.numeric and number > 0 else "left"
    spanned = f' colspan="{span}"' if span > 1 else ""
    return f'<{tag}{spanned} style="text-align: {side}">{escape(text)}</{tag}>'
