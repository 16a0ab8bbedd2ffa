"""Pages as HTML: whatever their strings hold, it stays text."""

import base64
import hashlib
import json
import re
from html import unescape

import plotly.graph_objects as go
import pytest

from facesim.page import (
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
    Page,
    Plot,
    Records,
    Section,
    Table,
    Text,
)
from facesim.report.rendering import render

EVIL = '"></p></script><script>alert(1)</script>&amp;'


def rendered(*blocks: Block, title: str = "title") -> str:
    return render(Page(title, "subtitle", (Section("only", "Only", blocks),)))


def body(*blocks: Block) -> str:
    return rendered(*blocks).split("<main>")[1].split("</main>")[0]


@pytest.mark.parametrize(
    "block",
    [
        Text(EVIL),
        Cards((Card(EVIL, EVIL, EVIL),)),
        Table(EVIL, (EVIL, "b"), ((EVIL, EVIL),)),
        Gallery(EVIL, (FacePair((Face(EVIL, None), Face("b", None)), (EVIL,)),)),
        Records("records", EVIL, (Column(EVIL, (EVIL,)),), (Filter(EVIL, ()),), EVIL),
        Code(EVIL, EVIL),
        Code(EVIL, EVIL, folded=True),
        Plot("plot", EVIL, EVIL, go.Figure(layout={"height": 100}), Table("t", ("a",), ())),
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


def test_strings_in_a_plot_can_neither_end_its_script_nor_change() -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[2], name=EVIL), layout={"height": 100})
    text = body(Plot("plot", "t", "d", figure, Table("t", ("a",), ())))
    source = text.split('<script type="application/json">')[1].split("</script>")[0]
    assert "<" not in source
    assert json.loads(source)["data"][0]["name"] == EVIL


def test_a_plot_is_ascii_whichever_package_makes_json_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def to_json(figure: go.Figure) -> str:
        return json.dumps(figure.to_plotly_json(), ensure_ascii=False)

    monkeypatch.setattr(go.Figure, "to_json", to_json)
    name = "\u202eé\u2028 \U0001f600"
    figure = go.Figure(go.Scatter(x=[1], y=[2], name=name), layout={"height": 100})
    text = body(Plot("plot", "t", "d", figure, Table("t", ("a",), ())))
    source = text.split('<script type="application/json">')[1].split("</script>")[0]
    assert source.isascii()
    assert json.loads(source)["data"][0]["name"] == name


def test_the_policy_names_every_script_of_the_page_and_no_other() -> None:
    text = rendered(Text("text"))
    policy = unescape(text.split("Content-Security-Policy")[1][:600])
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    named = re.findall(r"'sha256-([^']+)'", policy)
    assert named == [base64.b64encode(digest).decode() for digest in digests]
    assert len(named) == 3


def test_a_row_with_fewer_cells_spans_the_rest() -> None:
    text = body(Table("caption", ("a", "b", "c"), (("name", "why there is none"),)))
    assert '<td colspan="2">why there is none</td>' in text


def test_a_sentence_among_numbers_may_wrap() -> None:
    reason = "not measurable with 400 impostors; FMR 0.001 needs 1000 or more"
    text = body(Table("caption", ("a", "b", "c"), (("name", "98.20%", reason),)))
    assert f'<td>98.20%</td><td class="long">{reason}</td>' in text


def test_only_warnings_and_errors_are_labelled() -> None:
    assert "<strong>Warning.</strong> told" in body(Text("told", "warning"))
    assert "<strong>" not in body(Text("told", "note"))


def test_a_face_without_pixels_has_a_blank_in_its_place() -> None:
    faces = (Face("a.png", "data:image/jpeg;base64,AAAA"), Face("b.png", None))
    text = body(Gallery("title", (FacePair(faces, ()),)))
    assert text.count("<img") == text.count('class="blank"') == 1
    assert "b.png" in text


def test_a_page_holds_no_raw_control_character_but_of_its_scripts() -> None:
    nasty = "a\x1b]0;owned\x07\x9b\r\u202e\udcff\u2028end"
    figure = go.Figure(go.Scatter(x=[1], y=[2], name=nasty.replace("\udcff", "")))
    table = Table(nasty, (nasty,), ((nasty,),))
    page = rendered(
        Text(nasty),
        table,
        Code(nasty, f"{nasty}\nsecond line"),
        Plot("plot", nasty, nasty, figure, table),
        title=nasty,
    )
    page.encode()
    plain = re.sub("<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", plain)
    assert r"a\x1b]0;owned\x07\x9b\x0d\u202e\xff\u2028end" in unescape(plain)
    assert "second line" in plain
    [data] = re.findall('<script type="application/json">(.*?)</script>', page, flags=re.DOTALL)
    assert json.loads(data)["data"][0]["name"] == nasty.replace("\udcff", "")
