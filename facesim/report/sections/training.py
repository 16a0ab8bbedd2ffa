"""Training: loss, validation metrics and embedding diagnostics."""

from facesim.page import Block, Section, Text
from facesim.report.plots.score_histogram import score_quantiles_plot
from facesim.report.plots.training_curves import HEALTH, health_plot, loss_plot, validation_plot
from facesim.runs.presentation import NOT_IMPORTED
from facesim.runs.run_files import RunFiles


def training_section(files: RunFiles) -> Section:
    """Plots over the steps and epochs, below the warnings of the run."""
    log = files.log
    blocks: list[Block] = []
    if log is not None and log.stopped is not None:
        last = log.stopped["epoch"]
        where = f"with epoch {last} of {files.experiment.train.epochs}" if last else "at its start"
        blocks.append(Text(f"A callback ended training {where}: {log.stopped['reason']}."))
    if log is None or not (log.train or log.val):
        blocks.append(Text("The run has logged nothing yet.", "note"))
        return Section("training", "Training", tuple(blocks))
    blocks += [Text(warning, "warning") for warning in log.warnings]
    if log.status != "finished":
        blocks.append(Text(f"This run is not finished; its status is {log.status}.", "note"))
    blocks.append(loss_plot(log))
    best = files.best_of_training
    if log.val and best is None:
        told = f"Nothing in the run describes {files.experiment.train.best!r}, by which the best "
        blocks.append(Text(f"{told}checkpoint was kept: {NOT_IMPORTED}.", "note"))
    elif log.val and best is not None:
        blocks.append(validation_plot(log, best, files.training_metrics.values()))
    if (quantiles := score_quantiles_plot(log)) is not None:
        blocks.append(quantiles)
    if any(entry.get(name) is not None for entry in log.val for name in HEALTH):
        blocks.append(health_plot(log))
    return Section("training", "Training", tuple(blocks))
