import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from facesim import FacesimError, Tracker, trackers
from facesim.experiment.loading import load_experiment

QUICKSTART = Path(__file__).parents[3] / "experiments" / "quickstart.yaml"

EXPERIMENT = {"name": "tried", "seed": 7, "loss": {"name": "contrastive", "margin": 2.0}}


@pytest.fixture(autouse=True)
def _no_store_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def start(run_dir: Path, **parameters: Any) -> Any:
    tracker = trackers.spec("mlflow", **parameters).build()
    tracker.start(run_dir, "tried", EXPERIMENT)
    return tracker


def store(run_dir: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{run_dir}/mlflow/mlflow.db")


def only_run(client: MlflowClient) -> Any:
    experiment = client.get_experiment_by_name("tried")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def history(client: MlflowClient, name: str) -> list[tuple[int, float]]:
    found = client.get_metric_history(only_run(client).info.run_id, name)
    return sorted((metric.step, metric.value) for metric in found)


def test_numbers_parameters_and_status_reach_the_store_in_the_run_directory(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    tracker.log({"train.loss": 0.5, "train.lr": 0.1}, 10)
    tracker.log({"train.loss": 0.25}, 20)
    tracker.finish("interrupted")
    client = store(tmp_path)
    run = only_run(client)
    assert history(client, "train.loss") == [(10, 0.5), (20, 0.25)]
    assert run.data.params["loss.margin"] == "2.0"
    assert run.info.status == "KILLED"
    assert run.info.artifact_uri.startswith((tmp_path / "mlflow").as_uri())


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Of a store that accepts everything and is faster than a database."""
    client = Mock()
    client.create_run.return_value.info.run_id = "id"
    monkeypatch.setattr("mlflow.tracking.MlflowClient", Mock(return_value=client))
    return client


@pytest.mark.parametrize(
    ("status", "stored"),
    [
        ("finished", "FINISHED"),
        ("pruned", "FINISHED"),
        ("interrupted", "KILLED"),
        ("failed", "FAILED"),
    ],
)
def test_how_a_run_ended_is_its_status(
    tmp_path: Path, client: Mock, status: str, stored: str
) -> None:
    start(tmp_path).finish(status)
    client.update_run.assert_not_called()
    client.set_terminated.assert_called_once_with("id", stored)
    start(tmp_path)
    client.update_run.assert_called_once_with("id", status="RUNNING")


def test_parameters_are_the_leaves_of_the_experiment_as_many_and_as_long_as_may_be(
    tmp_path: Path, client: Mock
) -> None:
    sizes = list(range(250))
    tracker = trackers.spec("mlflow").build()
    experiment = {"seed": 7, "data": {"sizes": sizes, "pair": (1, {"a": None})}, "x": "y" * 9000}
    tracker.start(tmp_path, "tried", experiment)
    batches = [call.kwargs["params"] for call in client.log_batch.call_args_list]
    assert [len(batch) for batch in batches] == [100, 100, 54]
    assert {each.key: each.value for batch in batches for each in batch} == {
        "seed": "7",
        **{f"data.sizes.{number}": str(number) for number in sizes},
        "data.pair.0": "1",
        "data.pair.1.a": "None",
        "x": "y" * 6000,
    }


def test_values_are_stamped_with_the_time_in_milliseconds(tmp_path: Path, client: Mock) -> None:
    tracker = start(tmp_path)
    before = time.time()
    tracker.log({"a": 1.5}, 1)
    run, (metric,) = client.log_batch.call_args.args
    assert (run, metric.key, metric.value, metric.step) == ("id", "a", 1.5, 1)
    assert before * 1000 - 1 <= metric.timestamp <= time.time() * 1000


def test_a_request_gives_up_soon_unless_the_user_says_otherwise(
    tmp_path: Path, client: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"MLFLOW_HTTP_REQUEST_TIMEOUT": "99"})
    start(tmp_path)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"


@pytest.mark.parametrize(
    ("parameters", "surrounding", "used"),
    [
        ({"tracking_uri": "http://named"}, "http://around", "http://named"),
        ({}, "http://around", "http://around"),
        ({}, "", "sqlite:///{run}/mlflow/mlflow.db"),
    ],
)
def test_the_store_is_that_of_the_experiment_or_of_the_environment_or_of_the_run(
    tmp_path: Path,
    client: Mock,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, str],
    surrounding: str,
    used: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", surrounding)
    opened = Mock(return_value=client)
    monkeypatch.setattr("mlflow.tracking.MlflowClient", opened)
    client.get_experiment_by_name.return_value = None
    start(tmp_path, **parameters)
    assert opened.call_args.kwargs == {"tracking_uri": used.format(run=tmp_path)}
    own = (tmp_path / "mlflow" / "artifacts").as_uri() if used.startswith("sqlite") else None
    client.create_experiment.assert_called_once_with("tried", own)


def test_a_run_directory_may_be_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    start(Path("run")).finish("finished")
    assert only_run(store(tmp_path / "run")).info.status == "FINISHED"


def test_a_resumed_run_goes_on_in_the_same_run_and_logs_no_step_twice(tmp_path: Path) -> None:
    killed = start(tmp_path)  # and never finished
    for step in (0, 10, 20, 30):
        killed.log({"train.loss": 1 / (1 + step)}, step)
    killed.log({"val.loss": 0.5}, 30)
    resumed = start(tmp_path)
    for step in (20, 30, 40):
        resumed.log({"train.loss": 1 / (1 + step)}, step)
    resumed.finish("finished")
    client = store(tmp_path)
    assert history(client, "train.loss") == [(s, 1 / (1 + s)) for s in (0, 10, 20, 30, 40)]
    assert only_run(client).info.status == "FINISHED"


def test_a_store_that_is_lost_does_not_end_the_run_and_gets_all_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(tmp_path)
    tracker.log({"train.loss": 1.0}, 0)

    def unreachable(*arguments: object, **keywords: object) -> None:
        raise MlflowException("no connection")

    with monkeypatch.context() as outage:
        outage.setattr(MlflowClient, "log_batch", unreachable)
        tracker.log({"train.loss": 0.5}, 10)
        tracker.log({"train.loss": 0.25}, 20)
    assert caplog.text.count("no connection") == 1  # it does not try at every step
    tracker.finish("finished")
    assert history(store(tmp_path), "train.loss") == [(0, 1.0), (10, 0.5), (20, 0.25)]


def test_a_lost_store_is_tried_again_after_a_minute_and_gets_what_has_gathered(
    tmp_path: Path, client: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = start(tmp_path)
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    client.log_batch.side_effect = OSError("down")
    tracker.log({"train.loss": 0.0}, 0)
    client.log_batch.reset_mock(side_effect=True)
    now += 59
    for step in range(1, 2500):
        tracker.log({"train.loss": float(step)}, step)
    client.log_batch.assert_not_called()
    now += 1
    tracker.log({"train.loss": 2500.0}, 2500)
    batches = [metrics for _, metrics in (call.args for call in client.log_batch.call_args_list)]
    assert [len(batch) for batch in batches] == [1000, 1000, 501]
    sent = [(metric.step, metric.value) for batch in batches for metric in batch]
    assert sent == [(step, float(step)) for step in range(2501)]
    start(tmp_path).log({"train.loss": 2500.0}, 2500)
    assert client.log_batch.call_count == 3


def test_what_could_not_be_sent_at_all_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(tmp_path)

    def unreachable(*arguments: object, **keywords: object) -> None:
        raise MlflowException("no connection")

    monkeypatch.setattr(MlflowClient, "log_batch", unreachable)
    tracker.log({"train.loss": 0.5}, 10)
    tracker.finish("finished")
    assert "1 values could not be sent" in caplog.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no\nmore", "no"),
        ("at http://me:secret@host/a: no", "at http://***@host/a: no"),
        ("", "OSError"),
    ],
)
def test_a_failure_is_told_on_one_line(
    tmp_path: Path, client: Mock, caplog: pytest.LogCaptureFixture, text: str, told: str
) -> None:
    tracker = start(tmp_path)
    client.log_batch.side_effect = OSError(text)
    tracker.log({"a": 1.0}, 1)
    assert caplog.messages == [f"mlflow: the store cannot be reached: {told}"]


@pytest.mark.parametrize(
    "uri", ["http://host:5000", "https://host/path", "postgresql://me@host/db?sslmode=require"]
)
def test_an_address_without_a_secret_is_accepted(uri: str) -> None:
    assert trackers.spec("mlflow", tracking_uri=uri).arguments["tracking_uri"] == uri


def test_a_store_that_is_not_there_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="the store cannot be used"):
        start(tmp_path, tracking_uri="nonsense://nowhere")


def test_several_runs_share_a_store_that_is_named(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/all.db"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        start(tmp_path / name, tracking_uri=uri, experiment="both").finish("finished")
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("both")
    assert experiment is not None
    names = {run.info.run_name for run in client.search_runs([experiment.experiment_id])}
    assert names == {"first", "second"}


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:secret@host",
        "https://secret@host",
        "http://host/?token=secret",
        "postgresql://me:secret@host/db",
    ],
)
def test_credentials_in_the_address_are_refused_and_not_repeated(uri: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"extends: {QUICKSTART}\ntrackers: [{{name: mlflow, tracking_uri: '{uri}'}}]\n")
    with pytest.raises(FacesimError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        load_experiment(file)
    assert "secret" not in str(refused.value)


def test_an_error_of_the_store_does_not_repeat_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://bob:secret@127.0.0.1:9")
    with pytest.raises(FacesimError, match="the store cannot be used") as refused:
        trackers.spec("mlflow").build().start(tmp_path, "run", {})
    assert "secret" not in str(refused.value)


def test_the_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(FacesimError, match=r'pip install "facesim\[mlflow\]"'):
        trackers.spec("mlflow").build()


def test_it_is_a_tracker(tmp_path: Path) -> None:
    assert isinstance(trackers.spec("mlflow").build(), Tracker)
