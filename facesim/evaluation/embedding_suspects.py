"""Suspected label errors and twins, by a look at the embeddings of whole tables after training."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.data.linter.findings import ROWS_SHOWN, Findings
from facesim.errors import count
from facesim.evaluation.embedded_splits import EmbeddedSplit, WhitenedSplits, similarities
from facesim.experiment.sections import Rule

RULES: tuple[Rule, ...] = ("wrong_labels", "one_person_two_labels", "twin_images")
"""What is looked for; these are suspicions, and never stop a run."""

TELLING = 0.9
"""The median rank of the own identity, from 0 to 1, from which a split can be asked."""

CLEARLY_TELLING = 0.95
"""What it must be in one split at least. Of an untrained network on drawn faces it is 0.94, and of
one trained on objects, on photographs, 0.98 and more."""

LOWEST = 0.25
"""Images whose own identity is in this lowest part of the ranks are what wrong labels show as."""

WORTH_TELLING = 0.05
"""Estimated share of wrong labels from which a split is said to have some."""

INDISTINCT = 0.65
"""Share of the images of two identities that are nearer to their own, up to which they may be one
person: it is 1/2 for one person, and 0.95 for two in most data."""

TOO_MANY_WRONG = 0.07
"""Estimated share of wrong labels from which on couples of identities are not compared."""

WORTH_LISTING = 0.003
"""Share of images that must be more like another identity for them to be listed: in good data with
hard images it is a third of that."""

FEWEST_IMAGES = 8
"""Of an identity, to be compared with another one."""

FEWEST_IN_A_SPACE = 500
"""Images by whose identities a space is whitened, for couples of identities to be compared in it:
by fewer, people who look alike are taken for one."""

TWIN_DEVIATIONS = 5.5
"""Robust standard deviations above an image's usual nearest neighbour in another split."""

_SHRINKAGE = 3.0
"""Of the covariance within identities, to its mean variance: for single images, which are noisy."""

_SHRINKAGE_FOR_MEANS = 0.3
"""For what is asked of many images together, where less noise allows a sharper space."""

_FEWEST_IDENTITIES = 8


def find_embedding_suspects(splits: Sequence[EmbeddedSplit], findings: Findings) -> bool:
    """Find wrong labels, people under two labels, and twins in two splits.

    The embeddings are whitened by the covariance within identities (WCCN; Hatch and Stolcke,
    "Generalized linear kernels for one-versus-all classification", 2006), for what is asked within
    a split by that of the other splits, so that doubted labels do not shape the space in which
    they are judged. Where the embeddings do not tell the people of any split apart, as those of an
    untrained network, nothing is said.

    Args:
        splits: two or more, with embeddings of one network.
        findings: receives the suspicions.

    Returns:
        Whether the embeddings could be asked.
    """
    spaces = WhitenedSplits(splits)
    views = _views(splits, spaces, splits)
    telling = [view for view in views if view.is_telling]
    if not any(view.median_rank >= CLEARLY_TELLING for view in telling):
        return False
    trusted = [view.split for view in telling]
    if 1 < len(trusted) < len(splits):  # shuffled labels say nothing of what is within identities
        views = _views(splits, spaces, trusted)
    for view in views:
        _wrong_labels(view, findings)
    if findings.watches("one_person_two_labels"):
        # Among many wrong labels any two identities are alike.
        sound = [view.split for view in views if view.wrong_share[0] < TOO_MANY_WRONG]
        _people_twice([split for split in sound if split in trusted], spaces, findings)
    for couple in combinations(trusted, 2):
        first, second = (spaces.images(split, trusted, _SHRINKAGE) for split in couple)
        _twins(couple, (first, second), findings)
    return True


