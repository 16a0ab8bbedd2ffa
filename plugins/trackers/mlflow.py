"""MLflow tracker."""

import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from facesim import FacesimError, Tracker, trackers
from facesim_plugins.trackers._remote_run import RemoteRun

_SECONDS_BETWEEN_ATTEMPTS = 60
_MAX_PARAMETERS = 100  # that MLflow takes in one request
_MAX_METRICS = 1000
_MAX_VALUE_LENGTH = 6000
_STATUS = {"interrupted": "KILLED", "failed": "FAILED"}

_REQUEST_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""MLflow's own defaults would block training for minutes per request."""

log = logging.getLogger(__name__)


def _without_secret(uri: str | None) -> str | None:
    """Refuse an address with credentials, by a message that does not repeat it."""
    parts = urlsplit(uri or "")
    if parts.password or (parts.scheme in ("http", "https") and (parts.username or parts.query)):
        raise PydanticCustomError(
            "facesim_plugin",
            "tracking_uri holds credentials, which would be written to the run directory; leave "
            "them out and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            "MLFLOW_TRACKING_TOKEN, or give the whole address in MLFLOW_TRACKING_URI",
        )
    return uri


@trackers("mlflow", packages=("mlflow-skinny",))
class MLflow(Tracker):
    """Log metrics and parameters to an MLflow store.

    A resumed run continues the same run of the store, and steps that are trained again are not
    logged again. A store that cannot be reached at the start is an error. One that fails later
    never ends the run: what could not be sent is kept in memory and retried every minute and at
    the end, with a warning; ``metrics.jsonl`` has everything in any case. An attempt blocks
    training for about ten seconds, or as MLflow's own variables say.

    Nothing of the environment is sent. Passwords belong in MLflow's own variables.

    Raises:
        FacesimError: the package mlflow-skinny is not installed, or, when the run starts, the
            store cannot be reached.
    """

    def __init__(
        self,
        *,
        tracking_uri: Annotated[
            str | None,
            AfterValidator(_without_secret),
            Field(
                description="the store: http://host:port, or sqlite:////absolute/path.db for all "
                "runs of this machine; null: $MLFLOW_TRACKING_URI, and without that mlflow.db in "
                "the folder mlflow of the run directory"
            ),
        ] = None,
        experiment: Annotated[
            str | None,
            Field(min_length=1, description="MLflow's experiment; null: the experiment's name"),
        ] = None,
    ) -> None:
        try:
            import mlflow.entities
            import mlflow.exceptions
            import mlflow.tracking
        except ImportError:
            raise FacesimError(
                'tracker mlflow needs the package mlflow-skinny; pip install "facesim[mlflow]"'
            ) from None
        self._mlflow = mlflow
        self._uri = tracking_uri
        self._experiment = experiment
        self._unsent: list[Any] = []
        self._next_attempt = 0.0

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        """Begin a run in the store, or continue the one that was begun."""
        folder = (run_dir / "mlflow").absolute()
        folder.mkdir(exist_ok=True)
        local = f"sqlite:///{folder / 'mlflow.db'}"
        uri = self._uri or os.environ.get("MLFLOW_TRACKING_URI") or local
        self._run = RemoteRun(folder / "run.json")
        for setting, value in _REQUEST_LIMITS.items():
            os.environ.setdefault(setting, value)
        try:
            self._client = self._mlflow.tracking.MlflowClient(tracking_uri=uri)
            if self._run.id is None:
                # In the run directory, where the store's default would be the current folder.
                artifacts = (folder / "artifacts").as_uri() if uri == local else None
                self._begin(self._experiment or name, artifacts, run_dir.name, experiment)
            else:
                self._client.update_run(self._run.id, status="RUNNING")
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            raise FacesimError(
                f"tracker mlflow: the store cannot be used: {_first_line(error)}; start it, or "
                "leave tracking_uri out to log into the run directory"
            ) from None

    def log(self, values: dict[str, float], step: int) -> None:
        """Send what the store does not have yet."""
        news = self._run.unsent(values, step)
        now = int(time.time() * 1000)
        metric = self._mlflow.entities.Metric
        self._unsent += [metric(name, value, now, step) for name, value in news.items()]
        if time.monotonic() >= self._next_attempt:
            self._send()

    def finish(self, status: str) -> None:
        """Send what is left and set the run's status."""
        self._send()
        if self._run.id is not None:
            self._attempt(
                self._client.set_terminated, self._run.id, _STATUS.get(status, "FINISHED")
            )
        if self._unsent:
            log.warning(
                "mlflow: %d values could not be sent; metrics.jsonl has them", len(self._unsent)
            )

    def _begin(
        self, title: str, artifacts: str | None, run_name: str, experiment: dict[str, Any]
    ) -> None:
        found = self._client.get_experiment_by_name(title)
        ours = found.experiment_id if found else self._client.create_experiment(title, artifacts)
        run_id = self._client.create_run(ours, run_name=run_name).info.run_id
        entity = self._mlflow.entities.Param
        parameters = [
            entity(key, str(value)[:_MAX_VALUE_LENGTH]) for key, value in _flat(experiment)
        ]
        for start in range(0, len(parameters), _MAX_PARAMETERS):
            self._client.log_batch(run_id, params=parameters[start : start + _MAX_PARAMETERS])
        self._run.begin(run_id)

    def _send(self) -> None:
        while self._unsent:
            some = self._unsent[:_MAX_METRICS]
            if not self._attempt(self._client.log_batch, self._run.id, some):
                return
            del self._unsent[: len(some)]
            self._run.mark_sent({metric.key: metric.step for metric in some})

    def _attempt(self, send: Any, *arguments: Any) -> bool:
        """Whether the store accepted it; if not, the next attempt waits."""
        try:
            send(*arguments)
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            log.warning("mlflow: the store cannot be reached: %s", _first_line(error))
            self._next_attempt = time.monotonic() + _SECONDS_BETWEEN_ATTEMPTS
            return False
        return True


def _flat(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``{"loss": {"margin": 2}}`` as ``("loss.margin", 2)``; items of lists are numbered."""
    if isinstance(node, dict | list | tuple):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def _first_line(error: BaseException) -> str:
    """The error's first line, without the credentials of an address."""
    line = (str(error) or type(error).__name__).splitlines()[0]
    return re.sub(r"//[^/@\s]*@", "//***@", line)
