"""Metrics as text: which are shown, and their numbers, intervals and differences."""

from collections.abc import Mapping, Sequence
from typing import Literal

from facesim.errors import count
from facesim.evaluation.differences import MetricDifference
from facesim.evaluation.slices import SIMULTANEOUS, Gap
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.result import AcquisitionResult, Estimate, EvaluationResult, rate_name
from facesim.page import Table

NOTHING = "-"
"""What stands where there is no number."""

_TO = "\N{EN DASH}"

UNSTABLE, NOT_MEASURABLE = "unstable", "not measurable"
"""What stands at a target FMR that too few impostor comparisons support."""

VAL_AGAIN = "with val drawn again"
"""Heads the intervals of the whole procedure, the choice of the threshold included."""

_VERDICTS = {"second": "better", "first": "worse", None: "no difference shown"}


class _Rate(Quantity):
    label = "Rate"
    unit = "percent"


RATE = _Rate()
"""Any share that readers expect in percent, such as the TAR of an operating point."""


def percent(share: float | None) -> str:
    """``0.8203`` -> ``82.03%``; shares below 0.1% keep two significant digits."""
    if share is None:
        return NOTHING
    if 0 < abs(share) < 1e-3:
        return f"{100 * share:.2g}%"
    return f"{100 * share:.2f}%"


def number(value: float | None) -> str:
    """Four significant digits, thousands without an exponent."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def metric_value(metric: Quantity, value: float | None) -> str:
    """A value in the metric's unit; numbers between 0 and 1 have four decimals."""
    if metric.unit == "percent" or value is None:
        return percent(value)
    return f"{value:.4f}" if isinstance(metric, Metric) and metric.is_rate else number(value)


def score(value: float, unit: str) -> str:
    """``-0.8694 (minus the Euclidean distance)``; the number alone without a unit."""
    return f"{number(value)} ({unit})" if unit else number(value)


def axis_unit(metric: Quantity) -> Literal["number", "percent"]:
    """The unit of an axis for the metric's values."""
    return "percent" if metric.unit == "percent" else "number"


def signed(metric: Quantity, value: float) -> str:
    """A difference with its sign, of percentages in percentage points, without a unit."""
    return f"{100 * value:+.2f}" if metric.unit == "percent" else f"{value:+.4g}"


def interval(metric: Quantity, low: float | None, high: float | None) -> str:
    """``79.61% to 84.29%``, or a dash."""
    if low is None or high is None:
        return NOTHING
    return f"{metric_value(metric, low)} to {metric_value(metric, high)}"


def short_interval(metric: Quantity, low: float, high: float) -> str:
    """``79.6-84.3`` beside a percentage, ``.912-.934`` beside a number between 0 and 1."""
    if metric.unit == "percent":
        return f"{100 * low:.1f}{_TO}{100 * high:.1f}"
    if isinstance(metric, Metric) and metric.is_rate:
        return _TO.join(f"{end:.3f}".removeprefix("0") for end in (low, high))
    return f"{number(low)}{_TO}{number(high)}"


def estimate(metric: Quantity, found: Estimate) -> str:
    """A value with its interval behind it, or why there is none; and whether it is unstable."""
    value = estimated_value(metric, found)
    if found.low is None or not is_measurable(found):
        return value
    return f"{value} ({interval(metric, found.low, found.high)})"


def estimated_value(metric: Quantity, found: Estimate) -> str:
    """A value, marked where its target FMR makes it unstable; or why there is none."""
    if not is_measurable(found):
        return found.reason or NOT_MEASURABLE if found.value is None else NOT_MEASURABLE
    unstable = found.support is not None and found.support.status is FmrStatus.UNSTABLE
    return metric_value(metric, found.value) + (f", {UNSTABLE}" if unstable else "")


def is_measurable(found: Estimate) -> bool:
    """Whether there is a value, and enough comparisons for the FMR at which it is read."""
    if found.support is not None and found.support.status is FmrStatus.NOT_MEASURABLE:
        return False
    return found.value is not None


def support(found: FmrSupport | None) -> str:
    """``measured: 40 false matches of 57 identities``, or a dash."""
    if found is None:
        return NOTHING
    words_of = words(found.status)
    if found.false_matches is None:
        return words_of
    of = "" if found.identities is None else f" of {count(found.identities, 'identity')}"
    return f"{words_of}: {count(found.false_matches, 'false match')}{of}"


def difference(metric: Quantity, found: MetricDifference) -> str:
    """``+1.20 points (+0.31 to +2.10): better`` and the like."""
    if found.difference is None:
        return found.reason or "not measured"
    unit = " points" if metric.unit == "percent" else ""
    value = signed(metric, found.difference) + unit
    if found.low is None or found.high is None:
        return f"{value}, without an interval: {found.reason}"
    if found.low == found.high:
        return f"{value}: equal on these pairs, which says nothing of other people"
    between = f"{signed(metric, found.low)} to {signed(metric, found.high)}"
    return f"{value} ({between}): {found.reason or _VERDICTS[found.better]}"


