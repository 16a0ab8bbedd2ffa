"""The protocol linter over one evaluation: what it measures, against all that the run has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from facesim.data.image_copies import ImageCopies, find_copies
from facesim.data.image_digests import Digests, TableDigests
from facesim.data.linter.copies import lint_duplicates, lint_near_images
from facesim.data.linter.findings import Findings, LintReport
from facesim.data.linter.inputs import lint_inputs
from facesim.data.linter.labels import lint_label_spelling
from facesim.data.linter.pairs import lint_pairs
from facesim.data.linter.properties import lint_properties
from facesim.data.linter.protocol import looks_for_near_images, read_digests
from facesim.data.linter.splits import lint_identities, lint_same_images
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError, count
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, PairSet
from facesim.processes import Processes

T = TypeVar("T")


@dataclass(frozen=True)
class NamedImages:
    """The images of a split under the name that findings call it by.

    Attributes:
        name: ``train``, ``val`` or ``test`` of the run, or of an evaluation.
        digests: the table with its images' digests.
    """

    name: str
    digests: TableDigests

    @property
    def table(self) -> FaceTable:
        """The images."""
        return self.digests.table


@dataclass(frozen=True)
class LintedEvaluation:
    """What an evaluation measures, and what the run that it is of has seen.

    Attributes:
        measured: the split that is reported on, named as the evaluation.
        calibration: another split than the run's val, on which new thresholds are chosen.
        run: the run's own splits by name, as far as they can be read.
        unread: why the others cannot, by name.
        is_new: whether the images are not those that were linted before training.
    """

    measured: NamedImages
    calibration: NamedImages | None
    run: Mapping[str, NamedImages]
    unread: Mapping[str, str]
    is_new: bool


def lint_evaluation(
    experiment: Experiment,
    linted: LintedEvaluation,
    pairs: Mapping[str, PairSet],
    processes: Processes,
) -> LintReport:
    """Lint one evaluation of a run, by identity and by image content.

    Neither the images that are reported on nor those that new thresholds are chosen on may be
    among those that the run was trained on, and the former not among those on which the best
    checkpoint or a threshold was chosen. Images of the run's own test are no leak; a warning says
    that the two results are not independent.

    Args:
        experiment: of the evaluation; sets the severity of each rule.
        linted: the splits.
        pairs: to be compared, by the name of the split.
        processes: show progress while new images are read.

    Raises:
        DataError: an image that is to be measured cannot be read.
    """
    findings = Findings(experiment.lint)
    seen = _readable(linted, findings, processes)
    measured, calibration = linted.measured, linted.calibration
    seen[measured.name] = _Images(measured.table, read_digests(measured, processes))
    leaks = [("train", measured.name), ("val", measured.name)]
    if calibration is not None:
        seen[calibration.name] = _Images(calibration.table, read_digests(calibration, processes))
        leaks += [("train", calibration.name), (calibration.name, measured.name)]
    copies = None
    if linted.is_new:
        tables = {name: images.table for name, images in seen.items()}
        digests = {name: images.digests for name, images in seen.items()}
        near = looks_for_near_images(experiment)
        copies = find_copies(tables, digests, processes, near=near)
    for couple in leaks:
        found = {name: seen[name] for name in couple if name in seen}
        if len(found) == 2:
            _lint_couple(found, copies, findings)
    if copies is not None:
        for split in (measured, calibration):
            if split is not None:
                listed = pairs.get(split.name)
                lint_duplicates(split.name, split.table, copies, listed, findings)
    threshold = "val" if calibration is None else calibration.name
    if threshold in seen and _among(seen[measured.name], seen[threshold]).all():
        findings.add(
            "threshold_from_same_images",
            f"{threshold} and {measured.name} are the same images: the threshold would be chosen "
            "on what it is reported on",
        )
    if "test" in seen and measured.name != "test":
        _tested_before(seen, measured.name, None if calibration is None else threshold, findings)
    if linted.is_new:
        others = ("test",) if measured.name != "test" else ()
        tables = {name: found.table for name, found in seen.items() if name not in others}
        alike = {
            name: table
            for name, table in tables.items()
            if _number_people_alike(table, measured.table)
        }
        lint_label_spelling(alike, findings)
        new = [measured, *([] if calibration is None else [calibration])]
        of_new = {split.name: split.table for split in new}
        lint_inputs(of_new, Preprocessing.of(experiment.image), findings, processes)
        lint_properties(tables, pairs, findings, processes)
    for name, some in pairs.items():
        lint_pairs(name, seen[name].table, some, experiment.evaluate.smallest_far, findings)
    return findings.report()


@dataclass(frozen=True)
class _Images:
    table: FaceTable
    digests: Digests


def _readable(
    linted: LintedEvaluation, findings: Findings, processes: Processes
) -> dict[str, _Images]:
    """The run's splits whose images can be read; training data may be on another machine."""
    unread, seen = dict(linted.unread), {}
    for name, split in linted.run.items():
        try:
            seen[name] = _Images(split.table, read_digests(split, processes))
        except FacesimError as error:
            unread[name] = str(error)
    if linted.is_new:
        for name, reason in unread.items():
            findings.add(
                "unread_split",
                f"{name} of the run cannot be read, so that it was not checked whether "
                f"{linted.measured.name} holds its people or images: {reason}",
            )
    return seen


