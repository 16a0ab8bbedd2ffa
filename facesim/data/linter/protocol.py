"""The protocol linter over an experiment's splits and pairs."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from facesim.data.image_copies import ImageCopies, find_copies
from facesim.data.image_digests import Digests, TableDigests
from facesim.data.linter.copies import lint_duplicates, lint_near_images
from facesim.data.linter.findings import Findings, LintReport
from facesim.data.linter.inputs import lint_inputs
from facesim.data.linter.labels import lint_label_spelling
from facesim.data.linter.pairs import lint_pairs
from facesim.data.linter.properties import lint_properties
from facesim.data.linter.splits import lint_identities, lint_same_images
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, PairSet
from facesim.processes import Processes


class LintedSplit(Protocol):
    """One split of the data, as far as the linter reads it."""

    @property
    def name(self) -> str:
        """``train``, ``val`` or ``test``."""

    @property
    def table(self) -> FaceTable:
        """The images."""

    @property
    def digests(self) -> TableDigests:
        """Digests of the image files."""


def lint_protocol(
    experiment: Experiment,
    splits: Sequence[LintedSplit],
    pairs: Mapping[str, PairSet],
    processes: Processes,
    copies: ImageCopies | None = None,
    *,
    describe: bool = True,
) -> LintReport:
    """Lint the splits and pairs of an experiment.

    Args:
        experiment: sets the severity of each rule.
        splits: train, val and test.
        pairs: the evaluation pairs of val and test.
        processes: show progress while new images are read.
        copies: of the images; None to search for them.
        describe: whether to look at what the images of each split look like.

    Raises:
        DataError: an image cannot be read.
    """
    findings = Findings(experiment.lint)
    tables = {split.name: split.table for split in splits}
    lint_identities(tables, findings)
    lint_label_spelling(tables, findings)
    digests = {split.name: read_digests(split, processes) for split in splits}
    lint_same_images(tables, digests, findings)
    if copies is None:
        copies = find_copies(tables, digests, processes, near=looks_for_near_images(experiment))
    lint_near_images(tables, copies, findings)
    for name, table in tables.items():
        lint_duplicates(name, table, copies, pairs.get(name), findings)
    if describe:
        lint_inputs(tables, Preprocessing.of(experiment.image), findings, processes)
    lint_properties(tables, pairs, findings, processes)
    for name, drawn in pairs.items():
        lint_pairs(name, tables[name], drawn, experiment.evaluate.smallest_far, findings)
    return findings.report()


def looks_for_near_images(experiment: Experiment) -> bool:
    """Whether images are decoded to find near-duplicates, which takes minutes for 100,000."""
    return experiment.lint.get("near_image_in_two_splits") != "off"


def read_digests(split: LintedSplit, processes: Processes) -> Digests:
    """The digests of a split's images, with progress.

    Raises:
        DataError: an image cannot be read.
    """
    title = f"reading the images of {split.name}"
    with processes.reporter.task(title, len(split.table)) as advance:
        return split.digests.get(advance)
