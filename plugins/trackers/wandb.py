"""Weights & Biases tracker."""

import logging
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import Field

from facesim import FacesimError, Tracker, trackers
from facesim_plugins.trackers._remote_run import RemoteRun

_SECONDS_FOR_THE_LAST_UPLOAD = 300.0

log = logging.getLogger(__name__)


@trackers("wandb", packages=("wandb",))
class WandB(Tracker):
    """Log metrics and parameters to Weights & Biases.

    Everything is written to ``wandb/`` in the run directory first, and sent from there by a
    process of its own: an outage does not block training, and `wandb sync` sends what is left.
    Online, a service that cannot be reached at the start is an error. A resumed run continues
    under the same id, and steps that are trained again are not logged again.

    Only metrics and the experiment are sent: no console output, no code, no system metadata.
    The key is the one of `wandb login` or $WANDB_API_KEY; there is no parameter for it.

    Raises:
        FacesimError: the package wandb is not installed, or, when the run starts, the service
            refuses it or cannot be reached.
    """

    def __init__(
        self,
        *,
        mode: Annotated[
            Literal["online", "offline"],
            Field(description="send at once, or later by `wandb sync <run>/wandb/offline-*`"),
        ] = "online",
        project: Annotated[
            str | None, Field(min_length=1, description="null: the experiment's name")
        ] = None,
        entity: Annotated[
            str | None, Field(min_length=1, description="user or team; null: your default")
        ] = None,
        group: Annotated[
            str | None, Field(min_length=1, description="group of runs; null: no group")
        ] = None,
        tags: Annotated[tuple[str, ...], Field(description="tags of the run")] = (),
    ) -> None:
        try:
            import wandb
        except ImportError:
            raise FacesimError(
                'tracker wandb needs the package wandb; pip install "facesim[wandb]"'
            ) from None
        self._wandb = wandb
        self._project = project
        self._arguments: dict[str, Any] = {
            "mode": mode,
            "entity": entity,
            "group": group,
            "tags": tags,
        }
        self._lost = False

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        """Begin a run, or continue the one that was begun."""
        folder = run_dir / "wandb"
        self._memory = RemoteRun(folder / "facesim.json")
        settings = self._wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            finish_timeout=_SECONDS_FOR_THE_LAST_UPLOAD,
            silent=True,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        run_id = self._memory.id or uuid4().hex[:12]
        self._memory.begin(run_id)
        try:
            self._run = self._wandb.init(
                id=run_id,
                resume="allow",
                reinit="create_new",
                project=self._project or name,
                name=run_dir.name,
                dir=run_dir.absolute(),
                config=experiment,
                settings=settings,
                **self._arguments,
            )
        except (self._wandb.Error, OSError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise FacesimError(
                f"tracker wandb: {reason}; log in with `wandb login`, or write `mode: offline`"
            ) from None

    def log(self, values: dict[str, float], step: int) -> None:
        """Log what was not logged before the run was resumed."""
        news = self._memory.unsent(values, step)
        if news and self._attempt(self._run.log, news, step=step):
            self._memory.mark_sent(dict.fromkeys(news, step))

    def finish(self, status: str) -> None:
        """Wait for the upload, for some minutes at most, and end the run."""

        def end() -> None:
            self._run.summary["status"] = status
            self._run.finish(exit_code=0 if status in ("finished", "pruned") else 1)

        self._attempt(end)

    def _attempt(self, send: Any, *arguments: Any, **keywords: Any) -> bool:
        """Whether wandb accepted it; if its process has died, training goes on without it."""
        if self._lost:
            return False
        try:
            send(*arguments, **keywords)
        except (self._wandb.Error, OSError) as error:
            log.warning("wandb: %s; metrics.jsonl has everything from here on", error)
            self._lost = True
        return not self._lost
