"""Lint of an experiment: its tables are read, no component is built and nothing is trained."""

from dataclasses import dataclass
from pathlib import Path

from facesim.data.image_copies import find_copies
from facesim.data.linter.copies import leaked_images
from facesim.data.linter.evaluation import NamedImages
from facesim.data.linter.findings import Findings, LintReport, findings_over_folds
from facesim.data.linter.inputs import lint_inputs
from facesim.data.linter.protocol import lint_protocol, looks_for_near_images, read_digests
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.experiment.exclusion import SPLITS, ExcludedImage, write_exclusion
from facesim.experiment.schema import Experiment
from facesim.machine_errors import in_words
from facesim.processes import Processes
from facesim.training.build import Tables
from facesim.training.evaluation_pairs import choose_all_pairs


@dataclass(frozen=True)
class LintedExperiment:
    """What the linter found in an experiment's data.

    Attributes:
        report: the findings.
        excluded: images that the experiment leaves out already.
        leaked: images to leave out as well, so that none is in two splits.
    """

    report: LintReport
    excluded: tuple[ExcludedImage, ...]
    leaked: tuple[ExcludedImage, ...]

    def write_exclusion(self, path: Path) -> int:
        """Write an exclusion file of both, unless no image is to be left out.

        Returns:
            How many images it lists; 0 if it was not written.

        Raises:
            FacesimError: it cannot be written.
        """
        images = (*self.excluded, *self.leaked)
        if images:
            try:
                write_exclusion(path, images)
            except OSError as error:
                raise FacesimError(f"{path}: cannot be written: {in_words(error)}") from None
        return len(images)


def lint_experiment(
    experiment: Experiment, processes: Processes, tables: Tables | None = None
) -> LintedExperiment:
    """Lint the splits and pairs of an experiment; of one with folds those of each fold.

    Args:
        experiment: names the data.
        processes: show progress while new images are read.
        tables: where the tables are kept that are read.

    Raises:
        FacesimError: a table or an image cannot be read, or a split allows no pairs.
    """
    tables = tables or Tables(processes.reporter)
    if experiment.folds is None:
        return _lint(experiment, processes, tables)
    found = [
        _lint(experiment.of_fold(number), processes, tables, describe=False)
        for number in range(1, experiment.folds + 1)
    ]
    # The images of all folds are the same, so that they are looked at once.
    source = Findings(experiment.lint)
    everybody = {"the source": tables.read("test", experiment).table}
    lint_inputs(everybody, Preprocessing.of(experiment.image), source, processes)
    # Whoever is in val or test of one fold is in train of another.
    leaked = {each.file: each._replace(split="") for fold in found for each in fold.leaked}
    report = findings_over_folds([each.report for each in found], source.report())
    return LintedExperiment(report, found[0].excluded, tuple(leaked.values()))


def _lint(
    experiment: Experiment, processes: Processes, tables: Tables, *, describe: bool = True
) -> LintedExperiment:
    data = experiment.data
    splits = [NamedImages(name, tables.read(name, experiment)) for name in SPLITS]
    tables.require_excluded(data)
    pairs = choose_all_pairs(experiment, splits[1:])
    of_each = {split.name: split.table for split in splits}
    digests = {split.name: read_digests(split, processes) for split in splits}
    near = looks_for_near_images(experiment)
    copies = find_copies(of_each, digests, processes, near=near)
    report = lint_protocol(experiment, splits, pairs, processes, copies, describe=describe)
    excluded = [
        ExcludedImage("" if name == "anywhere" else name, file, "excluded before")
        for name in (*SPLITS, "anywhere")
        for file in getattr(data.exclude, name, ())
    ]
    leaked = leaked_images(of_each, copies)
    if all(getattr(data, name) is None for name in SPLITS):
        # Another `data.split` of the source puts the image into another split.
        leaked = [each._replace(split="") for each in leaked]
    return LintedExperiment(report, tuple(excluded), tuple(leaked))
