"""Verifier: a pack, loaded, decides whether two images show the same person."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from facesim.alignment.alignment import Placed
from facesim.arrays import Float32Array, UInt8Array
from facesim.data.images import Image, as_list, look_at
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.verifier.gallery import EmbeddingKind, Gallery
from facesim.verifier.onnx_network import OnnxNetwork, OnnxScore
from facesim.verifier.operating_points import operating_point
from facesim.verifier.pack_file import EXPERIMENT_FILE, PACK_FILE, PackedPoint, PackFile
from facesim.verifier.pack_folder import PackFolder, open_pack
from facesim.verifier.packed_image import preprocessing_of
from facesim.verifier.search import Comparison, Match, Nearest, comparable_probes, search

BATCH = 16
"""Images that are decoded before the network sees them."""

_EXPERIMENT_BYTES = 10**6
_PAIRS = 256
_PROBED = 256
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Verdict:
    """The decision on two images.

    Attributes:
        same: whether they show the same person, at the operating point.
        score: of their embeddings; higher is more alike.
        probability: that they show the same person, where as many pairs do as in those of its fit;
            None if the pack has no calibration.
        point: the operating point, with its threshold and the error rates that were measured there.
        faces: the face that was taken of each image; None where the pack looks for none.
    """

    same: bool
    score: float
    probability: float | None
    point: PackedPoint
    faces: tuple["TakenFace | None", "TakenFace | None"] = (None, None)


@dataclass(frozen=True)
class TakenFace:
    """The face of a photograph that was taken.

    Attributes:
        found: among how many.
        rule: by which it was taken of several: ``largest`` or ``most_central``.
        box: left, top, right and bottom edge in pixels of the upright photograph.
    """

    found: int
    rule: str
    box: tuple[float, float, float, float]

    @classmethod
    def of(cls, placed: Placed | None, preprocessing: Preprocessing) -> "TakenFace | None":
        """That of a face which the preprocessing placed."""
        if placed is None or placed.face is None or preprocessing.alignment is None:
            return None
        return cls(placed.faces, preprocessing.alignment.several_faces, placed.face.box)

    def __str__(self) -> str:
        edges = zip(("left", "top", "right", "bottom"), self.box, strict=True)
        place = ", ".join(f"{name} {value:.0f}" for name, value in edges)
        rule = self.rule.replace("_", " ")
        return f"{self.found} faces were found, the {rule} one was taken ({place})"


@dataclass(frozen=True, eq=False)
class Embedded:
    """An image that could be used.

    Attributes:
        embedding: float32 [D].
        face: that was taken; None where the pack looks for none.
    """

    embedding: Float32Array
    face: TakenFace | None


@dataclass(frozen=True)
class Unjudged:
    """Images of which nothing can be said.

    Attributes:
        reason: why, in words that name the image where it is a file.
    """

    reason: str


def embedding_kind(pack: PackFile) -> EmbeddingKind:
    """What embeddings must share to be compared: the network, the score, and the preprocessing.

    The network of a pack in torch's format is its weights and the experiment, which says of what.
    Thresholds are not part of it: a pack with others of the same network keeps its galleries.
    """
    made_by = {
        "network": pack.files[pack.network.file].sha256,
        "score": pack.files[pack.score.file].sha256,
        "image": pack.image,
    }
    if pack.network.format == "torch":
        made_by["experiment"] = pack.files[EXPERIMENT_FILE].sha256
    content = json.dumps(made_by, sort_keys=True, separators=(",", ":"))
    return EmbeddingKind(
        pack=f"{pack.name[:200]} {pack.run[:200]}",
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        dimension=pack.network.embedding_dim,
        unit_length=pack.score.comparison == "cosine",
    )


class Network(Protocol):
    """Pixels -> embeddings."""

    def run(self, pixels: UInt8Array) -> Float32Array:
        """Embeddings float32 [N, D] of images in RGB, uint8 [N, 3, H, W]."""
        ...


def load_pack(folder: str | Path, *, trust: bool = False) -> "Verifier":
    """Load a pack that ``facesim pack`` wrote; one in ONNX needs no torch.

    Args:
        folder: of the pack.
        trust: whether to import the plugins, which are code, that a pack in torch's format names.

    Raises:
        DataError: it is no pack, or not as it was packed.
        FacesimError: a package that runs it is not installed.

    Example:
        >>> verifier = facesim.load_pack("packs/celeba")
        >>> verifier.verify("a.jpg", "b.jpg").same
        True
    """
    pack = open_pack(Path(folder))
    packed = pack.file.network
    if packed.format == "onnx":
        network: Network = OnnxNetwork(pack.read(packed.file), str(pack.folder / packed.file))
    else:
        network = _torch_network(pack, trust=trust)
    score = OnnxScore(pack.read(pack.file.score.file), str(pack.folder / pack.file.score.file))
    verifier = Verifier(pack, preprocessing_of(pack), network, score)
    verifier.check()
    return verifier


def _torch_network(pack: PackFolder, *, trust: bool) -> Network:
    """Of a pack in torch's format: the one part of packing that using a pack may need."""
    try:
        module = import_module("facesim.packing.torch_network")
    except ImportError as error:
        raise FacesimError(
            f"{pack.folder}: this pack runs in torch, which cannot be imported ({error}); install "
            "it, or pack the run with --format onnx"
        ) from error
    weights = pack.read(pack.file.network.file)
    experiment = pack.read(EXPERIMENT_FILE, _EXPERIMENT_BYTES)
    try:
        network: Network = module.TorchNetwork(
            pack.folder / EXPERIMENT_FILE, experiment, weights, trust=trust
        )
    except import_module("facesim.discovery").UntrustedPluginsError:
        raise FacesimError(
            f"{pack.folder}: its experiment.yaml names plugins, which are code, and none was "
            "imported; read them, then add --trust (in Python: trust=True)"
        ) from None
    return network


