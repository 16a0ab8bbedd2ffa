from dataclasses import replace

from facesim.interfaces import FmrStatus, FmrSupport
from facesim.notebook.display import Shown, Verification
from facesim.page import Table, Text


class Example(Shown):
    def blocks(self) -> list[Table | Text]:
        rows = (("<b>", "1"), ("it was not measured",))
        return [Table("a & b", ("metric", "<value>"), rows), Text("<script>alert(1)</script>")]


def test_html_is_escaped_everywhere() -> None:
    html = Example()._repr_html_()
    assert "<b>" not in html
    assert "<script>" not in html
    for escaped in ("&lt;b&gt;", "a &amp; b", "&lt;value&gt;", "&lt;script&gt;alert(1)"):
        assert escaped in html


def test_numbers_are_flush_right_and_the_last_cell_spans_the_rest() -> None:
    html = Example()._repr_html_()
    assert '<td style="text-align: left">&lt;b&gt;</td><td style="text-align: right">1</td>' in html
    assert '<td colspan="2" style="text-align: left">it was not measured</td>' in html


def test_text_is_what_the_terminal_shows() -> None:
    shown = repr(Example())
    for text in ("a & b", "<value>", "<b>", "it was not measured", "<script>alert(1)</script>"):
        assert text in shown


def test_a_decision_at_a_target_fmr_says_what_that_rests_on() -> None:
    support = FmrSupport(status=FmrStatus.UNSTABLE, false_matches=4, identities=8)
    decision = Verification(0.5, 0.25, "far_1e-2", None, support)
    assert "unstable: 4 false matches of 8 identities" in repr(decision)
    assert "FMR" not in repr(replace(decision, support=None))
