"""A run that is killed at any moment and resumed ends bit-identical to one that was not."""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run
from facesim.training.checkpoint import read_checkpoint
from facesim.training.stop import Stopped
from tests.campaigns.campaign import Fault
from tests.campaigns.undisturbed import MAY_DIFFER, differences

# Processes that import torch once and fork for each run: a kill costs no new start.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["facesim.runs.run", "facesim.discovery"])


def start_or_resume(file: Path, out: Path) -> None:
    torch.set_num_threads(1)
    # Inherited from the fork server, and slow: it would start one of its own for the workers.
    multiprocessing.set_start_method("fork", force=True)
    experiment = load_experiment(file)
    found = Run.latest_unfinished(experiment, out)
    try:
        if found is None:
            Run.begin(experiment, out).complete()
        else:
            Run.open(found.path).complete()
    except Stopped as stopped:
        raise SystemExit(stopped.exit_code) from None


def in_process(file: Path, out: Path) -> Any:
    process = FORKSERVER.Process(target=start_or_resume, args=(file, out))
    process.start()
    return process


def only_run(out: Path) -> Run:
    (path,) = (out / "tiny").glob("[!.]*")
    return Run.open(path)


def equal(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    return left == right


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, write_tiny: Callable[[Path, int], Path]
) -> Callable[..., tuple[Path, Path, float]]:
    """The tiny experiment's file, a run of it that nobody disturbed, and how long that took."""
    done: dict[tuple[int, str, str], tuple[Path, Path, float]] = {}

    def run(
        workers: int, sampler: str = "random_pairs", more: str = ""
    ) -> tuple[Path, Path, float]:
        if (workers, sampler, more) not in done:
            folder = tmp_path_factory.mktemp("undisturbed")
            file = write_tiny(folder, workers)
            file.write_text(file.read_text().replace("random_pairs", sampler) + more)
            in_process(file, folder / "first").join()
            began = time.monotonic()
            process = in_process(file, folder / "runs")
            process.join()
            assert process.exitcode == 0
            done[workers, sampler, more] = file, folder / "runs", time.monotonic() - began
        return done[workers, sampler, more]

    return run


HOOKS = """
callbacks:
- {name: early_stopping, patience: 1, min_delta: 0.9}
- {name: save_embeddings, keep: 1}
- {name: save_embeddings, split: train, every_epochs: 2}
- lr_monitor
"""


@pytest.mark.parametrize(
    ("workers", "sampler", "more", "kills"),
    [
        (0, "random_pairs", "", 12),
        (2, "random_pairs", "", 8),
        (0, "hard_pairs", "", 12),
        (0, "hard_pairs", HOOKS, 16),
    ],
)
def test_killed_at_random_moments_and_resumed_ends_bit_identical(
    workers: int,
    sampler: str,
    more: str,
    kills: int,
    undisturbed: Callable[..., tuple[Path, Path, float]],
    tmp_path: Path,
) -> None:
    file, reference, seconds = undisturbed(workers, sampler, more)
    moments = random.Random(workers)
    for _ in range(kills):
        process = in_process(file, tmp_path)
        process.join(timeout=moments.uniform(0, seconds))
        process.kill()
        process.join()
        if process.exitcode == 0:  # it was done before its moment came
            break
    else:
        process = in_process(file, tmp_path)
        process.join()
    assert process.exitcode == 0
    assert not list(differences(only_run(reference).path, only_run(tmp_path).path))
    log = only_run(tmp_path).log
    assert log is not None
    assert (log.stopped is not None, len(log.val)) == (bool(more), 2 if more else 3)


def test_what_may_differ_is_what_says_when_the_run_was_started() -> None:
    assert set(MAY_DIFFER) == {"environment.json", "report.html", "facesim-manifest.json"}


@pytest.mark.parametrize(
    ("file", "fault"),
    [("checkpoints/best.pt", Fault.DIFFERENT), ("lint.json", Fault.LOST), (".x.tmp", Fault.LEFT)],
)
def test_any_other_difference_is_noticed(
    file: str,
    fault: Fault,
    undisturbed: Callable[..., tuple[Path, Path, float]],
    tmp_path: Path,
) -> None:
    _, reference, _ = undisturbed(0)
    expected = only_run(reference).path
    shutil.copytree(expected, tmp_path / expected.name)
    path = tmp_path / expected.name / file
    if fault is Fault.LOST:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" " if path.exists() else b"")
    found = list(differences(expected, tmp_path / expected.name))
    assert [finding.fault for finding in found] == [fault]
    assert file in found[0].detail


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_keeps_its_work(
    number: int,
    code: int,
    undisturbed: Callable[..., tuple[Path, Path, float]],
    tmp_path: Path,
) -> None:
    file, reference, _ = undisturbed(0)
    process = in_process(file, tmp_path)
    while not list(tmp_path.glob("tiny/*/metrics.jsonl")):
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == code
    assert (only_run(tmp_path).checkpoints.path / "last.pt").exists()
    in_process(file, tmp_path).join()
    assert equal(
        read_checkpoint(only_run(tmp_path).checkpoints.path / "last.pt"),
        read_checkpoint(only_run(reference).checkpoints.path / "last.pt"),
    )
