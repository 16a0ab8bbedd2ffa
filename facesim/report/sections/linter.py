"""Findings of the protocol linter, and suspected label errors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facesim.data.linter.findings import Finding, LintReport
from facesim.errors import count
from facesim.evaluation.label_suspects import Suspect, find_label_suspects
from facesim.page import Block, Code, FacePair, Gallery, Section, Text
from facesim.report.face_pairs import FacePairPresenter, whole_image
from facesim.runs.scored_pairs import PairIdentities


def linter_section(lint: LintReport | None, *, faces: bool) -> Section:
    """Each finding with its offending rows, and with their images where ``faces`` are shown."""
    if lint is None:
        text = "This run was not linted; `facesim check` lints an experiment."
        return Section("linter", "Protocol linter", (Text(text, "note"),))
    if not lint.findings:
        text = (
            "The protocol linter found nothing: no identity and no image in two splits, no "
            "repeated, contradictory or self-paired pair."
        )
        return Section("linter", "Protocol linter", (Text(text),))
    blocks = [block for finding in lint.findings for block in _blocks(finding, faces=faces)]
    return Section("linter", "Protocol linter", tuple(blocks))


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
