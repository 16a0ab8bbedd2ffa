"""TensorBoard tracker."""

import time
from pathlib import Path
from typing import Any

import yaml

from facesim import FacesimError, Tracker, trackers


@trackers("tensorboard", packages=("tensorboard",))
class TensorBoard(Tracker):
    """Write metrics to ``tensorboard/`` in the run directory.

    A resumed run continues from its last checkpoint and logs some steps again; what the
    interrupted run had logged from there on is purged, so that no step is shown twice.

    Raises:
        FacesimError: the package tensorboard is not installed.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise FacesimError(
                "tracker tensorboard needs the package tensorboard; "
                'pip install "facesim[tensorboard]"'
            ) from None
        self._open = SummaryWriter
        self._writer: SummaryWriter | None = None

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        """Remember where to write; the files are created with the first values."""
        self._folder = run_dir / "tensorboard"
        text = yaml.safe_dump(experiment, sort_keys=False, allow_unicode=True)
        # Markdown shows what is indented by four spaces verbatim.
        self._experiment = f"{name}\n\n" + "".join(f"    {line}\n" for line in text.splitlines())

    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars at a step; ``train.loss`` is shown as ``loss`` in the group ``train``."""
        if self._writer is None:
            # Only now is it known where a resumed run continues. A step's training values come
            # first: with them all of the step is logged again, and without them they stay.
            again = any(name.startswith("train.") for name in values)
            self._wait_for_a_later_name()
            self._writer = self._open(str(self._folder), purge_step=step if again else step + 1)
            self._writer.add_text("experiment", self._experiment, step)
        for name, value in values.items():
            self._writer.add_scalar(name.replace(".", "/", 1), value, step)
        self._writer.flush()  # a run that is killed resumes after these steps, not before

    def _wait_for_a_later_name(self) -> None:
        """Wait until this second has passed, if a file was created in it.

        TensorBoard reads files in the order of their names, which hold the second and the process:
        of two starts within one second the later one might be read first.
        """
        names = [path.name for path in self._folder.glob("events.out.tfevents.*")]
        seconds = [int(name.split(".")[3]) for name in names if name.split(".")[3].isdecimal()]
        if int(time.time()) in seconds:
            time.sleep(1 - time.time() % 1)

    def finish(self, status: str) -> None:
        """Close the files; ``status`` is in the run's own log."""
        if self._writer is not None:
            self._writer.close()
