"""The choice of an engine: measured once, remembered, refused where it deviates."""

import errno
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.interfaces import IMAGENET, Backbone, Loss, ModuleHead, PairBatch
from facesim.locks import ProcessLock
from facesim.model import engine_choice, engine_measurements, folded_engines
from facesim.model.cache_admin import EngineName
from facesim.model.engine_choice import EngineChoice, TrunkWork, choose_engine, make_engine
from facesim.model.folded_engines import FoldedEngine
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_engine import EagerEngine

SIZE = (20, 16)
IMAGES = torch.randint(
    0, 256, (40, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
MANY = 10**9


class Distance(Loss):
    """Scores pairs by their distance."""

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        del batch
        return embeddings.sum()

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        distances: Tensor = torch.linalg.vector_norm(a - b, dim=1)
        return -distances


class Double(FoldedEngine):
    """The trunk in float64, so that its last bits differ, and slower or faster than it is."""

    name: EngineName = "onnxruntime"
    error = 0.0
    made: list[str] = []  # noqa: RUF012

    @staticmethod
    def _packages() -> str:
        return "double 1"

    def _make(self, trunk: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        self.made.append(self.name)
        return lambda block: (trunk(block).double() * (1 + self.error)).float()


class Compiled(Double):
    """The same under another name."""

    name: EngineName = "compiled"


def make_network(trunk: nn.Module | None = None) -> SiameseNetwork:
    torch.manual_seed(0)
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = Backbone(trunk or nn.Conv2d(3, 8, 3), tail, 8, IMAGENET)
    return SiameseNetwork(backbone, ModuleHead(nn.Linear(8, 4)), Distance(), 4)


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Stand-ins for the engines, with speeds that are told and not measured."""
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine_choice, "ENGINES", {"onnxruntime": Double, "compiled": Compiled})
    monkeypatch.setattr(engine_choice, "why_unavailable", lambda *_: None)
    monkeypatch.setattr(engine_choice, "images_per_second", lambda *_: 100.0)
    seconds = {"eager": 1.0, "onnxruntime": 0.5, "compiled": 0.25}
    monkeypatch.setattr(engine_measurements, "_seconds", lambda engine, _: seconds[engine.name])
    monkeypatch.setattr(Double, "made", [])
    return Double.made


def choose(images: int, asked: str = "auto", network: SiameseNetwork | None = None) -> EngineChoice:
    work = TrunkWork(SIZE, "float32", images, lambda count: IMAGES[:count])
    return choose_engine(network or make_network(), asked, work)  # type: ignore[arg-type]


def test_where_eager_takes_seconds_nothing_else_is_tried(engines: list[str]) -> None:
    choice = choose(1999)
    assert (choice.name, choice.versions, engines) == ("eager", "", [])
    assert choice.why == "1,999 images take 20 s, too few to gain"
    assert (choice.embedding_deviation, choice.score_deviation) == (None, None)


def test_compiling_is_tried_only_where_it_may_pay(engines: list[str]) -> None:
    choice = choose(6000)
    assert choice.name == "onnxruntime"
    assert choice.why == "6,000 images take 30 s instead of 60 s"
    assert choice.refused == {"compiled": "compiling does not pay where onnxruntime takes 30 s"}
    assert engines == ["onnxruntime"]
    assert choice.images_per_s == {"eager": 100.0, "onnxruntime": 200.0}
    assert choose(60_000).name == "compiled"


def test_the_choice_depends_on_the_number_of_images_and_not_on_what_was_chosen_before(
    engines: list[str],
) -> None:
    first = [choose(images).name for images in (1000, 6000, 60_000)]
    again = [choose(images).name for images in (1000, 6000, 60_000)]
    assert first == again == ["eager", "onnxruntime", "compiled"]
    assert engines == ["onnxruntime", "compiled"]  # each measured once


def test_what_is_remembered_is_not_made_again_before_it_is_run(engines: list[str]) -> None:
    choose(MANY)
    engines.clear()
    choice = choose(MANY)
    assert choice.name == "compiled"
    assert engines == []
    assert choice.embedding_deviation is not None
    choice.engine.run(IMAGES)
    assert engines == ["compiled"]


def test_deviations_are_those_of_embeddings_and_of_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Double, "error", 1e-4)
    network = make_network()
    choice = choose(MANY, "onnxruntime", network)
    images = IMAGES[:32]
    with torch.no_grad():
        eager, other = EagerEngine(network.backbone).run(images), choice.engine.run(images)
        a, b = (network.head(network.backbone.tail(each)) for each in (eager, other))
    pairs = [(i, j) for i in range(32) for j in range(i + 1, 32)]
    scores = torch.tensor([[-(e[i] - e[j]).norm() for i, j in pairs] for e in (a, b)])
    distance = max((a - b).norm(dim=1)) / a.norm(dim=1).median()
    difference = (scores[0] - scores[1]).abs().max() / scores[0].std()
    assert choice.embedding_deviation == pytest.approx(distance.item(), rel=1e-3)
    assert choice.score_deviation == pytest.approx(difference.item(), rel=1e-2)
    assert distance > 1e-6


def test_scores_that_are_alike_are_not_compared_by_their_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Double, "error", 1e-6)
    network = make_network()
    linear = nn.Linear(8, 4)
    nn.init.constant_(linear.bias, 100.0)
    network.head = ModuleHead(linear)
    monkeypatch.setattr(network.loss, "score", torch.cosine_similarity)
    choice = choose(MANY, "onnxruntime", network)
    assert choice.score_deviation is not None
    assert choice.score_deviation < 1e-3


def test_another_head_is_compared_anew_at_the_same_speeds(engines: list[str]) -> None:
    choose(6000)
    network = make_network()
    network.head = ModuleHead(nn.Sequential(nn.Linear(8, 4), nn.Tanh()))
    choice = choose(6000, network=network)
    assert engines == ["onnxruntime", "onnxruntime"]
    assert choice.images_per_s == {"eager": 100.0, "onnxruntime": 200.0}


@pytest.mark.parametrize("error", [0.1, float("nan")])
def test_an_engine_that_deviates_is_refused(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    monkeypatch.setattr(Double, "error", error)
    choice = choose(MANY)
    assert choice.name == "eager"
    assert set(choice.refused) == {"onnxruntime", "compiled"}
    assert choice.why == "1,000,000,000 images take 10000000 s, and no other gains"
    with pytest.raises(FacesimError, match=r"^backbone_engine: compiled is refused: .*; write `"):
        choose(MANY, "compiled")


def test_an_engine_that_rounds_by_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_place(_: Double, trunk: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        place = 1 + 1e-6 * torch.arange(len(images)).reshape(-1, 1, 1, 1)
        return lambda block: trunk(block) * place

    monkeypatch.setattr(Double, "_make", by_place)
    choice = choose(6000)
    assert choice.name == "eager"
    assert "at another place of a block" in choice.refused["onnxruntime"]


def test_a_trunk_that_cannot_be_exported_stays_eager_and_is_an_error_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> Callable[[Tensor], Tensor]:
        raise FacesimError("has an operator of its own")

    monkeypatch.setattr(Double, "_make", failing)
    reason = "onnxruntime cannot run the trunk: it has an operator of its own"
    choice = choose(6000)
    assert (choice.name, choice.refused["onnxruntime"]) == ("eager", reason)
    with pytest.raises(FacesimError, match=f"{reason}; write `backbone_engine: eager`"):
        choose(6000, "onnxruntime")


def test_what_is_not_available_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "why_unavailable", folded_engines.why_unavailable)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    choice = choose(6000)
    assert choice.name == "eager"
    assert 'pip install "facesim[onnxruntime]"' in choice.refused["onnxruntime"]
    with pytest.raises(FacesimError, match=r"onnxruntime is not available: .* package onnxruntime"):
        choose(6000, "onnxruntime")


def test_nothing_is_measured_where_nothing_is_to_be_run(engines: list[str]) -> None:
    network = make_network(nn.Identity())
    assert choose(MANY, network=network).why == "nothing of the backbone is frozen"
    assert choose(32).why == "no more than a block is to be computed (32 images)"
    assert choose(MANY, "eager").why == "the experiment says so"
    assert engines == []
    with pytest.raises(FacesimError, match="nothing of the backbone is frozen"):
        make_engine("compiled", network.backbone, SIZE, "float32")


def test_a_damaged_file_is_measured_again(engines: list[str], tmp_path: Path) -> None:
    choose(6000)
    [file] = (tmp_path / "cache" / "engines").glob("*.json")
    file.write_bytes(file.read_bytes()[:20])
    assert choose(6000).name == "onnxruntime"
    assert engines == ["onnxruntime", "onnxruntime"]
    choose(6000)
    assert engines == ["onnxruntime", "onnxruntime"]


def test_a_cache_that_cannot_be_written_keeps_no_one_from_choosing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert choose(6000).name == "onnxruntime"


def test_no_sample_is_noise_and_no_random_number_is_drawn() -> None:
    network = make_network()
    state = torch.random.get_rng_state()
    choice = choose_engine(network, "auto", TrunkWork(SIZE, "float32", 6000))
    assert choice.name == "onnxruntime"
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_networks_mode_is_restored() -> None:
    network = make_network().train()
    choose(MANY, network=network)
    assert network.head.training
    assert not network.backbone.trunk.training


def test_an_engine_that_is_refused_for_a_head_is_not_for_another(
    monkeypatch: pytest.MonkeyPatch, engines: list[str]
) -> None:
    assert choose(6000).name == "onnxruntime"
    network = make_network()
    network.head = ModuleHead(nn.Sequential(nn.Linear(8, 4), nn.Tanh()))
    with monkeypatch.context() as patch:
        patch.setattr(Double, "error", 0.1)
        assert choose(6000, network=network).name == "eager"
    assert choose(6000, network=network).name == "eager"  # as it was measured
    assert choose(6000).name == "onnxruntime"
    assert engines == ["onnxruntime", "onnxruntime"]


def test_a_full_disk_is_not_remembered_as_a_failure_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(*_: object) -> Callable[[Tensor], Tensor]:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Double, "_make", no_room)
        choice = choose(6000)
    assert choice.name == "eager"
    assert "No space left" in choice.refused["onnxruntime"]
    assert choose(6000).name == "onnxruntime"


def test_an_engine_that_is_asked_for_is_tried_again_where_it_failed(
    monkeypatch: pytest.MonkeyPatch, engines: list[str]
) -> None:
    def failing(*_: object) -> Callable[[Tensor], Tensor]:
        raise FacesimError("has an operator of its own")

    with monkeypatch.context() as patch:
        patch.setattr(Double, "_make", failing)
        choose(6000)
    assert choose(6000).name == "eager"
    assert engines == []
    assert choose(6000, "onnxruntime").name == choose(6000).name == "onnxruntime"


@pytest.mark.parametrize("key", ["eager_images_per_s", "speedup"])
def test_a_file_with_impossible_speeds_is_measured_again(tmp_path: Path, key: str) -> None:
    choose(6000)
    [file] = (tmp_path / "cache" / "engines").glob("*.json")
    written = re.sub(rf'"{key}": ?[0-9.]+', f'"{key}": 0.0', file.read_text())
    assert written != file.read_text()
    file.write_text(written)
    assert choose(6000).name == "onnxruntime"


def test_what_was_measured_is_read_where_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch, engines: list[str]
) -> None:
    choose(6000)

    def refuse(*_: object, **_named: object) -> bool:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(ProcessLock, "acquire", refuse)
    assert choose(6000).name == "onnxruntime"
    assert engines == ["onnxruntime"]


def test_a_process_that_waits_for_another_s_measurement_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waited: list[bool] = []

    def acquire(_: ProcessLock, *, wait: bool = True) -> bool:
        waited.append(wait)
        return wait

    monkeypatch.setattr(ProcessLock, "acquire", acquire)
    choose(6000)
    assert waited == [False, True]
    assert "waiting for a process that measures engines" in caplog.text


def test_before_an_engine_is_made_that_is_said_and_no_more_where_it_is_remembered() -> None:
    said: list[str] = []
    for _ in range(2):
        choose_engine(make_network(), "auto", TrunkWork(SIZE, "float32", 6000, say=said.append))
    assert said == ["backbone_engine: onnxruntime is made and timed, which is kept for later runs"]