class _View:
    """A split's whitened embeddings, and how each image ranks its own identity.

    Attributes:
        split: the split.
        images: float64 [N, D], of length 1.
        ranks: float64 [N], the share of the other identities that are less like the image than its
            own; of an image without another of its identity NaN.
        best: int64 [N], the most similar other identity.
        fits: bool [N], whether the image is as much like that as a quarter of that's own images.
        low: bool [N], whether three quarters of the other identities are more like the image.
    """

    def __init__(self, split: EmbeddedSplit, images: FloatArray) -> None:
        self.split, self.images = split, images
        people, rows = split.people, np.arange(len(images))
        similar, own = similarities(images, people)
        usual = np.array([_quartile(own[people == person]) for person in range(similar.shape[1])])
        similar[rows, people] = -np.inf
        identities = max(similar.shape[1] - 1, 1)
        self.ranks = np.where(np.isnan(own), np.nan, (similar < own[:, None]).sum(1) - 1)
        self.ranks /= identities
        self.best = similar.argmax(axis=1)
        self.fits: BoolArray = similar.max(axis=1) >= usual[self.best]
        self.low: BoolArray = self.ranks < LOWEST  # never where there is no rank

    @property
    def is_telling(self) -> bool:
        """Whether the embeddings tell most people of the split from most others."""
        return self.median_rank >= TELLING

    @property
    def median_rank(self) -> float:
        """The median of the ranks; 0 of too few identities."""
        known = self.ranks[~np.isnan(self.ranks)]
        if len(self.split.labels) < _FEWEST_IDENTITIES or not len(known):
            return 0.0
        return float(np.median(known))

    @property
    def wrong_share(self) -> tuple[float, float]:
        """The estimated share of wrong labels, and what it surely is at least.

        Of an image with a wrong label the own identity has any rank: those in the lowest quarter
        of the ranks are a quarter of all wrong labels (Storey, "A direct approach to false
        discovery rates", 2002).
        """
        identities, images = len(self.split.labels), int((~np.isnan(self.ranks)).sum())
        if identities < _FEWEST_IDENTITIES or not images:
            return 0.0, 0.0
        lowest = max(int(np.ceil(LOWEST * (identities - 1))), 1) / identities * images
        count = int(self.low.sum())
        return min(count / lowest, 1.0), (count - 2 * float(np.sqrt(count)) - 1) / lowest


def _wrong_labels(view: _View, findings: Findings) -> None:
    """Images that are like another identity, and how many wrong labels the split must have."""
    ranks, images, low = view.ranks, int((~np.isnan(view.ranks)).sum()), int(view.low.sum())
    share, surely = view.wrong_share
    if share >= WORTH_TELLING and surely >= WORTH_TELLING / 2:
        told = "all labels" if share > 0.9 else f"about {share:.0%} of the labels"
        cause = "shuffled rows or a shifted column" if share > 0.5 else "wrong labels"
        message = (
            f"{told} of {view.split.name} look wrong: {low:,} of {images:,} images are less like "
            f"their own identity than like three quarters of the others, which {cause} explain; "
            "the genuine pairs of such images are impostors, and what is measured is too low"
        )
        suspects = np.flatnonzero(view.low)
    else:
        suspects = np.flatnonzero((ranks < 2 * LOWEST) & view.fits)
        if not view.is_telling or len(suspects) < max(WORTH_LISTING * images, 3):
            return
        message = (
            f"{len(suspects):,} of {images:,} images of {view.split.name} are more like another "
            "identity than like their own, as if under its label by mistake; look at them"
        )
    suspects = suspects[np.argsort(ranks[suspects], kind="stable")]
    split, people, labels = view.split, view.split.people, view.split.labels
    rows = [
        f"{split.file(image)} is labelled {labels[people[image]]} and looks like "
        f"{labels[view.best[image]]}"
        for image in suspects[:ROWS_SHOWN]
    ]
    shown = [
        [
            image,
            *np.flatnonzero((people == people[image]) & (np.arange(len(people)) != image))[:2],
            *np.flatnonzero(people == view.best[image])[:2],
        ]
        for image in suspects[:ROWS_SHOWN]
    ]
    findings.add(
        "wrong_labels",
        message,
        rows,
        more=len(suspects) - len(rows),
        images=[[split.path(image) for image in group] for group in shown],
    )


def _people_twice(
    splits: Sequence[EmbeddedSplit], spaces: WhitenedSplits, findings: Findings
) -> None:
    """Couples of identities that cannot be told apart, within each split and of two."""
    for split in splits:
        others = [other for other in splits if other is not split]
        if sum(len(other.rows) for other in others) < FEWEST_IN_A_SPACE:
            continue
        _two_labels(split, spaces.images(split, others, _SHRINKAGE_FOR_MEANS), findings)
    if sum(len(split.rows) for split in splits) < FEWEST_IN_A_SPACE:
        return
    for couple in combinations(splits, 2):
        first, second = (spaces.images(split, splits, _SHRINKAGE_FOR_MEANS) for split in couple)
        _shared_people(couple, (first, second), findings)


def _two_labels(split: EmbeddedSplit, images: FloatArray, findings: Findings) -> None:
    """Couples of identities within a split that cannot be told apart."""
    labels, people = split.labels, split.people
    couples = list(_indistinct(images, people))
    if not couples:
        return
    rows, shown = [], []
    for first, second, share in couples:
        rows.append(f"{labels[first]} and {labels[second]}: {share:.0%} are nearer to their own")
        groups = (np.flatnonzero(people == person)[:3] for person in (first, second))
        shown.append([split.path(image) for group in groups for image in group])
    findings.add(
        "one_person_two_labels",
        f"{count(len(couples), 'couple')} of identities of {split.name} may be one person"
        f"{' each' * (len(couples) > 1)}: their "
        "images are hardly nearer to those of the same label than to those of the other, and "
        "genuine pairs count as impostors if so; look at them",
        rows,
        images=shown,
    )


