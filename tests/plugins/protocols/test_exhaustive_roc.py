"""The streamed ROC of all pairs, against the ROC of a list of all pairs."""

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim import FacesimError, Roc, equal_error_rate, tar_at_fmr
from facesim_plugins.protocols import _exhaustive_roc
from facesim_plugins.protocols._exhaustive_roc import StreamedRoc, exhaustive_roc


def euclidean(a: Tensor, b: Tensor) -> Tensor:
    distance: Tensor = torch.linalg.vector_norm(a - b, dim=1)
    return -distance


def tied(a: Tensor, b: Tensor) -> Tensor:
    return (euclidean(a, b) * 8).round() / 8


SCORES = {"distinct": euclidean, "tied": tied, "constant": lambda a, b: (a * 0).sum(dim=1)}


def faces(images: int, identities: int, spread: float = 0.6) -> tuple[Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(identities, 16, generator=generator)
    who = torch.randint(identities, (images,), generator=generator)
    noise = torch.randn(images, 16, generator=generator)
    return centres[who] + spread * noise, who.numpy()


def naive(embeddings: Tensor, identities: np.ndarray, score: _exhaustive_roc.Score) -> Roc:
    pairs = np.stack(np.triu_indices(len(identities), 1), axis=1)
    first, second = (embeddings[torch.from_numpy(side)] for side in pairs.T)
    of_pairs = identities[pairs]
    return Roc.of_scores(score(first, second).numpy(), of_pairs[:, 0] == of_pairs[:, 1])


def bends(roc: Roc) -> set[tuple[int, int]]:
    """The points at which the curve changes direction, with its two ends."""
    steps = np.stack([np.diff(roc.false_accepts), np.diff(roc.true_accepts)], axis=1)
    turns = steps[:-1, 0] * steps[1:, 1] != steps[:-1, 1] * steps[1:, 0]
    kept = np.concatenate([[True], turns, [True]])
    return set(zip(roc.false_accepts[kept].tolist(), roc.true_accepts[kept].tolist(), strict=True))


@pytest.fixture(params=sorted(SCORES))
def score(request: pytest.FixtureRequest) -> _exhaustive_roc.Score:
    return SCORES[request.param]


@pytest.fixture(params=["listed whole", "streamed"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as it is, once with so few landmarks and such small blocks that much is left out."""
    if request.param == "streamed":
        monkeypatch.setattr(_exhaustive_roc, "_LANDMARKS", 7)
        monkeypatch.setattr(_exhaustive_roc, "_SCORES_A_BLOCK", 1000)
        monkeypatch.setattr(_exhaustive_roc, "_PAIRS_A_CALL", 64)


def assert_same_curve(streamed: StreamedRoc, listed: Roc) -> None:
    places = np.searchsorted(-listed.thresholds, -streamed.thresholds)
    np.testing.assert_array_equal(streamed.thresholds, listed.thresholds[places])
    np.testing.assert_array_equal(streamed.true_accepts, listed.true_accepts[places])
    np.testing.assert_array_equal(streamed.false_accepts, listed.false_accepts[places])
    assert bends(streamed) == bends(listed)
    for index in np.linspace(0, len(streamed) - 1, 200, dtype=np.int64).tolist():
        assert streamed.threshold_at(index) == listed.threshold_at(places[index])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("images", "identities"), [(500, 60), (500, 2), (40, 39), (3, 2)])
def test_it_is_the_curve_of_all_pairs(
    images: int, identities: int, score: _exhaustive_roc.Score
) -> None:
    embeddings, who = faces(images, identities)
    assert_same_curve(exhaustive_roc(embeddings, who, score), naive(embeddings, who, score))


@pytest.mark.usefixtures("blocks")
def test_metrics_of_the_curve_are_those_of_all_pairs(score: _exhaustive_roc.Score) -> None:
    embeddings, who = faces(500, 60)
    streamed, listed = exhaustive_roc(embeddings, who, score), naive(embeddings, who, score)
    assert streamed.area == pytest.approx(listed.area, abs=1e-12)
    assert equal_error_rate(streamed).rate == pytest.approx(
        equal_error_rate(listed).rate, abs=1e-12
    )
    best, best_listed = streamed.best_accuracy_point(), listed.best_accuracy_point()
    assert streamed.point(best) == listed.point(best_listed)
    assert streamed.threshold_at(best) == listed.threshold_at(best_listed)
    for far in (0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-6):
        ours, theirs = tar_at_fmr(streamed, far), tar_at_fmr(listed, far)
        assert ours.tar == theirs.tar
        assert ours.achieved_fmr <= theirs.achieved_fmr <= far
        # what the threshold is said to accept is what it accepts
        accepted = listed.at(ours.threshold)
        assert accepted.false_accepts == round(ours.achieved_fmr * listed.impostor)
        assert accepted.true_accepts == round(ours.tar * listed.genuine)


@pytest.mark.usefixtures("blocks")
def test_thresholds_chosen_elsewhere_are_counted_exactly(score: _exhaustive_roc.Score) -> None:
    embeddings, who = faces(300, 40)
    listed = naive(embeddings, who, score)
    middle = float(np.median(listed.thresholds))
    asked = [*np.linspace(-8, 1, 23).tolist(), middle, middle + 1e-12, middle - 1e-12]
    streamed = exhaustive_roc(embeddings, who, score, thresholds=asked)
    for threshold in asked:
        assert streamed.at(threshold) == listed.at(threshold)
    assert_same_curve(streamed, listed)


@pytest.mark.usefixtures("blocks")
def test_the_order_of_the_images_does_not_matter() -> None:
    embeddings, who = faces(300, 40)
    shuffled = np.random.default_rng(0).permutation(300)
    straight = exhaustive_roc(embeddings, who, euclidean)
    mixed = exhaustive_roc(embeddings[torch.from_numpy(shuffled)], who[shuffled], euclidean)
    assert bends(straight) == bends(mixed)


def test_pairs_left_out_between_two_points_are_few_even_with_few_genuine_pairs() -> None:
    embeddings, _ = faces(1200, 40)
    who = np.concatenate([[0], np.arange(1199)])  # a single genuine pair
    roc = exhaustive_roc(embeddings, who, euclidean)
    assert roc.genuine == 1
    assert np.diff(roc.fmr).max() < 20 / 65_536


def test_half_precision_scores_are_accepted() -> None:
    embeddings, who = faces(100, 10)

    def half(a: Tensor, b: Tensor) -> Tensor:
        return euclidean(a, b).bfloat16()

    roc = exhaustive_roc(embeddings, who, half)
    assert roc.genuine + roc.impostor == 100 * 99 // 2


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(broken: float) -> None:
    embeddings, who = faces(100, 10)
    embeddings[17] = broken
    with pytest.raises(FacesimError, match="a score is NaN or infinite"):
        exhaustive_roc(embeddings, who, euclidean)


@pytest.mark.parametrize(
    ("identities", "message"), [([0, 1, 2], "no genuine pair"), ([0, 0, 0], "no impostor pair")]
)
def test_a_table_without_one_class_of_pairs_is_refused(identities: list[int], message: str) -> None:
    with pytest.raises(FacesimError, match=message):
        exhaustive_roc(torch.zeros(3, 4), np.array(identities), euclidean)


@pytest.mark.usefixtures("blocks")
def test_the_people_behind_false_matches_are_counted(score: _exhaustive_roc.Score) -> None:
    """An identity takes part if its highest impostor score is accepted, with whomever that is."""
    embeddings, identities = faces(120, 20)
    roc = exhaustive_roc(embeddings, identities, score)
    pairs = np.stack(np.triu_indices(len(identities), 1), axis=1)
    first, second = (embeddings[torch.from_numpy(side)] for side in pairs.T)
    scores, people = score(first, second).numpy(), identities[pairs]
    impostor = people[:, 0] != people[:, 1]
    for threshold in np.quantile(scores[impostor], [0, 0.5, 0.9, 0.99, 1]):
        accepted = impostor & (scores >= threshold)
        assert roc.false_match_identities(float(threshold)) == len(np.unique(people[accepted]))
    assert roc.false_match_identities(float(scores.max()) + 1) == 0
