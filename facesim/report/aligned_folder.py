"""Aligning a folder of photographs: crops, and a CSV file of the faces."""

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo
from pydantic import Field

from facesim.alignment.aligner import Face
from facesim.alignment.alignment import Acquisition, Alignment, NoFaceError
from facesim.alignment.template import TEMPLATES
from facesim.arrays import FloatArray
from facesim.atomic import replacing, write_text
from facesim.csv_cells import guarded
from facesim.data.decoding import FORMATS
from facesim.data.image_digests import TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.data.tables import build_table
from facesim.errors import DataError, FacesimError
from facesim.experiment.sections import Image
from facesim.folders import make_folder
from facesim.interfaces import FaceTable
from facesim.json_files import JsonModel, read_json, write_json
from facesim.model.face_finder import FaceFinder, FoundFaces
from facesim.reporters import Reporter

CROPS = "images"
FACES_CSV = "faces.csv"
_BEGUN = "aligned.json"

_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
COLUMNS = (
    *("file", "outcome", "faces", "crop", "confidence", "left", "top", "right", "bottom"),
    *(f"{point}_{axis}" for point in _POINTS for axis in "xy"),
)

_MARK = "facesim"
"""The text chunk of a crop that says what it was made of."""

_THREADS = 8


class _Begun(JsonModel):
    """What a folder of crops is of, so that one folder holds the crops of one call's settings."""

    folder: str = Field(description="of the photographs")
    image: str = Field(description="the settings, as thresholds depend on them: JSON")

    @property
    def settings(self) -> dict[str, str]:
        """Each setting by the name that a person writes, as text."""
        image = json.loads(self.image)
        alignment = {**image.pop("alignment")}
        aligner = {f"aligner.{name}": value for name, value in alignment.pop("aligner").items()}
        files = {"fingerprint of the aligner's files": alignment.pop("fingerprint")}
        every = {**image, **aligner, **alignment, **files}
        return {name: "unset" if each is None else str(each) for name, each in every.items()}


@dataclass(frozen=True, eq=False)
class AlignedPhotograph:
    """What became of a photograph.

    Attributes:
        file: relative to the folder of photographs.
        acquisition: what it held; None if it cannot be used.
        faces: all that were found.
        face: the one that was cut out, or None.
        placement: where its crop lies, see :meth:`Template.place`; None if it has none.
        crop: its file relative to the folder of results, or None.
        problem: why it has no crop; empty if it has one.
    """

    file: str
    acquisition: Acquisition | None
    faces: tuple[Face, ...] = ()
    face: Face | None = None
    placement: FloatArray | None = None
    crop: str | None = None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class AlignedFolder:
    """What :func:`align_folder` did.

    Attributes:
        folder: of the photographs.
        out: of the results.
        photographs: one each, sorted by file.
        fresh: how many of the crops were made this time.
        notes: what was left out or is unusual, one sentence each.
    """

    folder: Path
    out: Path
    photographs: tuple[AlignedPhotograph, ...]
    fresh: int
    notes: tuple[str, ...]

    def count(self, acquisition: Acquisition | None) -> int:
        """How many photographs held this; None counts those that cannot be used."""
        return sum(each.acquisition is acquisition for each in self.photographs)

    @property
    def crops(self) -> int:
        """How many photographs have a crop."""
        return sum(each.crop is not None for each in self.photographs)


def align_folder(folder: Path, out: Path, image: Image, reporter: Reporter) -> AlignedFolder:
    """Cut a face out of each photograph in a folder and below it.

    Crops are PNG files in ``images/`` at their photographs' paths, and ``faces.csv`` has a row per
    photograph, which the aligner ``landmarks`` can read. Interrupted, it goes on where it was: what
    was found is kept, and a crop that was made of the same photograph stays. One whose photograph
    has gone, or has no crop any more, is removed.

    Args:
        folder: of the photographs.
        out: of the results; made if it is not there.
        image: names aligner, template and size, which is the template's own by default; a
            photograph without a face has no crop.
        reporter: shows the progress.

    Raises:
        DataError: there is no photograph, or one or a folder of them cannot be read.
        FacesimError: ``out`` is in the folder, holds something else or crops that were made with
            other settings, or cannot be written.
    """
    settings: dict[str, Any] = {"no_face": "skip"}
    if "size" not in image.model_fields_set and isinstance(image.template, str):
        settings["size"] = TEMPLATES[image.template].size
    preprocessing = Preprocessing.of(image.model_copy(update=settings))
    alignment = preprocessing.alignment
    if alignment is None or image.aligner is None:
        raise FacesimError("an aligner is needed, which finds the faces")
    table = _photographs(folder)
    _begin(folder, out, preprocessing)
    digests = TableDigests(table)
    failures: dict[int, DataError] = {}
    finder = FaceFinder(image.aligner, alignment.aligner)
    found = finder.find(digests, "the photographs", reporter, failures)
    crops = _crop_names(table.files.tolist())
    photographs = [
        AlignedPhotograph(str(table.files[row]), None, problem=_reason(failures[row], table, row))
        if row in failures
        else _chosen(str(table.files[row]), alignment, found[row], preprocessing.size, crops[row])
        for row in range(len(table))
    ]
    fresh = _write_crops(photographs, digests, preprocessing, out, reporter)
    path = out / FACES_CSV
    try:
        write_text(path, _as_csv(photographs))
    except OSError as error:
        raise FacesimError(f"{path}: cannot be written: {error.strerror}") from None
    removed = _remove_stale(photographs, out)
    notes = [*table.notes, *(f"Crops of before: {n:,} are removed." for n in [removed] if n)]
    return AlignedFolder(folder, out, tuple(photographs), fresh, tuple(notes))


