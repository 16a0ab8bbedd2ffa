"""Rendering of pages as self-contained HTML with a strict content security policy."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from facesim.console import printable
from facesim.page import Column, Page, Records
from facesim.report.plots.svg import plot_svg

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "img-src data:; style-src 'unsafe-inline'; script-src {scripts}"
)
"""Only the page's own scripts run; plots have their sizes in styles."""


def render(page: Page) -> str:
    """A page as HTML: every text escaped, scripts and styles inlined."""
    scripts = (_template_text("page.js"), _template_text("records.js"))
    policy = _POLICY.format(scripts=" ".join(map(_source_hash, scripts)))
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            policy=policy,
            style=_template_text("page.css"),
            scripts=scripts,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("facesim.report"),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plot_svg"] = plot_svg
    environment.filters["records_json"] = _records_json
    return environment


def _printable(value: Any) -> Any:
    """Text of data without control characters; ``Markup`` is text of templates and plots."""
    return printable(value) if type(value) is str else value


def _template_text(name: str) -> str:
    return files("facesim.report").joinpath("templates", name).read_text(encoding="utf-8")


def _source_hash(script: str) -> str:
    """The source expression of an inline script in a content security policy (CSP level 2)."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _records_json(records: Records) -> str:
    """Records for ``records.js``; repeated texts stand once."""
    filters = [
        {
            "label": each.label,
            "groups": [
                {
                    "label": group.label,
                    "values": list(map(printable, group.values)),
                    "rows": "".join(_DIGITS[row] for row in group.rows),
                }
                for group in each.groups
            ],
        }
        for each in records.filters
    ]
    columns = list(map(_column, records.columns))
    content = {"columns": columns, "filters": filters, "search": records.search}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":  # JSON of ASCII without these cannot end its script element
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz-"


def _column(column: Column) -> dict[str, Any]:
    texts = list(map(printable, column.cells))
    distinct = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    content: dict[str, Any] = {"label": column.label, "texts": list(distinct)}
    if len(distinct) < len(texts):
        content["codes"] = [distinct[text] for text in texts]
    if column.numbers is not None:
        content["numbers"] = list(column.numbers)
    return content
