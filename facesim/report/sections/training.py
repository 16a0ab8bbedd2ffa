"""How training went."""

from facesim.page import Block, Section, Text
from facesim.report.plots.score_quantiles import score_quantiles_figure
from facesim.report.plots.training_curves import loss_figure, validation_figure
from facesim.report.plots.training_health import HEALTH, health_figure
from facesim.runs.run_files import RunFiles


def training_section(files: RunFiles) -> Section:
    """Loss, metrics on val, and what tells a collapse."""
    log = files.log
    if log is None or not (log.train or log.val):
        return Section("training", "Training", (Text("Nothing was logged yet.", "note"),))
    blocks: list[Block] = [Text(warning, "warning") for warning in log.warnings]
    if log.status != "finished":
        blocks.append(Text(f"This run is not finished; its log says: {log.status}.", "note"))
    blocks.append(loss_figure(log))
    if log.val:
        blocks.append(validation_figure(log, files.experiment.train.best))
    if (quantiles := score_quantiles_figure(log)) is not None:
        blocks.append(quantiles)
    if any(entry.get(name) is not None for entry in log.val for name in HEALTH):
        blocks.append(health_figure(log))
    return Section("training", "Training", tuple(blocks))
