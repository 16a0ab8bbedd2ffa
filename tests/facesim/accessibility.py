"""axe-core on a page, in Debian's Chromium."""

from pathlib import Path
from typing import Any

import pytest

ALL_RULES = {"resultTypes": ["violations"]}


def violations(browser: Any, file: Path, **context: Any) -> list[str]:
    """What axe-core finds on a page with everything unfolded: ``rule: element``, also of best
    practices."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    page = browser.new_context(**context).new_page()
    page.goto(file.as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach((it) => { it.open = true; })")
    found = axe.Axe().run(page, options=ALL_RULES).response["violations"]
    page.context.close()
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
