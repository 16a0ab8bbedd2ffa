from dataclasses import replace

from facesim.interfaces import Estimate, FmrStatus, FmrSupport
from facesim.notebook.display import Metrics, Shown, Verification
from facesim.page import Table, Text
from tests.facesim.report.small_result import METRICS, small_result


def test_a_metric_that_depends_on_the_share_of_a_class_stands_above_that_of_always_one_answer() -> (
    None
):
    accuracy = Estimate(value=0.875, low=0.75, high=1.0)
    result = small_result(
        genuine=100, impostor=300, larger_class_share=0.75, metrics={"accuracy": accuracy}
    )
    table, note = Metrics("of the run", result, METRICS).blocks()
    assert isinstance(table, Table)
    assert table.columns == ("Metric", "Value", "95% interval")
    assert table.rows == (
        ("Accuracy", "87.50%", "75.00% to 100.00%"),
        ('Accuracy of always "different"', "75.00%", "-"),
    )
    assert note == Text("Threshold 0.5 from 100 pairs of val.")


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


def test_metrics_are_a_mapping_of_what_was_measured() -> None:
    result = small_result(genuine=100, impostor=300, larger_class_share=0.75)
    shown = Metrics("of the run", result, METRICS)
    assert shown.result is result
    assert [*shown] == [*result.metrics]
    assert len(shown) == 3
    assert shown["tar_at_far_1e-1"].value == 0.75
    table = shown.blocks()[0]
    assert isinstance(table, Table)
    assert table.caption == "of the run"
    assert table.rows == (
        ("TAR at FAR 1e-1", "75.00%", "62.50% to 81.25%"),
        ("TAR at FAR 1e-2", "50.00%, unstable", "25.00% to 62.50%"),
        ("TAR at FAR 1e-3", "not measurable", "-"),
    )
