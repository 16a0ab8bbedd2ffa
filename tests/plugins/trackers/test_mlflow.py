import sys
from pathlib import Path
from typing import Any

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
