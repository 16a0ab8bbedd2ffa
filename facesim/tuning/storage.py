"""Storage of a study, and the attributes that its trials carry."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from traceback import walk_tb
from typing import Any

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from facesim.errors import DataError, FacesimError
from facesim.machine_errors import MachineError, chain, in_one_line
from facesim.tuning.journal import CheckedJournal

JOURNAL_FILE = "journal.log"
_SECONDS_FOR_A_LOCKED_DATABASE = 60
_ATTEMPTS_TO_CREATE = 6
_READERS = ("optuna.storages._rdb", "optuna.storages._cached_storage")
_LIBPQ = ("psycopg", "psycopg2")
_KEEPALIVE = (30, 10, 3)
"""Seconds of silence on a connection, seconds between questions then, and how many stay open."""


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Open a study's storage, or create it.

    Args:
        url: of a database, as SQLAlchemy writes it; None for a journal in the folder.
        folder: the study's own, which exists.

    Raises:
        DataError: it is damaged.
        FacesimError: it cannot be reached or read.
    """
    if url is None:
        return _open_journal((folder / JOURNAL_FILE).absolute())
    name = storage_name(url, folder)
    try:
        parsed = make_url(url)
        path = _sqlite_file(parsed)
        # Two processes that create the tables at once would meet each other's half of them.
        creating = FileLock(path.with_name(f".{path.name}.held")) if path else nullcontext()
        with creating:
            if path is not None:
                _require_sound(path)
            return _open_database(parsed, url)
    except ImportError as error:
        raise FacesimError(
            f"--storage {name}: the database's Python package is missing ({_first_line(error)}); "
            'for PostgreSQL: pip install "facesim[postgres]"'
        ) from None
    except (SQLAlchemyError, RuntimeError, AssertionError) as error:
        raise FacesimError(f"--storage {name} cannot be used: {_reason(error)}") from error


def storage_name(url: str | None, folder: Path) -> str:
    """A storage for messages, without its password."""
    if url is None:
        return str(folder / JOURNAL_FILE)
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


@contextmanager
def storage_errors_named(url: str | None, folder: Path) -> Iterator[None]:
    """Word what goes wrong with a storage that has been opened.

    Raises:
        MachineError: it is lost; the message names it and says what can still be done.
        DataError: what it holds cannot be read.
    """
    try:
        yield
    except Exception as error:
        if _is_of_reading(error):
            reason = f"{type(error).__name__}: {error}"
            raise DataError(damaged(storage_name(url, folder), reason)) from error
        if not any(isinstance(each, SQLAlchemyError) for each in chain(error)):
            raise
        raise MachineError(
            f"--storage {storage_name(url, folder)}: {_reason(error)}; what it holds is not lost "
            "by this: once it can be used again, the same command goes on"
        ) from error


def _is_of_reading(error: Exception) -> bool:
    """Whether optuna could not make sense of what its storage holds, such as broken JSON."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    inside = any(frame.f_globals.get("__name__", "").startswith(_READERS) for frame in frames)
    return inside and isinstance(error, ValueError | TypeError | KeyError | AttributeError)


def _open_database(parsed: URL, url: str) -> RDBStorage:
    arguments: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        arguments = {"timeout": _SECONDS_FOR_A_LOCKED_DATABASE}
    elif parsed.get_driver_name() in _LIBPQ:
        arguments = {key: value for key, value in _lost_server().items() if key not in parsed.query}
    settings = {"connect_args": arguments, "pool_pre_ping": True}
    for attempt in range(_ATTEMPTS_TO_CREATE):
        try:
            storage = RDBStorage(url, engine_kwargs=settings)
            break
        except DBAPIError as error:
            # Another machine created the same tables at this moment, and has them in the next.
            at_once = isinstance(error, IntegrityError) or "already exists" in str(error)
            if not at_once or attempt == _ATTEMPTS_TO_CREATE - 1:
                raise
            time.sleep(0.1 * 2**attempt)
    if parsed.get_driver_name() in _LIBPQ:
        event.listen(storage.engine, "connect", _notice_lost_client)
        storage.engine.dispose()  # of connections that were made without
    return storage


def _lost_server() -> dict[str, int]:
    """What libpq is told, to notice a server that has gone without a word, as without power.

    By the system's own settings a worker would wait for hours.
    """
    idle, between, count = _KEEPALIVE
    return {
        "keepalives_idle": idle,
        "keepalives_interval": between,
        "keepalives_count": count,
        "tcp_user_timeout": 1000 * (idle + between * count),
    }


def _notice_lost_client(connection: Any, _record: object) -> None:
    """Let the server notice a worker that has gone without a word: it may hold a lock."""
    # Not as options of the connection, which a pooler between the two would refuse.
    with connection.cursor() as cursor:
        for name, value in _lost_server().items():
            server_name = name if name.startswith("tcp_") else f"tcp_{name}"
            cursor.execute(
                "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s",
                (str(value), server_name),
            )
    connection.commit()


def _sqlite_file(parsed: URL) -> Path | None:
    """The file of a SQLite database; None if it is another one, or cannot be made."""
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    path = Path(str(parsed.database)).absolute()
    return path if path.parent.is_dir() else None


def _require_sound(path: Path) -> None:
    """Check the structure of a SQLite file; it has no checksums of its content.

    Raises:
        DataError: it is damaged.
    """
    if not path.exists():
        return
    try:
        connection = sqlite3.connect(path, timeout=_SECONDS_FOR_A_LOCKED_DATABASE)
        try:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:  # locked, not readable: what opens it next says so
        return
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise DataError(damaged(str(path), " ".join(found.split())[:200]))


def damaged(name: str, reason: str) -> str:
    """The message on a storage that cannot be read as a study's."""
    return (
        f"{name}: is damaged: {reason}; restore it from a copy, or begin a study of another name: "
        "the runs of its trials are not in it but in the study's folder"
    )


