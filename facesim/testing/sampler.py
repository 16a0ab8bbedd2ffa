"""Contract of samplers."""

import time
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.errors import FacesimError, count
from facesim.interfaces import MiningSampler, PairBatch, Sampler
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import through_a_file
from facesim.testing.process_group import require_same_on_every_process

BATCH_SIZE, SEED = 16, 5

TABLES: dict[str, Int64Array] = {
    "30 identities of 6 images": np.repeat(np.arange(30), 6),
    "identities of 1 to 20 images": np.repeat(np.arange(20), np.arange(20) + 1),
    "50 identities, most of one image": np.concatenate([np.arange(50), [7, 7, 8]]),
    "two identities": np.repeat(np.arange(2), [3, 40]),
    "an unsorted table": np.random.default_rng(0).integers(25, size=300),
}

SAMPLER: Contract[Sampler] = Contract("sampler", promises_of_every_kind())


@SAMPLER.promise(
    hint="draw from np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,))), made "
    "anew in batches(), and keep nothing between epochs"
)
def epoch_is_a_function_of_seed_and_epoch(spec: Spec[Sampler]) -> None:
    """Its batches are a pure function of (seed, epoch), which resuming relies on."""
    for what, identities in TABLES.items():
        sampler = _build(spec, identities)
        third = list(sampler.batches(3))
        list(sampler.batches(4))
        next(iter(sampler.batches(3)), None)
        again = _equal(third, list(sampler.batches(3)))
        require(again, f"{what}: epoch 3 differs when asked for again")
        fresh = _equal(third, list(_build(spec, identities).batches(3)))
        require(fresh, f"{what}: epoch 3 differs in a second sampler of the same seed")


@SAMPLER.promise(
    hint="draw from SeedSequence(seed, spawn_key=(epoch,)), which keeps the two apart; a sum or a "
    "list [seed, epoch] makes different pairs of them collide"
)
def epochs_and_seeds_differ(spec: Spec[Sampler]) -> None:
    """Different epochs and different seeds give different batches."""
    identities = TABLES["30 identities of 6 images"]
    first = list(_build(spec, identities, seed=1).batches(0))
    later = list(_build(spec, identities, seed=1).batches(1))
    require(not _equal(first, later), "epochs 0 and 1 are the same")
    other = list(_build(spec, identities, seed=2).batches(0))
    require(not _equal(first, other), "seeds 1 and 2 give the same epoch")
    for seed, epoch in ((1 + 5 * 2**32, 0), (6, 0), (0, 6)):
        mixed = _equal(
            list(_build(spec, identities, seed=seed).batches(epoch)),
            list(_build(spec, identities, seed=1).batches(5)),
        )
        require(not mixed, f"epoch {epoch} of seed {seed} is epoch 5 of seed 1")


@SAMPLER.promise(hint="count all batches in __len__, the smaller last one included")
def length_is_the_number_of_batches(spec: Spec[Sampler]) -> None:
    """Its length is the number of batches of every epoch."""
    for what, identities in TABLES.items():
        sampler = _build(spec, identities)
        for epoch in range(3):
            batches = sum(1 for _ in sampler.batches(epoch))
            has = f"epoch {epoch} has {count(batches, 'batch')}"
            require(batches == len(sampler) > 0, f"{what}: the length is {len(sampler)}, {has}")


@SAMPLER.promise(hint="make batches with PairBatch.of_pairs(rows, identities)")
def image_is_once_in_a_batch(spec: Spec[Sampler]) -> None:
    """A batch holds each image once, and only images that are in a pair."""
    for what, identities in TABLES.items():
        for batch in _build(spec, identities).batches(0):
            images = batch.images.tolist()
            require(len(set(images)) == len(images), f"{what}: a batch holds an image twice")
            require(len(images) > 1, f"{what}: a batch holds {count(len(images), 'image')}")
            paired = set(batch.pairs.flatten().tolist())
            observed = (
                f"{what}: of {count(len(images), 'image')} of a batch {len(paired)} are in a pair"
            )
            require(paired == set(range(len(images))), observed)


@SAMPLER.promise(hint="make batches with PairBatch.of_pairs(rows, identities)")
def labels_are_true(spec: Spec[Sampler]) -> None:
    """Identities are those of the table, and ``same`` says whether a pair is genuine."""
    for what, identities in TABLES.items():
        for batch in _build(spec, identities).batches(0):
            require_true_labels(batch, identities, what)


