"""Records in a browser: sorting, filtering and searching."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facesim.atomic import write_text
from facesim.page import Column, Filter, Group, Page, Records, Section
from facesim.report.rendering import render

RECORDS = Records(
    "pairs",
    "All pairs",
    (
        Column("Name", tuple(f"pair {number}" for number in range(45))),
        Column("Score", tuple(f"{number % 7}" for number in range(45)), (None, *range(1, 45))),
    ),
    (
        Filter("Kind", (Group("", ("odd", "even"), tuple(1 - n % 2 for n in range(45))),)),
        Filter(
            "Attribute",
            (
                Group("hat", ("hat: yes",), (0,) * 3 + (-1,) * 42),
                Group("beard", ("beard: no", "beard: yes"), (-1,) * 40 + (1,) * 5),
            ),
        ),
    ),
    "Search",
)


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    file = tmp_path / "page.html"
    write_text(file, render(Page("title", "", (Section("only", "Only", (RECORDS,)),))))
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    yield page
    assert complaints == []
    context.close()


def names(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#pairs tbody th", "(cells) => cells.map((cell) => cell.textContent)"
    )
    return found


def said(page: Any) -> str:
    text: str = page.text_content("#pairs .status")
    return text


def test_the_first_rows_are_shown_and_more_on_demand(page: Any) -> None:
    assert names(page) == [f"pair {number}" for number in range(20)]
    assert said(page) == "The first 20 of 45 rows."
    page.get_by_role("button", name="Show more rows").click()
    assert len(names(page)) == 45
    assert said(page) == "45 rows."
    assert not page.get_by_role("button", name="Show more rows").is_visible()


def test_a_column_of_numbers_is_sorted_by_them_the_largest_first_and_none_last(page: Any) -> None:
    page.get_by_role("button", name="Score").click()
    assert names(page)[:2] == ["pair 44", "pair 43"]
    heading = page.locator("#pairs thead th").nth(1)
    assert heading.get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Score").click()
    assert names(page)[:2] == ["pair 1", "pair 2"]
    assert heading.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Show more rows").click()
    assert names(page)[-1] == "pair 0"


def test_a_column_of_text_is_sorted_as_people_count(page: Any) -> None:
    page.get_by_role("button", name="Name").click()
    assert names(page)[:3] == ["pair 0", "pair 1", "pair 2"]
    page.get_by_role("button", name="Name").click()
    assert names(page)[0] == "pair 44"


def test_filters_and_the_search_hold_together(page: Any) -> None:
    page.get_by_label("Kind").select_option(label="odd")
    assert names(page)[:2] == ["pair 1", "pair 3"]
    assert said(page) == "The first 20 of 22 rows, of 45 in all."
    page.get_by_label("Attribute").select_option(label="beard: yes")
    assert names(page) == ["pair 41", "pair 43"]
    page.get_by_label("Search").fill("PAIR 43")
    assert names(page) == ["pair 43"]
    assert said(page) == "1 row, of 45 in all."
    page.get_by_label("Search").fill("nobody")
    assert names(page) == []
    assert said(page) == "0 rows, of 45 in all."


def test_without_scripts_there_are_the_first_rows_and_no_dead_controls(
    browser: Any, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    write_text(file, render(Page("title", "", (Section("only", "Only", (RECORDS,)),))))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("#pairs tbody tr").count() == 20
    assert page.locator("#pairs button, #pairs select, #pairs input").count() == 0
    assert page.text_content("#pairs .status") == "The first 20 of 45 rows."
    context.close()
