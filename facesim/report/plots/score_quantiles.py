"""Score quantiles of genuine and impostor pairs of val by epoch."""

from typing import Any

from facesim.evaluation.diagnostics import QUANTILES
from facesim.page import Plot, Table
from facesim.report.formatting import number
from facesim.report.plots.layout import GENUINE, IMPOSTOR, epoch_ticks, new_plot, style_axes
from facesim.runs.log import TrainingLog

_KINDS = (("genuine", GENUINE, "solid", "circle"), ("impostor", IMPOSTOR, "dash", "square"))


def score_quantiles_plot(log: TrainingLog) -> Plot | None:
    """Medians and 5% to 95% ranges of both kinds, by epoch; None if none were logged."""
    plot = new_plot()
    for kind, colour, dash, symbol in _KINDS:
        entries = [entry for entry in log.val if f"{kind}_score_q50" in entry]
        if not entries:
            continue
        epochs = [entry["epoch"] for entry in entries]
        edge = {"x": epochs, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        low, high = ([entry[f"{kind}_score_q{end:02d}"] for entry in entries] for end in (5, 95))
        plot.add_scatter(y=low, showlegend=False, **edge)
        fill = colour.replace(")", "-fill)")
        plot.add_scatter(y=high, fill="tonexty", fillcolor=fill, showlegend=False, **edge)
        plot.add_scatter(
            x=epochs,
            y=[entry[f"{kind}_score_q50"] for entry in entries],
            customdata=list(zip(low, high, strict=True)),
            name=f"{kind} median",
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 7},
            hovertemplate=(
                f"{kind} median %{{y:.4g}}<br>90% from %{{customdata[0]:.4g}} "
                "to %{customdata[1]:.4g}<extra></extra>"
            ),
        )
    if not plot.data:
        return None
    style_axes(plot, "Epoch", "Score")
    epoch_ticks(plot, len(log.val))
    plot.update_layout(hovermode="x")
    return Plot(
        "score-quantiles",
        "Scores on val",
        "Lines are medians; bands hold the middle 90% of the pairs. Training should separate the "
        "bands.",
        plot,
        _numbers(log),
    )


def _numbers(log: TrainingLog) -> Table:
    return Table(
        "Quantiles of the scores on val, by epoch",
        ("Epoch", *(f"{kind} {end}%" for kind, *_ in _KINDS for end in QUANTILES)),
        tuple((str(entry["epoch"]), *_quantiles(entry)) for entry in log.val),
    )


def _quantiles(entry: dict[str, Any]) -> list[str]:
    return [
        number(entry.get(f"{kind}_score_q{end:02d}")) for kind, *_ in _KINDS for end in QUANTILES
    ]
