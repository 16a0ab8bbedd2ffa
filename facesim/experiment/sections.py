"""The sections of an experiment file: data, image, train, evaluate."""

import math
import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from facesim import interfaces
from facesim.alignment.aligner import Aligner
from facesim.alignment.alignment import NoFace, SeveralFaces
from facesim.alignment.fit import Fit
from facesim.console import printable
from facesim.errors import FacesimError
from facesim.experiment.exclusion import SPLITS
from facesim.interfaces import FaceTable, Metric, Protocol
from facesim.interfaces.kinds import standard_metrics
from facesim.plugin_failures import describe_failure, reason_of
from facesim.registry import READ_ONLY, Spec

Rule = Literal[
    "identity_in_two_splits",
    "image_in_two_splits",
    "near_image_in_two_splits",
    "image_twice",
    "image_under_two_labels",
    "blank_image",
    "threshold_from_same_images",
    "tested_before",
    "unread_split",
    "same_numbers",
    "label_spelling",
    "copies_compared",
    "split_differs",
    "one_kind_of_pair",
    "too_few_genuine",
    "pair_shortcut",
    "pair_hint",
    "wrong_labels",
    "one_person_two_labels",
    "twin_images",
    "self_pair",
    "duplicate_pair",
    "contradictory_pair",
    "identity_in_two_folds",
    "too_few_impostors",
    "dominant_identity",
    "magnified",
    "squeezed",
    "unaligned",
]
"""The rules of the protocol linter."""

Severity = Literal["error", "warning", "off"]
"""Of a broken rule: an error stops a run, a warning goes into the report."""

