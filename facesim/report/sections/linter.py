"""Findings of the protocol linter, and suspected label errors."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facesim.data.linter.findings import Finding, LintReport
from facesim.data.linter.image_sizes import SplitImages
from facesim.errors import count
from facesim.evaluation.label_suspects import Suspect, find_label_suspects
from facesim.page import Block, Code, Face, FacePair, Gallery, Section, Table, Text
from facesim.report.face_pairs import FacePairPresenter, whole_image
from facesim.runs.scored_pairs import PairIdentities


def linter_section(lint: LintReport | None, *, faces: bool) -> Section:
    """Each finding with its offending rows, and with their images where ``faces`` are shown."""
    if lint is None:
        text = "This run was not linted; `facesim check` lints an experiment."
        return Section("linter", "Protocol linter", (Text(text, "note"),))
    blocks = [block for finding in lint.findings for block in _blocks(finding, faces=faces)]
    if not lint.findings:
        text = (
            "The protocol linter found nothing: no identity and no image in two splits, no "
            "repeated, contradictory or self-paired pair."
        )
        blocks.append(Text(text))
    blocks += _images(lint.images, faces=faces)
    return Section("linter", "Protocol linter", tuple(blocks))


def _images(images: Sequence[SplitImages], *, faces: bool) -> Iterator[Block]:
    """The sizes of each split's images, and the mean of some of them."""
    if not images:
        return
    rows = [
        (each.name, f"{each.sizes.images:,}", each.sizes.in_words, each.sizes.effect)
        for each in images
    ]
    columns = ("Split", "Images", "Sizes in pixels, width x height", "At the network's input")
    yield Table("Images", columns, tuple(rows), numeric=False)
    means = [(each.name, each.face) for each in images if each.face is not None]
    if not means:
        return
    yield Table(
        "Mean faces",
        ("Split", "Images", "Shifted", "Turned", "Larger or smaller", "Sharpness of the mean"),
        tuple(
            (
                *(name, f"{face.images}", f"{face.shifted:.1%}", f"{face.turned:.0f} degrees"),
                *(f"{face.scaled - 1:.0%}", f"{face.sharpness:.2f}"),
            )
            for name, face in means
        ),
    )
    yield Text(
        "Each image is moved until it fits the mean of the others best. Shifted: the median "
        "distance from the common place, of the image's side. Turned, larger or smaller: the mean "
        "difference from the common angle and size. Sharpness: how much of the details that the "
        "mean of the moved images shows is in the mean of the images as they are; about 0.7 in "
        "photographs whose eyes lie in one place.",
        "note",
    )
    if faces:
        shown = tuple(
            FacePair(
                (Face(f"mean of {name}", f"data:image/webp;base64,{face.webp}"),),
                (f"sharpness {face.sharpness:.2f}",),
            )
            for name, face in means
        )
        yield Gallery("Mean faces: images", shown)


def _blocks(finding: Finding, *, faces: bool) -> list[Block]:
    rule = finding.rule.replace("_", " ")
    blocks: list[Block] = [Text(f"{rule.capitalize()}: {finding.message}.", finding.severity)]
    if finding.rows:
        blocks.append(Code(f"Rows: {rule}", "\n".join(finding.rows), folded=True))
    if faces and finding.images:
        told = [*finding.rows, *[""] * len(finding.images)]
        shown = tuple(
            FacePair(tuple(whole_image(Path(path)) for path in group), (row,) if row else ())
            for group, row in zip(finding.images[:_SHOWN], told, strict=False)
        )
        blocks.append(Gallery(f"Images: {rule}", shown))
    return blocks


_SHOWN = 8

RULE = (
    "A genuine pair is an outlier if it scores below the median impostor pair, an impostor pair if "
    "it scores above the median genuine pair. An image or an identity is listed if more of its "
    "genuine pairs are outliers than chance explains, two identities if more of the impostor pairs "
    "between them are (a binomial test at the share of outliers among all pairs of the kind, at 5% "
    "divided by the number of tests). A single pair is listed if it is a genuine pair that "
    "scores lower than 99% of the impostor pairs, or an impostor pair that scores higher than 99% "
    "of the genuine pairs. Wrong labels are one cause, hard images and a weak system are "
    "others: look before you change anything."
)


def label_noise_section(presenter: FacePairPresenter, identities: PairIdentities) -> Section:
    """Each suspect with its most extreme pair, and single outlier pairs."""
    pairs = presenter.pairs
    images, files = pd.factorize(pairs.files.ravel(), sort=True)
    labels = identities.labels.tolist()
    rows = images.astype(np.int64).reshape(pairs.files.shape)
    found = find_label_suspects(rows, identities.codes, pairs.same, pairs.scores)
    galleries = (
        Gallery(
            f"Outlier images and identities: {count(len(found.gathered), 'suspect')}",
            tuple(
                presenter.show(suspect.worst, _caption(suspect, files.tolist(), labels))
                for suspect in found.gathered[:_SHOWN]
            ),
        ),
        Gallery(
            f"Labelled as one person: {count(len(found.genuine), 'pair')}",
            tuple(presenter.show(position) for position in found.genuine[:_SHOWN]),
        ),
        Gallery(
            f"Labelled as two people: {count(len(found.impostor), 'pair')}",
            tuple(presenter.show(position) for position in found.impostor[:_SHOWN]),
        ),
    )
    shown = tuple(gallery for gallery in galleries if gallery.pairs)
    none = () if shown else (Text("The rule lists nothing."),)
    return Section("label-noise", "Suspected labels", (Text(RULE), *none, *shown))


def _caption(suspect: Suspect, files: Sequence[str], labels: Sequence[str]) -> str:
    share = f"{suspect.outliers} of its {suspect.pairs} genuine pairs are outliers"
    if suspect.kind == "image":
        return f"image {files[suspect.subject[0]]}: {share}"
    if suspect.kind == "identity":
        return f"identity {labels[suspect.subject[0]]}: {share}"
    first, second = suspect.subject
    return (
        f"identities {labels[first]} and {labels[second]}: {suspect.outliers} of the "
        f"{suspect.pairs} impostor pairs between them are outliers"
    )