def _photographs(folder: Path) -> FaceTable:
    """The photographs in a folder and below it, sorted; hidden files and folders apart.

    Raises:
        DataError: there is none, or a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(
            f"{error.filename}: cannot be read: {error.strerror}; make it readable, or move it"
        )

    extensions = {
        extension
        for extension, kind in PillowImage.registered_extensions().items()
        if kind in FORMATS
    }
    files: list[str] = []
    others: list[str] = []
    dangling: list[str] = []
    for path, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(path).relative_to(folder)
        for name in names:
            if not (Path(path) / name).exists():
                dangling.append((inside / name).as_posix())
            elif not name.startswith("."):
                photograph = Path(name).suffix.lower() in extensions
                (files if photograph else others).append((inside / name).as_posix())
    if not files:
        raise DataError(
            f"{folder}: there is no photograph in it; facesim reads {', '.join(FORMATS)}"
        )
    notes = [
        f"Files of other kinds: {len(others):,} are left out (the first: {min(others)})."
        for _ in others[:1]
    ]
    notes += [
        f"Links that lead nowhere: {len(dangling):,} are left out (the first: {min(dangling)})."
        for _ in dangling[:1]
    ]
    nobody = np.array(["photograph"] * len(files), dtype=object)
    listed = np.array(sorted(files), dtype=object)
    return build_table(folder, listed, nobody, notes=tuple(notes))


def _begin(folder: Path, out: Path, preprocessing: Preprocessing) -> None:
    """Make the folder of results, or see that it is one of these photographs.

    Raises:
        FacesimError: it is in the folder of photographs, holds something else or crops that were
            made with other settings, or cannot be made.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise FacesimError(
            f"{out}: it is in the folder of photographs, and its crops would be taken for some; "
            "name a folder beside it"
        )
    begun = _Begun(folder=str(folder.resolve()), image=preprocessing.provenance)
    remedy = "name another folder"
    earlier = read_json(out / _BEGUN, _Begun, remedy=remedy)
    holds_results = any((out / name).exists() for name in (CROPS, FACES_CSV))
    if earlier is None and holds_results:
        raise FacesimError(f"{out}: it holds files of something else; {remedy}")
    if earlier is not None and earlier.folder != begun.folder:
        raise FacesimError(f"{out}: it holds the crops of {earlier.folder}; {remedy}")
    if earlier is not None and holds_results and earlier.image != begun.image:
        there, here = earlier.settings, begun.settings
        differ = [
            f"{name} {there.get(name, 'unset')} instead of {here.get(name, 'unset')}"
            for name in {**there, **here}
            if there.get(name) != here.get(name)
        ]
        raise FacesimError(
            f"{out}: its crops were made with {', and '.join(differ) or 'other settings'}. Name "
            "another folder, or delete this one to make its crops again"
        )
    try:
        make_folder(out)
        write_json(out / _BEGUN, begun)
    except OSError as error:
        raise FacesimError(f"{out}: cannot be written: {error.strerror}") from None


def _reason(error: DataError, table: FaceTable, row: int) -> str:
    """An error without the path of the photograph, beside which it is shown."""
    return str(error).removeprefix(f"{table.path(row)}: ")


def _crop_names(files: Sequence[str]) -> list[str]:
    """The crop of each photograph, ``ann/1.jpg`` -> ``images/ann/1.png``.

    Where that would be one file for two, also if capital letters do not count, the whole name is
    kept: ``images/ann/1.jpg.png``.

    Raises:
        FacesimError: two would be the same even so.
    """
    short = [f"{CROPS}/{PurePosixPath(file).with_suffix('.png')}" for file in files]
    taken = Counter(name.lower() for name in short)
    names = [
        name if taken[name.lower()] == 1 else f"{CROPS}/{file}.png"
        for file, name in zip(files, short, strict=True)
    ]
    again = Counter(name.lower() for name in names)
    for file, name in zip(files, names, strict=True):
        if again[name.lower()] > 1:
            raise FacesimError(f"{file}: another photograph's crop has the same name; rename it")
    return names


