"""Findings of the protocol linter."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from facesim.data.linter.image_sizes import SplitImages
from facesim.errors import FacesimError
from facesim.experiment.sections import Rule, Severity
from facesim.json_files import JsonModel

ROWS_SHOWN = 10

WARNINGS: frozenset[Rule] = frozenset(
    {
        "image_twice",
        "image_under_two_labels",
        "blank_image",
        "too_few_impostors",
        "dominant_identity",
        "tested_before",
        "unread_split",
        "same_numbers",
        "split_differs",
        "too_few_genuine",
        "pair_hint",
        "wrong_labels",
        "one_person_two_labels",
        "twin_images",
        "magnified",
        "squeezed",
        "unaligned",
    }
)
"""Rules whose default severity is a warning; the others are errors."""


class Finding(JsonModel):
    """One broken rule.

    Attributes:
        rule: its name.
        severity: ``error`` stops a run, ``warning`` goes into the report.
        message: what was found, where and how often.
        rows: the offending rows, the first few.
        images: paths of the images behind the first rows, a group per row, for the report.
    """

    rule: Rule
    severity: Literal["error", "warning"]
    message: str
    rows: tuple[str, ...] = ()
    images: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.rule}: {self.message}"]
        return "\n".join([*lines, *(f"    {row}" for row in self.rows)])


class LintReport(JsonModel):
    """What the linter found; the model of ``lint.json``.

    Attributes:
        findings: broken rules.
        images: what the images of each split look like; empty in files of before.
    """

    findings: tuple[Finding, ...] = ()
    images: tuple[SplitImages, ...] = ()

    @property
    def allows_run(self) -> bool:
        """Whether no finding stops a run."""
        return all(finding.severity != "error" for finding in self.findings)

    def require_no_errors(self) -> None:
        """Raise if an error was found.

        Raises:
            ProtocolError: with all findings, errors first, and how to go on all the same.
        """
        errors = [finding for finding in self.findings if finding.severity == "error"]
        if errors:
            rules = ", ".join(f"{rule}: warning" for rule in dict.fromkeys(e.rule for e in errors))
            advice = (
                f"fix the data; or go on, with a warning in the report: `lint: {{{rules}}}` in the "
                f"experiment, `--set 'lint={{{rules}}}'` on the command line"
            )
            raise ProtocolError("\n".join([*map(str, self.findings), advice]))


OF_INPUTS: frozenset[Rule] = frozenset({"magnified", "squeezed", "unaligned"})
"""Rules about what the images look like."""


def findings_over_folds(
    reports: Sequence[LintReport], source: LintReport | None = None
) -> LintReport:
    """What was found in any of k folds; the same sentence with other numbers is said once.

    Left out is who is in many test pairs of one fold, which is a part of all, and what the images
    of a fold's splits look like, which are those of the source.

    Args:
        reports: of each fold.
        source: what the images of all folds look like, and what was found of that.
    """
    source = source or LintReport()
    folds: dict[tuple[Rule, str], dict[int, Finding]] = {}
    for number, report in enumerate(reports, start=1):
        for finding in report.findings:
            if finding.rule == "dominant_identity" and "pairs of test" in finding.message:
                continue
            if finding.rule in OF_INPUTS:
                continue
            alike = finding.rule, _without_numbers(finding.message)
            folds.setdefault(alike, {}).setdefault(number, finding)
    found = list(source.findings)
    for where in folds.values():
        numbers, of_each = list(where), list(where.values())
        place = f"in fold{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
        if 1 < len(numbers) == len(reports):
            place = "in every fold"
        if len({each.message for each in of_each}) > 1:
            place += f" (the numbers are those of fold {numbers[0]})"
        message = f"{place}: {of_each[0].message}"
        found.append(of_each[0].model_copy(update={"message": message}))
    by_severity = tuple(sorted(found, key=lambda each: each.severity))
    return LintReport(findings=by_severity, images=source.images)


def _without_numbers(message: str) -> str:
    """What sentences have in common that differ in numbers, and so in singular and plural."""
    text = re.sub(r"\bnone\b|\d[\d.,]*", "#", message)
    text = re.sub(r"(# (of them )?)?byte for byte", "byte for byte", text)
    return re.sub(r"ies\b", "y", re.sub(r"\bare\b", "is", text)).replace("s", "")


class ProtocolError(FacesimError):
    """The data breaks a rule without which the results mean nothing."""


class Findings:
    """Collects findings with the severities that an experiment sets.

    Args:
        severities: of the rules that differ from the default.
    """

    def __init__(self, severities: Mapping[Rule, Severity]) -> None:
        self._severities = severities
        self._found: list[Finding] = []
        self._images: list[SplitImages] = []

    def add(
        self,
        rule: Rule,
        message: str,
        rows: Sequence[str] = (),
        more: int = 0,
        images: Sequence[Sequence[Path]] = (),
    ) -> None:
        """Record a broken rule, unless the experiment switched it off.

        Args:
            rule: its name.
            message: what was found, one sentence.
            rows: offending rows; the first :data:`ROWS_SHOWN` are kept.
            more: how many there are beyond ``rows``.
            images: the images that belong to each of the first rows; groups beyond
                :data:`ROWS_SHOWN` are left out.
        """
        severity = self._severities.get(rule, "warning" if rule in WARNINGS else "error")
        if severity == "off":
            return
        shown = list(rows[:ROWS_SHOWN])
        left = len(rows) - len(shown) + more
        if left:
            shown.append(f"... and {left:,} more")
        self._found.append(
            Finding(
                rule=rule,
                severity=severity,
                message=message,
                rows=tuple(shown),
                images=tuple(tuple(map(str, group)) for group in images[:ROWS_SHOWN]),
            )
        )

    def describe(self, images: SplitImages) -> None:
        """Record what the images of a split look like."""
        self._images.append(images)

    def watches(self, rule: Rule) -> bool:
        """Whether a rule is on; some are expensive to check."""
        return self._severities.get(rule) != "off"

    def report(self) -> LintReport:
        """All findings, errors first."""
        found = sorted(self._found, key=lambda finding: finding.severity)
        return LintReport(findings=tuple(found), images=tuple(self._images))
