import multiprocessing
import os
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from facesim.errors import FacesimError
from facesim.tuning.storage import (
    DIED,
    EPOCHS,
    EPOCHS_BEFORE,
    FRUITLESS,
    IS_BASE,
    JOURNAL_FILE,
    LOST,
    REASON,
    REPEATS,
    RUN,
    STOPPED,
    SURPLUS,
    counts,
    cut_torn_line,
    fruitless_attempts,
    is_worth_repeating,
    loss_of,
    open_storage,
    repeat_of,
)


def begin(folder: Path) -> optuna.Study:
    storage = open_storage(None, folder)
    return optuna.create_study(storage=storage, study_name="s", load_if_exists=True)


def test_a_torn_last_line_is_cut_before_the_next_is_written(tmp_path: Path) -> None:
    study = begin(tmp_path)
    study.enqueue_trial({"x": 1})
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"op_code": 4, "worker_')
    study.enqueue_trial({"x": 2})  # an older process goes on
    assert len(begin(tmp_path).trials) == 2  # and a new one can read it


def test_a_torn_journal_can_be_opened(tmp_path: Path) -> None:
    begin(tmp_path)
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"op')
    assert begin(tmp_path).trials == []


@pytest.mark.parametrize("content", [b"", b"a\n", b"a\nbc\n", b"x" * 9000 + b"\n"])
def test_whole_lines_are_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    cut_torn_line(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("torn", [b"x", b"x" * 9000])
def test_only_the_torn_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"whole\n" + torn)
    cut_torn_line(path)
    assert path.read_bytes() == b"whole\n"


def _die_with_the_lock(folder: Path) -> None:
    from facesim.tuning.storage import RepairingLock

    RepairingLock(folder / JOURNAL_FILE).acquire()
    os._exit(1)


def test_the_lock_of_a_dead_process_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path)
    process = multiprocessing.get_context("spawn").Process(
        target=_die_with_the_lock, args=(tmp_path,)
    )
    process.start()
    process.join()
    monkeypatch.chdir("/")
    study.enqueue_trial({"x": 1})
    assert len(study.trials) == 1


def test_a_database_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage("no url", tmp_path)
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path}/no/such/folder.db", tmp_path)


def trial_of(state: TrialState, **attributes: Any) -> FrozenTrial:
    trial = optuna.create_trial(
        state=state,
        values=[0.5] if state == TrialState.COMPLETE else None,
        params={"x": 0.25},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs=attributes,
    )
    trial.number = 7
    return trial


@pytest.mark.parametrize(
    ("attributes", "loss"),
    [
        ({}, DIED),
        ({LOST: DIED}, DIED),  # as facesim wrote it until a missing reason said so
        ({LOST: STOPPED}, STOPPED),
        ({LOST: SURPLUS}, SURPLUS),
        ({REASON: "out of memory"}, None),
    ],
)
def test_how_a_failed_trial_was_lost(attributes: dict[str, Any], loss: str | None) -> None:
    assert loss_of(trial_of(TrialState.FAIL, **attributes)) == loss


@pytest.mark.parametrize(
    "state", [TrialState.RUNNING, TrialState.WAITING, TrialState.PRUNED, TrialState.COMPLETE]
)
def test_only_a_failed_trial_is_lost(state: TrialState) -> None:
    trial = trial_of(state, **{LOST: STOPPED})
    assert loss_of(trial) is None
    assert counts(trial)
    assert not is_worth_repeating(trial)


@pytest.mark.parametrize(
    ("attributes", "counted", "repeated"),
    [
        ({REASON: "out of memory"}, True, False),
        ({LOST: SURPLUS}, False, False),
        ({LOST: STOPPED, FRUITLESS: 9}, False, True),
        ({}, False, True),
        ({FRUITLESS: 1}, False, True),
        ({FRUITLESS: 2}, True, False),
        ({FRUITLESS: 2, EPOCHS: 3, EPOCHS_BEFORE: 2}, False, True),
    ],
)
def test_a_failed_trial_counts_unless_it_is_repeated_or_surplus(
    attributes: dict[str, Any], counted: bool, repeated: bool
) -> None:
    trial = trial_of(TrialState.FAIL, **attributes)
    assert (counts(trial), is_worth_repeating(trial)) == (counted, repeated)


def test_an_epoch_more_begins_the_count_of_fruitless_attempts_anew() -> None:
    before = {FRUITLESS: 2, EPOCHS_BEFORE: 4}
    assert fruitless_attempts(trial_of(TrialState.FAIL, **before, **{EPOCHS: 4})) == 3
    assert fruitless_attempts(trial_of(TrialState.FAIL, **before, **{EPOCHS: 5})) == 0


def test_a_repetition_takes_over_parameters_run_and_what_was_done() -> None:
    trial = trial_of(TrialState.FAIL, **{EPOCHS: 2, IS_BASE: True, RUN: "/its/run", "beat": 5})
    trial.system_attrs["fixed_params"] = {"x": 0.75, "y": 1.0}  # it had not yet asked for y
    assert repeat_of(trial) == (
        {"x": 0.25, "y": 1.0},
        {REPEATS: 7, FRUITLESS: 0, EPOCHS_BEFORE: 2, IS_BASE: True, RUN: "/its/run"},
    )
