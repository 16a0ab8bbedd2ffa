"""Campaigns: many random attacks of one sort, each of which may find faults."""

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import ClassVar

from facesim.discovery import load_installed_plugins
from facesim.plugin_info import describe_kind
from tests.campaigns.command import Ended


class Fault(StrEnum):
    """What an attack must never achieve."""

    LOST = "lost"  # work that was done, or a file of the user's
    SILENT = "silent"  # damage that nobody was told of
    DIFFERENT = "different"  # other bits than without the attack
    TRACEBACK = "traceback"
    HANG = "hang"
    CODE = "code run"  # without the user's consent
    LEFT = "left"  # processes, locks, temporary files, shared memory
    MESSAGE = "message"  # another exit code than documented, or a text that helps nobody


@dataclass(frozen=True)
class Finding:
    """A fault, and what shows it."""

    fault: Fault
    detail: str


class Campaign(ABC):
    """Attacks of one sort; each has a module of its own in this folder, and is found there.

    Attributes:
        sample: the number of attacks in the tests: for twenty seconds at most.
        long: the number of attacks with ``--long``.
    """

    sample: ClassVar[int]
    long: ClassVar[int]

    @property
    def name(self) -> str:
        """Its module's."""
        return type(self).__module__.rpartition(".")[2]

    def unavailable(self) -> str:
        """Why it cannot run on this machine; empty where it can."""
        return ""

    def prepare(self, folder: Path) -> None:
        """Do once, before all attacks, what they share: import what every command imports.

        Args:
            folder: for files that attacks share.
        """
        self._prepared = folder
        import_what_runs_need()

    @abstractmethod
    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Attack once and yield what was found.

        Args:
            number: of the attack, from 0: to take kinds in turn.
            random: the source of all randomness; the same for the same seed and number.
            folder: an empty one of the attack's own; it is removed.
        """


@dataclass(frozen=True)
class Outcome:
    """The findings of one attack.

    Attributes:
        number: of the attack.
        findings: none where facesim withstood it.
        folder: where its files were kept; None where they were removed.
    """

    number: int
    findings: Sequence[Finding]
    folder: Path | None = None


def run_campaign(
    campaign: Campaign, numbers: Sequence[int], *, seed: int, jobs: int = 1, keep: bool = False
) -> Iterator[Outcome]:
    """Run attacks of a campaign in ``jobs`` processes, and yield how each went as it ends.

    Args:
        campaign: the attacks.
        numbers: which of them.
        seed: of all randomness, with the campaign's name and the attack's number.
        jobs: how many attacks at once.
        keep: whether the files of an attack that found something are kept.
    """
    with tempfile.TemporaryDirectory(prefix=f"facesim-{campaign.name}-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # for attacks under another user
        os.environ["FACESIM_CACHE"] = str(folder / "cache")
        os.environ["FACESIM_STATE"] = str(folder / "state")
        prepared = folder / "prepared"
        prepared.mkdir()
        campaign.prepare(prepared)
        attack = partial(_attack, campaign, seed, folder, keep)
        if jobs == 1:
            yield from map(attack, numbers)
            return
        with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
            yield from pool.map(attack, numbers)


def _attack(campaign: Campaign, seed: int, within: Path, keep: bool, number: int) -> Outcome:
    folder = within / f"attack-{number}"
    folder.mkdir()
    findings = tuple(campaign.attack(number, Random(f"{seed} {campaign.name} {number}"), folder))
    kept = None
    if keep and findings:
        kept = Path(tempfile.mkdtemp(prefix=f"facesim-{campaign.name}-{number}-"))
        shutil.copytree(folder, kept, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(folder)
    return Outcome(number, findings, kept)


def faults_of(ended: Ended, expected: Sequence[int]) -> Iterator[Finding]:
    """What is wrong with the way in which a command ended, whatever was done to it.

    Args:
        ended: the command.
        expected: the exit codes that are right here; minus the signal, for one that was killed.
    """
    if ended.hung:
        yield Finding(Fault.HANG, f"still running after {ended.seconds:.0f} s: {_end(ended)}")
    elif "Traceback (most recent call last)" in ended.output:
        yield Finding(Fault.TRACEBACK, _end(ended))
    elif ended.status not in expected:
        yield Finding(Fault.MESSAGE, f"exit {ended.status}: {_end(ended)}")
    for process in ended.outlived_by:
        yield Finding(Fault.LEFT, process)


def _end(ended: Ended) -> str:
    return ended.output[-2000:]


def import_what_runs_need() -> None:
    """Import plugins and packages in this process, so that the forked ones need not."""
    for package in ("pytorch_metric_learning", "torch.utils.tensorboard"):
        import_module(package)
    load_installed_plugins()
    describe_kind("losses")
