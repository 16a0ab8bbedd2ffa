"""Whole runs on several processes, which are threads here: one result, and an end for all."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facesim import backbones
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import IMAGENET, Backbone
from facesim.model.network import SiameseNetwork
from facesim.reporters import Advance, SilentReporter
from facesim.runs import follower
from facesim.runs.follower import follow
from facesim.runs.run import Run
from facesim.runs.systems import untouched_of
from facesim.training.build import RunComponents, Tables, prepare
from facesim.training.checkpoint import read_checkpoint
from facesim.training.determinism import deterministic
from facesim.training.step import NonFiniteLossError
from facesim.training.steps import Steps
from facesim.training.stop import Stopped
from tests.facesim.lockstep import Lockstep, in_lockstep

SMALL = ("train.shards=4", "train.epochs=2", "evaluate={resamples: 1000, baselines: false}")
CACHED = ("backbone={name: small_cnn, width: 4, frozen_stages: 2}", "transforms=[horizontal_flip]")
MINING = ("sampler={name: hard_pairs, pairs_per_image: 1.0}", "loss=learned")

STOPPED = (*CACHED, *MINING, "evaluate.batch_size=4")


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty cache, and what the threads set of torch set back."""
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    with deterministic(True):
        yield


@pytest.fixture
def experiment(tiny_file: Path) -> Callable[..., Experiment]:
    def load(*overrides: str) -> Experiment:
        return load_experiment(tiny_file, (*SMALL, *overrides))

    return load


class Interrupting(SilentReporter):
    """Sends this process a signal in the middle of a task."""

    def __init__(self, title: str, after: int = 1) -> None:
        self._title = title
        self._after = after

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        calls = 0

        def advance(count: int = 1, note: str = "") -> None:
            nonlocal calls
            calls += 1
            if title == self._title and calls == self._after:
                self._title = ""
                os.kill(os.getpid(), signal.SIGTERM)

        yield advance


def run_together(
    experiment: Experiment,
    size: int,
    out: Path,
    *,
    reporter: SilentReporter | None = None,
    of_others: Experiment | None = None,
) -> Run:
    """A run, begun or resumed, as the command would on so many processes."""

    def work(processes: Lockstep) -> Run | None:
        if not processes.is_main:
            follow(of_others or experiment, processes)
            return None
        group = Lockstep(reporter or SilentReporter(), number=0, meeting=processes.meeting)
        run = Run.latest_unfinished(experiment, out, group) or Run.begin(experiment, out, group)
        try:
            run.complete()
        except Stopped as stopped:
            stops.append(stopped.at_once)
        group.request("end")
        return run

    stops: list[bool] = []
    run, *others = in_lockstep(size, work)
    assert run is not None
    assert others == [None] * (size - 1)
    assert stops == [False] * (reporter is not None)
    return run


def result_of(run: Run) -> tuple[dict[str, Tensor], str, str]:
    """Weights, log and results."""
    weights = read_checkpoint(run.checkpoints.last)["network"]
    log = (run.path / "metrics.jsonl").read_text()
    measured = (run.directory.evaluation("test") / "metrics.json").read_text()
    return weights, "\n".join(line for line in log.splitlines() if '"status"' not in line), measured


def require_same(run: Run, expected: Run) -> None:
    (weights, _, measured), (others, _, other_measured) = result_of(run), result_of(expected)
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert measured == other_measured


@pytest.mark.parametrize("overrides", [("evaluate.baselines=true",), CACHED, MINING])
def test_a_run_on_several_processes_ends_as_on_one(
    experiment: Callable[..., Experiment], tmp_path: Path, overrides: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    chosen = experiment(*overrides)
    alone = run_together(chosen, 1, tmp_path / "alone")
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "another"))
    run = run_together(chosen, 4, tmp_path / "together")
    require_same(run, alone)
    assert result_of(run)[1] == result_of(alone)[1]
    files = [{str(path.relative_to(it.path)) for path in it.path.rglob("*")} for it in (run, alone)]
    assert files[0] == files[1]