def _lint_couple(
    couple: Mapping[str, _Images], copies: ImageCopies | None, findings: Findings
) -> None:
    tables = {name: images.table for name, images in couple.items()}
    digests = {name: images.digests for name, images in couple.items()}
    if copies is None or _number_people_alike(*tables.values()):
        lint_identities(tables, findings)
    else:
        _lint_numbers(tables, findings)
    lint_same_images(tables, digests, findings)
    if copies is not None:
        lint_near_images(tables, copies, findings)


def _number_people_alike(first: FaceTable, second: FaceTable) -> bool:
    """Whether equal labels of two tables mean one person, even if they are numbers.

    Data sets number their people from 0 or 1, each for itself; names and tables of one folder, or
    of folders side by side, are taken at their word.
    """
    left, right = (table.root.absolute() for table in (first, second))
    return left == right or left.parent == right.parent


def _lint_numbers(tables: dict[str, FaceTable], findings: Findings) -> None:
    (first, left), (second, right) = tables.items()
    shared = np.intersect1d(left.labels.astype(str), right.labels.astype(str))
    is_number = np.char.isdecimal(shared)
    names = np.flatnonzero(~np.isin(right.labels.astype(str), shared[is_number]))
    named = np.isin(right.identities, names)
    codes, identities = np.unique(right.identities[named], return_inverse=True)
    people = FaceTable(right.root, right.files[named], identities, right.labels[codes])
    lint_identities({first: left, second: people}, findings)
    if is_number.any():
        findings.add(
            "same_numbers",
            f"{second} has {count(int(is_number.sum()), 'identity')} with the number of one of "
            f"{first}: if the "
            "two data sets do not number their people independently, these are the same people",
            [f"identity {label}" for label in shared[is_number]],
        )


def _tested_before(
    seen: Mapping[str, _Images], measured: str, calibration: str | None, findings: Findings
) -> None:
    """Images of the run's test, unless the evaluation is of exactly these."""
    again = _among(seen[measured], seen["test"])
    if again.any() and not (again.all() and _among(seen["test"], seen[measured]).all()):
        findings.add(
            "tested_before",
            f"{_of_which(again, measured)} in test of the run: "
            "the two results are not independent of each other",
        )
    if calibration is not None:
        tuned = _among(seen[calibration], seen["test"])
        if tuned.any():
            findings.add(
                "tested_before",
                f"{_of_which(tuned, calibration)} in test of the run: the thresholds that are "
                "chosen on them must not be reported on that test",
            )


def _of_which(which: np.ndarray[tuple[int], np.dtype[np.bool_]], name: str) -> str:
    is_or_are = "is" if which.sum() == 1 else "are"
    return f"{which.sum():,} of the {count(len(which), 'image')} of {name} {is_or_are}"


def _among(images: _Images, others: _Images) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which rows of a table have the content of a row of another one: bool [N]."""
    known = set(map(bytes, others.digests))
    return np.array([bytes(digest) in known for digest in images.digests], bool)