def target_rates_table(
    caption: str, columns: tuple[str, str], rates: Sequence[tuple[float, Estimate]]
) -> Table:
    """A rate at each target FMR with what it rests on; one row for all that are not measurable.

    Args:
        caption: of the table.
        columns: headings of the target and of the rate.
        rates: of `accept_rates`, or their complements.
    """
    measurable = tuple(
        (
            rate_name(target),
            metric_value(RATE, at.value),
            interval(RATE, at.low, at.high),
            support(at.support),
        )
        for target, at in rates
        if is_measurable(at)
    )
    others = ", ".join(rate_name(target) for target, at in rates if not is_measurable(at))
    rest = ((others, NOTHING, NOTHING, NOT_MEASURABLE),) if others else ()
    return Table(caption, (*columns, "95% interval", "Support"), (*measurable, *rest))


def gap_in_words(gap: Gap | None) -> str:
    """The widest gap between slices, and what may be concluded from it."""
    if gap is None:
        return "No attribute has two values with enough pairs to compare."
    low, high = gap.difference.low, gap.difference.high
    between = (
        "" if low is None or high is None else f" ({signed(RATE, low)} to {signed(RATE, high)})"
    )
    told = (
        f"The widest of {count(gap.compared, 'gap')}: the {gap.rate.upper()} is higher for "
        f"{gap.attribute} {gap.worst} than for {gap.attribute} {gap.best}, by "
        f"{signed(RATE, gap.difference.value or 0.0)} points{between}."
    )
    if not between:
        return told
    if gap.difference.interval == SIMULTANEOUS:
        told += " The interval allows for the choice of the widest, the gap itself does not"
        told += ": on other people it is smaller on average."
    else:
        told += f" The interval is not corrected for the choice among {gap.compared:,}."
    return told if (low or 0.0) > 0 else f"{told} No gap has an interval that excludes 0."


def spread(metric: Quantity, deviation: float) -> str:
    """A standard deviation or error, of percentages in percentage points, without a unit."""
    if metric.unit == "percent":
        return f"{100 * deviation:.2f}"
    is_rate = isinstance(metric, Metric) and metric.is_rate
    return f"{deviation:.4f}" if is_rate else f"{deviation:.2g}"


def threshold_note(result: EvaluationResult) -> str:
    """What the intervals hold fixed, and where those are that do not."""
    told = "Intervals are over the people in test and hold the threshold fixed"
    if any(found.procedure for found in result.metrics.values()):
        return f"{told}; {VAL_AGAIN}, the threshold is chosen again on other people, too."
    return f"{told}: how far it depends on the people in val is not in them."


def acquisition_in_words(found: AcquisitionResult) -> str:
    """In how many photographs no face was found, and whether the error rates include them."""
    rate = found.failure_to_acquire
    failed = found.no_face + found.low_confidence
    text = (
        f"Failure to acquire (ISO/IEC 19795-1): {percent(rate.value)} of "
        f"{count(found.photographs, 'photograph')}, in {failed:,} of which no face was found"
    )
    if found.low_confidence:
        text += f" ({found.low_confidence:,} with faces of too low a confidence)"
    if rate.low is not None:
        between = interval(RATE, rate.low, rate.high)
        text += f"; the 95% interval over identities is {between}"
    if found.several_faces:
        text += f". In {found.several_faces:,} there were several faces, and one was chosen"
    if failed and found.left_out is None:  # it is not known
        return f"{text}."
    if failed and not found.left_out:
        return f"{text}. The error rates include those without a face, of which the centre is used."
    return f"{text}. The error rates are those of photographs with a face."


def words(name: str) -> str:
    """``raw_pixels`` -> ``raw pixels``."""
    return name.replace("_", " ")


def headline_metrics(result: EvaluationResult, metrics: Mapping[str, Metric]) -> list[Metric]:
    """The metrics of a result that are for the first page, in the order of the experiment."""
    return [each for name, each in metrics.items() if each.headline and name in result.metrics]


def larger_class(result: EvaluationResult) -> str | None:
    """``"different"``: the answer that is right as often as the larger class occurs.

    None where genuine and impostor pairs are equally many, so that no answer is better.
    """
    if result.genuine == result.impostor:
        return None
    return '"same"' if result.genuine > result.impostor else '"different"'


def accept_rates(
    result: EvaluationResult, metrics: Mapping[str, Metric]
) -> list[tuple[float, Estimate]]:
    """The TAR at each target FMR, the largest target first.

    Any metric may be read at a target FMR; it is the TAR if it has the TAR's value and direction.
    """
    found = [
        (each.point.target, each)
        for name, each in result.metrics.items()
        if name in metrics
        and metrics[name].higher_is_better
        and each.point is not None
        and each.point.target is not None
        and each.value in (None, each.point.tar)
    ]
    return sorted(found, key=lambda at: -at[0])


def complement(rate: Estimate) -> Estimate:
    """The estimate of ``1 - rate``: FNMR from TAR."""
    ends = (None if end is None else 1 - end for end in (rate.value, rate.high, rate.low))
    value, low, high = ends
    again = rate.procedure
    if again is not None:
        again = again.model_copy(update={"low": 1 - again.high, "high": 1 - again.low})
    return rate.model_copy(update={"value": value, "low": low, "high": high, "procedure": again})
