"""Pages as HTML: whatever their strings hold, it stays text."""

import base64
import hashlib
import json
import re
from html import unescape

import pytest

from facesim.page import (
    Axis,
    Block,
    Card,
    Cards,
    Code,
    Column,
    Face,
    FacePair,
    Filter,
    Gallery,
    Group,
    Links,
    Page,
    Panel,
    Plot,
    Records,
    Section,
    Series,
    Table,
    Text,
)
from facesim.report.rendering import render

EVIL = '"></p></script><script>alert(1)</script>&amp;'


def rendered(*blocks: Block, title: str = "title") -> str:
    return render(Page(title, "subtitle", (Section("only", "Only", blocks),)))


def body(*blocks: Block) -> str:
    return rendered(*blocks).split("<main>")[1].split("</main>")[0]


def plot_of(*panels: Panel) -> Plot:
    return Plot("plot", "title", "description", panels, Table("t", ("a",), ()))


@pytest.mark.parametrize(
    "block",
    [
        Text(EVIL),
        Cards((Card(EVIL, EVIL, EVIL),)),
        Table(EVIL, (EVIL, "b"), ((EVIL, EVIL),)),
        Gallery(EVIL, (FacePair((Face(EVIL, None), Face("b", None)), (EVIL,)),)),
        Records("records", EVIL, (Column(EVIL, (EVIL,)),), (Filter(EVIL, ()),), EVIL),
        Code(EVIL, EVIL),
        Links(EVIL, ((EVIL, EVIL),)),
        Code(EVIL, EVIL, folded=True),
        Plot("plot", EVIL, EVIL, (), Table("t", ("a",), ())),
    ],
    ids=lambda block: block.kind,
)
def test_markup_in_a_block_is_text(block: Block) -> None:
    text = body(block)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text


RECORDS = Records(
    "records",
    "All of them",
    (
        Column("Name", ("b", EVIL, "b", *"cdefghijklmnopqrstu")),
        Column("N", ("1",) * 22, (1.0,) * 22),
    ),
    (Filter("Kind", (Group("", (EVIL, "other"), (0, 1, *[-1] * 20)),)),),
)


def test_records_hold_every_row_for_the_script_and_the_first_without_it() -> None:
    text = body(RECORDS)
    source = text.split('<script type="application/json">')[1].split("</script>")[0]
    assert "<" not in source
    assert source.isascii()
    found = json.loads(source)
    name, number = found["columns"]
    assert [name["texts"][code] for code in name["codes"]] == list(RECORDS.columns[0].cells)
    assert number["numbers"] == [1.0] * 22
    assert found["filters"][0]["groups"][0] == {
        "label": "",
        "values": [EVIL, "other"],
        "rows": "01" + "-" * 20,
    }
    assert text.count("<tr>") == 1 + Records.FIRST_ROWS
    assert "The first 20 of 22 rows." in text


def test_strings_of_a_plot_are_text_wherever_they_stand() -> None:
    rows = Axis(EVIL, names=(EVIL,))
    series = Series(EVIL, (1.0,), (0.0,), marks=("points",), tips=(EVIL,))
    text = body(plot_of(Panel(Axis(EVIL), rows, (series,))))
    assert "<script" not in text
    drawn = text.split('<ul class="legend">')[1].split("<figcaption>")[0]
    assert drawn.count("&lt;script&gt;") == 6  # legend, name, tip, axes, row


def test_the_policy_names_every_script_of_the_page_and_no_other() -> None:
    text = rendered(Text("text"))
    policy = unescape(text.split("Content-Security-Policy")[1][:600])
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    named = re.findall(r"'sha256-([^']+)'", policy)
    assert named == [base64.b64encode(digest).decode() for digest in digests]
    assert len(named) == 2


def test_a_row_with_fewer_cells_spans_the_rest() -> None:
    text = body(Table("caption", ("a", "b", "c"), (("name", "why there is none"),)))
    assert '<td colspan="2">why there is none</td>' in text


def test_a_sentence_among_numbers_may_wrap() -> None:
    reason = "not measurable with 400 impostors; FMR 0.001 needs 1000 or more"
    text = body(Table("caption", ("a", "b", "c"), (("name", "98.20%", reason),)))
    assert f'<td>98.20%</td><td class="long">{reason}</td>' in text


def test_links_lead_to_other_pages_and_leave_the_policy_alone() -> None:
    text = body(Links("The folds", (("fold 1", "folds/1/report.html"),)))
    assert '<a href="folds/1/report.html">fold 1</a>' in text


def test_only_warnings_and_errors_are_labelled() -> None:
    assert "<strong>Warning.</strong> told" in body(Text("told", "warning"))
    assert "<strong>" not in body(Text("told", "note"))


def test_a_face_without_pixels_has_its_name_only() -> None:
    faces = (Face("a.png", "data:image/jpeg;base64,AAAA"), Face("b.png", None))
    text = body(Gallery("title", (FacePair(faces, ()),)))
    assert text.count("<img") == 1
    assert "blank" not in text
    assert re.search(r'<figure class="face">\s*<figcaption>b.png', text)


def test_a_page_holds_no_raw_control_character_but_of_its_scripts() -> None:
    nasty = "a\x1b]0;owned\x07\x9b\r\u202e\udcff\u2028end"
    series = Series(nasty, (1.0,), (0.0,), marks=("points",), tips=(nasty,))
    panel = Panel(Axis(nasty), Axis(nasty, names=(nasty,)), (series,))
    table = Table(nasty, (nasty,), ((nasty,),))
    page = rendered(
        Text(nasty),
        table,
        Code(nasty, f"{nasty}\nsecond line"),
        Plot("plot", nasty, nasty, (panel,), table),
        title=nasty,
    )
    page.encode()
    plain = re.sub("<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", plain)
    assert r"a\x1b]0;owned\x07\x9b\x0d\u202e\xff\u2028end" in unescape(plain)
    assert "second line" in plain
