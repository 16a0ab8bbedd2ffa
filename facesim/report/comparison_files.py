"""The comparison of runs as a file: an HTML page, CSV, Markdown or LaTeX, by its suffix."""

import csv
import io
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from facesim.atomic import write_text
from facesim.console import printable
from facesim.csv_cells import guarded
from facesim.errors import FacesimError
from facesim.evaluation.differences import MetricDifference
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate
from facesim.machine_errors import in_words
from facesim.page import Table, Text
from facesim.report.comparison_report import (
    comparison_notes,
    comparison_page,
    configuration_matrix,
    differences_tables,
    metrics_shown,
    metrics_table,
)
from facesim.report.rendering import render
from facesim.runs.comparison import ComparedGroup, Comparison

Blocks = Sequence[Table | Text]


def require_known_suffix(out: Path) -> None:
    """Raise a FacesimError unless a comparison can be written to a file of this name."""
    if out.suffix.lower() not in _WRITERS:
        *first, last = _WRITERS
        raise FacesimError(
            f"{out}: a comparison is written as {', '.join(first)} or {last}, by the file's suffix"
        )


def write_comparison(comparison: Comparison, out: Path, *, every: bool = False) -> Path:
    """Write a comparison to a file, in the format that its suffix names.

    Args:
        comparison: of `facesim.runs.comparison`.
        out: the file, of a suffix that :func:`require_known_suffix` knows; an existing one is
            replaced as a whole.
        every: whether Markdown and LaTeX have all metrics; HTML and CSV always do.

    Raises:
        FacesimError: it cannot be written, or its suffix is another one.
    """
    require_known_suffix(out)
    try:
        write_text(out, _WRITERS[out.suffix.lower()](comparison, every))
    except OSError as error:
        raise FacesimError(f"{out}: cannot be written: {in_words(error)}") from None
    return out


def _as_html(comparison: Comparison, every: bool) -> str:  # noqa: ARG001
    return render(comparison_page(comparison))


_COLUMNS = (
    *("kind", "label", "is_reference", "seeds", "metric", "value", "standard_deviation"),
    *("low", "high", "interval", "difference", "difference_low", "difference_high"),
    *("difference_interval", "verdict", "reason", "directory"),
)


def _as_csv(comparison: Comparison, every: bool) -> str:  # noqa: ARG001
    """A row per group and metric, then one per run and metric; numbers with all their digits."""
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for group in comparison.ranked:
        for metric in comparison.ordered_metrics:
            rows.writerow(_group_row(comparison, group, metric))
        for run in group.runs if len(group.runs) > 1 else ():
            for metric in comparison.ordered_metrics:
                found = run.result.metrics[metric.name]
                where = (str(run.files.experiment.seed), _cell(str(run.files.path)))
                rows.writerow(_run_row(_cell(run.label), metric, found, *where))
    return file.getvalue()


def _group_row(comparison: Comparison, group: ComparedGroup, metric: Metric) -> list[object]:
    alone = len(group.runs) == 1
    found = group.results[0].metrics[metric.name] if alone else None
    seeds = " ".join(map(str, group.seeds))
    return [
        "group",
        _cell(group.label),
        int(group is comparison.reference),
        seeds,
        metric.name,
        _digits(group.mean(metric)),
        _digits(group.deviation(metric)),
        *_interval(found),
        *_difference(group.differences.get(metric.name), found),
        _cell(str(group.runs[0].files.path)) if alone else "",
    ]


def _run_row(
    label: str, metric: Metric, found: Estimate, seed: str, directory: str
) -> list[object]:
    measured = (_digits(found.value), "", *_interval(found))
    no_difference = ("",) * 5
    reason = _cell(found.reason or "")
    return ["run", label, "", seed, metric.name, *measured, *no_difference, reason, directory]


def _interval(found: Estimate | None) -> list[object]:
    if found is None or found.low is None:
        return ["", "", ""]
    return [_digits(found.low), _digits(found.high), found.interval or ""]


