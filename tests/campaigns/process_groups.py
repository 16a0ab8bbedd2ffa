"""Runs on several processes, left alone or attacked, then resumed on another number: one result."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from facesim.training.steps import Steps
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import Ended, run_group
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    age_leftovers,
    compare,
    copy_cache,
    is_complete,
    run_command,
    undisturbed,
    use_cache,
)

SHARDS = 4
_TERMINATED = 128 + signal.SIGTERM
_SECONDS_TO_END = 45.0
"""In which the others end; 20 of them are without any answer of a process that was stopped."""


class ProcessGroups(Campaign):
    """Run on 2 or 4 processes; kill, stop, end or break one, and resume on 1, 2 or 4."""

    sample = 3
    long = 300

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Run, attack, resume, compare with the same run on one process."""
        name = NAMES[number % len(NAMES)]
        expected = undisturbed(self._prepared, name, 0, SHARDS)
        copy_cache(expected, folder / "cache", warm=random.random() < 0.5)
        harm = (_leave, _kill, _raise, _stop, _terminate, _kill)[number % 6]
        size = random.choice((2, 4))
        rank = random.randrange(size)
        after = 1.5 + random.uniform(0.0, 3.0 * expected.seconds[0])  # once they have met
        command = run_command(expected.file)
        if harm is not _leave:
            yield from self._harmed(command, harm, size, rank, after, folder)
            age_leftovers(folder)
            command = run_command(expected.file, "--resume", "auto")
        if not is_complete(folder):
            size = size if harm is _leave else random.choice((1, 2, 4))
            for ended in run_group(size, *command, folder=folder, prepare=lambda _: use(folder)):
                yield from faults_of(ended, (0,))
        yield from compare(expected, folder)

    def _harmed(
        self,
        command: tuple[str, ...],
        harm: "Callable[[int, float, list[int]], None]",
        size: int,
        rank: int,
        after: float,
        folder: Path,
    ) -> Iterator[Finding]:
        def prepare(own: int) -> None:
            use(folder)
            if harm is _raise and own == rank:
                break_a_step(int(after) % 4)

        began = time.monotonic()
        group = run_group(
            size, *command, folder=folder, prepare=prepare, meanwhile=partial(harm, rank, after)
        )
        stopped = [0, _TERMINATED]
        if is_complete(folder):  # SIGTERM came when it had been done, and signals were as before
            stopped.append(-signal.SIGTERM)
        others = [ended for other, ended in enumerate(group) if other != rank]
        for ended in group:
            yield from faults_of(ended, (*stopped, 2, -signal.SIGKILL))
        if max(ended.seconds for ended in others) > after + _SECONDS_TO_END:
            yield Finding(Fault.HANG, f"ended after {time.monotonic() - began:.0f} s")
        failed = group[0 if rank else 1].status  # of the one that tells; it may have been done
        told = [ended for ended in group if f"process {rank} of {size} on" in ended.output]
        if harm is _terminate:
            if group[0].status not in stopped:
                yield Finding(Fault.MESSAGE, f"SIGTERM: {_outputs(group)}")
        elif failed and not _is_of_the_main_process_alone(harm, rank) and len(told) != 1:
            yield Finding(Fault.MESSAGE, f"told {len(told)} times: {_outputs(group)}")


def use(folder: Path) -> None:
    """Let facesim use the attack's own cache."""
    use_cache(folder)


def break_a_step(number: int) -> None:
    """Let the step of this number raise an error, of this process alone."""
    run = Steps.run

    def failing(self: Steps, part: object, inputs: object, progress: object) -> object:
        if getattr(progress, "step", 0) == number:
            raise OSError(5, "Input/output error")
        return run(self, part, inputs, progress)  # type: ignore[arg-type]

    Steps.run = failing  # type: ignore[assignment,method-assign]


def _leave(rank: int, after: float, pids: list[int]) -> None:
    """Nothing."""


_raise = partial(_leave)
"""By :func:`break_a_step`."""


def _kill(rank: int, after: float, pids: list[int]) -> None:
    time.sleep(after)
    os.kill(pids[rank], signal.SIGKILL)


def _stop(rank: int, after: float, pids: list[int]) -> None:
    time.sleep(after)
    os.kill(pids[rank], signal.SIGSTOP)
    until = time.monotonic() + _SECONDS_TO_END
    others = [pid for pid in pids if pid != pids[rank]]
    while time.monotonic() < until and any(map(_runs, others)):
        time.sleep(0.1)
    os.kill(pids[rank], signal.SIGKILL)  # as what launched it does


def _terminate(rank: int, after: float, pids: list[int]) -> None:
    """As whoever stops a machine does; the main process comes to know of it."""
    time.sleep(after)
    os.kill(pids[rank], signal.SIGTERM)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _is_of_the_main_process_alone(harm: object, rank: int) -> bool:
    """Whether the message is the main process's own, of itself."""
    return harm is _raise and rank == 0


def _outputs(group: list[Ended]) -> str:
    return " || ".join(ended.output[-300:] for ended in group)
