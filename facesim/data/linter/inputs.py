"""Rules about image preprocessing: images magnified or squeezed, and faces not aligned."""

from collections.abc import Mapping, Sequence

from facesim.data.linter.findings import Findings
from facesim.data.linter.image_sizes import (
    MAGNIFIED,
    SQUEEZED,
    SplitImages,
    image_sizes,
    squeezed_by,
)
from facesim.data.linter.mean_face import SAMPLED_FACES, mean_face
from facesim.data.preprocessing import Preprocessing
from facesim.errors import listed
from facesim.interfaces import FaceTable
from facesim.processes import Processes

_ALIGN = (
    "`facesim data align` cuts faces out and shows what it finds, `image.aligner` does so in the "
    "experiment; write `lint: {unaligned: off}` if the images are meant to be as they are"
)
_ALIGNED = (
    "look at what the aligner finds with `facesim data align`, try another one, or leave uncertain "
    "faces out by `image.min_confidence`"
)


def lint_inputs(
    tables: Mapping[str, FaceTable],
    preprocessing: Preprocessing,
    findings: Findings,
    processes: Processes,
) -> None:
    """Describe the images of each split, and find what speaks against how they are used.

    Args:
        tables: by split.
        preprocessing: how images become the network's input.
        findings: receives the descriptions, and what is found.
        processes: show progress while images are read.

    Raises:
        DataError: an image cannot be read.
    """
    splits = []
    for name, table in tables.items():
        sizes = image_sizes(table, preprocessing)
        face = None
        if findings.watches("unaligned"):
            images = min(len(table), SAMPLED_FACES)
            with processes.reporter.task(f"looking at faces of {name}", images) as advance:
                face = mean_face(table, preprocessing, _frame(sizes.frame, preprocessing), advance)
        splits.append(SplitImages(name=name, sizes=sizes, face=face))
        findings.describe(splits[-1])
    if magnified := [each for each in splits if each.sizes.often_magnified > 0.5]:
        height, width = preprocessing.size
        findings.add(
            "magnified",
            f"most images of {_names(magnified)} are magnified {MAGNIFIED:g} times or more to the "
            f"{height} x {width} pixels (height x width) of the input, which show no more than "
            "fewer would; make `image.size` smaller, or take larger images",
            [
                f"{each.name}: {each.sizes.often_magnified:.0%} of the images; the median one "
                f"{each.sizes.magnified:.2g} times"
                for each in magnified
            ],
        )
    if squeezed := [each for each in splits if each.sizes.often_squeezed > 0.5]:
        findings.add(
            "squeezed",
            f"most images of {_names(squeezed)} are squeezed by more than "
            f"{squeezed_by(SQUEEZED):.0%}, "
            "which distorts faces; write `image: {fit: letterbox}`, or `crop`",
            [
                f"{each.name}: {each.sizes.often_squeezed:.0%} of the images; the median one by "
                f"{squeezed_by(each.sizes.squeezed):.0%}"
                for each in squeezed
            ],
        )
    if unaligned := [each for each in splits if each.face and not each.face.is_aligned]:
        findings.add(
            "unaligned",
            f"the faces of {_names(unaligned)} do not lie in one place, so that a network learns "
            "where faces are before it learns whose they are; "
            f"{_ALIGN if preprocessing.alignment is None else _ALIGNED}",
            [
                f"{each.name}: {each.face.in_words} ({each.face.images} images)"
                for each in unaligned
                if each.face
            ],
        )


def _names(splits: Sequence[SplitImages]) -> str:
    return listed([each.name for each in splits])


def _frame(usual: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width of what is cut out of images, or of the images where they are whole."""
    if preprocessing.alignment is not None:
        return preprocessing.size
    return usual if preprocessing.crop is None else preprocessing.crop[:1:-1]
