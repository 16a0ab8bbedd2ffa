"""The look at embeddings after training, in a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesim.data.linter.findings import Findings, LintReport
from facesim.errors import DataError
from facesim.evaluation.embedded_splits import EmbeddedSplit
from facesim.experiment.loading import load_experiment
from facesim.heartbeats import GroupFailedError, RankFailure
from facesim.runs import suspects
from facesim.runs.evaluation import load_trained
from facesim.runs.follower import follow, share_experiment, share_trained
from facesim.runs.run import Run
from facesim.runs.suspects import look_for_suspects, some_identities
from facesim.runs.systems import NetworkSystem
from tests.facesim.lockstep import Lockstep, in_lockstep


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[EmbeddedSplit]]:
    """What is looked at; of the first splits the embeddings are said to tell nobody apart."""
    seen: list[list[EmbeddedSplit]] = []

    def look(splits: list[EmbeddedSplit], findings: Findings) -> bool:
        seen.append(splits)
        findings.add("wrong_labels", f"look {len(seen)}")
        return len(seen) > 1

    monkeypatch.setattr(suspects, "find_embedding_suspects", look)
    return seen


def finished(folder: Path, write_tiny: Callable[[Path, int], Path], *overrides: str) -> Run:
    changes = ["train.epochs=1", "evaluate.baselines=false", *overrides]
    experiment = load_experiment(write_tiny(folder, 0), changes)
    run = Run.begin(experiment, folder / "runs")
    run.complete()
    return run


def rules(run: Run, name: str = "test") -> list[str]:
    text = (run.directory.evaluation(name) / "lint.json").read_text()
    return [finding.rule for finding in LintReport.model_validate_json(text).findings]


def test_the_untouched_backbone_is_asked_then_the_trained_network_without_train(
    asked: list[list[EmbeddedSplit]], tmp_path: Path, write_tiny: Callable[[Path, int], Path]
) -> None:
    run = finished(tmp_path, write_tiny, "lint.wrong_labels=error")
    first, second = asked
    assert [split.name for split in first] == ["train", "val", "test"]
    assert [split.name for split in second] == ["val", "test"]
    assert first[1].embeddings.shape[1] == 32  # of the backbone; those of the run have 4 numbers
    assert second[0].embeddings.shape == (16, 4)
    assert rules(run).count("wrong_labels") == 2  # and the run went on all the same


def test_rules_that_are_off_are_not_looked_for(
    asked: list[list[EmbeddedSplit]], tmp_path: Path, write_tiny: Callable[[Path, int], Path]
) -> None:
    off = [f"lint.{rule}=off" for rule in ("wrong_labels", "one_person_two_labels", "twin_images")]
    finished(tmp_path, write_tiny, *off)
    assert asked == []


def test_the_same_images_are_looked_at_once(
    asked: list[list[EmbeddedSplit]], tmp_path: Path, write_tiny: Callable[[Path, int], Path]
) -> None:
    run = finished(tmp_path, write_tiny)
    del asked[:]
    run.evaluate(overrides=["evaluate.pairs_per_image=1.5"], name="more")
    assert asked == []


@pytest.mark.parametrize(
    ("error", "is_passed_over"),
    [
        (DataError("an image cannot be read"), True),
        (GroupFailedError(RankFailure(1, "beta", "was killed"), 2, should_print=True), False),
    ],
)
def test_images_that_cannot_be_read_are_passed_over_and_a_lost_process_is_not(
    asked: list[list[EmbeddedSplit]],
    tmp_path: Path,
    write_tiny: Callable[[Path, int], Path],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    is_passed_over: bool,
) -> None:
    run = finished(tmp_path, write_tiny)
    del asked[:]

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(NetworkSystem, "embed", fail)
    plan = run.plan_evaluation()
    network = load_trained(plan.directory, plan.experiment, plan.checkpoint)
    if is_passed_over:
        assert look_for_suspects(plan, network, run.tables, run.processes) == ()
    else:
        with pytest.raises(GroupFailedError, match="was killed"):
            look_for_suspects(plan, network, run.tables, run.processes)
    assert asked == []


def test_whole_identities_are_drawn_where_there_are_too_many_images() -> None:
    identities = np.repeat(np.arange(10), 7)
    rows = some_identities(identities, 0, most=30)
    people, counts = np.unique(identities[rows], return_counts=True)
    assert len(people) == 4
    assert set(counts) == {7}
    assert (np.diff(rows) > 0).all()
    assert len(some_identities(identities, 0, most=28)) == 28
    assert len(some_identities(identities, 0, most=3)) == 7
    assert len(some_identities(identities, 0, most=70)) == 70


CACHED = "backbone={name: small_cnn, width: 4, frozen_stages: 2}"


@pytest.mark.parametrize("row", [0, 4])
@pytest.mark.parametrize("overrides", [(), (CACHED,)])
def test_a_damaged_image_of_train_is_passed_over_by_all_processes(
    tmp_path: Path,
    write_tiny: Callable[[Path, int], Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    overrides: tuple[str, ...],
    row: int,
) -> None:
    """In batches of 4, row 0 is the main process's and row 4 the other one's."""
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    run = finished(tmp_path, write_tiny, "evaluate.batch_size=4", *overrides)
    path = run.tables.read("train", run.experiment).table.path(row)
    path.write_bytes(path.read_bytes()[:60])

    def work(processes: Lockstep) -> list[str]:
        opened = Run.open(run.path, processes, trust=True)
        plan = opened.plan_evaluation()
        if not processes.is_main:
            follow(plan.experiment, processes)
            return []
        network = load_trained(plan.directory, plan.experiment, plan.checkpoint)
        share_experiment(processes, plan.experiment, opened.tables)
        share_trained(processes, network)
        looked = look_for_suspects(plan, network, opened.tables, processes)
        processes.request("end")
        return [str(finding) for finding in looked]

    found = []
    with caplog.at_level("INFO"):
        for size in (1, 2):
            caplog.clear()
            found.append(in_lockstep(size, work)[0])
            (passed_over,) = (line for line in caplog.messages if "are not looked at" in line)
            assert passed_over.startswith("the labels of train are not looked at: ")
            assert path.name in passed_over
    assert found[0] == found[1]
