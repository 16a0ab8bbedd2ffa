"""A comparison as CSV, Markdown, LaTeX and HTML."""

import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from facesim.cli.program import app
from facesim.console import printable
from facesim.errors import FacesimError
from facesim.report.comparison_files import require_known_suffix, write_comparison
from facesim.runs.comparison import Comparison, compare_runs
from facesim.runs.run import Run

Build = Callable[..., Run]


@pytest.fixture
def comparison(build_run: Build) -> Comparison:
    """Two seeds against one of another experiment."""
    runs = [build_run("weak_one", 0.5, seed=seed) for seed in (0, 1)]
    comparison = compare_runs([*runs, build_run("strong", 3.0, out_dim=8)])
    reference, strong = comparison.groups
    return replace(comparison, groups=(reference, replace(strong, label="strong & 100%")))


def test_csv_holds_every_digit_and_the_ends_of_intervals(
    comparison: Comparison, tmp_path: Path
) -> None:
    out = write_comparison(comparison, tmp_path / "c.csv")
    table = pd.read_csv(out, keep_default_na=False)
    groups = table[(table["kind"] == "group") & (table["metric"] == "accuracy")]
    assert groups["label"].tolist() == ["strong & 100%", "weak_one"]
    assert groups["is_reference"].tolist() == ["0", "1"]
    assert groups["seeds"].tolist() == ["0", "0 1"]
    weak, strong = comparison.groups
    metric = comparison.metrics["accuracy"]
    found = strong.differences["accuracy"]
    assert groups["value"].map(float).tolist() == [strong.mean(metric), weak.mean(metric)]
    assert groups["standard_deviation"].tolist() == ["", repr(weak.deviation(metric))]
    alone = strong.results[0].metrics["accuracy"]
    ends = groups[["low", "high"]].to_numpy().tolist()
    assert ends == [[repr(alone.low), repr(alone.high)], ["", ""]]
    assert groups[["difference", "difference_low", "difference_high"]].to_numpy()[0].tolist() == [
        *map(repr, (found.difference, found.low, found.high))
    ]
    runs = table[(table["kind"] == "run") & (table["metric"] == "accuracy")]
    assert runs["label"].tolist() == ["weak_one, seed=0", "weak_one, seed=1"]
    assert runs["directory"].tolist() == [str(run.files.path) for run in weak.runs]
    assert set(table["metric"]) == set(comparison.metrics)


def test_a_name_in_csv_is_no_formula(comparison: Comparison, tmp_path: Path) -> None:
    first, *others = comparison.groups
    named = replace(comparison, groups=(replace(first, label="=1+1"), *others))
    table = pd.read_csv(write_comparison(named, tmp_path / "c.csv"))
    assert "'=1+1" in set(table["label"])


def test_markdown_is_a_table_whose_texts_are_only_text(
    comparison: Comparison, tmp_path: Path
) -> None:
    first, *others = comparison.groups
    named = replace(comparison, groups=(replace(first, label="a|b_*c*"), *others))
    text = write_comparison(named, tmp_path / "c.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "| Runs | Accuracy | Equal error rate |" in rows[0]
    assert r"a\|b\_\*c\*<br>(reference, 2 seeds)" in text
    columns = len(re.findall(r"(?<!\\)\|", rows[0]))
    assert rows[1].count("---") == columns - 1
    assert len(re.findall(r"(?<!\\)\|", rows[2])) == columns


def test_latex_is_escaped_and_says_what_it_needs(comparison: Comparison, tmp_path: Path) -> None:
    text = write_comparison(comparison, tmp_path / "c.tex").read_text(encoding="utf-8")
    first, *lines = text.splitlines()
    assert first == (
        r"% For \input into a document with \usepackage[T1]{fontenc} and \usepackage{booktabs}."
    )
    assert r"strong \& 100\%" in text
    assert r"weak\_one" in text
    assert r" \\ $\pm$ " in text
    assert r"\begin{tabular}[t]{@{}r@{}}FNMR at the \\ threshold\end{tabular}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") >= 3
    for line in lines:
        assert not re.search(r"(?<!\\)[%#_]", line), line
        assert line.isascii()
    inside = re.search(r"\\begin\{tabular\}\{(l[lr]*)\}\n\\toprule\n(.*?)\\bottomrule", text, re.S)
    assert inside is not None
    rows = [line for line in inside[2].splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(inside[1]) - 1}


