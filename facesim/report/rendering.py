"""A page as one HTML file that loads nothing and talks to nobody."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from facesim.page import Page, Plot

_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "img-src data: blob:; style-src 'unsafe-inline'; script-src {scripts}"
)
"""Only the scripts of this file run; Plotly sets styles and saves pictures as blobs."""


def render(page: Page) -> str:
    """The page's HTML: every text escaped, scripts and styles inlined."""
    from plotly.offline import get_plotlyjs

    scripts = (get_plotlyjs(), _template_text("page.js"))
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
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plot_json"] = _plot_json
    return environment


def _template_text(name: str) -> str:
    return files("facesim.report").joinpath("templates", name).read_text(encoding="utf-8")


def _source_hash(script: str) -> str:
    """How a content security policy names an inline script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _plot_json(plot: Plot) -> str:
    """The plot as JSON that can stand within a script element, whatever strings it holds."""
    text: str = plot.figure.to_json()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