HOOKS = (
    "callbacks=[{name: early_stopping, patience: 1, min_delta: 0.9}, save_embeddings, lr_monitor]",
    "train.epochs=5",
)


@pytest.mark.parametrize("size", [2, 4])
def test_hooks_of_the_main_process_end_the_training_of_all(
    experiment: Callable[..., Experiment], tmp_path: Path, size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    chosen = experiment(*HOOKS)
    alone = run_together(chosen, 1, tmp_path / "alone")
    assert alone.log is not None
    assert (len(alone.log.val), alone.log.status) == (2, "finished")
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "another"))
    run = run_together(chosen, size, tmp_path / "together")
    require_same(run, alone)
    assert result_of(run)[1] == result_of(alone)[1]
    contents = [
        {path.name: path.read_bytes() for path in (it.path / "callbacks").rglob("*.npz")}
        for it in (run, alone)
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2


@pytest.fixture(scope="module")
def unstopped(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that is stopped in the tests, on one process and without a stop."""
    folder = tmp_path_factory.mktemp("unstopped")
    with pytest.MonkeyPatch.context() as patch, deterministic(True):
        patch.setenv("FACESIM_CACHE", str(folder / "cache"))
        return run_together(load_experiment(tiny_file, (*SMALL, *STOPPED)), 1, folder / "runs")


@pytest.mark.parametrize(
    ("title", "after"),
    [
        ("filling the trunk cache", 1),
        ("embedding train", 1),
        ("epoch 2/2", 2),
        ("validating", 1),
        ("embedding test", 1),
    ],
)
def test_a_stop_ends_all_processes_wherever_they_are_and_the_run_goes_on_with_another_number(
    experiment: Callable[..., Experiment],
    tmp_path: Path,
    unstopped: Run,
    title: str,
    after: int,
) -> None:
    chosen = experiment(*STOPPED)
    stopped = run_together(chosen, 2, tmp_path / "runs", reporter=Interrupting(title, after))
    assert len(stopped.missing_stages) > 1
    run = run_together(chosen, 4, tmp_path / "runs")
    assert run.path == stopped.path
    assert run.missing_stages == ("report",)  # which the command writes
    require_same(run, unstopped)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_data_that_are_not_those_of_the_main_process_are_refused_by_the_split(
    experiment: Callable[..., Experiment], tmp_path: Path, split: str
) -> None:
    elsewhere = experiment(f"data.{split}.root={tmp_path / split}")
    table = Tables().read(split, elsewhere).table
    Image.new("RGB", (24, 24)).save(table.path(3))
    with pytest.raises(FacesimError, match=f"data.{split} is not what the main process reads"):
        run_together(experiment(), 2, tmp_path / "runs", of_others=elsewhere)


def test_another_experiment_than_that_of_the_main_process_is_refused_by_its_keys(
    experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    stale = experiment("optimizer.lr=0.5", "data.train.identities=9")
    with pytest.raises(FacesimError, match="is not that of the main process") as refused:
        run_together(experiment("optimizer.lr=0.25"), 2, tmp_path, of_others=stale)
    assert "\n  data.train.identities: 8 -> 9\n" in str(refused.value)
    assert str(refused.value).endswith("\n  optimizer.lr: 0.25 -> 0.5")


def test_all_processes_begin_with_the_weights_of_the_main_one(
    experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of a package, or a plugin whose weights follow no seed, would differ."""
    chosen = experiment("backbone={name: small_cnn, width: 4, frozen_stages: 2}")
    alone = run_together(chosen, 1, tmp_path / "alone")

    def prepared(*arguments: Any) -> RunComponents:
        components = prepare(*arguments)
        for parameter in components.network.head.parameters():
            torch.nn.init.constant_(parameter, 0.5)
        return components

    monkeypatch.setattr(follower, "prepare", prepared)
    require_same(run_together(chosen, 2, tmp_path / "together"), alone)


def test_the_others_take_state_and_trunk_without_writing_them_down(
    experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host's temporary folder may be in memory, and smaller than a network."""
    chosen = experiment(*CACHED, *MINING, "optimizer=adam")
    alone = run_together(chosen, 1, tmp_path / "alone")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    run = run_together(chosen, 2, tmp_path / "together", reporter=Interrupting("epoch 2/2", 2))
    assert "train" in run.missing_stages
    require_same(run_together(chosen, 2, tmp_path / "together"), alone)


def test_a_loss_that_is_no_number_is_told_alike_by_all_processes(
    experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them is the first to tell it."""
    loss_of = Steps.loss

    def diverging(self: Steps, part: Any, inputs: Any, step: int) -> Tensor:
        return loss_of(self, part, inputs, step) * (1.0 if step < 8 else float("nan"))

    monkeypatch.setattr(Steps, "loss", diverging)

    def work(processes: Lockstep) -> str:
        with pytest.raises(NonFiniteLossError) as raised:
            if processes.is_main:
                Run.begin(experiment(), tmp_path, processes).complete()
            else:
                follow(experiment(), processes)
        return str(raised.value)

    told = in_lockstep(2, work)
    assert "epoch 2, batch 3 (step 9)" in told[0]
    assert told[1] == told[0]


@pytest.fixture
def drifting_backbone() -> Iterator[None]:
    """A backbone whose frozen weights are others each time that it is built."""
    seeds = count()
    with backbones.isolated():

        @backbones("drifting")
        def drifting() -> Backbone:
            trunk = nn.Conv2d(3, 4, 3, stride=2)
            generator = torch.Generator().manual_seed(next(seeds))
            for weights in trunk.parameters():
                nn.init.normal_(weights, generator=generator)
            tail = nn.Sequential(nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            return Backbone(trunk, tail, 4, IMAGENET)

        yield


@pytest.mark.usefixtures("drifting_backbone")
@pytest.mark.parametrize("trunk_cache", ["float32", "off"])
def test_the_untouched_backbone_has_the_trunk_that_the_run_began_with_on_all_processes(
    experiment: Callable[..., Experiment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trunk_cache: str,
) -> None:
    began_with = experiment(
        "backbone=drifting", f"trunk_cache={trunk_cache}", "transforms=[]",
        "evaluate={resamples: 1000, batch_size: 4, baselines: true}",
    )  # fmt: skip
    run = run_together(began_with, 1, tmp_path / "runs")
    file = run.directory.evaluation("test") / "baselines.json"
    expected = file.read_text()

    def built_otherwise(trained: SiameseNetwork, again: Experiment) -> SiameseNetwork:
        network = untouched_of(trained, again)
        for weights in network.backbone.tail.parameters():
            nn.init.constant_(weights, 0.5)
        return network

    monkeypatch.setattr(follower, "untouched_of", built_otherwise)

    def evaluate(processes: Lockstep) -> None:
        opened = Run.open(run.path, processes, trust=True)
        if not processes.is_main:
            follow(opened.plan_evaluation().experiment, processes)
            return
        opened.evaluate()
        processes.request("end")

    for size in (1, 2):
        monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / f"of {size}"))
        in_lockstep(size, evaluate)
        assert file.read_text() == expected


def test_of_a_search_the_others_take_one_experiment_after_another(
    experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    every = [experiment(f"head.fc_dim={width}") for width in (8, 16, 8)]

    def work(processes: Lockstep) -> list[Run]:
        if not processes.is_main:
            follow(experiment(), processes, takes_others=True)
            return []
        runs = [Run.begin(each, tmp_path / "together", processes) for each in every]
        for run in runs:
            run.complete()
        processes.request("end")
        return runs

    together, _ = in_lockstep(2, work)
    for run, each in zip(together, every, strict=True):
        require_same(run, run_together(each, 1, tmp_path / "alone"))


def test_the_same_images_elsewhere_are_the_same_data(
    experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    elsewhere = experiment(
        *(f"data.{split}.root={tmp_path / split}" for split in ("train", "val", "test"))
    )
    run_together(experiment(), 2, tmp_path / "runs", of_others=elsewhere)


def test_a_mistake_of_the_main_process_leaves_no_other_waiting(
    experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    with pytest.raises(FacesimError, match=r"write a multiple of 3"):
        run_together(experiment(), 3, tmp_path)
