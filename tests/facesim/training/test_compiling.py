"""Compiled training: one graph, the same bits after a resume and on any number of processes."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.processes import Processes
from facesim.runs.environment import read_decisions, read_starts
from facesim.runs.follower import follow
from facesim.runs.run import Run
from facesim.training import compiling as compiling_module
from facesim.training import steps as steps_module
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import Progress, checkpoint_content, restore_content
from facesim.training.compiling import COMPILE, decide_compile
from facesim.training.determinism import undisturbed
from facesim.training.rehearsal import Rehearsal
from facesim.training.steps import Steps
from tests.facesim.lockstep import Lockstep, in_lockstep

needs_compiler = pytest.mark.skipif(
    all(shutil.which(name) is None for name in ("g++", "c++", "clang++")),
    reason="there is no C++ compiler",
)
STEPS = 4
Load = Callable[..., Experiment]


@pytest.fixture
def load(tiny_file: Path) -> Load:
    def load(*changes: str) -> Experiment:
        return load_experiment(tiny_file, ["train.compile=true", *changes])

    return load


@pytest.fixture
def _fresh_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


def trained(
    components: RunComponents, progress: Progress, end: int, processes: Processes | None = None
) -> tuple[dict[str, Tensor], list[float]]:
    """The state and the losses after the steps of the first epoch up to one."""
    steps, losses = Steps(components, processes or Processes()), []
    for part, inputs in islice(steps.batches(0, progress.batch), end - progress.batch):
        losses.append(steps.run(part, inputs, progress).item())
        progress.step += 1
        progress.batch += 1
    state = components.network.trained_state()
    return {name: tensor.clone() for name, tensor in state.items()}, losses


def require_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []


@needs_compiler
@pytest.mark.usefixtures("_fresh_compiler")
def test_a_resumed_run_is_compiled_to_the_same_bits_whichever_batch_comes_first(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load()
    whole = prepare(experiment)
    sizes = {len(batch.images) for batch in islice(whole.sampler.batches(0), STEPS)}
    assert len(sizes) > 1  # otherwise one graph would be no wonder
    expected, losses = trained(whole, Progress(), STEPS)
    assert counters["stats"]["unique_graphs"] == 1
    _, of_modules = trained(prepare(load("train.compile=false")), Progress(), STEPS)
    assert losses == pytest.approx(of_modules, rel=1e-2, abs=1e-3)

    begun, progress = prepare(experiment), Progress()
    _, first = trained(begun, progress, 1)
    content = checkpoint_content(begun.state, progress)
    # As in another process, on a machine whose cache of compiled graphs was emptied.
    torch.compiler.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "another"))
    resumed = prepare(experiment)
    restored = restore_content("the checkpoint", content, resumed.state)
    state, rest = trained(resumed, restored, STEPS)
    assert [*first, *rest] == losses
    require_equal(state, expected)


@needs_compiler
@pytest.mark.usefixtures("_fresh_compiler")
def test_two_processes_train_compiled_to_the_bits_of_one(load: Load) -> None:
    experiment = load("train.shards=2")

    def work(processes: Lockstep) -> tuple[dict[str, Tensor], list[float]]:
        return trained(prepare(experiment), Progress(), STEPS, processes)

    ((expected, losses),) = in_lockstep(1, work)
    for state, found in in_lockstep(2, work):
        assert found == losses
        require_equal(state, expected)


def rehearsal_of(components: RunComponents) -> Rehearsal:
    blank = components.train.inputs.blank(7)
    return Rehearsal(components.network, blank, "float32", by_shard=False)


def test_training_compiled_without_a_compiler_is_refused_before_it_begins(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps_module, "why_not_compiled", lambda _device: "nothing is there")
    with pytest.raises(FacesimError, match=r"train\.compile: nothing is there; or write .*false"):
        Steps(prepare(load()), Processes())
    Steps(prepare(load("train.compile=false")), Processes())


@pytest.mark.usefixtures("_fresh_compiler")
def test_the_networks_of_many_folds_and_trials_can_be_compiled_one_after_another(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)
    for _ in range(3):
        trained(prepare(load()), Progress(), 1)
    assert counters["stats"]["unique_graphs"] == 3


@needs_compiler
@pytest.mark.usefixtures("_fresh_compiler")
def test_what_is_no_single_graph_is_refused_and_run_as_it_is(load: Load) -> None:
    class Branching(torch.nn.Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002  its name in torch
            output = super().forward(input)
            return output if output.sum().item() > 0 else -output

    components = prepare(load())
    features = components.network.backbone.features
    components.network.head = Branching(features, 4)  # type: ignore[assignment]
    with pytest.raises(FacesimError, match=r"train\.compile: tail and head .* write .*false"):
        next(Steps(components, Processes()).batches(0, 0))
    assert not components.network.is_compiled


class Clock:
    """Stands in for what is measured: seconds of a pass by whether it is compiled."""

    def __init__(self, eager: float, compiled: float, compiling: float) -> None:
        self.eager, self.compiled, self.compiling = eager, compiled, compiling
        self.measured: list[str] = []

    def seconds_of(self, rehearsal: Rehearsal, rounds: int) -> float:
        del rounds
        self.measured.append("compiled" if rehearsal.network.is_compiled else "eager")
        return self.compiled if rehearsal.network.is_compiled else self.eager

    def compile(self, rehearsal: Rehearsal) -> float:
        self.measured.append("compile")
        rehearsal.network.is_compiled = True
        return self.compiling


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))

    def set_clock(eager: float, compiled: float, compiling: float) -> Clock:
        clock = Clock(eager, compiled, compiling)
        monkeypatch.setattr(compiling_module, "_seconds_of", clock.seconds_of)
        monkeypatch.setattr(compiling_module, "_seconds_to_compile", clock.compile)
        monkeypatch.setattr(compiling_module, "why_not_compiled", lambda _device: None)
        return clock

    return set_clock


def test_what_is_asked_for_is_not_measured() -> None:
    def rehearse() -> Rehearsal:
        raise AssertionError

    assert decide_compile(False, 10**6, rehearse) == {}
    assert decide_compile(True, 10**6, rehearse)[COMPILE].chosen is True
    few = decide_compile("auto", 49, rehearse)[COMPILE]
    assert (few.chosen, few.why) == (False, "49 steps are too few to pay for compiling")


@pytest.mark.parametrize(
    ("seconds", "passes", "chosen", "measured"),
    [
        ((0.1, 0.01, 20.0), 1000, False, {"eager"}),  # two minutes are not worth a trial
        ((0.7, 0.5, 20.0), 550, True, {"eager", "compile", "compiled"}),
        ((0.7, 0.5, 120.0), 550, False, {"eager", "compile", "compiled"}),
        ((0.7, 0.8, 20.0), 550, False, {"eager", "compile", "compiled"}),
    ],
)
def test_compiling_is_chosen_where_it_pays_for_itself_and_equal_runs_are_decided_alike(
    load: Load,
    set_clock: Callable[..., Clock],
    seconds: tuple[float, float, float],
    passes: int,
    chosen: bool,
    measured: set[str],
) -> None:
    components, clock = prepare(load()), set_clock(*seconds)
    decision = decide_compile("auto", passes, lambda: rehearsal_of(components))[COMPILE]
    assert decision.chosen is chosen
    assert str(passes) in decision.why
    assert set(clock.measured) == measured
    assert not components.network.is_compiled  # who trains compiles
    slower = set_clock(10 * seconds[0], seconds[1], seconds[2])
    again = decide_compile("auto", passes, lambda: rehearsal_of(components))[COMPILE]
    assert again == decision
    assert slower.measured == []


def test_without_a_compiler_and_where_compiling_fails_the_modules_are_trained(
    load: Load, set_clock: Callable[..., Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    components = prepare(load())
    set_clock(1.0, 0.5, 20.0)

    def fail(_rehearsal: Rehearsal) -> float:
        raise FacesimError("it cannot be done")

    monkeypatch.setattr(compiling_module, "_seconds_to_compile", fail)
    decision = decide_compile("auto", 500, lambda: rehearsal_of(components))[COMPILE]
    assert (decision.chosen, decision.why) == (False, "it cannot be done")
    monkeypatch.setattr(compiling_module, "why_not_compiled", lambda _device: "no compiler")
    decision = decide_compile("auto", 500, lambda: rehearsal_of(components))[COMPILE]
    assert (decision.chosen, decision.why) == (False, "no compiler")


def test_a_small_run_is_not_compiled_and_keeps_that_it_is_not(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch, "compile", refuse)
    assert load_experiment(tiny_file).train.compile is False
    experiment = load_experiment(tiny_file, ["train.compile=auto"])
    run = Run.begin(experiment, tmp_path)
    run.complete()
    decision = read_decisions(run.path)[COMPILE]
    assert decision.chosen is False
    assert "too few to pay for compiling" in decision.why
    (start,) = read_starts(run.path / "environment.json")
    assert start.decisions[COMPILE] == decision


def test_a_run_of_before_that_was_compiled_goes_on_as_it_was(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []

    def note(module: torch.nn.Module, *, dynamic: bool) -> None:
        assert dynamic
        compiled.append(module)

    monkeypatch.setattr(torch.nn.Module, "compile", note)
    run = Run.begin(load(), tmp_path)
    (run.path / "environment.json").write_text('[{"threads": 1}]')
    run.complete()
    network = run.components.network
    assert compiled[:2] == [network.backbone.tail, network.head]
    assert not network.is_compiled


def test_so_do_all_processes_of_its_group(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []

    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part, **_: compiled.append(part))
    experiment = load("train.shards=2", "train.epochs=1")

    def work(processes: Lockstep) -> None:
        if not processes.is_main:
            follow(experiment, processes)
            return
        run = Run.begin(experiment, tmp_path, processes)
        (run.path / "environment.json").write_text('[{"threads": 1}]')
        run.complete()
        processes.request("end")

    with undisturbed():  # threads of one process leave its settings in any order
        in_lockstep(2, work)
    assert len({id(part) for part in compiled}) == 4