@SAMPLER.promise(hint="draw the second image of a pair from those other than the first")
def no_image_is_paired_with_itself(spec: Spec[Sampler]) -> None:
    """The two images of a pair differ."""
    for what, identities in TABLES.items():
        for batch in _build(spec, identities).batches(0):
            itself = (batch.images[batch.pairs[:, 0]] == batch.images[batch.pairs[:, 1]]).sum()
            require(itself == 0, f"{what}: {count(int(itself), 'pair')} of one image twice")


@SAMPLER.promise(hint="use int64 tensors, and bool for `same`")
def types_and_shapes_are_those_of_a_pair_batch(spec: Spec[Sampler]) -> None:
    """Images and identities are int64 [B], pairs int64 [P, 2], same bool [P]."""
    for batch in _build(spec, TABLES["an unsorted table"]).batches(0):
        images, pairs = len(batch.images), len(batch.pairs)
        shapes = [list(tensor.shape) for tensor in _fields(batch)]
        require(shapes == [[images], [images], [pairs, 2], [pairs]], f"the shapes are {shapes}")
        dtypes = [tensor.dtype for tensor in _fields(batch)]
        require(dtypes == [torch.int64] * 3 + [torch.bool], f"the dtypes are {dtypes}")


@SAMPLER.promise(hint="draw pairs of both classes; nothing is learned from one alone")
def epoch_has_both_classes(spec: Spec[Sampler]) -> None:
    """An epoch holds genuine and impostor pairs, also where most identities have one image."""
    for what, identities in TABLES.items():
        same = torch.cat([batch.same for batch in _build(spec, identities).batches(0)])
        require(same.any(), f"{what}: there is no genuine pair")
        require(not same.all(), f"{what}: there is no impostor pair")


@SAMPLER.promise(
    hint="raise FacesimError in the constructor if the table lacks the pairs that are asked for; a "
    "loop that draws until it finds one never ends"
)
def impossible_table_is_refused(spec: Spec[Sampler]) -> None:
    """A table of one identity, or of one image each, raises FacesimError or is sampled."""
    tables = {"one identity": np.zeros(20, np.int64), "one image each": np.arange(20)}
    for what, identities in tables.items():
        try:
            batches = list(_build(spec, identities).batches(0))
        except FacesimError:
            continue
        require(bool(batches), f"{what}: the epoch is empty, without an error")
        for batch in batches:
            require_true_labels(batch, identities, what)