Dataset = Annotated[Spec[FaceTable], interfaces.datasets]
Positive = Annotated[int, Field(gt=0)]
Pixels = Annotated[int, Field(ge=0, le=2**20)]
Extent = Annotated[int, Field(gt=0, le=2**20)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A part of an experiment file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Excluded(Section):
    """Images that are left out of the splits, by the paths that the tables have.

    An experiment file may name an exclusion file instead, whose rows loading puts here, so that the
    resolved experiment holds them.
    """

    file: Path | None = Field(default=None, description="the exclusion file that they are from")
    train: tuple[str, ...] = Field(default=(), description="images of train")
    val: tuple[str, ...] = Field(default=(), description="images of val")
    test: tuple[str, ...] = Field(default=(), description="images of test")
    anywhere: tuple[str, ...] = Field(
        default=(), description="images of whichever split holds them"
    )

    @model_validator(mode="after")
    def _excludes_something(self) -> "Excluded":
        if not (self.train or self.val or self.test or self.anywhere):
            raise ValueError("lists no image; name an exclusion file, or images under train or val")
        return self

    @field_serializer("file")
    def _absolute(self, path: Path | None) -> str | None:
        return None if path is None else str(path.absolute())


def _or_a_file(schema: dict[str, Any]) -> None:
    schema["anyOf"].append({"type": "string"})


MOST_FOLDS = 1000


class IdentitySplit(Section):
    """Identity-disjoint train, val and test splits of one table of people."""

    ratios: tuple[Share, Share, Share] = Field(
        default=(0.7, 0.1, 0.2), description="shares of the identities for train, val and test"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="decides who is in which split")
    stratify: tuple[str, ...] = Field(
        default=(),
        description="attribute columns whose values are spread over the splits in proportion, as "
        "the number of images per identity always is",
    )
    folds: int | None = Field(
        default=None,
        ge=3,
        le=MOST_FOLDS,
        description="parts of the people, each tested by a network of its own, in place of "
        "ratios; what a protocol with folds says, and filled in from there",
    )
    fold: int | None = Field(
        default=None,
        ge=1,
        description="train one network, tested on this fold, with the next one as val and all "
        "others as train; by default one after another is trained and tested",
    )

    @field_validator("ratios")
    @classmethod
    def _sum_to_one(cls, ratios: tuple[float, float, float]) -> tuple[float, float, float]:
        if not math.isclose(sum(ratios), 1, abs_tol=1e-6):
            raise ValueError(
                f"the shares of train, val and test sum to {sum(ratios):g}, not to 1; write for "
                "instance [0.7, 0.1, 0.2]"
            )
        return ratios

    @model_validator(mode="after")
    def _ratios_or_folds(self) -> "IdentitySplit":
        if self.folds is None and self.fold is not None:
            raise ValueError("`fold` is one of `folds`; write how many there are")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            raise ValueError(f"there is no fold {self.fold} of {self.folds}")
        if self.folds is not None and "ratios" in self.model_fields_set:
            raise ValueError(
                "folds are all of one size, and in each one of them is val and one test; leave "
                "`ratios` out, or write `evaluate: {protocol: pairs}`"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, written: SerializerFunctionWrapHandler) -> Any:
        values: dict[str, Any] = written(self)
        if self.folds is not None:
            values.pop("ratios", None)
        return {
            key: each
            for key, each in values.items()
            if each is not None or key not in ("folds", "fold")
        }


SPLIT_EXAMPLE = "split: {ratios: [0.7, 0.1, 0.2], seed: 0}"
"""The line that divides a source, for messages."""


_WAYS = "either `source` and `split`, or `train`, `val` and `test`"


class Data(Section):
    """The train, val and test splits, which should share no identity: given, or of one source."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"title": "one source", "required": ["source"], "errorMessage": _WAYS},
                {"title": "three splits", "required": [*SPLITS], "errorMessage": _WAYS},
            ]
        }
    )

    source: Dataset | None = Field(
        default=None,
        description="one table of people, divided by `split` or by its own column `split`, in "
        "place of `train`, `val` and `test`",
    )
    split: IdentitySplit | None = Field(
        default=None, description="how the people of `source` are divided"
    )
    train: Dataset | None = Field(
        default=None, validate_default=True, description="images to train on"
    )
    val: Dataset | None = Field(
        default=None,
        validate_default=True,
        description="images that thresholds and the best checkpoint are chosen on; beside "
        "`source`, in place of its part",
    )
    test: Dataset | None = Field(
        default=None,
        validate_default=True,
        description="images of the final results, used for nothing else; beside `source`, in "
        "place of its part",
    )
    exclude: Excluded | None = Field(
        default=None,
        json_schema_extra=_or_a_file,
        description="images to leave out: a CSV file split,file relative to this file, as `facesim "
        "lint --write` makes it, or the images by split",
    )
    workers: int = Field(
        default=2,
        ge=0,
        le=256,
        description="threads that decode images; processes where transforms augment them",
    )

    @field_validator("train", "val", "test")
    @classmethod
    def _given_or_of_a_source(
        cls, dataset: Spec[FaceTable] | None, info: ValidationInfo
    ) -> Spec[FaceTable] | None:
        # A source that is wrong itself is not among the data; one that is left out is, as None.
        if dataset is None and info.data.get("source", info) is None:
            before = SPLITS[: SPLITS.index(str(info.field_name))]
            if any(name not in info.data for name in before):  # told of the first of them
                raise PydanticKnownError("missing")
            raise PydanticCustomError(
                "missing",
                "Where nobody has split the people yet, write them as `source:` in place of "
                "train, val and test, and beside it `{example}`",
                {"example": SPLIT_EXAMPLE},
            )
        return dataset

    @model_validator(mode="after")
    def _divides_a_source(self) -> "Data":
        if self.source is None and self.split is not None:
            raise ValueError(
                "`split` divides a `source`, and there is none; take `split` out, or write "
                "`source:` in place of train, val and test"
            )
        if self.source is not None and self.train is not None:
            raise ValueError(
                "both `source` and `train` say what is trained on; leave one of them out (`null` "
                "where another file has it)"
            )
        if self.split is not None and self.split.folds is not None:
            self._require_nothing_by_split(self.split)
        return self

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, written: SerializerFunctionWrapHandler) -> Any:
        values: dict[str, Any] = written(self)
        ways = ("source", "split", *SPLITS)
        return {key: each for key, each in values.items() if each is not None or key not in ways}

    def _require_nothing_by_split(self, split: IdentitySplit) -> None:
        """Raise if something is said of val or test, which are other people in every fold."""
        if split.fold is None and (self.val is not None or self.test is not None):
            raise ValueError(
                "with folds, val and test are parts of the source; leave `val` and `test` out"
            )
        if self.exclude is not None:
            listed = [name for name in SPLITS if getattr(self.exclude, name)]
            if listed:
                raise ValueError(
                    f"`exclude` lists images of {listed[0]}, and with folds each person is in "
                    "train, val and test in turn; list them under `anywhere`, which is an empty "
                    "column `split` in an exclusion file"
                )

    def dataset_of(self, split: str) -> Spec[FaceTable]:
        """The dataset that holds ``train``, ``val`` or ``test``: its own, or the source."""
        given: Spec[FaceTable] | None = getattr(self, split)
        if given is not None:
            return given
        if self.source is None:
            raise ValueError(f"neither data.{split} nor data.source is given")
        return self.source


Landmark = tuple[float, float]


class Image(Section):
    """Alignment, cropping and resizing of images."""

    size: tuple[Positive, Positive] = Field(
        default=(218, 178), description="height and width in pixels of the network's input"
    )
    crop: tuple[Pixels, Pixels, Extent, Extent] | None = Field(
        default=None, description="left, top, width and height in pixels of the file's image"
    )
    fit: Fit = Field(
        default="letterbox",
        description="how images of another aspect ratio reach `size`: `letterbox` shows the whole "
        "image between black bars, `crop` fills the size with the middle of the image, `stretch` "
        "distorts it",
    )
    aligner: Annotated[Spec[Aligner], interfaces.aligners] | None = Field(
        default=None, description="finds the faces of raw photographs; null uses images as they are"
    )
    template: Literal["celeba", "arcface", "dlib"] | tuple[Landmark, ...] | None = Field(
        default=None,
        description="where the landmarks lie in an aligned face: a built-in template, scaled to "
        "`size`, or x and y of five points in pixels of `size`: left eye, right eye, tip of the "
        "nose, left and right corner of the mouth",
    )
    no_face: NoFace = Field(
        default="error", description="what is done with a photograph in which no face is found"
    )
    several_faces: SeveralFaces = Field(
        default="largest", description="which of several faces in a photograph is used"
    )
    min_confidence: float | None = Field(
        default=None, description="detections below it count as no face; in the aligner's own unit"
    )

    @field_validator("size")
    @classmethod
    def _bounded(cls, size: tuple[int, int]) -> tuple[int, int]:
        if max(size) > 4096:
            raise ValueError("at most 4096 pixels per side")
        return size

    @field_validator("template")
    @classmethod
    def _five_points(cls, template: Any) -> Any:
        if isinstance(template, tuple):
            if len(template) != 5:
                raise ValueError(f"a template has five points, not {len(template)}")
            if len(set(template[:2])) < 2:
                raise ValueError("the eyes of a template are at different places")
            if any(abs(each) > 2**20 for point in template for each in point):
                raise ValueError("a point of a template is at most 2**20 pixels away")
        return template

    @model_validator(mode="after")
    def _aligned_or_not(self) -> "Image":
        if self.aligner is None:
            given = self.model_fields_set & _OF_ALIGNMENT
            changed = sorted(key for key in given if getattr(self, key) != _default_of(key))
            if changed:
                raise ValueError(f"{changed[0]} needs an `aligner`, which finds the faces")
        elif self.template is None:
            raise ValueError("an aligner needs a `template`: celeba, arcface, dlib or five points")
        elif self.crop is not None:
            raise ValueError("an aligner cuts the face out; leave `crop` out")
        elif self.fit != _default_of("fit"):
            raise ValueError("an aligner cuts the face out; leave `fit` out")
        return self

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, written: SerializerFunctionWrapHandler) -> Any:
        values: dict[str, Any] = written(self)
        if self.aligner is not None:
            return {key: each for key, each in values.items() if key != "fit"}
        return {key: each for key, each in values.items() if key not in _OF_ALIGNMENT | {"aligner"}}


_OF_ALIGNMENT = {"template", "no_face", "several_faces", "min_confidence"}


def _default_of(key: str) -> Any:
    return Image.model_fields[key].default


_CHECKPOINT_BYTES = 230
"""Of a checkpoint's name: file systems allow 255, a temporary file's ending with it."""

_FORMAT = re.compile(r"(.?[<>=^])?[-+ ]?0?[0-9]{0,2}[,_]?(\.[0-9]{1,2})?[bdoxXeEfFgGns%]?")


def _require_plain_fields(template: str) -> None:
    """Raise ValueError unless all fields of a template are filled in with short texts.

    ``{name.__class__}`` would look into objects, ``{step:>1000000000}`` fill the memory.
    """
    for _, name, form, conversion in Formatter().parse(template):
        if name is not None and (
            name not in ("name", "epoch", "step") or conversion or not _FORMAT.fullmatch(form or "")
        ):
            raise ValueError(f"{{{name}}} is not like {{step}}, {{step:08d}} or {{name}}")


class Train(Section):
    """Training schedule and checkpoints."""

    epochs: int = Field(
        ge=0, le=10**6, description="epochs of the sampler; 0 evaluates the untrained network"
    )
    batch_size: int = Field(
        gt=0, le=10**6, description="pairs or images per batch, by the sampler's own count"
    )
    checkpoint_every: Positive | None = Field(
        default=None, le=10**9, description="also write a checkpoint every this many batches"
    )
    keep_checkpoints: int = Field(
        default=3, ge=0, le=10**6, description="how many of these periodic checkpoints are kept"
    )
    checkpoint_name: str = Field(
        default="step-{step:08d}",
        description="file name of a periodic checkpoint, from {name}, {epoch} and {step}",
    )
    best: str = Field(
        default_factory=lambda: interfaces.metrics.default or "",
        description="the metric on val that decides the best checkpoint",
    )
    log_every: Positive = Field(
        default=10, le=10**9, description="batches between two logged losses"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="auto is bfloat16 autocast on CUDA and float32 elsewhere; bfloat16 on a CPU is "
        "fast where it has AVX512_BF16 or AMX",
    )
    compile: Literal["auto"] | bool = Field(
        default=False,
        description="compile tail and head with torch.compile: a slow start, faster steps; auto "
        "measures whether that pays within the run, and the run keeps it",
    )
    deterministic: bool = Field(
        default=True, description="use deterministic algorithms, so that a resumed run is identical"
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="parts of a batch, each with BatchNorm statistics and random numbers of its "
        "own; a multiple of the number of processes",
    )
    reduce: Literal["ordered", "fast"] = Field(
        default="ordered",
        description="gradients of shards are added up in shard order, the same bits on any number "
        "of processes; or by all_reduce, equal within rounding",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="CPU threads of each process; by default as many as torch takes when the run "
        "begins",
    )

    @field_validator("checkpoint_name")
    @classmethod
    def _formats(cls, template: str) -> str:
        try:
            _require_plain_fields(template)
            first = template.format(name="n", epoch=1, step=1)
            second = template.format(name="n", epoch=1, step=2)
            longest = template.format(name="n" * 100, epoch=10**6, step=10**12)
        except ValueError as error:
            raise ValueError(f"cannot be filled in: {error}; known: name, epoch, step") from None
        if first == second:
            raise ValueError("must contain {step}, or one checkpoint overwrites another")
        if "/" in first or "\\" in first or first in ("last", "best") or first.startswith("."):
            raise ValueError("must be a plain file name other than `last` and `best`")
        if printable(first) != first or {"\n", "\t"} & {*first}:
            raise ValueError("must not hold a control character")
        size = len(longest.encode())
        if size > _CHECKPOINT_BYTES:
            raise ValueError(
                f"may become {size:,} bytes long with a long `name`; {_CHECKPOINT_BYTES} are a "
                "file's most"
            )
        return template


def built_protocol(protocol: Spec[Protocol], info: ValidationInfo) -> Protocol | None:
    """Build a protocol while an experiment is validated; None where it is only read.

    Raises:
        PydanticCustomError: it cannot be built; its text says why.
    """
    if info.context in READ_ONLY or protocol.plugin.is_stand_in:
        return None
    try:
        return protocol.build()
    except FacesimError as error:
        raise _wrong(f"the protocol {protocol.name!r} cannot be built: {error}") from None
    except Exception as error:  # third-party code may raise anything
        told = describe_failure(error) or f"the protocol {protocol.name!r}: {reason_of(error)}"
        raise _wrong(told) from error


def _wrong(told: str) -> PydanticCustomError:
    return PydanticCustomError("facesim_plugin", "{message}", {"message": told})


class Evaluate(Section):
    """How a trained system is evaluated."""

    seed: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description="decides the drawn pairs of val and test, and the resamples; not the "
        "experiment's, so that trainings with different seeds are measured on the same pairs",
    )
    protocol: Annotated[Spec[Protocol], interfaces.protocols] = Field(
        default_factory=lambda: interfaces.protocols.default,
        validate_default=True,
        description="which comparisons are made on test, and how they are measured",
    )
    metrics: tuple[Annotated[Spec[Metric], interfaces.metrics], ...] = Field(
        default_factory=standard_metrics,
        description="metrics, each with an interval; the standard ones by default",
    )
    val_pairs: Path | None = Field(
        default=None,
        description="CSV file1,file2,same[,fold] of the pairs of val; by default the dataset's "
        "own, or drawn ones if it has none",
    )
    test_pairs: Path | None = Field(
        default=None,
        description="the same for test; the column `fold` is for protocols that compare in folds",
    )
    pairs_per_image: float = Field(
        default=1.0, gt=0, le=10**4, description="pairs to draw, per image of a split"
    )
    same_fraction: float = Field(default=0.5, gt=0, lt=1, description="share of genuine pairs")
    batch_size: int = Field(
        default=64, gt=0, le=10**6, description="images per batch when embedding"
    )
    smallest_far: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="the linter warns if there are too few impostor pairs to measure this false "
        "match rate",
    )
    resamples: int = Field(
        default=1000, ge=1000, le=10**6, description="draws for intervals of gaps between slices"
    )
    baselines: bool = Field(
        default=True,
        description="also evaluate chance, raw pixels and the untrained backbone on the same pairs",
    )
    slices: bool | tuple[str, ...] = Field(
        default=True,
        description="error rates by attributes of the test images: all, none, or those named",
    )

    @field_validator("protocol")
    @classmethod
    def _can_be_built(cls, protocol: Spec[Protocol], info: ValidationInfo) -> Spec[Protocol]:
        built = built_protocol(protocol, info)
        folds: object = None if built is None else built.folds
        if folds is not None and not (type(folds) is int and 3 <= folds <= MOST_FOLDS):
            raise _wrong(
                f"the protocol {protocol.name!r} has folds = {folds!r}; wanted is None or a number "
                f"from 3 to {MOST_FOLDS}"
            )
        return protocol

    @model_validator(mode="after")
    def _lists_pairs_only_where_the_protocol_does(self, info: ValidationInfo) -> "Evaluate":
        if self.test_pairs is None:
            return self
        built = built_protocol(self.protocol, info)
        if built is not None and not built.lists_pairs:
            raise ValueError(
                f"the protocol {self.protocol.name} does not compare a list of pairs; leave "
                "test_pairs out"
            )
        return self

    @field_serializer("val_pairs", "test_pairs")
    def _absolute(self, path: Path | None) -> str | None:
        return None if path is None else str(path.absolute())
