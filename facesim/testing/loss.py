"""Contract of losses."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from facesim.errors import count
from facesim.interfaces import Loss, PairBatch
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import (
    REGISTER,
    difference,
    require_registered_tensors,
    through_a_file,
)
from facesim.testing.pair_batches import (
    ALL_PAIRS,
    COMPOSITIONS,
    batch_of,
    reordered_pairs,
    reversed_images,
)
from facesim.testing.process_group import (
    EMBEDDINGS,
    difference_of_outcomes,
    require_same_on_every_process,
)

DIM, IDENTITIES = 8, 4

LOSS: Contract[Loss] = Contract("loss", promises_of_every_kind())


@LOSS.promise(
    hint="divide by max(number of pairs, 1), and clamp what goes into a root, a logarithm or a "
    "division; an empty sum times 0 keeps the graph"
)
def value_and_gradients_are_finite(spec: Spec[Loss]) -> None:
    """Its value is a finite scalar with finite gradients, whatever pairs the batch holds."""
    for composition, batch in COMPOSITIONS.items():
        _require_finite(_build(spec), _embeddings(batch), batch, composition)


@LOSS.promise(
    hint="use torch.linalg.vector_norm, whose gradient at 0 is 0, instead of the root of a sum of "
    "squares, and functional.normalize instead of dividing by a norm"
)
def gradients_are_finite_where_embeddings_are_equal(spec: Spec[Loss]) -> None:
    """Its gradients are finite where all embeddings are equal, tiny or huge."""
    for value in (0.0, 1e-30, 1e4):
        embeddings = torch.full((len(ALL_PAIRS.images), DIM), value, requires_grad=True)
        _require_finite(_build(spec), embeddings, ALL_PAIRS, f"every embedding {value} throughout")


@LOSS.promise(
    hint="treat all pairs alike: no weight by position, and a symmetric score of the two sides"
)
def order_of_pairs_does_not_matter(spec: Spec[Loss]) -> None:
    """It depends neither on the order of the pairs nor on which image of a pair comes first."""
    loss, embeddings = _build(spec), _embeddings(ALL_PAIRS)
    observed = difference(loss(embeddings, ALL_PAIRS), loss(embeddings, reordered_pairs(ALL_PAIRS)))
    require(not observed, f"with the pairs reordered {observed}")


@LOSS.promise(hint="find the images of a pair through batch.pairs or batch.gather(embeddings)")
def order_of_images_does_not_matter(spec: Spec[Loss]) -> None:
    """It does not depend on the order of the images in the batch."""
    loss, embeddings = _build(spec), _embeddings(ALL_PAIRS)
    turned = loss(embeddings.flip(0), reversed_images(ALL_PAIRS))
    observed = difference(loss(embeddings, ALL_PAIRS), turned)
    require(not observed, f"with the images in reverse order {observed}")


@LOSS.promise(hint="work on a copy; avoid operations whose names end with an underscore")
def embeddings_stay_as_they_were(spec: Spec[Loss]) -> None:
    """It does not change the embeddings that it is given."""
    embeddings = _embeddings(ALL_PAIRS).detach()
    before = embeddings.clone()
    loss = _build(spec)
    loss(embeddings, ALL_PAIRS)
    loss.score(embeddings[:3], embeddings[3:])
    require(torch.equal(embeddings, before), "the embeddings were changed in place")


@LOSS.promise(
    hint="average the scores of (a, b) and (b, a), or use an even function of a - b; return one "
    "number per pair, also for zero pairs"
)
def score_is_symmetric(spec: Spec[Loss]) -> None:
    """The scores of P pairs are P numbers, exactly the same with a and b exchanged."""
    loss = _build(spec).eval()
    a, b = torch.randn(2, 50, DIM)
    for pairs in (50, 1, 0):
        shape = loss.score(a[:pairs], b[:pairs]).shape
        require(shape == (pairs,), f"the scores of {count(pairs, 'pair')} have shape {list(shape)}")
    exchanged = (loss.score(a, b) - loss.score(b, a)).abs().max().item()
    require(exchanged == 0, f"exchanging a and b changes a score by up to {exchanged:.2g}")


@LOSS.promise(
    hint="leave comparison at None unless score orders pairs as it says, whatever its weights "
    "become in training"
)
def comparison_is_what_score_orders_by(spec: Spec[Loss]) -> None:
    """The scores of pairs are in the order of their comparison, where it declares one."""
    loss = _build(spec).eval()
    if loss.comparison is None:
        return
    a, b = torch.randn(2, 200, DIM) * torch.rand(2, 200, 1) * 3
    if loss.comparison == "cosine":
        likeness = functional.cosine_similarity(a, b)
    else:
        likeness = -torch.linalg.vector_norm(a - b, dim=1)
    with torch.no_grad():
        scores = loss.score(a, b)[likeness.argsort()]
    fall = (scores[:-1] - scores[1:]).max().item()
    rounding = 1e-5 * (scores.max() - scores.min()).item()
    require(
        fall <= rounding,
        f"comparison is {loss.comparison!r}, and a pair that is more alike by it scores {fall:.2g} "
        "lower",
    )


@LOSS.promise(hint="score_unit stands in a line of the report: cosine, logit, minus a distance")
def score_unit_is_a_short_text(spec: Spec[Loss]) -> None:
    """The unit of the scores is one line of at most 60 characters, or empty."""
    unit: object = _build(spec).score_unit
    require(
        isinstance(unit, str) and len(unit) <= 60 and unit.isprintable(),
        f"score_unit is {unit!r}",
    )


@LOSS.promise(
    hint="negate a distance, so that higher means more alike; check that genuine pairs "
    "(batch.same is True) are pulled together, not apart"
)
def training_tells_genuine_from_impostor(spec: Spec[Loss]) -> None:
    """After 200 steps on toy embeddings the loss has fallen, and genuine pairs score higher.

    A genuine score must exceed an impostor score in nine of ten comparisons; chance is one in two.
    """
    batch = batch_of([0, 0, 0, 1, 1, 1, 2, 2, 2])
    loss, embeddings = _build(spec), _embeddings(batch)
    optimizer = torch.optim.Adam([embeddings, *loss.parameters()], lr=0.05)
    first = last = loss(embeddings, batch)
    for _ in range(200):
        optimizer.zero_grad()
        last = loss(embeddings, batch)
        last.backward()
        optimizer.step()
    scores = loss.eval().score(*batch.gather(embeddings))
    require(last < first, f"the loss went from {first.item():.4g} to {last.item():.4g}")
    higher = scores[batch.same, None] > scores[~batch.same]
    share = higher.float().mean().item()
    require(share > 0.9, f"a genuine score is the higher one in {share:.0%} of the comparisons")


@LOSS.promise(hint="begin with embeddings.float(), and keep the sum in float32")
def half_precision_gives_nearly_the_same(spec: Spec[Loss]) -> None:
    """Under autocast, bfloat16 embeddings give nearly the same loss, in float32."""
    loss, embeddings = _build(spec), _embeddings(ALL_PAIRS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = loss(embeddings.bfloat16(), ALL_PAIRS)
    require(halved.dtype == torch.float32, f"the loss is {halved.dtype}")
    observed = difference(loss(embeddings, ALL_PAIRS), halved, relative=0.05, absolute=0.05)
    require(not observed, f"in bfloat16 {observed}")


@LOSS.promise(hint="draw from torch's generator, which the engine seeds for each step")
def same_batch_has_the_same_loss(spec: Spec[Loss]) -> None:
    """With torch's generator in the same state, a batch has the same loss, bit for bit."""
    for composition, batch in _SHARED_OUT.items():
        observed = difference_of_outcomes(_outcome(spec, batch), _outcome(spec, batch))
        require(not observed, f"with {composition}, the second time {observed}")