@SAMPLER.promise(hint="draw from a generator of its own, made from (seed, epoch)")
def global_generators_are_left_alone(spec: Spec[Sampler]) -> None:
    """It leaves numpy's and torch's global generators alone."""
    before = str(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    list(_build(spec, TABLES["30 identities of 6 images"]).batches(0))
    after = str(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    require(before[0] == after[0], "the state of numpy's global generator changed")
    require(torch.equal(before[1], after[1]), "the state of torch's global generator changed")


@SAMPLER.promise(
    hint="keep no list of all pairs, and no Python object per row: sort the identities once with "
    "numpy, and make each batch when it is asked for"
)
def million_images_are_sampled_in_seconds(spec: Spec[Sampler]) -> None:
    """The first batches of a million images take at most half a minute of processor time."""
    before = 0.0
    for images, further in ((1_000, 5), (4_000, 4), (16_000, 3), (64_000, 2), (256_000, 1)):
        seconds = _seconds_to_first_batches(spec, images)
        # Four times the images in sixteen times the time: do not wait for the million.
        growth = seconds / before if before > 0.1 else 4.0
        observed = (
            f"{images:,} images took {seconds:.1f} s, {growth:.0f} times as long as a quarter"
        )
        require(seconds * growth**further < 600, f"{observed} of them; a million would take hours")
        before = seconds
    seconds = _seconds_to_first_batches(spec, 1_000_000)
    require(seconds < 30, f"a million images took {seconds:.0f} s")


@SAMPLER.promise(
    hint="let mine() draw from SeedSequence(seed, spawn_key=(epoch, 1)) and forget what was mined "
    "before; return all of its state from state_dict(), as tensors"
)
def mined_batches_survive_a_checkpoint(spec: Spec[Sampler]) -> None:
    """Mined batches follow from seed, epoch and embeddings, and can be restored from the state."""
    for what, identities in TABLES.items():
        sampler, again, restored = (_mining(spec, identities) for _ in range(3))
        if sampler is None or again is None or restored is None:
            return
        for other in (sampler, restored):
            other.load_state_dict(through_a_file(other.state_dict()))  # before the first time
        embeddings = torch.randn(len(identities), 4)
        again.mine(torch.randn(len(identities), 4), 1)
        for miner in (sampler, again):
            miner.mine(embeddings.clone(), 2)
        mined = list(sampler.batches(2))
        observed = f"{what}: epoch 2 differs if another epoch was mined before"
        require(_equal(mined, list(again.batches(2))), observed)
        restored.load_state_dict(through_a_file(sampler.state_dict()))
        observed = f"{what}: epoch 2 differs in a sampler restored from the state"
        require(_equal(mined, list(restored.batches(2))), observed)


@SAMPLER.promise(hint="make batches of mined pairs as all others, with PairBatch.of_pairs")
def mined_batches_are_valid(spec: Spec[Sampler]) -> None:
    """Mined batches have true labels, no image twice and the stated number."""
    for what, identities in TABLES.items():
        sampler = _mining(spec, identities)
        if sampler is None:
            return
        sampler.mine(torch.randn(len(identities), 4), 1)
        batches = list(sampler.batches(1))
        observed = (
            f"{what}: {count(len(batches), 'batch')} after mining, and the length is {len(sampler)}"
        )
        require(len(batches) == len(sampler), observed)
        for batch in batches:
            require_true_labels(batch, identities, what)
            images = batch.images.tolist()
            require(len(set(images)) == len(images), f"{what}: a mined batch holds an image twice")
            itself = (batch.pairs[:, 0] == batch.pairs[:, 1]).any()
            require(not itself, f"{what}: a mined pair holds one image twice")


@SAMPLER.promise(
    hint="every process draws the same global batches from (seed, epoch), and mines from all "
    "embeddings; the engine cuts a batch into the shards of the processes, so take no share by "
    "rank and call no collective"
)
def every_process_draws_the_same_batches(spec: Spec[Sampler]) -> None:
    """Each of several processes draws all batches, and mines the same, as one process does."""
    for what, identities in TABLES.items():
        require_same_on_every_process(partial(_drawn, spec, identities), what)


def require_true_labels(batch: PairBatch, identities: Int64Array, what: str) -> None:
    """Require that a batch's identities and labels are those of the table."""
    images = batch.images.numpy()
    inside = len(images) == 0 or 0 <= images.min() <= images.max() < len(identities)
    require(bool(inside), f"{what}: an image is not a row of the table")
    stated = batch.identities.numpy()
    require(
        np.array_equal(stated, identities[images]), f"{what}: an identity differs from the table"
    )
    first, second = batch.identities[batch.pairs].unbind(1)
    wrong = int((batch.same != (first == second)).sum())
    require(wrong == 0, f"{what}: `same` is wrong for {wrong} of {count(len(batch.pairs), 'pair')}")


def _build(spec: Spec[Sampler], identities: Int64Array, seed: int = SEED) -> Sampler:
    return spec.build(identities, BATCH_SIZE, seed)


def _mining(spec: Spec[Sampler], identities: Int64Array) -> MiningSampler | None:
    sampler = _build(spec, identities)
    return sampler if isinstance(sampler, MiningSampler) else None


def _drawn(spec: Spec[Sampler], identities: Int64Array) -> dict[str, Tensor]:
    """The batches of an epoch before mining and of the next after it, by what they are."""
    torch.manual_seed(0)
    sampler = _build(spec, identities)
    drawn = {"the number of batches": torch.tensor(len(sampler))}
    for epoch in range(2):
        if epoch and isinstance(sampler, MiningSampler):
            sampler.mine(torch.randn(len(identities), 4), epoch)
        for number, batch in enumerate(sampler.batches(epoch)):
            of = f"of batch {number} of epoch {epoch}"
            drawn |= {
                f"the list of images {of}": batch.images,
                f"the list of pairs {of}": batch.pairs,
            }
    return drawn


def _fields(batch: PairBatch) -> tuple[Tensor, ...]:
    return batch.images, batch.identities, batch.pairs, batch.same


def _equal(a: list[PairBatch], b: list[PairBatch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(one, other)
        for x, y in zip(a, b, strict=True)
        for one, other in zip(_fields(x), _fields(y), strict=True)
    )


def _seconds_to_first_batches(spec: Spec[Sampler], images: int) -> float:
    identities = np.random.default_rng(0).integers(images // 10, size=images)
    began = time.process_time()
    for _ in islice(_build(spec, identities).batches(0), 10):
        pass
    return time.process_time() - began
