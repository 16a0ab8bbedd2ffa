"""The report of one run."""

from pathlib import Path

from facesim.atomic import write_text
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError, listed
from facesim.interfaces.result import EvaluationResult
from facesim.machine_errors import in_words
from facesim.page import Page, Section, Text
from facesim.report.face_pairs import FacePairPresenter
from facesim.report.rendering import render
from facesim.report.sections.errors import errors_section
from facesim.report.sections.folds import folds_section
from facesim.report.sections.linter import label_noise_section, linter_section
from facesim.report.sections.plugins import plugin_sections
from facesim.report.sections.result import result_section
from facesim.report.sections.scores import operating_points_section, scores_section
from facesim.report.sections.setup import reproduction_section, setup_section, summary_line
from facesim.report.sections.slices import slices_section
from facesim.report.sections.training import training_section
from facesim.runs.directory import RunFile
from facesim.runs.evaluation_plan import OWN
from facesim.runs.run_files import RunFiles


def write_report(files: RunFiles, *, faces: bool = True, trust: bool = False) -> Path:
    """Write one self-contained HTML file about a run and one of its evaluations.

    A part that the run does not have yet is left out, or the page says what is missing. The folds
    of a run get their own files, to which its own leads.

    Args:
        files: of the run, finished or not, and of the evaluation.
        faces: whether small images of faces become part of the file.
        trust: whether to import plugin files of the run, for the sections that they add, also if
            this user's own experiment did not name them when the run began.

    Returns:
        ``report.html`` in the run directory; ``report-<name>.html`` for other data than ``test``.

    Raises:
        FacesimError: the file cannot be written.
    """
    for fold in files.folds:
        if fold.result is not None:
            write_report(fold, faces=faces, trust=trust)
    own = files.name == OWN
    path = files.path / (RunFile.REPORT if own else f"report-{files.name}.html")
    try:
        write_text(path, render(report_page(files, faces=faces, trust=trust)))
    except OSError as error:
        raise FacesimError(f"{path}: cannot be written: {in_words(error)}") from None
    return path


def report_page(files: RunFiles, *, faces: bool, trust: bool = False) -> Page:
    """The page of a run."""
    sections = [
        result_section(files),
        setup_section(files),
        training_section(files) if files.experiment.folds is None else folds_section(files),
        *(_evaluation_sections(files, files.result, faces=faces) if files.result else ()),
        *plugin_sections(files, trust=trust),
        linter_section(files.lint, faces=faces),
        reproduction_section(files),
    ]
    return Page(files.title, summary_line(files), tuple(sections))


def _evaluation_sections(
    files: RunFiles, result: EvaluationResult, *, faces: bool
) -> list[Section]:
    """What needs an evaluation; part of it needs the scores of its pairs, or its images, too."""
    pairs = files.pairs
    identities = images = shown = None
    preprocessing = Preprocessing()
    missing = ""
    if pairs is not None:
        try:
            identities = files.identities(pairs)
            images = files.images(pairs)
            if faces:
                preprocessing = Preprocessing.of(files.evaluated.image)
                shown = images
        except FacesimError as error:  # data may have moved since, or the aligner is not installed
            lost = [
                *(["faces"] if faces else []),
                *(["filters by attribute"] if images is None else []),
                *(["intervals of curves", "suspected labels"] if identities is None else []),
            ]
            missing = (
                f"{listed(lost).capitalize()} are left out, since the evaluated images cannot be "
                f"read: {error}"
            )
    sections = [
        scores_section(result, pairs, identities, files.metrics, files.baselines),
        operating_points_section(result, files.metrics, files.score_unit),
    ]
    sections += files.protocol_report.sections
    if files.slices is not None:
        sections.append(slices_section(files.slices))
    if pairs is not None:
        presenter = FacePairPresenter(pairs, shown, preprocessing)
        if result.threshold is not None:
            sections.append(
                errors_section(presenter, result.threshold, files.calibration, identities, images)
            )
        if identities is not None:
            sections.append(label_noise_section(presenter, identities))
    if missing:
        sections.append(Section("images", "Images", (Text(missing, "note"),)))
    return sections
