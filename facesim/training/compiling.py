"""Whether it pays to compile tail and head for a training."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from facesim.errors import DataError, FacesimError
from facesim.experiment.decisions import Decision
from facesim.folders import make_folder
from facesim.json_files import JsonModel, read_json, write_json
from facesim.model.folded_engines import why_not_compiled
from facesim.paths import cache_dir
from facesim.training.rehearsal import Rehearsal

COMPILE = "train.compile"
"""The key of an experiment that says whether what is trained is compiled."""

_FEW_STEPS = 50
"""Below which no step is measured."""

_SHORT_SECONDS = 120.0
"""Of eager steps, in which compiling, which takes half a minute, cannot save its own time."""

_KEPT_SECONDS = 30.0
"""Of eager steps, from which on a measurement is kept: what is near the limit is decided alike."""

_ROUNDS = 5

_Seconds = Annotated[FiniteFloat, Field(ge=0)]


class _Measured(JsonModel):
    """Seconds, kept in the cache folder: equal trainings on one machine are decided alike.

    Attributes:
        eager: one pass of the modules themselves.
        compiled: one pass of the compiled graph; None where compiling has not been tried.
        compiling: compiling it.
    """

    eager: _Seconds
    compiled: _Seconds | None = None
    compiling: _Seconds | None = None


def decide_compile(
    asked: bool | Literal["auto"], passes: int, rehearse: Callable[[], Rehearsal]
) -> dict[str, Decision]:
    """Decide whether a training that begins is compiled, by the key of the experiment.

    Compiling is tried only where it may save more time than it takes. What was measured is kept,
    and the decision follows from it and from the number of passes alone.

    Args:
        asked: what the experiment says; nothing is decided where it says false.
        passes: of the whole training.
        rehearse: gives one of them, whose network is not compiled afterwards.
    """
    if asked is False:
        return {}
    if asked is True:
        return {COMPILE: Decision(chosen=True, why="the experiment asks for it")}
    if passes < _FEW_STEPS:
        why = f"{passes} steps are too few to pay for compiling"
        return {COMPILE: Decision(chosen=False, why=why)}
    rehearsal = rehearse()
    try:
        return {COMPILE: _measured_decision(rehearsal, passes)}
    finally:
        rehearsal.network.run_modules()  # whoever trains compiles


def _measured_decision(rehearsal: Rehearsal, passes: int) -> Decision:
    file = cache_dir() / "compiling" / f"{rehearsal.key()}.json"
    known = _read(file)
    measured = known or _Measured(eager=_seconds_of(rehearsal, rounds=2))
    whole = passes * measured.eager
    if known is None and whole > _KEPT_SECONDS:
        _keep(file, measured)
    told = f"{passes} steps take {_told(whole)} without"
    if whole < _SHORT_SECONDS:
        return Decision(chosen=False, why=f"{told}, too few to pay for compiling")
    reason = why_not_compiled(rehearsal.network.device)
    if reason is not None:
        return Decision(chosen=False, why=reason)
    if measured.compiled is None or measured.compiling is None:
        try:
            measured = _measured_in_turn(rehearsal)
        except FacesimError as error:
            return Decision(chosen=False, why=str(error))
        _keep(file, measured)
    compiled, compiling = measured.compiled or 0.0, measured.compiling or 0.0
    whole, saved = passes * measured.eager, passes * (measured.eager - compiled)
    facts = {
        "eager, seconds per step": measured.eager,
        "compiled, seconds per step": compiled,
        "seconds to compile": compiling,
    }
    why = (
        f"of {_told(whole)} in {passes} steps it saves {_told(saved)}, and takes "
        f"{_told(compiling)} itself"
    )
    return Decision(chosen=saved > compiling, why=why, measured=facts)


def _measured_in_turn(rehearsal: Rehearsal) -> _Measured:
    """Compile, and measure passes of both kinds in turn."""
    compiling = _seconds_to_compile(rehearsal)
    eager_seconds, compiled_seconds = [], []
    for _ in range(_ROUNDS):
        rehearsal.network.run_modules()
        eager_seconds.append(_seconds_of(rehearsal, rounds=1))
        rehearsal.network.compile_for_training()
        compiled_seconds.append(_seconds_of(rehearsal, rounds=1))
    return _Measured(
        eager=median(eager_seconds), compiled=median(compiled_seconds), compiling=compiling
    )


def _seconds_to_compile(rehearsal: Rehearsal) -> float:
    begin = time.perf_counter()
    rehearsal.compile()
    return time.perf_counter() - begin


def _seconds_of(rehearsal: Rehearsal, rounds: int) -> float:
    """The shortest of some passes; the first one of a process allocates and chooses kernels."""
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        rehearsal.run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _read(file: Path) -> _Measured | None:
    try:
        return read_json(file, _Measured, remedy="it is measured again")
    except DataError:
        return None


def _keep(file: Path, measured: _Measured) -> None:
    try:
        make_folder(file.parent)
        write_json(file, measured)
    except OSError:  # then it is measured again
        return


def _told(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"
