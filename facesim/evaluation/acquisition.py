"""Failure to acquire: the share of photographs in which no face was found.

ISO/IEC 19795-1 reports it beside the error rates, which hold for photographs with a face unless the
experiment uses the centres of the others.
"""

import math

import numpy as np

from facesim.alignment.alignment import Acquisition
from facesim.evaluation.intervals import LEVEL, student_t_quantile, wilson_interval
from facesim.evaluation.uncertainty import FEWEST_EFFECTIVE_IDENTITIES, INTRACLASS
from facesim.interfaces.result import AcquisitionResult, Estimate
from facesim.interfaces.tables import AcquisitionCounts


def measured_acquisition(counts: AcquisitionCounts) -> AcquisitionResult:
    """What became of the photographs of a table, and the failure-to-acquire rate."""
    found = counts.found
    return AcquisitionResult(
        photographs=int(counts.photographs.sum()),
        one_face=found[Acquisition.FACE],
        several_faces=found[Acquisition.SEVERAL],
        low_confidence=found[Acquisition.UNSURE],
        no_face=found[Acquisition.NONE],
        failure_to_acquire=failure_to_acquire(counts),
        left_out=counts.left_out,
    )


def failure_to_acquire(counts: AcquisitionCounts) -> Estimate:
    """The failure-to-acquire rate, with an interval over identities.

    Wilson's interval of as many independent photographs as there effectively are: photographs of
    one person fail together, by which Kish's design effect widens the variance. It is estimated by
    the variance of a ratio over clusters, and taken for no less than `INTRACLASS` gives.
    Kish, "Survey sampling", 1965.
    """
    photographs = counts.photographs.astype(float)
    total, people = photographs.sum(), len(photographs)
    rate = float(counts.failures.sum() / total)
    effective = float(total**2 / np.square(photographs).sum())
    if effective < FEWEST_EFFECTIVE_IDENTITIES:
        reason = (
            f"the photographs have only {effective:.1f} effective identities; an interval needs "
            f"{FEWEST_EFFECTIVE_IDENTITIES:g}"
        )
        return Estimate(value=rate, reason=reason)
    design = 1 + INTRACLASS * max(float(total) / effective - 1, 0)
    of_photographs = rate * (1 - rate) / float(total)
    if of_photographs > 0:
        residuals = counts.failures - rate * photographs
        variance = float(np.square(residuals).sum()) / float(total) ** 2 * people / (people - 1)
        design = max(design, variance / of_photographs)
    low, high = wilson_interval(
        rate,
        float(total) / design,
        quantile=student_t_quantile(0.5 + LEVEL / 2, math.ceil(effective) - 1),
    )
    return Estimate(value=rate, low=low, high=high, interval="wilson_identities_95")
