"""Findings of the protocol linter."""

from facesim.data.linter.findings import Finding, LintReport
from facesim.page import Block, Code, Section, Text


def linter_section(lint: LintReport | None) -> Section:
    """Each finding with its offending rows."""
    if lint is None:
        text = "This run was not linted; `facesim check` lints an experiment."
        return Section("linter", "Protocol linter", (Text(text, "note"),))
    if not lint.findings:
        text = (
            "The protocol linter found nothing: no identity and no image in two splits, no "
            "repeated, contradictory or self-paired pair."
        )
        return Section("linter", "Protocol linter", (Text(text),))
    blocks = [block for finding in lint.findings for block in _blocks(finding)]
    return Section("linter", "Protocol linter", tuple(blocks))


def _blocks(finding: Finding) -> list[Block]:
    rule = finding.rule.replace("_", " ")
    told = Text(f"{rule.capitalize()}: {finding.message}.", finding.severity)
    rows = Code(f"Rows: {rule}", "\n".join(finding.rows), folded=True)
    return [told, rows] if finding.rows else [told]
