"""What facesim writes, facesim reads back to the same data."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesim.experiment.nodes import Mark, is_text
from facesim.experiment.yaml_parser import parse
from facesim.experiment.yaml_scalars import resolve
from facesim.experiment.yaml_writer import to_yaml

PIECES = ["${X}", "$${", "$", "{", "}", "1e-4", "0o17", "on", "~", "null", ": ", " #", "\n", "'"]
TEXTS = st.text().filter(is_text) | st.lists(st.sampled_from(PIECES)).map("".join)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
)
KEYS = st.text("abc_", min_size=1)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


def read_back(data: dict[str, Any]) -> Any:
    tree, problems = parse(to_yaml(data), Mark("f.yaml", 1, 1))
    assert not problems
    resolved, unset = resolve(tree, {"X": "filled in"})
    assert not unset
    return resolved


@given(st.dictionaries(KEYS, DATA, max_size=4))
def test_any_data_is_read_back_as_it_was(data: dict[str, Any]) -> None:
    again = read_back(data)
    assert again == data
    assert repr(again) == repr(data)


@pytest.mark.parametrize(
    "text",
    [
        *("1e-4", "1e5", "0o17", "0x1F", "12", "1.5", ".inf", "-.INF", ".nan", "1_000", "+1"),
        *("true", "yes", "on", "no", "~", "null", "", " ", "=", "<<", "2024-01-01", "12:30:45"),
        *("${X}", "$${X}", "${X:-y}", "a: b", "- a", "# a", "'", '"', "\\", "&a", "*a", "!a", "%a"),
        *(
            "a\nb",
            "a\n\n b\n",
            "\t",
            "\r",
            "\x85",
            "\u2028",
            "\ufeff",
            "é😀",
            "x " * 200,
            "x" * 200,
        ),
        *("{a}", "[a]", "a,b", "@a", "`a", "|", ">", "?", "---", "...", "--- a", "\x07", "\x7f"),
    ],
)
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    data = {"a": text, "b": [text, {"c": text}]}
    assert read_back(data) == data


def test_values_that_occur_twice_are_written_twice() -> None:
    shared = {"b": [1, 2]}
    assert "&" not in to_yaml({"x": shared, "y": shared})


def test_keys_stay_in_their_order() -> None:
    assert list(read_back({"z": 1, "a": 2, "m": 3})) == ["z", "a", "m"]
