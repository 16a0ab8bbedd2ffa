"""What the samplers that mine promise beyond the contract."""

from typing import Any

import numpy as np
import pytest
import torch

from facesim import FacesimError, samplers

IDENTITIES = np.repeat(np.arange(20), 5)
EMBEDDINGS = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
DISTANCE = torch.cdist(EMBEDDINGS, EMBEDDINGS).numpy()


def build(name: str = "hard_pairs", **parameters: Any) -> Any:
    given = {"pairs_per_image": 2.0, "pool": 200, **parameters}
    return samplers.spec(name, **given).build(IDENTITIES, 16, 3)


def rows(sampler: Any, epoch: int) -> np.ndarray:
    return np.concatenate([batch.images[batch.pairs].numpy() for batch in sampler.batches(epoch)])


def distances(sampler: Any, epoch: int, *, same: bool) -> np.ndarray:
    first, second = rows(sampler, epoch).T
    chosen = (IDENTITIES[first] == IDENTITIES[second]) == same
    found: np.ndarray = DISTANCE[first[chosen], second[chosen]]
    return found


def test_before_anything_is_mined_pairs_are_those_of_random_pairs() -> None:
    random = samplers.spec("random_pairs", pairs_per_image=2.0).build(IDENTITIES, 16, 3)
    assert np.array_equal(rows(build(), 0), rows(random, 0))


def test_mined_pairs_are_harder_in_both_classes_and_as_many_as_were_asked_for() -> None:
    sampler = build(same_fraction=0.25)
    easy = {same: distances(sampler, 1, same=same).mean() for same in (True, False)}
    sampler.mine(EMBEDDINGS, 1)
    assert distances(sampler, 1, same=True).mean() > easy[True]
    assert distances(sampler, 1, same=False).mean() < easy[False]
    assert (len(distances(sampler, 1, same=True)), len(rows(sampler, 1))) == (50, 200)


def test_no_image_leads_two_pairs_of_a_class_while_another_is_left() -> None:
    sampler = build(pairs_per_image=3.0, same_fraction=0.5)
    sampler.mine(EMBEDDINGS, 1)
    partner = sampler.state_dict()["genuine"].numpy()
    first, second = rows(sampler, 1).T
    leaders = np.bincount(first[partner[first] == second], minlength=100)
    assert set(leaders) <= {1, 2}


def test_what_is_mined_depends_on_the_epoch_and_the_embeddings_alone() -> None:
    once, twice = build(), build()
    twice.mine(-EMBEDDINGS.flip(0), 1)
    for sampler in (once, twice):
        sampler.mine(EMBEDDINGS, 2)
    assert np.array_equal(rows(once, 2), rows(twice, 2))


def test_by_the_cosine_the_length_of_an_embedding_does_not_matter() -> None:
    lengths = torch.linspace(0.1, 10, 100)[:, None]
    plain, scaled = build(by="cosine"), build(by="cosine")
    plain.mine(EMBEDDINGS, 1)
    scaled.mine(EMBEDDINGS * lengths, 1)
    assert np.array_equal(rows(plain, 1), rows(scaled, 1))
    euclidean = build()
    euclidean.mine(EMBEDDINGS * lengths, 1)
    assert not np.array_equal(rows(euclidean, 1), rows(plain, 1))


def test_a_curriculum_begins_at_random_and_gets_harder_up_to_its_highest_share() -> None:
    sampler = build("curriculum", ramp_epochs=4, hardest_share=0.5)
    assert [sampler.hard_share(epoch) for epoch in range(6)] == [0, 0.125, 0.25, 0.375, 0.5, 0.5]
    sampler.mine(EMBEDDINGS, 1)
    means = [distances(sampler, epoch, same=False).mean() for epoch in (0, 2, 4)]
    assert means[0] > means[1] > means[2]


@pytest.mark.parametrize("same_fraction", [0.0, 1.0])
def test_one_class_alone_can_be_asked_for(same_fraction: float) -> None:
    sampler = build(same_fraction=same_fraction)
    sampler.mine(EMBEDDINGS, 1)
    assert len(rows(sampler, 1)) == 200


@pytest.mark.parametrize("images", [99, 101])
def test_what_another_table_mined_is_refused(images: int) -> None:
    with pytest.raises(FacesimError, match="another training table"):
        build().load_state_dict({"genuine": torch.zeros(images, dtype=torch.int64)})
