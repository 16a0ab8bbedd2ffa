"""Plots as inline SVG: without a script, sharp at any width, in the colours of the style sheet.

The axes fill the width that the page has. What must keep its size (text, markers, widths of lines)
is placed in percent; curves are drawn in a view box that is stretched, with strokes that are not.
Beside each curve lies what pointing at it says, which ``page.js`` shows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup, escape

from facesim.arrays import BoolArray, FloatArray
from facesim.console import printable
from facesim.page import Panel, Plot, Series, Style
from facesim.report.plots.scales import Scale

STYLES = 12
"""How many series are told apart by colour, dash and marker."""

MARKERS = 6
"""How many markers there are: circle, square, diamond, triangle, cross, and triangle down."""

_UNITS = 10_000
"""Of the view box, in either direction."""

_BETWEEN_TICKS = 55
"""Pixels between two ticks of a vertical axis, about."""

_LETTER = 7.4
_LONGEST_LABEL = 34
"""Letters of a tick's label; the plot's table has the whole text."""


def plot_svg(plot: Plot) -> Markup:
    """The panels of a plot and their legend, for the place below its heading."""
    panels = Markup("").join(_panel(panel, number) for number, panel in enumerate(plot.panels))
    return Markup(
        '{}<div class="plot" role="img" aria-labelledby="{}-title" '
        'aria-describedby="{}-description">\n{}</div>\n'
    ).format(_legend(plot), plot.name, plot.name, panels)


def style_class(style: Style) -> str:
    """The class of the style sheet that has the colour and the dash of a style."""
    return f"s{style % STYLES}" if isinstance(style, int) else style


def _marker(style: Style) -> int:
    if isinstance(style, int):
        return style % MARKERS
    return {"impostor": 1, "ink": 2, "muted": 4}.get(style, 0)


def _legend(plot: Plot) -> Markup:
    named = [
        (f"{number}-{index}", series)
        for number, panel in enumerate(plot.panels)
        for index, series in enumerate(panel.series)
        if series.name
    ]
    if not named:
        return Markup("")
    entries = Markup("").join(
        Markup(
            '<li data-of="{}"><svg class="{}" width="30" height="12" aria-hidden="true">{}</svg>'
            "<span>{}</span></li>"
        ).format(key, style_class(series.style), _swatch(series), _text(series.name))
        for key, series in named
    )
    return Markup('<ul class="legend">{}</ul>\n').format(entries)


def _swatch(series: Series) -> Markup:
    parts = []
    if {"band", "area", "bars"} & {*series.marks}:
        parts.append(Markup('<rect class="fill" width="30" height="12"/>'))
    if {"line", "steps"} & {*series.marks}:
        parts.append(Markup('<path class="curve" d="M0 6H30"/>'))
    if "points" in series.marks:
        parts.append(Markup('<use href="#m{}" x="15" y="6"/>').format(_marker(series.style)))
    return Markup("").join(parts)


def _panel(panel: Panel, number: int) -> Markup:
    rows = bool(panel.y.names)
    x = Scale.of(panel.x, _values(panel, along_x=True))
    y = Scale.of(panel.y, _values(panel, along_x=False))
    x_ticks = [(at, _shortened(label)) for at, label in x.ticks()]
    y_ticks = [
        (at if rows else 1 - at, _shortened(label))
        for at, label in y.ticks(max(2, panel.height // _BETWEEN_TICKS))
    ]
    left = max((_LETTER * len(label) for _, label in y_ticks), default=0.0) + 12
    drawn = Markup("").join(
        _series(series, x, y, f"{number}-{index}") for index, series in enumerate(panel.series)
    )
    return Markup(
        '<div class="panel{}" style="--left:{}px;--height:{}px;--rows:{}">'
        '<svg width="100%" height="100%">{}{}{}</svg></div>\n'
    ).format(
        " rows" if rows else "",
        round(left),
        panel.height,
        max(len(panel.y.names), 1),
        _grid(x_ticks, y_ticks),
        drawn,
        _labels(panel, x_ticks, y_ticks),
    )


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _values(panel: Panel, *, along_x: bool) -> Iterator[float | None]:
    """All that must fit an axis: points, and the ends of intervals along it."""
    for series in panel.series:
        yield from series.x if along_x else series.y
        if along_x == bool(panel.y.names):
            yield from (*series.low, *series.high)
        if along_x and "bars" in series.marks:
            yield 0.0


def _grid(x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> Markup:
    lines = [Markup('<line x1="{0}" x2="{0}" y2="100%"/>').format(_share(at)) for at, _ in x_ticks]
    lines += [Markup('<line y1="{0}" y2="{0}" x2="100%"/>').format(_share(at)) for at, _ in y_ticks]
    return Markup('<g class="grid">{}</g>').format(Markup("").join(lines))


def _labels(
    panel: Panel, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]
) -> Markup:
    parts = [
        Markup('<text class="x" x="{}" y="100%">{}</text>').format(_share(at), _text(label))
        for at, label in x_ticks
    ]
    parts += [
        Markup('<text class="y" y="{}">{}</text>').format(_share(at), _text(label))
        for at, label in y_ticks
    ]
    if panel.x.title:
        parts.append(
            Markup('<text class="x-title" x="50%" y="100%">{}</text>').format(_text(panel.x.title))
        )
    if panel.y.title:
        parts.append(Markup('<text class="y-title">{}</text>').format(_text(panel.y.title)))
    return Markup('<g class="labels">{}</g>').format(Markup("").join(parts))


def _series(series: Series, x: Scale, y: Scale, key: str) -> Markup:
    """One series; its points lie in its group in the order of its tips."""
    across, down = x.at(series.x), y.at(series.y)
    rows = bool(y.axis.names)
    if not rows:
        down = 1 - down
    shown = np.isfinite(across) & np.isfinite(down)
    along = x if rows else y
    low, high = (along.at(ends) if ends else None for ends in (series.low, series.high))
    if not rows:
        low, high = (None if ends is None else 1 - ends for ends in (low, high))
    parts: list[Markup] = []
    curve = _curve(across, down, steps="steps" in series.marks)
    if "band" in series.marks and low is not None and high is not None:
        there = np.isfinite(across) & np.isfinite(low) & np.isfinite(high)
        edges = (_points(across[there], high[there]), _points(across[there], low[there])[::-1])
        outline = " ".join(f"{a} {b}" for a, b in (each for edge in edges for each in edge))
        parts.append(_stretched("fill", f"M{outline}Z") if outline else Markup(""))
    elif low is not None and high is not None:
        parts += _intervals(across, down, (low, high), rows=rows)
    if "area" in series.marks and shown.any():
        begin = _unit(across[shown][0])
        parts.append(_stretched("fill", f"{curve}V{_UNITS}H{begin}Z"))
    if {"line", "steps"} & {*series.marks}:
        parts.append(_stretched("curve", curve))
    if "bars" in series.marks:
        base = float(x.at([0.0])[0])
        height = 0.6 / (y.high - y.low)
        parts += [
            Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>').format(
                _share(base), _share(b - height / 2), _share(max(a - base, 0)), _share(height)
            )
            for a, b in zip(across[shown], down[shown], strict=True)
        ]
    if "points" in series.marks:
        parts += [
            Markup('<use href="#m{}" x="{}" y="{}"/>').format(
                _marker(series.style), _share(a), _share(b)
            )
            for a, b in zip(across[shown], down[shown], strict=True)
        ]
    return Markup('<g class="{}" data-of="{}"{}>{}</g>').format(
        style_class(series.style), key, _told(series, x, y, shown), Markup("").join(parts)
    )


def _told(series: Series, x: Scale, y: Scale, shown: BoolArray) -> Markup:
    """What pointing at each point says, one line per point."""
    drawn = {"line", "steps", "points", "bars"} & {*series.marks}
    if series.silent or not drawn or not shown.any():
        return Markup("")
    tips = series.tips or [
        "" if b is None else f"{x.axis.title} {x.written(a)} · {y.axis.title} {y.written(b)}"
        for a, b in zip(series.x, series.y, strict=True)
    ]
    there = [tip for tip, is_shown in zip(tips, shown, strict=True) if is_shown]
    lines = Markup("\n").join(_text(tip.replace("\n", " ")) for tip in there)
    return Markup(' data-name="{}" data-tips="{}"').format(_text(series.name), lines)


def _intervals(
    across: FloatArray, down: FloatArray, ends: tuple[FloatArray, FloatArray], *, rows: bool
) -> Iterator[Markup]:
    """A line and a cap at either end per point that has an interval."""
    for a, b, low, high in zip(across, down, *ends, strict=True):
        if not np.isfinite([a, b, low, high]).all():
            continue
        places = [(low, b), (high, b)] if rows else [(a, low), (a, high)]
        (x1, y1), (x2, y2) = [(_share(one), _share(other)) for one, other in places]
        cap = "row-cap" if rows else "cap"
        yield Markup(
            '<line class="interval" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'
            '<use href="#{cap}" x="{x1}" y="{y1}"/><use href="#{cap}" x="{x2}" y="{y2}"/>'
        ).format(x1=x1, y1=y1, x2=x2, y2=y2, cap=cap)


def _stretched(kind: str, path: str) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {0} {0}" preserveAspectRatio="none" width="100%" height="100%">'
        '<path class="{1}" d="{2}"/></svg>'
    ).format(_UNITS, kind, path)


def _curve(across: FloatArray, down: FloatArray, *, steps: bool) -> str:
    """A path through points [N]; one without a place interrupts it."""
    parts, drawing = [], False
    for a, b in zip(across, down, strict=True):
        if not (np.isfinite(a) and np.isfinite(b)):
            drawing = False
            continue
        form = "M{} {}" if not drawing else "H{}V{}" if steps else "L{} {}"
        parts.append(form.format(_unit(a), _unit(b)))
        drawing = True
    return "".join(parts)


def _points(across: FloatArray, down: FloatArray) -> list[tuple[int, int]]:
    return [(_unit(a), _unit(b)) for a, b in zip(across, down, strict=True)]


def _unit(share: float) -> int:
    """In the view box; what lies far outside is only a little outside."""
    return round(_UNITS * min(max(share, -1.0), 2.0))


def _share(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def _text(text: str) -> Markup:
    return escape(printable(text))