@LOSS.promise(
    hint="the loss gets the whole batch on every process: compute it from all embeddings, as if "
    "there were one process. Do not gather, do not multiply or divide by the number of processes, "
    "do not detach the embeddings of others, draw nothing by rank; the engine takes from each "
    "process the gradient of its own shards"
)
def gradient_over_shards_is_that_of_the_whole_batch(spec: Spec[Loss]) -> None:
    """Its gradient over the shards of several processes equals that over the whole batch."""
    for composition, batch in _SHARED_OUT.items():
        require_same_on_every_process(partial(_outcome, spec, batch), composition)


@LOSS.promise(hint=REGISTER)
def every_tensor_is_registered(spec: Spec[Loss]) -> None:
    """Every tensor that it keeps is a parameter or a buffer, and so moves to a GPU with it."""
    require_registered_tensors(_build(spec))


@LOSS.promise(hint=REGISTER)
def state_survives_a_checkpoint(spec: Spec[Loss]) -> None:
    """A checkpoint holds all of it: once restored, it gives the same scores and the same loss."""
    trained, fresh = _build(spec).eval(), _build(spec).eval()
    fresh.load_state_dict(through_a_file(trained.state_dict()))
    a, b = torch.randn(2, 20, DIM)
    require(
        torch.equal(trained.score(a, b), fresh.score(a, b)),
        "restored from a checkpoint, it gives different scores",
    )
    embeddings = _embeddings(ALL_PAIRS)
    same = torch.equal(trained(embeddings, ALL_PAIRS), fresh(embeddings, ALL_PAIRS))
    require(same, "restored from a checkpoint, it gives a different loss")


