"""The contact sheet of an aligned folder: what was found in its photographs, and what failed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from facesim.alignment.alignment import Acquisition
from facesim.atomic import write_text
from facesim.data.decoding import decode_upright
from facesim.errors import DataError, FacesimError
from facesim.page import Block, Card, Cards, Face, FacePair, Gallery, Page, Section, Text
from facesim.report.aligned_folder import FACES_CSV, AlignedFolder, AlignedPhotograph
from facesim.report.face_pairs import LONGEST_SIDE, as_data_uri
from facesim.report.formatting import number, percent
from facesim.report.rendering import render

CONTACT_SHEET = "faces.html"

MOST_SHOWN = 120
"""Photographs per section."""

_CHOSEN, _OTHER = "#22c55e", "#f59e0b"


def write_contact_sheet(aligned: AlignedFolder) -> Path:
    """Write ``faces.html`` into the folder of results, and return its path.

    Raises:
        FacesimError: it cannot be written.
    """
    path = aligned.out / CONTACT_SHEET
    try:
        write_text(path, render(contact_sheet(aligned)))
    except OSError as error:
        raise FacesimError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def contact_sheet(aligned: AlignedFolder) -> Page:
    """The page: failures first, then what a person should look at, the least certain first."""
    photographs = aligned.photographs
    failed = [each for each in photographs if each.crop is None]
    several = [
        each
        for each in photographs
        if each.crop is not None and each.acquisition is Acquisition.SEVERAL
    ]
    single = [each for each in photographs if each.acquisition is Acquisition.FACE]
    single.sort(key=lambda each: each.face.confidence if each.face else 0.0)
    sections = [
        Section("summary", "Summary", tuple(_summary(aligned))),
        *_section(aligned, "failed", "Without a crop", failed, "They have no file in images/."),
        *_section(
            aligned,
            "several",
            "Several faces",
            several,
            "The face in the green frame was cut out, those in the other frames were not.",
        ),
        *_section(
            aligned, "single", "One face", single, "Those with the lowest confidence come first."
        ),
    ]
    title = f"{aligned.folder.name}: {aligned.crops:,} of {len(photographs):,} photographs aligned"
    subtitle = f"Boxes and landmarks of all of them are in {FACES_CSV}."
    return Page(title, subtitle, tuple(sections))


def _summary(aligned: AlignedFolder) -> Iterator[Block]:
    total = len(aligned.photographs)
    labels = {
        Acquisition.FACE: "One face",
        Acquisition.SEVERAL: "Several faces",
        Acquisition.UNSURE: "Low confidence only",
        Acquisition.NONE: "No face",
        None: "Unusable",
    }
    yield Cards(
        tuple(
            Card(label, f"{aligned.count(each):,}", f"{percent(aligned.count(each) / total)}")
            for each, label in labels.items()
        )
    )
    yield from (Text(note, "note") for note in aligned.notes)


def _section(
    aligned: AlignedFolder,
    name: str,
    title: str,
    photographs: Sequence[AlignedPhotograph],
    said: str,
) -> list[Section]:
    """A section, unless it would be empty."""
    if not photographs:
        return []
    shown = photographs[:MOST_SHOWN]
    if len(shown) < len(photographs):
        said = f"{said} {len(shown)} of {len(photographs):,} are shown."
    pairs = tuple(_shown(aligned, each) for each in shown)
    return [Section(name, title, (Text(said), Gallery("Photographs", pairs)))]


def _shown(aligned: AlignedFolder, photograph: AlignedPhotograph) -> FacePair:
    whole = Face(photograph.file, _photograph(aligned.folder / photograph.file, photograph))
    if photograph.crop is None or photograph.face is None:
        return FacePair((whole,), (photograph.problem,))
    crop = Face("crop", _crop(aligned.out / photograph.crop))
    return FacePair((whole, crop), (f"confidence {number(photograph.face.confidence)}",))


def _photograph(path: Path, photograph: AlignedPhotograph) -> str | None:
    """The photograph with frames around its faces; None if it cannot be decoded."""
    try:
        image = decode_upright(path)
    except DataError:
        return None
    scale = min(1.0, 2 * LONGEST_SIDE / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height))
    draw = ImageDraw.Draw(small)
    for face in photograph.faces:
        colour = _CHOSEN if face is photograph.face else _OTHER
        draw.rectangle([scale * (edge + 0.5) for edge in face.box], outline=colour, width=2)
        for x, y in (face.landmarks + 0.5) * scale:
            if x == x:  # not NaN
                draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
    return as_data_uri(small)


def _crop(path: Path) -> str | None:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            small = image.convert("RGB")
    except OSError:
        return None
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return as_data_uri(small)