def _difference(found: MetricDifference | None, estimate: Estimate | None) -> list[object]:
    """The cells from the difference to the reason."""
    reason = (found.reason if found else None) or (estimate.reason if estimate else None)
    said = _cell(reason or "")
    if found is None:
        return ["", "", "", "", "", said]
    verdict = {"first": "worse", "second": "better", None: ""}[found.better]
    ends = (_digits(found.difference), _digits(found.low), _digits(found.high))
    return [*ends, found.interval or "", verdict, said]


def _cell(text: str) -> str:
    """Text of data as a cell that is no formula, and does not steer a terminal that shows it."""
    return guarded(printable(text))


def _digits(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _blocks(comparison: Comparison, every: bool) -> Iterator[Table | Text]:
    metrics = metrics_shown(comparison, every=every)
    yield metrics_table(comparison, metrics)
    yield from differences_tables(comparison, metrics)
    yield configuration_matrix(comparison)
    yield from comparison_notes(comparison)


def _as_markdown(comparison: Comparison, every: bool) -> str:
    return "\n".join(_markdown_block(block) for block in _blocks(comparison, every))


def _markdown_block(block: Table | Text) -> str:
    if isinstance(block, Text):
        return f"{_markdown(block.text)}\n"
    side = "---:" if block.numeric else "---"
    lines = [f"**{_markdown(block.caption)}**", ""]
    lines += [_markdown_row(block.columns), f"|---|{f'{side}|' * (len(block.columns) - 1)}"]
    blank = [""] * len(block.columns)
    lines += [_markdown_row([*row, *blank][: len(blank)]) for row in block.rows]
    return "\n".join([*lines, ""])


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_markdown, cells))} |"


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~$])", r"\\\1", printable(text))
    return escaped.replace("\n", "<br>")


_WORDS = 16
"""Letters of a line of words in a LaTeX table, whose columns would else fit no page."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "\N{EN DASH}": "--",
    "-": "{-}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
}


def _as_latex(comparison: Comparison, every: bool) -> str:
    needs = r"\usepackage[T1]{fontenc} and \usepackage{booktabs}"
    head = f"% For \\input into a document with {needs}.\n"
    return head + "\n".join(_latex_block(block) for block in _blocks(comparison, every))


def _latex_block(block: Table | Text) -> str:
    if isinstance(block, Text):
        return f"\\par\\noindent {_latex(block.text)}\n"
    sides = "l" + ("r" if block.numeric else "l") * (len(block.columns) - 1)
    blank = [""] * len(block.columns)
    rows = [_latex_row([*row, *blank][: len(blank)], sides) for row in block.rows]
    return "\n".join(
        [
            "\\begin{table}",
            "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}",
            f"\\caption{{{_latex(block.caption)}}}",
            f"\\begin{{tabular}}{{{sides}}}",
            "\\toprule",
            _latex_row(block.columns, sides),
            "\\midrule",
            *rows,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _latex_row(cells: Sequence[str], sides: str) -> str:
    # A row that begins with a bracket would be the argument of the line break above it.
    return "{}" + " & ".join(map(_latex_cell, cells, sides)) + " \\\\"


def _latex_cell(text: str, side: str) -> str:
    """A cell, whose lines stand in a table of their own; words are wrapped, numbers are not."""
    width = _WORDS if text[:1].isalpha() else len(text) + 1
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    lines = [part for line in text.split("\n") for part in wrapper.wrap(line)]
    if len(lines) < 2:
        return _latex(text)
    # `\\` takes a bracket or star that follows for its own.
    shown = [f"{{}}{_latex(line)}" if line[0] in "[*" else _latex(line) for line in lines]
    inside = " \\\\ ".join(shown)
    return f"\\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}{inside}\\end{{tabular}}"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in printable(text))


_WRITERS: dict[str, Callable[[Comparison, bool], str]] = {
    ".html": _as_html,
    ".csv": _as_csv,
    ".md": _as_markdown,
    ".tex": _as_latex,
}
