import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import wandb

from facesim import FacesimError, trackers


def start(run_dir: Path, **parameters: Any) -> Any:
    tracker = trackers.spec("wandb", mode="offline", **parameters).build()
    tracker.start(run_dir, "tried", {"seed": 7})
    return tracker


def offline_runs(run_dir: Path) -> list[Path]:
    return sorted((run_dir / "wandb").glob("offline-run-*"))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, dict[str, float]]]:
    """What is handed to wandb: the step and the numbers of each call."""
    calls: list[tuple[int, dict[str, float]]] = []
    log = wandb.Run.log

    def spy(run: wandb.Run, data: dict[str, float], step: int) -> None:
        calls.append((step, data))
        log(run, data, step=step)

    monkeypatch.setattr(wandb.Run, "log", spy)
    return calls


def test_numbers_are_recorded_at_their_steps_below_the_run_directory(
    tmp_path: Path, logged: list[tuple[int, dict[str, float]]]
) -> None:
    tracker = start(tmp_path)
    tracker.log({"train.loss": 0.5}, 10)
    tracker.log({"val.roc_auc": 0.75}, 10)
    tracker.log({"train.loss": 0.25}, 20)
    tracker.finish("finished")
    assert logged == [
        (10, {"train.loss": 0.5}),
        (10, {"val.roc_auc": 0.75}),
        (20, {"train.loss": 0.25}),
    ]
    (run,) = offline_runs(tmp_path)
    assert next(run.glob("*.wandb")).stat().st_size > 0


def test_a_resumed_run_has_the_same_id_and_logs_no_step_twice(
    tmp_path: Path, logged: list[tuple[int, dict[str, float]]]
) -> None:
    interrupted = start(tmp_path)
    for step in (0, 10, 20):
        interrupted.log({"train.loss": float(step)}, step)
    interrupted.finish("interrupted")
    resumed = start(tmp_path)
    resumed.log({"train.loss": 10.0}, 10)
    resumed.log({"train.loss": 20.0}, 20)
    resumed.log({"val.roc_auc": 0.5}, 20)
    resumed.log({"train.loss": 30.0}, 30)
    resumed.finish("finished")
    assert [(step, *values) for step, values in logged] == [
        (0, "train.loss"),
        (10, "train.loss"),
        (20, "train.loss"),
        (20, "val.roc_auc"),
        (30, "train.loss"),
    ]
    ids = {next(run.glob("*.wandb")).stem for run in offline_runs(tmp_path)}
    assert len(ids) == 1


def test_neither_code_nor_console_nor_the_machine_is_recorded(tmp_path: Path) -> None:
    start(tmp_path).finish("finished")
    (run,) = offline_runs(tmp_path)
    assert not list((run / "files").iterdir())


def test_a_wandb_that_dies_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(tmp_path)

    def dead(*arguments: object, **keywords: object) -> None:
        raise wandb.Error("the process is gone")

    with monkeypatch.context() as death:
        death.setattr(wandb.Run, "log", dead)
        tracker.log({"train.loss": 1.0}, 0)
        tracker.log({"train.loss": 1.0}, 1)
    tracker.finish("finished")
    assert caplog.text.count("the process is gone") == 1
    tracker._run.finish()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """A wandb.init that begins nothing."""
    init = Mock()
    monkeypatch.setattr(wandb, "init", init)
    return init


def test_a_run_is_begun_as_the_parameters_say(tmp_path: Path, begun: Mock) -> None:
    start(tmp_path)
    (by_default,) = [dict(each.kwargs) for each in begun.call_args_list]
    settings = by_default.pop("settings")
    assert by_default.pop("id").isalnum()
    assert by_default == {
        "resume": "allow",
        "reinit": "create_new",
        "project": "tried",
        "name": tmp_path.name,
        "dir": tmp_path,
        "config": {"seed": 7},
        "mode": "offline",
        "entity": None,
        "group": None,
        "tags": (),
    }
    private = {
        **dict.fromkeys(["disable_code", "disable_git", "silent"], True),
        **dict.fromkeys(["x_disable_machine_info", "x_disable_meta", "x_disable_stats"], True),
        "x_save_requirements": False,
        "console": "off",
        "finish_timeout": 300.0,
    }
    assert {name: getattr(settings, name) for name in private} == private
    given = {"project": "faces", "entity": "us", "group": "g", "tags": ["a", "b"]}
    start(tmp_path, **given)
    begun.assert_called_with(**{**begun.call_args.kwargs, **given, "tags": ("a", "b")})


def test_runs_that_are_begun_twice_have_ids_of_their_own(tmp_path: Path, begun: Mock) -> None:
    for name in ("first", "second", "first"):
        (tmp_path / name).mkdir(exist_ok=True)
        start(tmp_path / name)
    first, second, again = (each.kwargs["id"] for each in begun.call_args_list)
    assert first == again != second


@pytest.mark.parametrize(
    ("status", "code"), [("finished", 0), ("pruned", 0), ("failed", 1), ("interrupted", 1)]
)
def test_how_a_run_ended_is_in_its_summary(
    tmp_path: Path, begun: Mock, status: str, code: int
) -> None:
    begun.return_value.summary = {}
    start(tmp_path).finish(status)
    assert begun.return_value.summary == {"status": status}
    begun.return_value.finish.assert_called_once_with(exit_code=code)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (wandb.errors.UsageError("api_key not configured\nfor tty"), "api_key not configured"),
        (OSError(), "OSError"),
    ],
)
def test_without_a_login_the_run_does_not_begin_and_offline_is_proposed(
    tmp_path: Path, begun: Mock, error: Exception, reason: str
) -> None:
    begun.side_effect = error
    with pytest.raises(FacesimError) as refused:
        start(tmp_path)
    assert str(refused.value) == (
        f"tracker wandb: {reason}; log in with `wandb login`, or write `mode: offline`"
    )


def test_the_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(FacesimError, match=r'pip install "facesim\[wandb\]"'):
        trackers.spec("wandb").build()
