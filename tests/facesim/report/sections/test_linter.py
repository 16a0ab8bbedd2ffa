"""Findings of the protocol linter on the page."""

import pytest

from facesim.data.linter.findings import Finding, LintReport
from facesim.page import Code, Text
from facesim.report.sections.linter import linter_section


def test_a_finding_is_a_message_with_its_rows_folded() -> None:
    finding = Finding(
        rule="duplicate_pair",
        severity="warning",
        message="2 pairs of test are listed twice",
        rows=("a.png b.png", "c.png d.png"),
    )
    message, rows = linter_section(LintReport(findings=(finding,))).blocks
    assert message == Text("Duplicate pair: 2 pairs of test are listed twice.", "warning")
    assert rows == Code("Rows: duplicate pair", "a.png b.png\nc.png d.png", folded=True)


@pytest.mark.parametrize(
    ("report", "told"), [(None, "was not linted"), (LintReport(), "found nothing")]
)
def test_not_linted_is_not_the_same_as_nothing_found(report: LintReport | None, told: str) -> None:
    (block,) = linter_section(report).blocks
    assert isinstance(block, Text)
    assert told in block.text
