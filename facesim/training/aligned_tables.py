"""Aligning a table: the place of each face in its photograph, and the photographs without one."""

from dataclasses import replace

import numpy as np

from facesim.alignment.alignment import Acquisition, Alignment, NoFaceError
from facesim.arrays import FloatArray
from facesim.data.image_digests import TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.data.tables import keep_rows
from facesim.errors import DataError
from facesim.experiment.sections import Image
from facesim.interfaces import FaceTable
from facesim.interfaces.tables import AcquisitionCounts
from facesim.model.face_finder import FaceFinder, FoundFaces
from facesim.reporters import Reporter


def align_table(images: TableDigests, image: Image, name: str, reporter: Reporter) -> TableDigests:
    """A table with the place of each face, without the photographs that are left out.

    Args:
        images: of a split.
        image: names the aligner; a section without one leaves the table as it is.
        name: of the split, for the progress and for errors.
        reporter: shows the progress while faces are searched for.

    Raises:
        NoFaceError: photographs have no face, or several, where the experiment does not allow it.
        DataError: a photograph cannot be used.
    """
    alignment = Preprocessing.of(image).alignment
    if alignment is None or image.aligner is None:
        return images
    found = FaceFinder(image.aligner, alignment.aligner).find(images, name, reporter)
    table = images.table
    placements, acquisitions = _placed(table, found, alignment, image.size)
    kept = np.flatnonzero([placement is not None for placement in placements])
    least = image.min_confidence
    sure = "" if least is None else f" with a confidence of {least:g} or more"
    if not len(kept):
        raise DataError(
            f"aligner {image.aligner.name!r} found no face{sure} in any of {len(table):,}"
        )
    table = _counted(table, image, acquisitions)
    if len(kept) < len(table):
        left_out = next(row for row, each in enumerate(placements) if each is None)
        note = (
            f"Left out by image.no_face: {len(table) - len(kept):,} of {len(table):,} images, in "
            f"which aligner {image.aligner.name!r} found no face{sure} (the first: "
            f"{table.files[left_out]})."
        )
        table = keep_rows(table, kept, note)
    there = [placement for placement in placements if placement is not None]
    return TableDigests(replace(table, placements=np.stack(there)))


def _placed(
    table: FaceTable, found: list[FoundFaces], alignment: Alignment, size: tuple[int, int]
) -> tuple[list[FloatArray | None], list[Acquisition]]:
    """The placement of each row, None where it is left out; and what its photograph held."""
    placements: list[FloatArray | None] = []
    acquisitions: list[Acquisition] = []
    refused: list[str] = []
    for row, (faces, of) in enumerate(found):
        try:
            placed = alignment.choose(faces, of, size)
        except NoFaceError as error:
            refused.append(f"{table.path(row)}: {error}")
            continue
        except DataError as error:
            raise DataError(f"{table.path(row)}: {error}") from None
        placements.append(placed.placement)
        acquisitions.append(placed.acquisition)
    if refused:
        raise NoFaceError(
            f"{refused[0]}; {len(refused):,} of {len(table):,} images are like that. Write "
            "`image: {no_face: skip}` or `centre_crop` for images without a face, and "
            "`several_faces: largest` or `most_central` for those with several"
        )
    return placements, acquisitions


def _counted(table: FaceTable, image: Image, acquisitions: list[Acquisition]) -> FaceTable:
    """The table with what became of its photographs, in numbers and in words."""
    counts = {each: acquisitions.count(each) for each in Acquisition}
    failed = np.isin(acquisitions, [Acquisition.UNSURE, Acquisition.NONE])
    people = len(table.labels)
    centred = image.no_face == "centre_crop"
    acquired = AcquisitionCounts(
        counts,
        np.bincount(table.identities, minlength=people),
        np.bincount(table.identities[failed], minlength=people),
        left_out=not centred,
    )
    of = f"of {len(table):,} images"
    notes = {
        Acquisition.SEVERAL: f"the {image.several_faces.replace('_', ' ')} of several faces is "
        f"used in {counts[Acquisition.SEVERAL]:,} {of}",
        Acquisition.UNSURE: f"{counts[Acquisition.UNSURE]:,} {of} hold only faces whose confidence "
        f"is below {image.min_confidence}",
        Acquisition.NONE: f"{counts[Acquisition.NONE]:,} {of} hold no face that was found",
    }
    said = [f"Alignment: {text}." for each, text in notes.items() if counts[each]]
    if centred and counts[Acquisition.UNSURE] + counts[Acquisition.NONE]:
        said.append("Alignment: of images without a face, the centre is used.")
    return replace(table, acquisition=acquired, notes=(*table.notes, *said))
