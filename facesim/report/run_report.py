"""The report of one run."""

from pathlib import Path

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.report.evaluated_images import EvaluatedImages, load_images
from facesim.report.face_pairs import PairShower
from facesim.report.page import Page, Section, Text
from facesim.report.rendering import render
from facesim.report.run_files import RunFiles, read_run
from facesim.report.sections.errors import errors_section
from facesim.report.sections.label_noise import label_noise_section
from facesim.report.sections.linter import linter_section
from facesim.report.sections.operating_points import operating_points_section
from facesim.report.sections.reproduction import reproduction_section
from facesim.report.sections.result import result_section
from facesim.report.sections.scores import scores_section
from facesim.report.sections.setup import setup_section, summary_line
from facesim.report.sections.slices import slices_section
from facesim.report.sections.training import training_section
from facesim.training.run_directory import RunDirectory


def write_report(run: RunDirectory, *, faces: bool = True, name: str = "test") -> Path:
    """Write one self-contained HTML file about a run and one of its evaluations.

    A part that the run does not have yet is left out, or the page says what is missing.

    Args:
        run: finished or not.
        faces: whether small pictures of faces become part of the file.
        name: of the evaluation.

    Returns:
        ``report.html`` in the run directory; ``report-<name>.html`` for other data than ``test``.

    Raises:
        DataError: a file of the run is damaged.
        FacesimError: the experiment does not load.
    """
    path = run.path / ("report.html" if name == "test" else f"report-{name}.html")
    write_text(path, render(report_page(read_run(run, name), faces=faces)))
    return path


def report_page(files: RunFiles, *, faces: bool) -> Page:
    """What the report says."""
    sections = [
        result_section(files),
        setup_section(files),
        training_section(files),
        *_evaluation_sections(files, faces=faces),
        linter_section(files.lint),
        reproduction_section(files),
    ]
    return Page(files.title, summary_line(files), tuple(sections))


def _evaluation_sections(files: RunFiles, *, faces: bool) -> list[Section]:
    """What needs figures, and further what needs scores."""
    result, pairs = files.result, files.pairs
    if result is None:
        return []
    sections = [operating_points_section(result)]
    if files.slices is not None:
        sections.append(slices_section(files.slices))
    if pairs is None or not len(pairs):
        return sections
    images, why_not = _images(files, faces=faces)
    shower = PairShower(pairs, images)
    sections.insert(0, scores_section(result, pairs, images, files.baselines))
    if result.threshold is not None:
        sections.append(errors_section(shower, result.threshold, files.calibration))
    if images is not None:
        sections.append(label_noise_section(shower, images))
    else:
        told = f"Faces, intervals on curves and suspected labels need the images: {why_not}"
        sections.append(Section("images", "Images", (Text(told, "note"),)))
    return sections


def _images(files: RunFiles, *, faces: bool) -> tuple[EvaluatedImages | None, str]:
    """The images of the scored pairs, or why there are none: data may have moved since."""
    if files.pairs is None:
        return None, "no scores were kept"
    try:
        return load_images(files, files.pairs, with_pictures=faces), ""
    except FacesimError as error:
        return None, str(error)
