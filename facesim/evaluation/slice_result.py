"""Error rates by attribute: the model of ``slices.json``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, PositiveInt

from facesim.interfaces.result import Estimate


class _Json(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Slice(_Json):
    """The pairs whose two images have the same value of an attribute.

    Attributes:
        attribute: a column of the table.
        value: as `facesim.evaluation.attribute_values.AttributeValues` calls it.
        pairs: ``genuine + impostor``.
        genuine: pairs of one identity.
        impostor: pairs of two identities.
        few_pairs: whether either kind has so few that its rate says little.
        accuracy: share of the pairs decided correctly. It differs between slices also because
            their shares of genuine pairs do; the other two do not depend on that.
        fmr: share of the impostor pairs accepted.
        fnmr: share of the genuine pairs rejected.
    """

    attribute: str
    value: str
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    impostor: NonNegativeInt
    few_pairs: bool
    accuracy: Estimate
    fmr: Estimate
    fnmr: Estimate


class Gap(_Json):
    """The difference of an error rate between two values of an attribute.

    Attributes:
        attribute: a column of the table.
        rate: which errors.
        worst: the value with the highest rate.
        best: the value with the lowest rate.
        difference: highest less lowest. The interval is of the difference itself, both rates on
            the same resamples; that this gap was chosen for its width is not in it.
        compared: number of gaps, one per attribute and rate, that it was chosen from.
    """

    attribute: str
    rate: Literal["fmr", "fnmr"]
    worst: str
    best: str
    difference: Estimate
    compared: PositiveInt


class Slices(_Json):
    """The model of ``slices.json``.

    Attributes:
        threshold: the same for all slices.
        pairs: of the evaluation; those whose images differ in an attribute, or lack it, are in no
            slice of it.
        slices: by attribute, then by value.
        worst_gap: the widest gap whose interval excludes 0; if there is none, the widest. None if
            no attribute has two values with enough pairs.
        notes: which attributes have no slices, and why.
    """

    threshold: FiniteFloat
    pairs: NonNegativeInt
    slices: tuple[Slice, ...]
    worst_gap: Gap | None
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The text of ``slices.json``."""
        return self.model_dump_json(indent=2) + "\n"
