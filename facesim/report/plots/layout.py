"""The common style of all plots: axes, colours, margins."""

from html import escape
from typing import Any

import plotly.graph_objects as go

GENUINE, IMPOSTOR = "var(--genuine)", "var(--impostor)"
INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")


_EACH_EPOCH_UP_TO = 12


def new_plot(*, height: int = 360) -> Any:
    """An empty plot in the page's style."""
    return go.Figure(
        layout={
            "template": go.layout.Template(),
            "height": height,
            "autosize": True,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "legend": {
                "orientation": "h",
                "traceorder": "normal",
                "x": 0,
                "y": 1 + 8 / height,
                "yanchor": "bottom",
            },
            "modebar": {
                "bgcolor": "rgba(0,0,0,0)",
                "color": MUTED,
                "activecolor": INK,
            },
            "hoverlabel": {
                "bgcolor": "var(--surface)",
                "bordercolor": "var(--line)",
                "font": {"color": INK},
                "align": "left",
            },
            "hovermode": "closest",
        }
    )


def epoch_ticks(plot: Any, epochs: int) -> None:
    """Ticks on whole epochs: each of them up to 12, else those that Plotly chooses."""
    plot.update_xaxes(tickformat="d")
    if epochs <= _EACH_EPOCH_UP_TO:
        plot.update_xaxes(tick0=1, dtick=1)


def style_axes(plot: Any, x: str, y: str) -> None:
    """Title both axes and style them; each plot sets its own ranges and ticks."""
    quiet = {
        "gridcolor": GRID,
        "linecolor": "var(--line)",
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "var(--line)",
    }
    plot.update_xaxes(title={"text": x, "standoff": 10, "font": {"size": 13}}, **quiet)
    plot.update_yaxes(title={"text": y, "standoff": 10, "font": {"size": 13}}, **quiet)


def literal(text: str) -> str:
    """Text from data, escaped because Plotly renders a subset of HTML in labels."""
    return escape(text)
