"""A campaign that finds faults says so; one that finds none leaves nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of, run_campaign
from tests.campaigns.command import Ended


class EverySecondFails(Campaign):
    sample = 2
    long = 4

    def prepare(self, folder: Path) -> None:
        self.prepared = folder
        (folder / "shared").touch()

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        assert (self.prepared / "shared").exists()
        (folder / "file").touch()
        if number % 2:
            yield Finding(Fault.LOST, f"{random.random()}")


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_findings_repeat_with_the_seed_and_the_number_and_nothing_is_left(tmp_path: Path) -> None:
    first = list(run_campaign(EverySecondFails(), range(4), seed=7))
    assert [len(outcome.findings) for outcome in first] == [0, 1, 0, 1]
    assert first[1].findings != first[3].findings
    (again,) = run_campaign(EverySecondFails(), [3], seed=7)
    assert again == first[3]
    (other,) = run_campaign(EverySecondFails(), [3], seed=8)
    assert other.findings != first[3].findings
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_a_fault_are_kept_where_that_is_asked() -> None:
    fine, bad = run_campaign(EverySecondFails(), range(2), seed=0, keep=True)
    assert fine.folder is None
    assert bad.folder is not None
    assert [path.name for path in bad.folder.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("ended", "fault"),
    [
        (Ended(0, "done", 1.0, False, ()), None),
        (Ended(2, "t.yaml:3: no", 1.0, False, ()), None),
        (Ended(1, "", 1.0, False, ()), Fault.MESSAGE),
        (Ended(2, "Traceback (most recent call last):\n", 1.0, False, ()), Fault.TRACEBACK),
        (Ended(-9, "", 600.0, True, ()), Fault.HANG),
        (Ended(0, "", 1.0, False, ("process 5: python",)), Fault.LEFT),
    ],
)
def test_how_a_command_ended_may_be_a_fault(ended: Ended, fault: Fault | None) -> None:
    found = [finding.fault for finding in faults_of(ended, (0, 2))]
    assert found == ([] if fault is None else [fault])
