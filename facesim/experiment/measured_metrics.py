"""The metrics that an experiment measures, by name."""

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces import metrics
from facesim.interfaces.kinds import built_metrics
from facesim.interfaces.metric import MeanLoss, Metric, Quantity


def measured_metrics(experiment: Experiment) -> dict[str, Metric]:
    """The metrics of ``evaluate.metrics``, and those that choose checkpoints and trials.

    Raises:
        FacesimError: ``train.best`` or ``search.metric`` names no metric.
    """
    found = built_metrics(experiment.evaluate.metrics)
    searched = experiment.search.metrics if experiment.search else ()
    of_val = [name.removeprefix("val.") for name in searched if name.startswith("val.")]
    for name in (experiment.train.best, *of_val):
        if name not in found and name != MeanLoss.name:
            metric = _registered(name)
            found[metric.name] = metric
    return found


def quantity_named(experiment: Experiment, name: str) -> Quantity:
    """A metric that an experiment measures or could measure, or the mean loss.

    Raises:
        FacesimError: there is none of that name.
    """
    if name == MeanLoss.name:
        return MeanLoss()
    found = measured_metrics(experiment)
    return found[name] if name in found else _registered(name)


def _registered(name: str) -> Metric:
    """A registered metric that needs no parameters."""
    plugin = metrics.get(name)
    if plugin.required:
        raise FacesimError(
            f"the metric {name!r} needs {', '.join(plugin.required)}; list it in evaluate.metrics, "
            f"as in {{name: {name}, {plugin.required[0]}: ...}}, and use its name in results"
        )
    (metric,) = built_metrics([metrics.spec(name)]).values()
    return metric
