"""`facesim report` and `facesim compare`."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from facesim.cli.program import app
from facesim.runs.run import Run


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_report_says_where_it_is(build_run: Callable[..., Run]) -> None:
    directory = build_run()
    printed = run("report", str(directory.path), "--no-faces")
    assert str(directory.path / "report.html") in printed.replace("\n", "")
    assert "data:image/jpeg" not in (directory.path / "report.html").read_text(encoding="utf-8")


def test_compare_prints_and_writes_a_page_only_where_one_is_asked_for(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    first, second = str(build_run("one").path), str(build_run("two").path)
    assert "no difference shown" in run("compare", first, second)
    page = tmp_path / "compare.html"
    assert not page.exists()
    run("compare", first, second, "--out", str(page))
    assert "no difference shown" in page.read_text(encoding="utf-8")
