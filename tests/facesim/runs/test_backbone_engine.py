"""What runs a frozen trunk is chosen when a run begins, and used by all that embeds with it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import Backbone
from facesim.model.cache_admin import EngineName, list_stores, stores_root
from facesim.model.engine_choice import EngineChoice, TrunkWork
from facesim.model.folded_engines import why_unavailable
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_engine import EagerEngine, TrunkEngine
from facesim.notebook.opened_run import OpenedRun
from facesim.packing.pack import PackOptions, pack_run
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.runs.dry_run import check_experiment
from facesim.runs.evaluation import load_trained
from facesim.runs.evaluation_plan import OWN
from facesim.runs.follower import follow
from facesim.runs.run import Run
from facesim.training import engines
from facesim.training.checkpoint import BEST, read_checkpoint
from facesim.training.determinism import deterministic
from tests.facesim.lockstep import Lockstep, in_lockstep

SMALL = ("train.epochs=2", "evaluate={resamples: 1000}", "transforms=[]")
FROZEN = "backbone={name: small_cnn, width: 4, frozen_stages: 1}"


class Otherwise(TrunkEngine):
    """Rounds unlike eager, by more than can be overlooked."""

    name = "compiled"
    versions = "of a test 1"

    def _run_block(self, images: Tensor) -> Tensor:
        return self.backbone.run_trunk(images) * 1.125


class Forgetting(dict[object, object]):
    """Keeps nothing: what the processes share in a test, as threads, they do not otherwise."""

    def __setitem__(self, key: object, value: object) -> None: ...


class Machine:
    """Engines of a machine: one beside eager, which is the fastest where it is there."""

    def __init__(self) -> None:
        self.is_there = self.is_there_for_others = True
        self.asked: list[tuple[str, int]] = []

    def make_engine(
        self, name: EngineName, backbone: Backbone, image_size: tuple[int, int], precision: str
    ) -> TrunkEngine:
        assert (name, image_size, precision) == ("compiled", (24, 24), "float32")
        if not (self.is_there and self.is_there_for_others):
            raise FacesimError("backbone_engine: compiled is not available here: no compiler")
        return Otherwise(backbone, 32)

    def choose_engine(self, network: SiameseNetwork, name: str, work: TrunkWork) -> EngineChoice:
        self.asked.append((name, work.images))
        assert work.sample is not None
        assert work.sample(5).shape == (5, 3, *work.image_size)
        work.say("compiled is made")
        torch.manual_seed(0)  # it may do anything to what others draw from
        if name == "eager" or not self.is_there:
            eager = EagerEngine(network.backbone, 128)  # as an accelerator fills the cache
            return EngineChoice(eager, "it is asked for", {}, None, None, {})
        return EngineChoice(
            Otherwise(network.backbone, 32),
            "the fastest",
            {"eager": 37.0, "compiled": 69.0},
            1e-5,
            2e-5,
            {"onnxruntime": "an extra is missing"},
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine()
    monkeypatch.setattr(engines, "make_engine", machine.make_engine)
    monkeypatch.setattr(engines, "choose_engine", machine.choose_engine)
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    with deterministic(True):  # and back, whatever the threads that are processes here leave
        yield machine


@pytest.fixture
def experiment(tiny_file: Path) -> Callable[..., Experiment]:
    def load(*overrides: str) -> Experiment:
        return load_experiment(tiny_file, (*SMALL, FROZEN, *overrides))

    return load


class Said(SilentReporter):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def completed(experiment: Experiment, out: Path, said: Said | None = None) -> Run:
    run = Run.begin(experiment, out, Processes(said or Said()))
    run.complete()
    return run


def results(run: Run) -> tuple[str, str, list[list[float]]]:
    """Scores, baselines and weights."""
    folder = run.directory.evaluation(OWN)
    weights = read_checkpoint(run.checkpoints.last)["network"].values()
    return (
        (folder / "scores.csv").read_text(),
        (folder / "baselines.json").read_text(),
        [each.flatten().tolist() for each in weights],
    )


def stop_after_one(epochs_done: int, _values: object) -> None:
    if epochs_done == 1:
        raise FacesimError("stopped")


def as_before(run: Run) -> Run:
    """The run with the file that facesim wrote before the key existed."""
    file = run.path / "experiment.yaml"
    without, found = re.subn(r"^backbone_engine: \w+\n", "", file.read_text(), flags=re.M)
    assert found == 1
    write_text(file, without)
    return Run.open(run.path)


def test_it_is_chosen_once_said_recorded_and_used_by_all_that_embeds(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    said = Said()
    run = completed(experiment(), tmp_path / "runs", said)
    assert machine.asked == [("auto", 48 + 16 + 16)]
    assert "compiled is made" in said.lines
    assert [line for line in said.lines if "engine" in line] == [
        "backbone_engine: compiled (the fastest)"
    ]
    [start] = json.loads((run.path / "environment.json").read_text())
    assert start["decisions"]["backbone_engine"] == {
        "chosen": "compiled",
        "why": "the fastest",
        "versions": "of a test 1",
        "measured": {
            "eager, images per second": 37.0,
            "compiled, images per second": 69.0,
            "largest deviation of an embedding, of its norm": 1e-5,
            "largest deviation of a score, in standard deviations": 2e-5,
        },
        "refused": {"onnxruntime": "an extra is missing"},
    }
    assert run.experiment.backbone_engine == "auto"
    assert results(run) == results(completed(experiment("backbone_engine=compiled"), tmp_path))
    by_eager = completed(experiment("backbone_engine=eager"), tmp_path)
    for ours, others in zip(results(run), results(by_eager), strict=True):
        assert ours != others  # weights, scores, and the baseline of the untouched backbone


def test_cached_and_uncached_runs_are_the_same_to_the_last_bit(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    cached = completed(experiment("trunk_cache=float32"), tmp_path)
    uncached = completed(experiment("trunk_cache=off"), tmp_path)
    assert results(cached) == results(uncached)
    assert machine.asked[1][1] > machine.asked[0][1]  # it is run for each use of an image


@pytest.mark.parametrize("engine", get_args(EngineName))
def test_so_they_are_by_every_engine_and_the_run_is_resumed_to_the_same(
    experiment: Callable[..., Experiment],
    engine: EngineName,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (reason := why_unavailable(engine, torch.device("cpu"))) is not None:
        pytest.skip(reason)
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    cached = completed(experiment(f"backbone_engine={engine}", "trunk_cache=float32"), tmp_path)
    uncached = Run.begin(experiment(f"backbone_engine={engine}", "trunk_cache=off"), tmp_path)
    with pytest.raises(FacesimError, match="stopped"):
        uncached.train(stop_after_one)
    Run.open(uncached.path).complete()
    assert results(uncached) == results(cached)
    described = [store.description for store in list_stores(stores_root())]
    ran = {each.engine for each in described if each is not None and each.row_shape[1:]}
    assert ran == {engine}  # of trunks, whose output is maps here


def test_where_eager_s_features_are_on_disk_nothing_is_left_to_run(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    for _ in range(2):
        completed(experiment("backbone_engine=eager"), tmp_path)
    assert machine.asked == [("eager", 80), ("eager", 0)]


def test_eager_runs_in_passes_of_one_size_when_a_run_begins_and_later(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    machine.is_there = False
    run = completed(experiment("trunk_cache=off"), tmp_path)
    later = load_trained(run.directory, run.experiment, BEST)
    assert run.components.network.engine.block == later.engine.block == 32


def test_the_choice_moves_nothing_that_is_drawn(
    experiment: Callable[..., Experiment],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.is_there = False
    chosen = completed(experiment(), tmp_path)
    monkeypatch.setattr(engines, "decide_engine", lambda *_: {})
    assert results(completed(experiment(), tmp_path)) == results(chosen)


def test_a_resumed_run_goes_on_with_what_it_began_with(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    whole = completed(experiment(), tmp_path / "whole")

    said = Said()
    run = Run.begin(experiment(), tmp_path / "stopped", Processes(said))
    with pytest.raises(FacesimError, match="stopped"):
        run.train(stop_after_one)
    found = Run.latest_unfinished(experiment(), tmp_path / "stopped", Processes(said))
    assert found is not None
    found.complete()
    assert results(found) == results(whole)
    assert len(machine.asked) == 2  # once for each run
    starts = json.loads((found.path / "environment.json").read_text())
    assert starts[0]["decisions"] == starts[1]["decisions"] != {}
    assert [line for line in said.lines if "goes on with" in line] == []


def test_other_versions_of_it_are_said(
    experiment: Callable[..., Experiment],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run.begin(experiment(), tmp_path)
    run.train()
    monkeypatch.setattr(Otherwise, "versions", "of a test 2")
    said = Said()
    Run.open(run.path, Processes(said)).complete()
    [line] = [line for line in said.lines if line.startswith("backbone_engine")]
    assert "was begun with of a test 1, and goes on with of a test 2: features are" in line


def test_where_it_is_missing_a_run_is_not_resumed_and_evaluated_only_by_another(
    experiment: Callable[..., Experiment],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = completed(experiment(), tmp_path)
    scores = results(run)[0]
    machine.is_there = False
    monkeypatch.setattr(engines, "_made", {})
    again = Run.open(run.path)
    with pytest.raises(FacesimError, match="compiled is not available here: no compiler"):
        again.train()
    with pytest.raises(FacesimError, match="compiled is not available here: no compiler"):
        again.evaluate()
    again.evaluate(overrides=["backbone_engine=eager"])
    assert results(run)[0] != scores
    machine.is_there = True
    again.evaluate()
    assert results(run)[0] == scores


def test_a_run_of_before_goes_on_as_eager(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    eager = completed(experiment("backbone_engine=eager"), tmp_path / "eager")
    begun = Run.begin(experiment(), tmp_path / "before")
    run = as_before(begun)
    found = Run.latest_unfinished(experiment(), tmp_path / "before")
    assert found is not None
    assert found.path == run.path
    found.complete()
    assert results(found) == results(eager)
    assert {name for name, _ in machine.asked} == {"eager"}
    assert load_experiment(run.path / "experiment.yaml").backbone_engine == "eager"
    assert Run.open(run.path).recorded.backbone_engine == "eager"
    with pytest.raises(FacesimError, match="backbone_engine: eager -> compiled"):
        Run.open(run.path).take_experiment(experiment("backbone_engine=compiled"))


def test_one_that_was_begun_before_anything_was_decided_decides_nothing(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    run = Run.begin(experiment(), tmp_path)
    starts = [{"threads": 1}]
    (run.path / "environment.json").write_text(json.dumps(starts))
    as_before(run).complete()
    assert machine.asked == []


def test_all_folds_take_what_the_first_decided(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    folds = experiment(
        "data={source: {name: synthetic_faces, identities: 9, images_per_identity: 4, "
        f"root: {tmp_path / 'people'}, size: 24}}, train: null, val: null, test: null}}",
        "evaluate.protocol={name: identity_folds, folds: 3}",
        "lint.too_few_genuine=off",
    )
    run = completed(folds, tmp_path)
    assert [name for name, _ in machine.asked] == ["auto"]
    made = [json.loads((fold.path / "environment.json").read_text()) for fold in run.folds]
    assert len(made) == 3
    assert made[0][0]["decisions"] == made[1][0]["decisions"] == made[2][0]["decisions"] != {}


def test_all_processes_take_the_main_one_s(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    of_shards = experiment("train.shards=2", "trunk_cache=off")
    alone = completed(of_shards, tmp_path / "alone")

    def work(processes: Lockstep) -> Run | None:
        if not processes.is_main:
            follow(of_shards, processes)
            return None
        run = Run.begin(of_shards, tmp_path / "together", processes)
        run.complete()
        processes.request("end")
        return run

    run, _ = in_lockstep(2, work)
    assert run is not None
    assert results(run) == results(alone)
    assert len(machine.asked) == 2  # not by the other process


def test_a_process_without_the_main_one_s_engine_says_so(
    experiment: Callable[..., Experiment],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_shards = experiment("train.shards=2")
    machine.is_there_for_others = False
    monkeypatch.setattr(engines, "_made", Forgetting())

    def work(processes: Lockstep) -> None:
        if not processes.is_main:
            follow(of_shards, processes)
        else:
            Run.begin(of_shards, tmp_path, processes).complete()

    with pytest.raises(FacesimError, match="compiled is not available here: no compiler"):
        in_lockstep(2, work)


def test_the_network_of_a_run_has_its_engine(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    run = completed(experiment(), tmp_path)
    network = load_trained(run.directory, run.experiment, BEST)
    assert network.engine is run.components.network.engine  # and is not made again
    explicit = run.experiment.model_copy(update={"backbone_engine": "eager"})
    assert load_trained(run.directory, explicit, BEST).engine.name == "eager"


def test_from_python_it_is_the_run_s_or_eager_with_a_warning(
    experiment: Callable[..., Experiment],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = completed(experiment(), tmp_path)
    opened = OpenedRun(Run.open(run.path))
    table, first = opened.table("test"), opened.scores.iloc[0]
    rows = [table.files.tolist().index(first[side]) for side in ("file1", "file2")]
    found = opened.score(table.path(rows[0]), table.path(rows[1]))
    assert found == pytest.approx(first["score"], abs=1e-6)
    missing = "facesim.notebook.opened_run.why_unavailable"
    monkeypatch.setattr(missing, lambda *_: "no compiler")
    again = OpenedRun(Run.open(run.path))
    with pytest.warns(UserWarning, match="compiled, is not available here: no comp"):
        assert again.network.engine.name == "eager"


def test_a_run_is_packed_where_its_engine_is_missing(
    experiment: Callable[..., Experiment],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("safetensors")
    pytest.importorskip("onnxscript")
    run = completed(experiment(), tmp_path)
    machine.is_there = False
    monkeypatch.setattr(engines, "_made", {})
    pack = pack_run(Run.open(run.path), tmp_path / "pack", PackOptions(format="torch"))
    assert pack.files


def test_a_backbone_without_a_trunk_has_no_choice(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    run = completed(experiment("backbone.frozen_stages=0"), tmp_path)
    assert machine.asked == []
    [start] = json.loads((run.path / "environment.json").read_text())
    assert "backbone_engine" not in start["decisions"]


def test_a_check_says_what_would_be_asked_for_and_measures_nothing(
    experiment: Callable[..., Experiment], machine: Machine, tmp_path: Path
) -> None:
    for asked in ("auto", "eager"):
        report = check_experiment(
            experiment(f"backbone_engine={asked}"), tmp_path, Processes(Said())
        )
        assert dict(report.lines)["backbone engine"].startswith(asked)
    report = check_experiment(experiment("train.precision=bfloat16"), tmp_path, Processes(Said()))
    assert "onnxruntime" not in dict(report.lines)["backbone engine"]  # which has no bfloat16
    assert machine.asked == []
    everything_trains = experiment("backbone.frozen_stages=0")
    report = check_experiment(everything_trains, tmp_path, Processes(Said()))
    assert "backbone engine" not in dict(report.lines)