@LOSS.promise(
    hint="set of_training_identities = True if forward reads a weight per training identity; the "
    "engine then computes no loss on other identities"
)
def other_identities_have_a_loss(spec: Spec[Loss]) -> None:
    """It is finite for identities that were not trained on, or declares that it is undefined."""
    loss = _build(spec)
    if not loss.of_training_identities:
        others = batch_of([IDENTITIES + identity for identity in (0, 0, 1, 5)])
        value = loss(_embeddings(others), others)
        require(value.isfinite(), f"on other identities the loss is {value.item()}")


@LOSS.promise(
    hint="impostor_margin is a score, so negate a distance; return None if the cost of an impostor "
    "pair depends on anything but its score"
)
def impostors_beyond_the_margin_cost_nothing(spec: Spec[Loss]) -> None:
    """If there is an impostor margin, an impostor pair costs something iff its score exceeds it."""
    loss, pair = _build(spec), batch_of([0, 1])
    margin = loss.impostor_margin()
    if margin is None:
        return
    for scale in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0):
        embeddings = scale * _embeddings(pair)
        score, cost = loss.score(*pair.gather(embeddings)).item(), loss(embeddings, pair).item()
        require(
            (cost > 0) == (score > margin),
            f"an impostor pair of score {score:.4g} costs {cost:.4g}; the margin is {margin:.4g}",
        )


@LOSS.promise(
    hint="chance_loss is the lowest value of forward where all pairs have one score, given the "
    "share of genuine pairs; return None if unknown"
)
def equal_faces_cost_at_least_the_chance_loss(spec: Spec[Loss]) -> None:
    """If there is a chance loss, the loss of equal embeddings is not below it."""
    loss = _build(spec)
    for composition, batch in COMPOSITIONS.items():
        share = batch.same.float().mean().item() if len(batch.same) else 0.0
        chance = loss.chance_loss(share)
        if chance is not None and len(batch.same):
            value = loss(torch.ones(len(batch.images), DIM), batch).item()
            require(
                value >= chance - 1e-6,
                f"with {composition} and equal embeddings the loss is {value:.4g}, and the chance "
                f"loss {chance:.4g}",
            )


_SHARED_OUT = {
    "every pair of 12 images": batch_of([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
    **COMPOSITIONS,
}


def _outcome(spec: Spec[Loss], batch: PairBatch) -> dict[str, Tensor]:
    """All that a new loss, in a training step and afterwards, makes of a batch."""
    torch.manual_seed(0)
    loss, embeddings = _build(spec), _embeddings(batch)
    a, b = torch.randn(2, 20, DIM)
    value = loss(embeddings, batch)
    torch.autograd.backward(value)
    leaves = {EMBEDDINGS: embeddings, **dict(loss.named_parameters())}
    return {
        "the loss": value.detach(),
        **{
            f"the gradient of {name}": it.grad for name, it in leaves.items() if it.grad is not None
        },
        **{f"{name}, after a step,": kept for name, kept in loss.state_dict().items()},
        "the score": loss.eval().score(a, b).detach(),
    }


def _build(spec: Spec[Loss]) -> Loss:
    return spec.build(DIM, IDENTITIES)


def _embeddings(batch: PairBatch) -> Tensor:
    return torch.randn(len(batch.images), DIM).requires_grad_()


def _require_finite(loss: Loss, embeddings: Tensor, batch: PairBatch, what: str) -> None:
    value = loss(embeddings, batch)
    require(value.shape == (), f"with {what} the loss has shape {list(value.shape)}")
    require(value.isfinite(), f"with {what} the loss is {value.item()}")
    require(value.requires_grad, f"with {what} the loss has no gradient")
    value.backward()
    for name, tensor in (("the embeddings", embeddings), *loss.named_parameters()):
        finite = tensor.grad is None or tensor.grad.isfinite().all()
        require(finite, f"with {what} the gradient of {name} is not finite")
