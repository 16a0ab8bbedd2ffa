"""Preprocessing of a pack: from its settings, as ``pack.json`` has them, without torch."""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from pkgutil import iter_modules
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, JsonValue, TypeAdapter, ValidationError

from facesim.alignment.aligner import Aligner, aligners
from facesim.alignment.alignment import Alignment, NoFace, SeveralFaces
from facesim.alignment.fit import Fit
from facesim.alignment.template import TEMPLATES
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.json_files import JsonModel
from facesim.registry import Spec
from facesim.verifier.pack_file import PACK_FILE
from facesim.verifier.pack_folder import PackFolder

_ENTRY_POINTS = "facesim.plugins"
_OURS = "facesim"
_MOST_PIXELS = 10**6

Side = Annotated[int, Field(ge=1, le=4096)]
Extent = Annotated[int, Field(ge=1, le=_MOST_PIXELS)]
Offset = Annotated[int, Field(ge=0, le=_MOST_PIXELS)]
Position = Annotated[float, Field(ge=-(2**20), le=2**20)]
Points = Annotated[tuple[tuple[Position, Position], ...], Field(min_length=5, max_length=5)]


class AlignmentSettings(JsonModel):
    """The settings of an :class:`Alignment`.

    Attributes:
        aligner: its name, or its name and parameters.
        template: of a built-in one, the name; or five points.
        no_face: as of :class:`Alignment`.
        several_faces: as there.
        min_confidence: as there.
        fingerprint: of the aligner's files, where it was packed.
    """

    aligner: str | dict[str, JsonValue]
    template: str | Points
    no_face: NoFace
    several_faces: SeveralFaces
    min_confidence: FiniteFloat | None = None
    fingerprint: str = ""


class ImageSettings(JsonModel):
    """The settings of a :class:`Preprocessing`.

    Attributes:
        size: as there.
        crop: as there.
        fit: as there; packs of before there was a choice do not say it.
        alignment: None where images are faces already.
    """

    size: tuple[Side, Side]
    crop: tuple[Offset, Offset, Extent, Extent] | None = None
    fit: Fit = "stretch"
    alignment: AlignmentSettings | None = None


def preprocessing_of(pack: PackFolder) -> Preprocessing:
    """How a pack turns photographs into pixels.

    An image without a face is not judged, whatever was done with such images in training.

    Raises:
        DataError: the settings are none of this version, or the aligner is not the one that the
            pack was measured with.
        FacesimError: the aligner is not installed.
    """
    place = pack.folder / PACK_FILE
    settings = _settings(pack, place)
    if settings.size != pack.file.network.image_size:
        raise DataError(f"{place}: image.size is not the image_size of the network")
    found = settings.alignment
    alignment = None if found is None else _alignment(pack, found, place)
    if alignment is not None and settings.fit != "stretch":
        raise DataError(f"{place}: image.fit: an aligner cuts the face out")
    return Preprocessing(settings.size, settings.crop, settings.fit, alignment)


def _alignment(pack: PackFolder, found: AlignmentSettings, place: Path) -> Alignment:
    if isinstance(found.template, str) and found.template not in TEMPLATES:
        raise DataError(
            f"{place}: image.alignment.template: {found.template[:50]!r} is none of "
            f"{', '.join(TEMPLATES)}"
        )
    aligner, node = _aligner(pack, found.aligner)
    if aligner.fingerprint != found.fingerprint:
        raise DataError(
            f"{place}: its thresholds were measured with other files of the aligner than those "
            "that are installed here; install the versions that the pack's README names"
        )
    return Alignment(
        aligner,
        json.dumps(node, sort_keys=True),
        found.template,
        "error",
        found.several_faces,
        found.min_confidence,
    )


def _settings(pack: PackFolder, place: Path) -> ImageSettings:
    try:
        return TypeAdapter(ImageSettings).validate_python(pack.file.image)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("image", *first["loc"])))
        raise DataError(f"{place}: {where[:200]}: {first['msg'][:500]}") from None


def _aligner(pack: PackFolder, node: str | Mapping[str, Any]) -> tuple[Aligner, dict[str, Any]]:
    """Build the aligner; returns its name and parameters, too."""
    parameters = {"name": node} if isinstance(node, str) else dict(node)
    name = parameters.get("name")
    place = pack.folder / PACK_FILE
    if not isinstance(name, str):
        raise DataError(f"{place}: image.alignment.aligner: it has no name")
    inside = {
        key: _inside(pack, value) if key != "name" else value for key, value in parameters.items()
    }
    _import_aligners(name)
    try:
        spec: Spec[Aligner] = TypeAdapter(Annotated[Spec[Aligner], aligners]).validate_python(
            inside
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("image.alignment.aligner", *first["loc"])))
        raise DataError(f"{place}: {where[:200]}: {first['msg'][:500]}") from None
    for key, value in spec.arguments.items():
        if isinstance(value, Path) and key in parameters and parameters[key] not in pack.file.files:
            named = f"image.alignment.aligner.{key}: {value.name[:100]!r}"
            raise DataError(f"{place}: {named} is no file of the pack")
    aligner = spec.build()
    if not aligner.content_only:
        raise DataError(f"{place}: the aligner {name!r} looks faces up by the names of files")
    return aligner, parameters


def _inside(pack: PackFolder, value: JsonValue) -> JsonValue:
    """A parameter of the aligner; the name of a file of the pack becomes its path.

    Raises:
        DataError: it is, or may be, a path that leads out of the pack.
    """
    if not isinstance(value, str):
        if isinstance(value, list | dict):
            raise DataError(f"{pack.folder / PACK_FILE}: a parameter of the aligner is no number")
        return value
    if value in pack.file.files:
        return str(pack.folder / value)
    parts = {*PurePosixPath(value).parts, *PureWindowsPath(value).parts}
    if len(parts) > 1 or ".." in parts or "/" in value or "\\" in value:
        raise DataError(
            f"{pack.folder / PACK_FILE}: image.alignment.aligner: {value[:100]!r} is a path, and "
            "not a file of the pack"
        )
    return value


def _import_aligners(name: str) -> None:
    """Import facesim's own aligners up to the one of this name; all plugins for any other.

    Its own need no torch; one that needs another package is not in the way of the others.

    Raises:
        FacesimError: it is none of those that can be imported here.
    """
    reasons = []
    for module in _modules_of_aligners():
        if name in aligners.names():
            return
        try:
            import_module(module)
        except ImportError as error:
            reasons.append(f"{module}: {error}")
    if name in aligners.names():
        return
    try:
        discovery = import_module("facesim.discovery")
    except ImportError as error:
        reasons.append(f"other distributions' need torch to be found: {error}")
        raise FacesimError(
            f"the pack's aligner {name[:50]!r} is none that is found here ({'; '.join(reasons)})"
        ) from error
    discovery.load_installed_plugins()


def _modules_of_aligners() -> Iterator[str]:
    """The modules of facesim's own aligners, by its entry point."""
    for entry_point in metadata.entry_points(group=_ENTRY_POINTS):
        if entry_point.dist is not None and entry_point.dist.name == _OURS:
            package = f"{entry_point.value}.aligners"
            if find_spec(package) is not None:
                for module in iter_modules(import_module(package).__path__, f"{package}."):
                    yield module.name
