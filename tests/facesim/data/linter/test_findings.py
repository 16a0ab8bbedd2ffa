"""How serious a finding is, and what a person reads about it."""

from pathlib import Path
from typing import get_args

import pytest

from facesim.data.linter.findings import (
    ROWS_SHOWN,
    WARNINGS,
    Findings,
    LintReport,
    ProtocolError,
    findings_over_folds,
)
from facesim.experiment.sections import Rule


def test_a_rule_is_as_serious_as_it_is_by_default() -> None:
    findings = Findings({})
    for rule in get_args(Rule):
        findings.add(rule, "broken")
    found = {finding.rule: finding.severity for finding in findings.report().findings}
    assert found == {rule: "warning" if rule in WARNINGS else "error" for rule in get_args(Rule)}


def test_an_experiment_may_count_a_rule_otherwise() -> None:
    findings = Findings(
        {"self_pair": "warning", "duplicate_pair": "off", "dominant_identity": "error"}
    )
    for rule in get_args(Rule):
        findings.add(rule, "broken")
    found = {finding.rule: finding.severity for finding in findings.report().findings}
    assert found["self_pair"] == "warning"
    assert found["dominant_identity"] == "error"
    assert "duplicate_pair" not in found
    assert findings.watches("self_pair")
    assert not findings.watches("duplicate_pair")


def test_errors_come_first_and_the_report_survives_json() -> None:
    findings = Findings({})
    findings.add("too_few_impostors", "few")
    findings.add("self_pair", "one", ["a - a"])
    report = findings.report()
    assert [finding.severity for finding in report.findings] == ["error", "warning"]
    assert LintReport.model_validate_json(report.model_dump_json()) == report


def test_rows_are_shown_up_to_a_number_and_the_rest_is_counted() -> None:
    findings = Findings({})
    findings.add("self_pair", "many", [f"row {n}" for n in range(ROWS_SHOWN + 2)], more=3)
    (finding,) = findings.report().findings
    assert finding.rows[:-1] == tuple(f"row {n}" for n in range(ROWS_SHOWN))
    assert finding.rows[-1] == "... and 5 more"
    assert str(finding).splitlines()[:2] == ["error: self_pair: many", "    row 0"]


def test_images_belong_to_the_rows_that_are_shown() -> None:
    findings = Findings({})
    many = [(Path(f"a{n}.jpg"), Path(f"b{n}.jpg")) for n in range(ROWS_SHOWN + 2)]
    findings.add("image_in_two_splits", "many", [f"a{a} = b{a}" for a in range(12)], images=many)
    (finding,) = findings.report().findings
    assert finding.images == tuple((f"a{n}.jpg", f"b{n}.jpg") for n in range(ROWS_SHOWN))


def test_a_report_without_images_is_read() -> None:
    older = '{"findings": [{"rule": "self_pair", "severity": "error", "message": "m"}]}'
    assert LintReport.model_validate_json(older).findings[0].images == ()


def test_errors_stop_with_all_that_was_found_and_how_to_go_on() -> None:
    findings = Findings({})
    findings.add("self_pair", "two pairs are an image with itself", ["a - a", "b - b"])
    findings.add("image_in_two_splits", "one image", ["x = y"])
    findings.add("dominant_identity", "one person")
    with pytest.raises(ProtocolError) as error:
        findings.report().require_no_errors()
    assert str(error.value) == (
        "error: self_pair: two pairs are an image with itself\n    a - a\n    b - b\n"
        "error: image_in_two_splits: one image\n    x = y\n"
        "warning: dominant_identity: one person\n"
        "fix the data; or go on, with a warning in the report: "
        "`lint: {self_pair: warning, image_in_two_splits: warning}` in the experiment, "
        "`--set 'lint={self_pair: warning, image_in_two_splits: warning}'` on the command line"
    )


def test_warnings_do_not_stop() -> None:
    findings = Findings({})
    findings.add("dominant_identity", "one person")
    findings.report().require_no_errors()


def test_what_is_alike_in_several_folds_is_said_once() -> None:
    def found(*messages: str, rule: Rule = "too_few_impostors") -> LintReport:
        findings = Findings({})
        for message in messages:
            findings.add(rule, message)
        return findings.report()

    several = [
        found("val has 72", "one"),
        found("val has 1", "test has 8", "one"),
        found("one"),
    ]
    told = [str(each) for each in findings_over_folds(several).findings]
    assert told == [
        "warning: too_few_impostors: in folds 1, 2 (the numbers are those of fold 1): val has 72",
        "warning: too_few_impostors: in every fold: one",
        "warning: too_few_impostors: in fold 2: test has 8",
    ]
    errors = [found("shared", rule="identity_in_two_splits"), LintReport()]
    assert not findings_over_folds(errors).allows_run


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "holds 1 couple, byte for byte: none of the 2 genuine pairs compares two",
            "holds 12 couples, 3 of them byte for byte: 2 of the 96 genuine pairs compare two",
        ),
        ("share 1 identity, none byte for byte", "share 2 identities, byte for byte"),
        ("1 of the 3 images is in test", "2 of the 3 images are in test"),
    ],
)
def test_singular_and_plural_are_alike(one: str, other: str) -> None:
    reports = []
    for message in (one, other):
        findings = Findings({})
        findings.add("image_twice", message)
        reports.append(findings.report())
    assert len(findings_over_folds(reports).findings) == 1
    reports[1] = LintReport(findings=(reports[1].findings[0].model_copy(update={"message": "b"}),))
    assert len(findings_over_folds(reports).findings) == 2


def test_who_is_in_most_test_pairs_of_a_fold_is_not_in_most_of_all() -> None:
    findings = Findings({})
    for name in ("val", "test"):
        findings.add("dominant_identity", f"identity 3 is in 30% of the pairs of {name}")
    found = findings_over_folds([findings.report()]).findings
    assert [each.message for each in found] == [
        "in fold 1: identity 3 is in 30% of the pairs of val"
    ]
