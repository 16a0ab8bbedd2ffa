"""Embedding diagnostics by epoch, which show a collapse."""

from plotly.subplots import make_subplots

from facesim.page import Plot, Table
from facesim.report.formatting import number, percent
from facesim.report.plots.layout import SERIES, epoch_ticks, new_plot, style_axes
from facesim.runs.log import TrainingLog

HEALTH = {
    "effective_rank": "Effective rank",
    "embedding_relative_variance": "Variance relative to squared length",
    "impostors_inside_margin": "Impostors inside the margin",
}


def health_plot(log: TrainingLog) -> Plot:
    """One small plot over the epochs per diagnostic that was logged."""
    names = [name for name in HEALTH if any(entry.get(name) is not None for entry in log.val)]
    titles = [HEALTH[name] for name in names]
    plot = make_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.12,
        subplot_titles=titles,
        figure=new_plot(height=60 + 150 * len(names)),
    )
    for row, name in enumerate(names, start=1):
        plot.add_scatter(
            x=[entry["epoch"] for entry in log.val],
            y=[entry.get(name) for entry in log.val],
            mode="lines+markers",
            line={"color": SERIES[0], "width": 2},
            hovertemplate=f"epoch %{{x}}<br>%{{y:.4g}}<extra>{HEALTH[name]}</extra>",
            row=row,
            col=1,
        )
    style_axes(plot, "", "")
    plot.update_xaxes(title={"text": "Epoch"}, row=len(names), col=1)
    epoch_ticks(plot, len(log.val))
    plot.update_yaxes(rangemode="tozero")
    plot.update_annotations(font={"size": 13}, x=0, xanchor="left")
    plot.update_layout(showlegend=False, margin={"t": 28})
    return Plot("health", "Embeddings on val", _description(log, names), plot, _numbers(log, names))


def _description(log: TrainingLog, names: list[str]) -> str:
    last = {name: log.val[-1].get(name) for name in names}
    told = ", ".join(f"{HEALTH[name].lower()} {_value(name, last[name])}" for name in names)
    return (
        "A falling effective rank or variance means that the embeddings collapse: all faces "
        f"get nearly the same one. After the last epoch: {told}."
    )


def _numbers(log: TrainingLog, names: list[str]) -> Table:
    return Table(
        "Embeddings on val, by epoch",
        ("Epoch", *(HEALTH[name] for name in names)),
        tuple(
            (str(entry["epoch"]), *(_value(name, entry.get(name)) for name in names))
            for entry in log.val
        ),
    )


def _value(name: str, value: float | None) -> str:
    return percent(value) if name == "impostors_inside_margin" else number(value)
