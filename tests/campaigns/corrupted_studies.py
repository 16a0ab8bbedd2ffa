"""The journal or the database of a finished study is damaged; then the search is started again.

Either it exits with 2 and names the file, or the study ends as it had ended: never with another
winner or other values.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from filelock import FileLock

from facesim.tuning.storage import JOURNAL_FILE
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import run_facesim
from tests.campaigns.corruptions import DAMAGES, delete, swap
from tests.campaigns.tiny_searches import (
    OUT,
    Search,
    search_command,
    search_differences,
    share_forkserver,
    start_forkserver,
    undisturbed_search,
)

_DAMAGES = tuple(damage for damage in DAMAGES if damage not in (swap, delete))


class CorruptedStudies(Campaign):
    """Damage the study's storage; start the search once more.

    No other file knows the one that it was, so it is neither swapped nor deleted.
    """

    sample = 1
    long = 200

    def prepare(self, folder: Path) -> None:
        """Start the helper before this process has further threads."""
        start_forkserver()
        super().prepare(folder)

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Damage, search again, compare."""
        expected = undisturbed_search(self._prepared)
        # A study holds the paths of its runs, so each attack takes place where it was made.
        place = self._prepared / "place"
        storage = random.choice((None, f"sqlite:///{place}/study.db"))
        command = search_command(expected.file, 1, storage)
        with FileLock(f"{place}.lock"):
            yield from self._attack(expected, command, storage, random)

    def _attack(
        self, expected: Search, command: tuple[str, ...], storage: str | None, random: Random
    ) -> Iterator[Finding]:
        place = self._prepared / "place"
        finished = self._prepared / f"finished-{'journal' if storage is None else 'sqlite'}"
        shutil.rmtree(place, ignore_errors=True)
        if not finished.exists():
            place.mkdir()
            ended = run_facesim(*command, folder=place, prepare=share_forkserver)
            assert ended.status == 0, ended.output
            place.rename(finished)
        shutil.copytree(finished, place)
        path = place / OUT / "tiny" / JOURNAL_FILE if storage is None else place / "study.db"
        damage, before = random.choice(_DAMAGES), path.read_bytes()
        damage(path, random)
        if path.read_bytes() == before:
            return
        ended = run_facesim(*command, folder=place, prepare=share_forkserver)
        what = f"{damage.__name__} of {path.name}: "
        for finding in faults_of(ended, (0, 2)):
            yield Finding(finding.fault, what + finding.detail)
        if ended.status == 2 and path.name not in ended.output.replace("\n", ""):
            yield Finding(Fault.MESSAGE, f"{what}it is not named: {ended.output[-800:]}")
        elif ended.status == 0:
            for found in search_differences(expected, place, storage):
                if found.fault is not Fault.LEFT:
                    yield Finding(Fault.SILENT, what + found.detail)
