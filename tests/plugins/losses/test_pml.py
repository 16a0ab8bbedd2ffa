"""Losses, miners and distances that nobody here wrote, through the adapter."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined
from pytorch_metric_learning import distances, miners
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning.reducers import SumReducer

from facesim import FacesimError, PairBatch, losses
from facesim.experiment.loading import load_experiment
from facesim.registry import Spec
from facesim.runs.run import Run
from facesim_plugins.losses._pml_parts import PmlParts
from facesim_plugins.losses.pml import DISTANCES, LOSSES, MINERS, REDUCERS, REGULARIZERS

PARTS = (LOSSES, MINERS, DISTANCES, REDUCERS, REGULARIZERS)

TINY = """
name: tiny
data:
  train: {name: synthetic_faces, identities: 8, images_per_identity: 4, size: 24}
  val: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 8, size: 24}
  test: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 12, size: 24}
  workers: 0
image: {size: [24, 24]}
backbone: {name: small_cnn, width: 4, frozen_stages: 1}
head: {name: linear, out_dim: 8}
sampler: {name: identity_balanced, images_per_identity: 4}
loss: %s
optimizer: adam
train: {epochs: 1, batch_size: 16}
evaluate: {baselines: false}
"""


def build(loss: Any, *, dim: int = 8, identities: int = 4, **parts: Any) -> Any:
    torch.manual_seed(0)
    return losses.spec("pml", loss=loss, **parts).build(dim, identities)


def batch_of(identities: list[int]) -> PairBatch:
    rows = np.stack(np.triu_indices(len(identities), 1), axis=1)
    return PairBatch.of_pairs(rows, np.array(identities))


@pytest.fixture
def embeddings() -> torch.Tensor:
    return torch.randn(8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()


BATCH = batch_of([0, 0, 0, 1, 1, 2, 2, 3])


def test_value_and_gradient_are_the_library_s(embeddings: torch.Tensor) -> None:
    ours = build(
        {"name": "TripletMarginLoss", "margin": 0.1},
        miner={"name": "MultiSimilarityMiner", "epsilon": 0.2},
        distance="CosineSimilarity",
    )
    cosine = distances.CosineSimilarity()
    mined = miners.MultiSimilarityMiner(epsilon=0.2, distance=cosine)(embeddings, BATCH.identities)
    theirs = pml_losses.TripletMarginLoss(margin=0.1, distance=cosine)
    expected = theirs(embeddings, BATCH.identities, mined)
    torch.testing.assert_close(ours(embeddings, BATCH), expected)
    (gradient,) = torch.autograd.grad(ours(embeddings, BATCH), embeddings)
    (reference,) = torch.autograd.grad(expected, embeddings)
    torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("CosineSimilarity", torch.cosine_similarity),
        ("DotProductSimilarity", torch.cosine_similarity),
        (
            {"name": "LpDistance", "normalize_embeddings": False},
            lambda a, b: -torch.linalg.vector_norm(a - b, dim=1),
        ),
        (
            {"name": "LpDistance", "normalize_embeddings": False, "p": 1, "power": 2},
            lambda a, b: -((a - b).abs().sum(1) ** 2),
        ),
    ],
)
def test_the_score_follows_the_distance_and_is_higher_for_more_alike(
    distance: Any, expected: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> None:
    a, b = torch.randn(2, 20, 8)
    score = build("ContrastiveLoss", distance=distance).score(a, b)
    torch.testing.assert_close(score, expected(a, b), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("CosineSimilarity", "cosine"),
        ({"name": "LpDistance", "normalize_embeddings": True}, "cosine"),
        ({"name": "LpDistance", "normalize_embeddings": False, "power": 2}, "euclidean"),
        ({"name": "LpDistance", "p": 1}, None),
        ({"name": "DotProductSimilarity", "normalize_embeddings": True}, "cosine"),
        ({"name": "DotProductSimilarity", "normalize_embeddings": False}, None),
        ("SNRDistance", None),
    ],
)
def test_the_comparison_is_that_of_the_distance(distance: Any, expected: str | None) -> None:
    loss = losses.spec("pml", loss="ContrastiveLoss", distance=distance).build(8, 4)
    assert loss.comparison == expected


def test_a_loss_with_a_weight_per_identity_is_given_their_number() -> None:
    loss = build("ArcFaceLoss", dim=6, identities=5)
    assert loss.of_training_identities
    assert loss.loss.W.shape == (6, 5)
    assert not build("SupConLoss").of_training_identities


@pytest.mark.parametrize("name", [it for it in MINERS.names() if it != "AngularMiner"])
def test_every_miner_feeds_a_loss(name: str, embeddings: torch.Tensor) -> None:
    build("TripletMarginLoss", miner=name)(embeddings, BATCH).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_trains_and_its_state_goes_into_a_checkpoint(
    name: str, embeddings: torch.Tensor
) -> None:
    needed = {"margin": 0.4, "Tn": 10.0} if name == "RankedListLoss" else {}
    loss, fresh = (build({"name": name, **needed}) for _ in range(2))
    optimizer = torch.optim.SGD([embeddings, *loss.parameters()], lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss(embeddings, BATCH).backward()
        optimizer.step()
    assert embeddings.isfinite().all()
    fresh.load_state_dict(loss.state_dict())
    with torch.no_grad():
        assert torch.equal(loss.eval()(embeddings, BATCH), fresh.eval()(embeddings, BATCH))


@pytest.mark.parametrize("miner", ["UniformHistogramMiner", "DistanceWeightedMiner"])
def test_random_choices_repeat_with_the_seed_and_do_not_move_it_in_evaluation(
    miner: str, embeddings: torch.Tensor
) -> None:
    loss = build("TripletMarginLoss", miner=miner)
    values = []
    for _ in range(2):
        torch.manual_seed(7)
        values.append(loss(embeddings, BATCH).item())
    assert values[0] == values[1]
    loss.eval()
    before = torch.get_rng_state()
    assert loss(embeddings, BATCH) == loss(embeddings, BATCH)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_without_a_tuple_costs_nothing_and_has_a_gradient(embeddings: torch.Tensor) -> None:
    value = build("TripletMarginLoss", miner="BatchHardMiner")(embeddings, batch_of(list(range(8))))
    value.backward()
    assert value == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


@pytest.mark.parametrize(
    ("loss", "place", "message"),
    [
        ("{name: pml, loss: MultiSimilartyLoss}", "12:25: loss.loss", "'MultiSimilarityLoss'"),
        (
            "{name: pml, loss: {name: TripletMarginLoss, margn: 0.1}}",
            "12:51: loss.loss.margn",
            "unknown key (did you mean 'margin'?)",
        ),
        (
            "{name: pml, loss: {name: TripletMarginLoss, margin: wide}}",
            "12:59: loss.loss.margin",
            "must be a whole number or a number, not 'wide'",
        ),
        (
            "{name: pml, loss: NCALoss, miner: {name: BatchHardMiner, pos_strategy: easy}}",
            "12:64: loss.miner.pos_strategy",
            "unknown key",
        ),
        ("{name: pml, loss: CrossBatchMemory}", "12:25: loss.loss", "a checkpoint would lack"),
        ("{name: pml, miner: BatchHardMiner}", "12:1: loss", "`loss` is missing"),
    ],
)
def test_a_wrong_name_or_parameter_is_found_where_it_stands(
    loss: str, place: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY % loss)
    with pytest.raises(FacesimError) as error:
        load_experiment(tmp_path / "tiny.yaml")
    assert f"tiny.yaml:{place}" in str(error.value)
    assert message in str(error.value)


def test_what_the_library_refuses_is_told_in_its_words_on_one_line(
    embeddings: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = "^loss pml: CircleLoss cannot be created: .*requires the distance .* CosineSimilarity$"
    with pytest.raises(FacesimError, match=fault):
        build("CircleLoss", distance="LpDistance")
    loss = build("SupConLoss")
    for error, reason in [(ValueError("two\nlines "), "two lines"), (IndexError(), "IndexError")]:
        monkeypatch.setattr(loss.loss, "forward", Mock(side_effect=error))
        with pytest.raises(FacesimError) as told:
            loss(embeddings, BATCH)
        expected = f"loss pml: SupConLoss cannot take a batch of 8 images: {reason}"
        assert str(told.value) == expected


def test_loss_and_miner_measure_by_the_distance_that_is_given(embeddings: torch.Tensor) -> None:
    lengths = torch.arange(1, 9)[:, None]  # which a distance of normalized embeddings ignores
    embeddings = embeddings.detach() * lengths
    miner = {"name": "TripletMarginMiner", "margin": 2.0}
    ours = build(
        "TripletMarginLoss",
        miner=miner,
        distance={"name": "LpDistance", "normalize_embeddings": False},
    )
    plain = distances.LpDistance(normalize_embeddings=False)
    mined = miners.TripletMarginMiner(margin=2.0, distance=plain)(embeddings, BATCH.identities)
    theirs = pml_losses.TripletMarginLoss(distance=plain)(embeddings, BATCH.identities, mined)
    assert ours(embeddings, BATCH).item() == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (LOSSES, "CrossBatchMemory"),
        (LOSSES, "GenericPairLoss"),
        (LOSSES, "DynamicSoftMarginLoss"),
        (LOSSES, "InstanceLoss"),
        (LOSSES, "ManifoldLoss"),
        (LOSSES, "MultipleLosses"),
        (LOSSES, "SelfSupervisedLoss"),
        (LOSSES, "SmoothAPLoss"),
        (LOSSES, "VICRegLoss"),
        (MINERS, "EmbeddingsAlreadyPackagedAsTriplets"),
        (DISTANCES, "BatchedDistance"),
        (REDUCERS, "ClassWeightedReducer"),
        (REDUCERS, "DoNothingReducer"),
        (REDUCERS, "MultipleReducers"),
    ],
)
def test_what_cannot_be_trained_with_says_why(parts: PmlParts, name: str) -> None:
    assert name not in parts.names()
    with pytest.raises(FacesimError, match=rf"{name} cannot be used: \w+ \w+"):
        parts.spec(name)


def test_base_classes_and_mixins_are_not_offered() -> None:
    offered = [name for parts in PARTS for name in parts.names()]
    assert len(offered) > 50
    assert not [name for name in offered if name.startswith("Base") or name.endswith("Mixin")]


def test_a_wrong_name_lists_the_others_where_none_is_near() -> None:
    with pytest.raises(
        FacesimError, match=r"no loss of pytorch-metric-learning 'xyz' \(known: Ang"
    ):
        LOSSES.spec("xyz")


def test_a_file_says_the_numbers_of_a_class_and_not_what_the_engine_gives() -> None:
    fields = {
        name: {
            key: field.default for key, field in LOSSES.get(name).parameters.model_fields.items()
        }
        for name in ("TripletMarginLoss", "ArcFaceLoss")
    }
    regularized = {"embedding_reg_weight": 1}
    assert fields == {
        "TripletMarginLoss": {
            "name": PydanticUndefined,
            **regularized,
            "margin": 0.05,
            "swap": False,
            "smooth_loss": False,
            "triplets_per_anchor": "all",
        },
        "ArcFaceLoss": {
            "name": PydanticUndefined,
            **regularized,
            "weight_reg_weight": 1,
            "margin": 28.6,
            "scale": 64,
        },
    }


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: parts.kind)
def test_no_class_is_asked_in_a_file_for_what_is_no_plain_value(parts: PmlParts) -> None:
    asked = {key for name in parts.names() for key in parts.get(name).parameters.model_fields}
    assert not asked & {
        *("num_classes", "embedding_size", "descriptors_dim", "distance", "reducer"),
        *("embedding_regularizer", "weight_regularizer", "weight_init_func", "collect_stats"),
        "mat_based_loss",
    }


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"swap": True}, True),
        ({"margin": 1}, True),
        ({"margin": 0.5}, True),
        ({"margin": "wide"}, False),
        ({"triplets_per_anchor": 3}, True),
        ({"triplets_per_anchor": "all"}, True),
        ({"triplets_per_anchor": [1]}, False),
    ],
)
def test_a_value_has_the_type_of_the_default(given: dict[str, Any], accepted: bool) -> None:
    with nullcontext() if accepted else pytest.raises(ValidationError):
        LOSSES.spec("TripletMarginLoss", **given)


def test_the_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    monkeypatch.setattr(LOSSES, "_plugins", {})
    (tmp_path / "tiny.yaml").write_text(TINY % "{name: pml, loss: SupConLoss}")
    with pytest.raises(FacesimError, match=r"12:.*pip install .facesim\[pytorch-metric-learning\]"):
        load_experiment(tmp_path / "tiny.yaml")


@pytest.mark.parametrize(
    "loss",
    [
        "{name: pml, loss: MultiSimilarityLoss, miner: MultiSimilarityMiner}",
        "{name: pml, loss: {name: TripletMarginLoss, margin: 0.1}, miner: BatchHardMiner}",
        "{name: pml, loss: ContrastiveLoss, miner: UniformHistogramMiner}",
        "{name: pml, loss: NTXentLoss, distance: CosineSimilarity}",
        "{name: pml, loss: ProxyAnchorLoss}",
        "{name: pml, loss: {name: ArcFaceLoss, scale: 16}, weight_regularizer: LpRegularizer}",
        "{name: pml, loss: SupConLoss, reducer: SumReducer, embedding_regularizer: LpRegularizer}",
    ],
)
def test_a_run_trains_with_it_and_its_experiment_reads_back(loss: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY % loss)
    experiment = load_experiment(tmp_path / "tiny.yaml")
    run = Run.begin(experiment, tmp_path / "runs")
    result = run.complete()
    assert run.experiment.as_data() == experiment.as_data()
    assert result.metrics["roc_auc"].value is not None


def test_a_reducer_says_how_the_losses_of_the_tuples_become_one(embeddings: torch.Tensor) -> None:
    loss = {"name": "TripletMarginLoss", "margin": 0.1}
    ours = build(loss, reducer="SumReducer")(embeddings, BATCH)
    library = pml_losses.TripletMarginLoss(margin=0.1, reducer=SumReducer())
    assert ours.item() == pytest.approx(library(embeddings, BATCH.identities).item(), rel=1e-5)
    assert ours > 2 * build(loss)(embeddings, BATCH)


def test_an_editor_expects_a_name_where_a_part_belongs() -> None:
    schema = TypeAdapter(Annotated[Spec[Any], MINERS]).json_schema()
    mapping, name = schema["anyOf"]
    assert name == {"type": "string"}
    assert mapping == {"type": "object", "properties": {"name": name}, "required": ["name"]}


@pytest.mark.parametrize(
    ("distance", "unit"),
    [
        ("CosineSimilarity", "CosineSimilarity"),
        ("LpDistance", "minus LpDistance"),
        ({"name": "LpDistance", "power": 2}, "minus LpDistance^2"),
    ],
)
def test_the_unit_of_the_scores_is_the_distance(distance: Any, unit: str) -> None:
    assert build("TripletMarginLoss", distance=distance).score_unit == unit
