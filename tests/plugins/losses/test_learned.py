import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from facesim import PairBatch, losses


def test_loss_is_the_mean_cross_entropy_of_the_mean_logit_of_both_orders() -> None:
    torch.manual_seed(0)
    loss = losses.spec("learned").build(3, 2)
    embeddings, identities = torch.randn(6, 3), torch.tensor([0, 0, 0, 1, 1, 1])
    pairs = torch.combinations(torch.arange(6))
    same = identities[pairs[:, 0]] == identities[pairs[:, 1]]
    classify = next(loss.children())
    costs = []
    for (i, j), label in zip(pairs.tolist(), same.tolist(), strict=True):
        forth = classify(torch.cat((embeddings[i], embeddings[j])))
        back = classify(torch.cat((embeddings[j], embeddings[i])))
        probability = torch.sigmoid((forth + back) / 2).item()
        target = torch.tensor([float(label)])
        costs.append(functional.binary_cross_entropy(torch.tensor([probability]), target).item())
    batch = PairBatch(torch.arange(6), identities, pairs, same)
    assert loss(embeddings, batch).item() == pytest.approx(sum(costs) / len(costs), rel=1e-5)


@pytest.mark.parametrize(
    ("hidden", "widths"),
    [((64, 64), [32, 64, 64, 1]), ((8,), [32, 8, 1]), ((5, 4, 3), [32, 5, 4, 3, 1]), ((), [32, 1])],
)
def test_the_layers_are_as_wide_as_asked(hidden: tuple[int, ...], widths: list[int]) -> None:
    loss = losses.spec("learned", hidden=hidden).build(16, 10)
    linear = [module for module in loss.modules() if isinstance(module, nn.Linear)]
    assert [linear[0].in_features, *(layer.out_features for layer in linear)] == widths


def test_the_default_is_two_hidden_layers_of_64() -> None:
    assert losses.spec("learned").arguments == {"hidden": (64, 64)}


def test_a_width_of_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        losses.spec("learned", hidden=(64, 0))


def test_score_learns_what_euclidean_distance_cannot_tell() -> None:
    # Genuine pairs agree in the first coordinate; the second is larger noise.
    generator = torch.Generator().manual_seed(0)
    identities = torch.arange(40) % 2
    embeddings = torch.randn(40, 2, generator=generator) * torch.tensor([0.1, 5.0])
    embeddings[:, 0] += identities
    pairs = torch.combinations(torch.arange(40))
    same = identities[pairs[:, 0]] == identities[pairs[:, 1]]
    batch = PairBatch(torch.arange(40), identities, pairs, same)
    torch.manual_seed(0)
    loss = losses.spec("learned").build(2, 2)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        loss(embeddings, batch).backward()
        optimizer.step()
    accepted = loss.score(*batch.gather(embeddings)) >= 0
    assert (accepted == same).float().mean() > 0.95


@pytest.mark.parametrize("genuine", [0, 1, 3, 10])
def test_chance_loss_is_the_least_loss_of_pairs_of_one_logit(genuine: int) -> None:
    loss = losses.spec("learned", hidden=()).build(1, 1)
    (linear,) = (module for module in loss.modules() if isinstance(module, nn.Linear))
    same = torch.arange(10) < genuine
    pairs = torch.tensor([[0, 1]]).expand(10, 2)
    batch = PairBatch(torch.arange(2), torch.zeros(2, dtype=torch.int64), pairs, same)

    def loss_at(logit: float) -> float:
        torch.nn.init.constant_(linear.bias, logit)
        found: float = loss(torch.zeros(2, 1), batch).item()
        return found

    least = min(map(loss_at, torch.linspace(-8, 8, 81).tolist()))
    assert loss.chance_loss(genuine / 10) == pytest.approx(least, abs=2e-3)