def test_a_line_of_a_latex_cell_is_no_argument_of_the_line_break(
    comparison: Comparison, tmp_path: Path
) -> None:
    first, *others = comparison.groups
    named = replace(comparison, groups=(replace(first, label="a\n[2cm]\n*b"), *others))
    text = write_comparison(named, tmp_path / "c.tex").read_text(encoding="utf-8")
    assert r"a \\ {}[2cm] \\ {}*b" in text
    assert not re.search(r"\\\\ *[\[*]", text)


@pytest.mark.parametrize("name", ["c.csv", "c.md", "c.tex"])
def test_no_file_steers_a_terminal(comparison: Comparison, tmp_path: Path, name: str) -> None:
    first, *others = comparison.groups
    named = replace(comparison, groups=(replace(first, label="a\x1b[2Jb\u202ec"), *others))
    text = write_comparison(named, tmp_path / name).read_text(encoding="utf-8")
    assert text == printable(text)
    assert "x1b" in text


@pytest.mark.parametrize("name", ["c.txt", "c", "c.csv.gz", "c.htm"])
def test_another_suffix_is_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"written as \.html, \.csv, \.md or \.tex, by"):
        require_known_suffix(tmp_path / name)
    asked = ["compare", "no_such", "nor_this", "--out", str(tmp_path / name)]
    refused = CliRunner().invoke(app, asked).exception
    assert isinstance(refused, FacesimError)
    assert "by the file's suffix" in str(refused)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["c.html", "C.CSV", "c.md", "c.tex"])
def test_the_command_writes_what_the_suffix_says(
    build_run: Build, tmp_path: Path, name: str
) -> None:
    runs = [str(build_run("one").path), str(build_run("two", 2.0).path)]
    ended = CliRunner().invoke(app, ["compare", *runs, "--out", str(tmp_path / name)])
    assert ended.exit_code == 0, ended.output
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert ("<html" in text) == (name == "c.html")
    begins = {"c.html": "<", "C.CSV": "kind,label,", "c.md": "**Best ", "c.tex": "% For "}
    assert text.startswith(begins[name])


def test_paths_in_json_are_absolute(
    build_run: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [build_run(name).path for name in ("one", "two")]
    monkeypatch.chdir(paths[0].parent)
    typed = [os.path.relpath(path) for path in paths]
    arguments = ["compare", *typed, "--json", "--out", os.path.relpath(tmp_path / "c.csv")]
    shown = json.loads(CliRunner().invoke(app, arguments).stdout)
    directories = [run["directory"] for group in shown["groups"] for run in group["runs"]]
    assert all(Path(each).is_absolute() for each in (*directories, shown["written"]))
    assert {Path(each).resolve() for each in directories} == {path.resolve() for path in paths}


def test_all_metrics_are_written_where_all_are_asked_for(
    comparison: Comparison, tmp_path: Path
) -> None:
    some, every = (
        write_comparison(comparison, tmp_path / "c.md", every=every).read_text(encoding="utf-8")
        for every in (False, True)
    )
    assert "d-prime" not in some
    assert "d-prime" in every


def test_a_file_that_cannot_be_written_is_named(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"missing/compare\.html: cannot be written"):
        write_comparison(comparison, tmp_path / "missing" / "compare.html")


def test_numbers_read_back_as_they_were(comparison: Comparison, tmp_path: Path) -> None:
    out = write_comparison(comparison, tmp_path / "c.csv")
    table = pd.read_csv(io.StringIO(out.read_text(encoding="utf-8")))
    found = table[(table["kind"] == "run") & (table["metric"] == "roc_auc")]
    weak = comparison.groups[0]
    assert found["value"].tolist() == list(weak.values(comparison.metrics["roc_auc"]))
