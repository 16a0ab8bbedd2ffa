"""What was packed, on the terminal."""

from rich.table import Table
from rich.text import Text

from facesim.console import Console
from facesim.errors import count
from facesim.report.formatting import NOTHING, number, percent
from facesim.verifier.pack_file import MeasuredRate, PackFile, Remeasurement


def print_pack(console: Console, pack: PackFile) -> None:
    """Print the operating points of a pack, and how far its files agree with the original."""
    measured = pack.measured_on
    people = f"{count(measured.pairs, 'pair')} of {count(measured.identities, 'identity')}"
    table = Table(title=Text(f"{pack.name}, packed: {measured.split}, {people}"))
    for column in ("operating point", "threshold", "FMR", "FNMR"):
        table.add_column(column, justify="left" if column == "operating point" else "right")
    for point in pack.operating_points:
        if point.threshold is not None:
            cells = point.name, number(point.threshold), _rate(point.fmr), _rate(point.fnmr)
            table.add_row(*map(Text, cells))
    console.print(table)
    missing = [point.name for point in pack.operating_points if point.threshold is None]
    without = [f"without a threshold, for lack of pairs of val: {', '.join(missing)}"]
    lines = (
        *(without if missing else []),
        *_agreement(pack.remeasurement),
        *_differences(pack),
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _rate(rate: MeasuredRate) -> str:
    if rate.value is None:
        return rate.reason or NOTHING
    if rate.low is None or rate.high is None:
        return percent(rate.value)
    return f"{percent(rate.value)} ({percent(rate.low)} to {percent(rate.high)})"


_REFERENCES = {
    "network": "the network in float32",
    "recorded": "the scores that the run recorded",
}


def _agreement(found: Remeasurement) -> list[str]:
    return [
        f"{each.split}, run by {found.runtime} and compared with {_REFERENCES[each.reference]}: "
        f"{max(each.decisions.values(), default=0):,} of {count(each.pairs, 'decision')} differ, "
        f"scores by at most {each.largest_difference:.2g}"
        for each in found.agreements
    ]


def _differences(pack: PackFile) -> list[str]:
    """The metrics minus those of the original, where they were compared."""
    lines = []
    for each in pack.remeasurement.differences:
        metric = pack.measured_on.metrics.get(each.metric)
        if metric is None or each.difference is None:
            continue
        points = metric.unit == "percent"
        value, low, high = (
            NOTHING if found is None else f"{100 * found:+.2f}" if points else f"{found:+.4g}"
            for found in (each.difference, each.low, each.high)
        )
        lines.append(
            f"{metric.label}, pack minus original: "
            f"{value}{' points' if points else ''} ({low} to {high}, paired, 95% over people)"
        )
    return lines
