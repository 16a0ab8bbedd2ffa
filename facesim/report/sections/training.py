"""Training: loss, validation metrics and embedding diagnostics."""

from facesim.experiment.measured_metrics import measured_metrics, quantity_named
from facesim.page import Block, Section, Text
from facesim.report.plots.score_histogram import score_quantiles_plot
from facesim.report.plots.training_curves import HEALTH, health_plot, loss_plot, validation_plot
from facesim.runs.run_files import RunFiles


def training_section(files: RunFiles) -> Section:
    """Plots over the steps and epochs, below the warnings of the run."""
    log = files.log
    if log is None or not (log.train or log.val):
        return Section("training", "Training", (Text("The run has logged nothing yet.", "note"),))
    blocks: list[Block] = [Text(warning, "warning") for warning in log.warnings]
    if log.status != "finished":
        blocks.append(Text(f"This run is not finished; its status is {log.status}.", "note"))
    blocks.append(loss_plot(log))
    if log.val:
        best = quantity_named(files.experiment, files.experiment.train.best)
        metrics = measured_metrics(files.experiment).values()
        blocks.append(validation_plot(log, best, metrics))
    if (quantiles := score_quantiles_plot(log)) is not None:
        blocks.append(quantiles)
    if any(entry.get(name) is not None for entry in log.val for name in HEALTH):
        blocks.append(health_plot(log))
    return Section("training", "Training", tuple(blocks))
