"""The learning rate of each group of parameters, logged."""

from facesim import Callback, TrainingView, callbacks


@callbacks("lr_monitor")
class LrMonitor(Callback):
    """Log the learning rate of each group of parameters (tail, head, loss) once per epoch.

    It is the rate with which the next step would update them, and stands in ``metrics.jsonl`` and
    in the trackers as ``lr_monitor.GROUP``. ``metrics.jsonl`` has the first group's rate of every
    logged step anyway.
    """

    def on_epoch_start(self, view: TrainingView) -> None:
        """Log the rates before the first step of all."""
        if view.epoch == 1:
            view.log(view.learning_rates)

    def on_epoch_end(self, view: TrainingView) -> None:
        """Log the rates that the scheduler has come to."""
        view.log(view.learning_rates)
