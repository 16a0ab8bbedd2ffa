"""Storages are opened, created and checked; what attributes say of a trial."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from facesim.errors import DataError, FacesimError
from facesim.machine_errors import MachineError
from facesim.tuning import storage
from facesim.tuning.storage import (
    BEAT,
    DIED,
    DIGEST,
    HELD_UP,
    LOST,
    PAUSED,
    REASON,
    REPEATS,
    RUN,
    STOPPED,
    SURPLUS,
    counted,
    digest_of,
    is_worth_repeating,
    loss_of,
    open_storage,
    places,
    require_undamaged,
    storage_errors_named,
)


def test_a_database_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage("no url", tmp_path)
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path}/no/such/folder.db", tmp_path)


class Created(optuna.storages.RDBStorage):
    """A database whose tables another machine creates at the moment of the first attempts."""

    failures: ClassVar[list[Exception]] = []

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        if self.failures:
            raise self.failures.pop()
        super().__init__(*arguments, **settings)


def statement(kind: type[DBAPIError], reason: str) -> DBAPIError:
    return kind("CREATE TABLE studies", None, Exception(reason))


@pytest.mark.parametrize(
    "failure",
    [
        statement(OperationalError, "table studies already exists"),
        statement(IntegrityError, "duplicate key value violates unique constraint"),
    ],
)
def test_tables_that_another_machine_creates_at_this_moment_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr(storage, "RDBStorage", Created)
    monkeypatch.setattr("facesim.tuning.storage.time.sleep", lambda _: None)
    monkeypatch.setattr(Created, "failures", [failure, failure])
    opened = open_storage(f"sqlite:///{tmp_path / 'study.db'}", tmp_path)
    assert opened.get_all_studies() == []
    monkeypatch.setattr(Created, "failures", [failure] * 20)
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path / 'study.db'}", tmp_path)


def test_another_error_of_a_database_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RDBStorage", Created)
    failures: list[Exception] = [statement(OperationalError, "disk I/O error") for _ in range(3)]
    monkeypatch.setattr(Created, "failures", failures)
    with pytest.raises(FacesimError, match="disk I/O error"):
        open_storage(f"sqlite:///{tmp_path / 'study.db'}", tmp_path)
    assert len(failures) == 2


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
    assert counted([trial]) == [trial]
    assert not is_worth_repeating(trial)


@pytest.mark.parametrize(
    ("attributes", "counts", "repeated"),
    [
        ({REASON: "too large"}, True, False),
        ({LOST: SURPLUS}, False, False),
        ({LOST: STOPPED}, False, True),
        ({LOST: HELD_UP}, False, True),
        ({LOST: PAUSED}, False, True),
        ({}, False, True),
    ],
)
def test_a_failed_trial_counts_unless_it_is_lost(
    attributes: dict[str, Any], counts: bool, repeated: bool
) -> None:
    trial = trial_of(TrialState.FAIL, **attributes)
    assert (bool(counted([trial])), is_worth_repeating(trial)) == (counts, repeated)


def test_what_was_tried_again_counts_once() -> None:
    failed = trial_of(TrialState.FAIL, **{REASON: "FacesimError: the disk was full"})
    again = trial_of(TrialState.COMPLETE, **{REPEATS: failed.number})
    again.number = 9
    assert counted([failed, again]) == [again]


def test_lost_trials_move_numbers_but_not_places() -> None:
    trials = [
        trial_of(TrialState.COMPLETE),
        trial_of(TrialState.FAIL),
        trial_of(TrialState.FAIL, **{LOST: SURPLUS}),
        trial_of(TrialState.FAIL, **{REPEATS: 1}),
        trial_of(TrialState.COMPLETE),
        trial_of(TrialState.COMPLETE, **{REPEATS: 3}),
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    assert list(places(trials).values()) == [0, 1, 2, 1, 2, 1]


def test_a_result_that_was_changed_is_noticed() -> None:
    trial = trial_of(TrialState.COMPLETE, **{RUN: "/its/run"})
    require_undamaged([trial], "study.db")  # of before: without a digest
    trial.user_attrs[DIGEST] = digest_of(trial.params, trial.values, trial.user_attrs)
    trial.user_attrs[BEAT] = 7
    require_undamaged([trial], "study.db")
    trial.values = [0.25]
    with pytest.raises(DataError, match=r"study\.db: is damaged: trial 7 is not what was written"):
        require_undamaged([trial], "study.db")


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/study"
    pytest.importorskip("psycopg")
    with pytest.raises(
        FacesimError, match=r"me:\*\*\*@127.0.0.1:1/study cannot be used: "
    ) as caught:
        open_storage(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path}/study.db", tmp_path / "study.db"
    study = optuna.create_study(storage=open_storage(url, tmp_path), study_name="s")
    for number in range(100):
        study.enqueue_trial({"x": number})
    content = bytearray(file.read_bytes())
    content[20_000:40_000] = bytes(20_000)
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"{file}: is damaged: .*restore it from a copy"):
        open_storage(url, tmp_path)
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=rf"{file}: is damaged: file is not a database"):
        open_storage(url, tmp_path)


def test_a_database_that_is_lost_is_one_line_that_names_it(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path}/study.db", tmp_path / "study.db"
    study = optuna.create_study(storage=open_storage(url, tmp_path), study_name="s")
    file.write_bytes(b"")
    with (
        pytest.raises(MachineError, match=rf"--storage {url}: no such table: .*same command"),
        storage_errors_named(url, tmp_path),
    ):
        study.ask()


def test_a_database_whose_content_is_no_longer_readable_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(storage=open_storage(url, tmp_path), study_name="s")
    trial = study.ask()
    trial.set_user_attr("run", "a")
    with closing(sqlite3.connect(tmp_path / "study.db")) as database:
        database.execute("UPDATE trial_user_attributes SET value_json = '{\"a'")
        database.commit()
    with (
        pytest.raises(DataError, match=r"study\.db: is damaged: JSONDecodeError: .*restore it"),
        storage_errors_named(url, tmp_path),
    ):
        optuna.load_study(storage=open_storage(url, tmp_path), study_name="s").get_trials()


def _open_at_once(url: str, folder: Path, ready: Any, errors: Any) -> None:
    ready.wait()
    try:
        open_storage(url, folder)
    except Exception as error:  # noqa: BLE001  any of them is what is looked for
        errors.put(repr(error))
    else:
        errors.put("")


def test_processes_that_create_the_tables_at_once_do_not_meet(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for round_ in range(4):
        ready, errors = context.Barrier(4), context.Queue()
        url = f"sqlite:///{tmp_path}/study-{round_}.db"
        processes = [
            context.Process(target=_open_at_once, args=(url, tmp_path, ready, errors))
            for _ in range(4)
        ]
        for process in processes:
            process.start()
        assert [errors.get(timeout=60) for _ in processes] == [""] * 4
        for process in processes:
            process.join()
