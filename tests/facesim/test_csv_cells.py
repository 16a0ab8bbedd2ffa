"""Cells of data are no formulas, and read back as they were."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesim.csv_cells import guarded, guarded_all, unguarded, unguarded_all

TEXTS = st.text(st.sampled_from("'=+-@\t\ra1.e"), max_size=8) | st.text(max_size=8)


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "-1.5x", "'=x", "''@"])
def test_a_formula_is_behind_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["a=1", "", "-1.5", "+3", "-.5e-3", "1", "'a", "O'Brien", "''"])
def test_other_texts_and_numbers_stay(text: str) -> None:
    assert guarded(text) == unguarded(text) == text


@given(TEXTS)
def test_every_text_reads_back_and_no_cell_is_a_formula(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell)
    assert number or cell[:1] not in {*"=+-@\t\r"}


@given(st.lists(TEXTS, max_size=6))
def test_many_texts_at_once(texts: list[str]) -> None:
    cells = guarded_all(np.array([*texts, ""], dtype=object))
    assert cells.tolist() == [guarded(text) for text in (*texts, "")]
    assert unguarded_all(np.array([cells, cells], dtype=object)).tolist() == [[*texts, ""]] * 2
