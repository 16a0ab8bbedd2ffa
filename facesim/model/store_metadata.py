"""What a store of features is of, for people; its folder's name is the key that decides."""

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from facesim.atomic import write_text
from facesim.data.decoding import decoder_versions
from facesim.model.trunk_key import TrunkRecipe

log = logging.getLogger(__name__)

FILE = "store.json"


@dataclass(frozen=True)
class StoreDescription:
    """What `facesim cache list` says of a store.

    Attributes:
        backbone: its name in the experiment.
        row_shape: of one image's features on disk.
        dtype: of the features.
        view: plain, or flipped left to right.
        precision: in which the trunk computes.
        size: (height, width) of the pixels.
        crop: (left, top, width, height) in the picture, or None.
        decoder: the libraries that decoded.
        created: ISO 8601.
    """

    backbone: str
    row_shape: tuple[int, ...]
    dtype: Literal["float16", "float32"]
    view: Literal["plain", "flipped"]
    precision: Literal["float32", "bfloat16"]
    size: tuple[int, int]
    crop: tuple[int, int, int, int] | None
    decoder: str
    created: str

    @classmethod
    def of(
        cls, backbone: str, row_shape: tuple[int, ...], recipe: TrunkRecipe
    ) -> "StoreDescription":
        """The description of a store that is made now."""
        return cls(
            backbone=backbone,
            row_shape=row_shape,
            dtype=recipe.dtype,
            view="flipped" if recipe.flipped else "plain",
            precision=recipe.precision,
            size=recipe.preprocessing.size,
            crop=recipe.preprocessing.crop,
            decoder=decoder_versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @classmethod
    def read(cls, folder: Path) -> "StoreDescription | None":
        """The description of the store in a folder, or None, with a warning, if it is damaged."""
        file = folder / FILE
        try:
            return _ADAPTER.validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("%s: says not what the store is of: %s", file, error)
            return None

    def mark_used(self, folder: Path) -> None:
        """Note that the store is used now; write the description where there is none."""
        file = folder / FILE
        try:
            os.utime(file)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(file, _ADAPTER.dump_json(self, indent=2).decode() + "\n")


def is_described(folder: Path) -> bool:
    """Whether a folder holds the description of a store."""
    return (folder / FILE).is_file()


_ADAPTER = TypeAdapter(StoreDescription)
