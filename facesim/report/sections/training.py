"""Training: loss, validation metrics and embedding diagnostics."""

from facesim.page import Block, Section, Text
from facesim.report.plots.score_quantiles import score_quantiles_figure
from facesim.report.plots.training_curves import loss_figure, validation_figure
from facesim.report.plots.training_health import HEALTH, health_figure
from facesim.runs.run_files import RunFiles


def training_section(files: RunFiles) -> Section:
    """Plots over the steps and epochs, below the warnings of the run."""
    log = files.log
    if log is None or not (log.train or log.val):
        return Section("training", "Training", (Text("The run has logged nothing yet.", "note"),))
    blocks: list[Block] = [Text(warning, "warning") for warning in log.warnings]
    if log.status != "finished":
        blocks.append(Text(f"This run is not finished; its status is {log.status}.", "note"))
    blocks.append(loss_figure(log))
    if log.val:
        blocks.append(validation_figure(log, files.experiment.train.best))
    if (quantiles := score_quantiles_figure(log)) is not None:
        blocks.append(quantiles)
    if any(entry.get(name) is not None for entry in log.val for name in HEALTH):
        blocks.append(health_figure(log))
    return Section("training", "Training", tuple(blocks))
