"""The blocks of a page: sections of text, tables and plots as plain data, without HTML."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: plain text.
        tone: ``plain``; ``note`` for what is missing; ``warning`` or ``error`` for what speaks
            against the result.
    """

    kind: ClassVar[str] = "text"

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    The last cell of a row with fewer cells than columns spans the rest.

    Attributes:
        caption: what it holds.
        columns: one heading per column.
        rows: one text per column.
        numeric: whether the further columns are numbers, set flush right.
    """

    kind: ClassVar[str] = "table"

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = True


Mark = Literal["line", "steps", "points", "area", "band", "bars"]

Style = int | Literal["genuine", "impostor", "ink", "muted", "faint"]
"""Colour, dash and marker. Series have numbers, of which 12 can be told apart with any kind of
colour vision; what has a name looks the same on every page."""


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Attributes:
        title: what it measures.
        unit: how its values are written; ``whole`` has no ticks between whole numbers, ``points``
            are signed, ``hidden`` has no ticks at all.
        low: where it begins; None for a little below the lowest value.
        high: where it ends; None for a little above the highest value.
        log: whether it is logarithmic.
        names: of the rows of a vertical axis, from top to bottom; values are positions in it.
    """

    title: str
    unit: Literal["number", "percent", "whole", "points", "hidden"] = "number"
    low: float | None = None
    high: float | None = None
    log: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """Values that are drawn alike.

    Attributes:
        name: in the legend; without one it is not there.
        x: of the points, [N].
        y: of the points, [N]; None leaves one out.
        style: what tells the series from others.
        marks: how it is drawn. ``steps`` is a line that goes right before it goes up or down;
            ``area`` fills what is below it, ``band`` what is between ``low`` and ``high``;
            ``bars`` begin at the left.
        low: lower ends of the points' intervals, [N]; they lie along ``x`` where the vertical axis
            has names, else along ``y``.
        high: upper ends, [N].
        tips: what pointing at a point says, [N]; by default its values.
        silent: whether pointing passes it over.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    style: Style = 0
    marks: tuple[Mark, ...] = ("line",)
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    tips: tuple[str, ...] = ()
    silent: bool = False


@dataclass(frozen=True)
class Panel:
    """Series on one pair of axes.

    Attributes:
        x: the horizontal axis.
        y: the vertical axis.
        series: those further down are drawn on top.
        height: of the axes, in pixels of the style sheet; the width is that of the page.
    """

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    height: int = 300


@dataclass(frozen=True)
class Column:
    """One column of records.

    Attributes:
        label: its heading.
        cells: one text per row.
        numbers: what rows are sorted by, None last; without numbers they are sorted by their text.
    """

    label: str
    cells: tuple[str, ...]
    numbers: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Group:
    """One property by which records are filtered.

    Attributes:
        label: of the property.
        values: those that it can have, at most `MOST_VALUES`.
        rows: the position in ``values`` of each row's; -1 for none.
    """

    MOST_VALUES: ClassVar[int] = 36

    label: str
    values: tuple[str, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Filter:
    """A choice among the values of properties.

    Attributes:
        label: what is chosen.
        groups: one per property.
    """

    label: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Records:
    """A long table that the reader sorts, filters and searches; its first rows without scripts.

    Attributes:
        name: unique within the page; letters and hyphens.
        caption: what it holds.
        columns: of equally many rows; the first names the rows.
        filters: of the same rows.
        search: label of the field that searches the texts of all columns; none if empty.
    """

    kind: ClassVar[str] = "records"
    FIRST_ROWS: ClassVar[int] = 20

    name: str
    caption: str
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...] = ()
    search: str = ""

    def __len__(self) -> int:
        return len(self.columns[0].cells)

    @property
    def first_rows(self) -> Table:
        """As many as a reader without scripts sees."""
        cells = (column.cells[: self.FIRST_ROWS] for column in self.columns)
        labels = tuple(column.label for column in self.columns)
        return Table(self.caption, labels, tuple(zip(*cells, strict=True)), numeric=False)


@dataclass(frozen=True)
class Plot:
    """A plot, what it shows in words, and the numbers behind it.

    Attributes:
        name: unique within the page; letters and hyphens.
        title: heading.
        description: what a reader who does not see the plot must know.
        panels: from top to bottom.
        numbers: the plot as a table.
    """

    kind: ClassVar[str] = "plot"

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    numbers: Table


@dataclass(frozen=True)
class Card:
    """One headline number.

    Attributes:
        label: which.
        value: as text.
        detail: its interval, or why there is none.
    """

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Cards:
    """Headline numbers side by side."""

    kind: ClassVar[str] = "cards"

    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Face:
    """One image.

    Attributes:
        file: path in its table.
        image: a data URI; None where faces are left out or the file cannot be read.
    """

    file: str
    image: str | None


@dataclass(frozen=True)
class FacePair:
    """Two images that were compared, or a few that are to be looked at together.

    Attributes:
        faces: the images.
        facts: what is known of them, such as the score of a pair.
    """

    faces: tuple[Face, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Pairs of faces under a heading."""

    kind: ClassVar[str] = "gallery"

    title: str
    pairs: tuple[FacePair, ...]


@dataclass(frozen=True)
class Links:
    """Other pages, by paths relative to this one.

    Attributes:
        caption: what they are.
        links: what each is called, and its path.
    """

    kind: ClassVar[str] = "links"

    caption: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Preformatted text.

    Attributes:
        caption: what it is.
        text: the lines.
        folded: whether it is shown only on demand.
    """

    kind: ClassVar[str] = "code"

    caption: str
    text: str
    folded: bool = False


Block = Text | Table | Records | Plot | Cards | Gallery | Code | Links


@dataclass(frozen=True)
class Section:
    """A part of the page with an entry in its contents.

    Attributes:
        name: unique within the page; letters and hyphens.
        title: heading.
        blocks: from top to bottom.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: the browser's title and the heading.
        subtitle: one line below it.
        sections: from top to bottom.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