def _shared_people(
    couple: tuple[EmbeddedSplit, EmbeddedSplit],
    images: tuple[FloatArray, FloatArray],
    findings: Findings,
) -> None:
    """Couples of an identity of each of two splits that cannot be told apart."""
    first, second = couple
    ours = len(first.labels)
    people = np.concatenate([first.people, second.people + ours])
    couples = [
        (one, other - ours, share)
        for one, other, share in _indistinct(np.concatenate(images), people)
        if one < ours <= other
    ]
    if not couples:
        return
    rows, shown = [], []
    for one, other, share in couples:
        rows.append(
            f"{first.labels[one]} in {first.name} and {second.labels[other]} in {second.name}: "
            f"{share:.0%} are nearer to their own"
        )
        shown.append(
            [
                split.path(image)
                for split, person in ((first, one), (second, other))
                for image in np.flatnonzero(split.people == person)[:3]
            ]
        )
    findings.add(
        "one_person_two_labels",
        f"{first.name} and {second.name} may share {count(len(couples), 'identity')} under two "
        "labels: their "
        "images are hardly nearer to those of the same label than to those of the other; look at "
        "them",
        rows,
        images=shown,
    )


def _twins(
    couple: tuple[EmbeddedSplit, EmbeddedSplit],
    images: tuple[FloatArray, FloatArray],
    findings: Findings,
) -> None:
    """Images of two splits that are far more alike than an image and its nearest one usually."""
    first, second = couple
    similar = images[0] @ images[1].T
    # Fisher's transformation: cosines near 1 lie too close together to stand out.
    sides = [_deviations(np.arctanh(similar.max(axis=axis) * (1 - 1e-9))) for axis in (1, 0)]
    nearest = similar.argmax(axis=1)
    mutual = similar.argmax(axis=0)[nearest] == np.arange(len(nearest))
    outlying = np.minimum(sides[0], sides[1][nearest])
    twins = np.flatnonzero(mutual & (outlying >= TWIN_DEVIATIONS))
    if not len(twins):
        return
    twins = twins[np.argsort(-outlying[twins], kind="stable")]
    others = nearest[twins]
    findings.add(
        "twin_images",
        f"{first.name} and {second.name} share {count(len(twins), 'image')}, far more alike than "
        "images of two people are, perhaps of one occasion or one photograph; look at them",
        [
            f"{first.file(a)} - {second.file(b)}"
            for a, b in zip(twins[:ROWS_SHOWN], others[:ROWS_SHOWN], strict=True)
        ],
        more=max(len(twins) - ROWS_SHOWN, 0),
        images=[
            [first.path(a), second.path(b)]
            for a, b in zip(twins[:ROWS_SHOWN], others[:ROWS_SHOWN], strict=True)
        ],
    )


def _indistinct(images: FloatArray, people: Int64Array) -> Iterator[tuple[int, int, float]]:
    """Couples of identities, each the other's nearest, whose images go either way."""
    similar, own = similarities(images, people)
    counts = np.bincount(people)
    nearer = np.zeros((len(counts), len(counts)))
    np.add.at(nearer, people, own[:, None] > similar)
    shares = (nearer + nearer.T) / (counts[:, None] + counts)
    between = np.stack([similar[people == person].mean(axis=0) for person in range(len(counts))])
    np.fill_diagonal(between, -np.inf)
    nearest = between.argmax(axis=1)
    for one in np.flatnonzero(nearest[nearest] == np.arange(len(counts))):
        other = nearest[one]
        enough = min(counts[one], counts[other]) >= FEWEST_IMAGES
        if one < other and enough and shares[one, other] <= INDISTINCT:
            yield int(one), int(other), float(shares[one, other])


def _views(
    splits: Sequence[EmbeddedSplit],
    spaces: WhitenedSplits,
    trusted: Sequence[EmbeddedSplit],
) -> list[_View]:
    """Each split in the space of the other trusted ones."""
    views = []
    for split in splits:
        others = [other for other in trusted if other is not split]
        views.append(_View(split, spaces.images(split, others, _SHRINKAGE)))
    return views


def _deviations(values: FloatArray) -> FloatArray:
    """How far above the median, in robust standard deviations."""
    median = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - median))
    return np.asarray((values - median) / max(spread, 1e-12))


def _quartile(own: FloatArray) -> float:
    known = own[~np.isnan(own)]
    return float(np.quantile(known, 0.25)) if len(known) else np.inf