class Verifier:
    """Verifies pairs of images with a pack; made by :func:`load_pack`.

    Images are paths, arrays uint8 [H, W, 3] (RGB) or [H, W] (grey), or images of Pillow.

    Attributes:
        folder: of the pack.
        pack: the content of its ``pack.json``.
        comparison: on what of two embeddings the score depends.
    """

    def __init__(
        self, pack: PackFolder, preprocessing: Preprocessing, network: Network, score: OnnxScore
    ) -> None:
        self.folder = pack.folder
        self.pack: PackFile = pack.file
        self.comparison: Comparison | None = pack.file.score.comparison
        self._preprocessing = preprocessing
        self._network = network
        self._score = score

    def __repr__(self) -> str:
        return f"Verifier({str(self.folder)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process loads the folder again, with all its checks, and without trust.
        return load_pack, (str(self.folder.absolute()),)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Verifier":
        # Nothing of it changes; scikit-learn copies the parameters of what it clones.
        return self

    @property
    def dimension(self) -> int:
        """Of an embedding."""
        return self.pack.network.embedding_dim

    @property
    def embeddings(self) -> EmbeddingKind:
        """What embeddings must share to be compared."""
        return embedding_kind(self.pack)

    def operating_point(self, at: str | None = None) -> PackedPoint:
        """An operating point by its name; see :func:`operating_point`.

        Raises:
            FacesimError: there is none, or it has no threshold.
        """
        return operating_point(self.pack.operating_points, at)

    def verify(self, a: Image, b: Image, at: str | None = None) -> Verdict:
        """Whether two images show the same person.

        Args:
            a: an image.
            b: another.
            at: the operating point; see :meth:`operating_point`.

        Raises:
            DataError: an image cannot be used, or shows no face where the pack looks for one.
            FacesimError: there is no such operating point.
        """
        point = self.operating_point(at)
        first, second = self.look([a, b])
        [score] = self.scores(first.embedding[None], second.embedding[None])
        return replace(self.verdict(float(score), point), faces=(first.face, second.face))

    def verify_pairs(
        self, pairs: Iterable[tuple[Image, Image]], at: str | None = None
    ) -> Iterator[Verdict | Unjudged]:
        """Verify many pairs; one that cannot be judged does not end the others.

        An image that stands in several pairs as the same path is decoded and embedded once.

        Args:
            pairs: of images.
            at: the operating point; see :meth:`operating_point`.

        Raises:
            FacesimError: there is no such operating point.
        """
        point = self.operating_point(at)
        known: dict[str, Embedded | Unjudged] = {}
        remaining = iter(pairs)
        while batch := list(islice(remaining, _PAIRS)):
            yield from self._verify_batch(batch, point, known)

    def _verify_batch(
        self,
        pairs: Sequence[tuple[Image, Image]],
        point: PackedPoint,
        known: dict[str, Embedded | Unjudged],
    ) -> Iterator[Verdict | Unjudged]:
        """``known`` keeps the embeddings of paths."""
        images = {_key(image): image for pair in pairs for image in pair}
        new = {key: image for key, image in images.items() if key not in known}
        found = dict(zip(new, self.look_each(new.values()), strict=True))
        known |= {key: each for key, each in found.items() if isinstance(new[key], str | Path)}
        found |= {key: known[key] for key in images if key in known}
        none = np.empty((0, self.dimension), dtype=np.float32)
        sides = [(found[_key(a)], found[_key(b)]) for a, b in pairs]
        judged = [
            (a, b) for a, b in sides if not isinstance(a, Unjudged) and not isinstance(b, Unjudged)
        ]
        first, second = (
            np.stack([pair[at].embedding for pair in judged]) if judged else none for at in (0, 1)
        )
        scores = iter(self.scores(first, second))
        for a, b in sides:
            if isinstance(a, Unjudged):
                yield a
            elif isinstance(b, Unjudged):
                yield b
            else:
                yield replace(self.verdict(float(next(scores)), point), faces=(a.face, b.face))

    def verdict(self, score: float, point: PackedPoint) -> Verdict:
        """The decision on a score at an operating point that has a threshold."""
        if point.threshold is None:
            raise FacesimError(f"{point.name} has no threshold: {point.reason}")
        return Verdict(score >= point.threshold, score, self.probability(score), point)

    def probability(self, score: float) -> float | None:
        """That a pair with this score shows one person; None if the pack has no calibration."""
        if self.pack.probability is None:
            return None
        return float(self.pack.probability.probability(score))

    def embed(self, images: Image | Iterable[Image]) -> Float32Array:
        """The embeddings, float32 [N, D], of one image or of several.

        Raises:
            DataError: an image cannot be used; a file is named.
        """
        found = [each.embedding for each in self.look(images)]
        return np.stack(found) if found else np.empty((0, self.dimension), dtype=np.float32)

    def look(self, images: Image | Iterable[Image]) -> list[Embedded]:
        """The embedding of each image, with the face that was taken.

        Raises:
            DataError: an image cannot be used; a file is named.
        """
        everything, found = as_list(images), list[Embedded]()
        for position, each in enumerate(self.look_each(everything)):
            if isinstance(each, Unjudged):
                is_file = isinstance(everything[position], str | Path)
                raise DataError(each.reason if is_file else f"image {position}: {each.reason}")
            found.append(each)
        return found

    def look_each(self, images: Iterable[Image]) -> list[Embedded | Unjudged]:
        """The embedding of each image with the face that was taken, or why there is none."""
        result: list[Embedded | Unjudged] = []
        remaining = iter(images)
        while batch := list(islice(remaining, BATCH)):
            pixels: dict[int, UInt8Array] = {}
            reasons: dict[int, Unjudged] = {}
            faces: dict[int, TakenFace | None] = {}
            for position, image in enumerate(batch):
                try:
                    pixels[position], placed = look_at(image, self._preprocessing)
                    faces[position] = TakenFace.of(placed, self._preprocessing)
                except DataError as error:
                    reasons[position] = Unjudged(str(error))
            rows = self._run(np.stack(list(pixels.values()))) if pixels else ()
            embedded = {
                position: Embedded(row, faces[position])
                for position, row in zip(pixels, rows, strict=True)
            }
            result += [reasons.get(at) or embedded[at] for at in range(len(batch))]
        return result

    def search(
        self,
        gallery: Gallery,
        images: Image | Iterable[Image],
        top: int = 5,
        *,
        nearest: Nearest | None = None,
    ) -> list[tuple[Match, ...]]:
        """The identities of a gallery that score highest with each image, highest first.

        The result is that of comparing each image with every template; equal scores are in the
        order of the names.

        Args:
            gallery: from :func:`open_gallery`.
            images: one or several.
            top: how many identities.
            nearest: a :class:`FaissIndex` of the gallery, instead of a matrix product.

        Raises:
            DataError: an image cannot be used, or the gallery is of another pack.
        """
        gallery.require(self.embeddings)
        return search(gallery, self.embed(images), self, top, nearest=nearest)

    def scores(self, a: Float32Array, b: Float32Array) -> Float32Array:
        """Float32 [P]: of each row of ``a`` [P, D] with the same row of ``b`` [P, D].

        Raises:
            DataError: a score is not finite.
        """
        return self._score.run(a, b)

    def check(self) -> None:
        """Raise DataError unless the score depends on what ``pack.json`` says, as a search needs.

        Pairs of random embeddings are compared, near ones among them.
        """
        random = np.random.default_rng(0)
        a, noise = random.normal(size=(2, _PROBED, self.dimension)).astype(np.float32)
        nearness = np.linspace(0.0, 2.0, _PROBED, dtype=np.float32)[:, None]
        b = a + nearness * noise
        scores = self.scores(a, b).astype(np.float64)
        if self.comparison is None:
            return
        if self.comparison == "cosine":
            unit = [comparable_probes(side, "cosine").astype(np.float64) for side in (a, b)]
            similarity = (unit[0] * unit[1]).sum(1)
        else:
            similarity = -np.linalg.norm(a.astype(np.float64) - b, axis=1)
        ordered = scores[np.argsort(similarity)]
        tolerance = _ROUNDING * (1e-6 + float(np.abs(scores).max()))
        if (np.diff(ordered) < -tolerance).any():
            raise DataError(
                f"{self.folder / PACK_FILE}: score.comparison is {self.comparison!r}, and the "
                "score depends on something else"
            )

    def _run(self, pixels: UInt8Array) -> Float32Array:
        embeddings = self._network.run(pixels.transpose(0, 3, 1, 2))
        if embeddings.shape[1] != self.dimension:
            raise DataError(
                f"{self.folder / PACK_FILE}: network.embedding_dim is {self.dimension}, and the "
                f"network has {embeddings.shape[1]}"
            )
        return embeddings


def _key(image: Image) -> str:
    return f"path {image}" if isinstance(image, str | Path) else f"object {id(image)}"