def _chosen(
    file: str, alignment: Alignment, found: FoundFaces, size: tuple[int, int], crop: str
) -> AlignedPhotograph:
    try:
        placed = alignment.choose(found.faces, found.size, size)
    except NoFaceError as error:
        return AlignedPhotograph(file, Acquisition.SEVERAL, found.faces, problem=str(error))
    except DataError as error:
        return AlignedPhotograph(file, None, found.faces, problem=str(error))
    if placed.placement is None:
        return AlignedPhotograph(
            file, placed.acquisition, found.faces, problem=f"it holds {placed.acquisition}"
        )
    return AlignedPhotograph(
        file, placed.acquisition, found.faces, placed.face, placed.placement, crop
    )


def _write_crops(
    photographs: list[AlignedPhotograph],
    images: TableDigests,
    preprocessing: Preprocessing,
    out: Path,
    reporter: Reporter,
) -> int:
    """Write the crops that are not there yet, and say how many these were.

    A photograph that cannot be cropped after all, as one that was changed meanwhile, becomes one
    with a problem.

    Raises:
        FacesimError: a crop cannot be written.
    """
    rows = [row for row, each in enumerate(photographs) if each.crop is not None]
    digests = images.get()

    def write(row: int) -> bool | DataError:
        photograph = photographs[row]
        placement = photograph.placement
        if photograph.crop is None or placement is None:
            return False
        path = out / photograph.crop
        made_of = (digests[row].tobytes(), placement.astype("<f8").tobytes(), key)
        mark = hashlib.blake2b(b"".join(made_of), digest_size=16).hexdigest()
        if _mark_of(path) == mark:
            return False
        try:
            pixels = preprocessing.decode(images.table.path(row), placement)
        except DataError as error:
            return error
        text = PngInfo()
        text.add_text(_MARK, mark)
        try:
            make_folder(path.parent)
            with replacing(path) as file:
                PillowImage.fromarray(pixels).save(file, "PNG", pnginfo=text)
        except OSError as error:
            raise FacesimError(f"{path}: cannot be written: {error.strerror}") from None
        return True

    key = preprocessing.cache_key.encode()
    fresh = 0
    with (
        reporter.task("cutting the faces out", len(rows)) as advance,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        for row, written in zip(rows, pool.map(write, rows), strict=True):
            if isinstance(written, DataError):
                problem = _reason(written, images.table, row)
                photographs[row] = AlignedPhotograph(photographs[row].file, None, problem=problem)
            else:
                fresh += written
            advance()
    return fresh


def _remove_stale(photographs: Sequence[AlignedPhotograph], out: Path) -> int:
    """Remove the crops that are in no row any more, and folders that are empty without them.

    Raises:
        FacesimError: one cannot be removed.
    """
    # By identity: where capital letters do not count, a file may have another name than is listed.
    listed = {_identity(out / each.crop) for each in photographs if each.crop is not None}
    crops = [path for path in (out / CROPS).rglob("*.png") if _identity(path) not in listed]
    stale = [path for path in crops if _mark_of(path) is not None]
    for path in stale:
        try:
            path.unlink()
        except OSError as error:
            raise FacesimError(f"{path}: cannot be removed: {error.strerror}") from None
        with suppress(OSError):  # the first that is not empty
            for folder in path.relative_to(out / CROPS).parents[:-1]:
                (out / CROPS / folder).rmdir()
    return len(stale)


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _mark_of(path: Path) -> str | None:
    """What a crop says that it was made of; None if there is none, or something else."""
    try:
        with PillowImage.open(path, formats=("PNG",)) as image:
            mark = image.info.get(_MARK)
            image.verify()  # the checksums: a disk may have lost the rest
    except Exception:  # noqa: BLE001  Pillow raises whatever damaged bytes lead it to
        return None
    return mark if isinstance(mark, str) else None


def _as_csv(photographs: Sequence[AlignedPhotograph]) -> str:
    """A row per photograph; coordinates in pixels, (0, 0) is the centre of the top left one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in photographs:
        outcome = "unusable" if each.acquisition is None else str(each.acquisition)
        cells = [guarded(each.file), outcome, str(len(each.faces)), guarded(each.crop or "")]
        if each.face is None:
            writer.writerow([*cells, *[""] * (len(COLUMNS) - len(cells))])
            continue
        numbers = (each.face.confidence, *each.face.box, *each.face.landmarks.flatten())
        writer.writerow([*cells, *("" if np.isnan(n) else f"{n:.3f}" for n in numbers)])
    return text.getvalue()