def _open_journal(journal: Path) -> JournalStorage:
    try:
        return JournalStorage(CheckedJournal(journal))
    except FacesimError:
        raise
    except OSError as error:
        raise FacesimError(f"study's journal: {in_one_line(error)}") from error
    except Exception as error:  # lines of another program may say anything
        raise DataError(damaged(str(journal), f"{type(error).__name__}: {error}")) from error


def _reason(error: BaseException) -> str:
    """What the database's own driver said, in one line."""
    drivers = (each.orig for each in chain(error) if isinstance(each, DBAPIError))
    return _first_line(next((each for each in drivers if each is not None), error))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


PROCESS = "worked_on_by"
"""The process that works on the trial: a `facesim.tuning.liveness.ProcessIdentity`."""

COMMAND = "command"
"""The process that started this one: of the command `facesim optimize`."""

BEAT = "beat"
"""A number that this process increments now and then."""

DRAWN = "drawn"
"""Whether all parameters have been drawn; they are drawn one by one."""

RUN = "run"
"""Path of the trial's run directory."""

EPOCHS = "epochs_done"
"""Epochs that are done, with a checkpoint."""

LOST = "lost"
"""Why a failed trial does not count, as far as a living process could write it; see `loss_of`."""

REPEATS = "repeats"
"""The number of the lost trial whose parameters this one tries again."""

FRUITLESS = "fruitless_attempts"
"""How many attempts in a row were held up, or killed alone, without a new checkpoint."""

EPOCHS_BEFORE = "epochs_done_before"
"""Epochs that were done when this trial took over the parameters of a lost one."""

CHECKPOINT_BEFORE = "checkpoint_before"
"""When the last checkpoint was written that this trial took over."""

IS_BASE = "is_base"
"""Whether this is the experiment as its file has it, with the search left out."""

REASON = "reason"
"""Why a trial failed."""

DIGEST = "digest"
"""Of parameters, values and attributes: see `digest_of`."""

DIED, STOPPED, HELD_UP = "died", "stopped", "out of memory or data"
PAUSED = "given up until the next start"
SURPLUS = "surplus"

MOST_FRUITLESS = 3
"""After so many fruitless attempts a point is given up; the base experiment never is."""


def loss_of(trial: FrozenTrial) -> str | None:
    """How a failed trial was lost: `DIED`, `STOPPED`, ...; None for any other trial.

    A process that lives writes why it fails a trial before it does so. Without a reason, then, the
    process died, and another one failed the trial.
    """
    if trial.state != TrialState.FAIL:
        return None
    if LOST in trial.user_attrs:
        return str(trial.user_attrs[LOST])
    return None if REASON in trial.user_attrs else DIED


def is_worth_repeating(trial: FrozenTrial) -> bool:
    """Whether a trial is lost and tried again."""
    return loss_of(trial) not in (None, SURPLUS)


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that are of those that were asked for: not the lost ones, each point once."""
    repeated = {trial.user_attrs.get(REPEATS) for trial in trials}
    return [
        trial
        for trial in trials
        if loss_of(trial) is None
        and not (trial.state == TrialState.FAIL and trial.number in repeated)
    ]


def places(trials: Sequence[FrozenTrial]) -> dict[int, int]:
    """By trial number, how many different points the study tried before the trial's own.

    What was lost moves the numbers of all later trials, and their places not: a search that was
    killed draws the same points in the same places as one that was not.
    """
    found: dict[int, int] = {}
    fresh = 0
    for trial in trials:
        repeats = trial.user_attrs.get(REPEATS)
        if repeats in found:
            found[trial.number] = found[repeats]
        else:
            found[trial.number] = fresh
            fresh += loss_of(trial) != SURPLUS
    return found


def parameters_of(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters of a trial, with those that are queued but have not been asked for yet."""
    # Optuna has no public name for the queued ones.
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def digest_of(
    params: Mapping[str, Any], values: Sequence[float], attributes: Mapping[str, Any]
) -> str:
    """A digest by which a result is known again: SQLite has no checksums of its content."""
    kept = {key: value for key, value in attributes.items() if key not in (BEAT, DIGEST)}
    content = json.dumps([dict(params), list(values), kept], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def require_undamaged(trials: Sequence[FrozenTrial], name: str) -> None:
    """Check the results of trials against their digests; those of before have none.

    Args:
        trials: of one study.
        name: of the storage, for the message.

    Raises:
        DataError: one is not what was written.
    """
    for trial in trials:
        if trial.state == TrialState.COMPLETE and DIGEST in trial.user_attrs:
            found = digest_of(trial.params, trial.values, trial.user_attrs)
            if found != trial.user_attrs[DIGEST]:
                raise DataError(damaged(name, f"trial {trial.number} is not what was written"))
