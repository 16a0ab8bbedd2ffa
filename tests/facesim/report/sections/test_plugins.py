"""Sections of plugins in the report: what they are shown, and what a failing one costs."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facesim.atomic import write_text
from facesim.console import warn_once
from facesim.interfaces import ReportSection, RunRecord, report_sections
from facesim.page import Axis, Card, Cards, Code, Links, Panel, Plot, Section, Series, Table, Text
from facesim.report.run_report import report_page, write_report
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles

Read = Callable[..., RunFiles]


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    warn_once.cache_clear()
    with report_sections.isolated():
        yield


@pytest.fixture
def read(build_run: Callable[..., Run]) -> Read:
    """A finished run's files, whose experiment asks for sections of these makers."""

    def files(*made: Callable[[RunRecord], Any], run: Run | None = None) -> RunFiles:
        run = run or build_run()
        specs = []
        for number, make in enumerate(made, start=1):

            class Made(ReportSection):
                """A section."""

                def section(self, run: RunRecord, make: Any = make) -> Any:
                    return make(run)

            report_sections(f"made_{number}")(Made)
            specs.append(report_sections.spec(f"made_{number}"))
        changed = run.experiment.model_copy(update={"report_sections": tuple(specs)})
        return Run(run.directory, experiment=changed).read()

    return files


def told(run: RunRecord) -> Section:
    """What a section is shown, as a section."""
    facts = {
        "run": run.title,
        "loss": run.experiment["loss"]["name"],
        "epochs": len(run.epochs),
        "steps": len(run.steps),
        "pairs": run.result and run.result.pairs,
        "scores": run.scores is not None and len(run.scores),
        "columns": run.scores is not None and " ".join(map(str, run.scores)),
        "label": run.metrics["roc_auc"].label,
        "files": " ".join(path.name for path in run.files.get("mine", ())),
        "status": f"{run.status} {run.stopped}",
    }
    rows = tuple((name, str(value)) for name, value in facts.items())
    return Section("told", "Told <b>here</b>", (Table("Facts", ("Fact", "Value"), rows),))


def test_a_section_is_shown_what_the_directory_holds(
    read: Read, build_run: Callable[..., Run]
) -> None:
    run = build_run()
    folder = run.path / "callbacks" / "mine"
    folder.mkdir(parents=True)
    write_text(folder / "a.txt", "a")
    (folder / "linked.txt").symlink_to("/etc/hostname")
    (run.path / "callbacks" / "other").symlink_to(folder)
    files = read(told, run=run)
    (section,) = [each for each in report_page(files, faces=False).sections if "Told" in each.title]
    (table,) = section.blocks
    assert isinstance(table, Table)
    shown = dict(row for row in table.rows if len(row) == 2)
    assert shown == {
        "run": files.title,
        "loss": "contrastive",
        "epochs": "3",
        "steps": "6",
        "pairs": "360",
        "scores": "360",
        "columns": "file1 file2 identity1 identity2 same score probability",
        "label": "ROC AUC",
        "files": "a.txt",
        "status": "finished None",
    }


def test_every_text_is_escaped_and_names_are_the_page_s_own(read: Read) -> None:
    evil = "<script>alert(1)</script>\" onload='x"

    def make(run: RunRecord) -> Section:
        blocks = (
            Text(evil),
            Table(evil, (evil, evil), ((evil, evil),)),
            Cards((Card(evil, evil, evil),)),
            Code(evil, evil),
            Plot(
                evil,
                evil,
                evil,
                (Panel(Axis(evil), Axis(evil), (Series(evil, (1.0,), (2.0,), tips=(evil,)),)),),
                Table(evil, (evil,), ((evil,),)),
            ),
        )
        return Section(f'result"{evil}', evil, blocks)

    page = write_report(read(make, make), faces=False).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") > 10
    assert 'id="plugin-1"' in page
    assert 'id="plugin-2"' in page
    assert page.count('id="result"') == 1


def test_plots_of_one_section_have_ids_of_their_own(read: Read) -> None:
    def make(run: RunRecord) -> Section:
        panels = (Panel(Axis("x"), Axis("y"), (Series("line", (1.0,), (2.0,)),)),)
        names = "fold-1", "fold-2", "fold_2"
        table = Table("Values", ("y",), (("2",),))
        plots = tuple(Plot(name, name, "A plot.", panels, table) for name in names)
        return Section("folds", "Folds", plots)

    page = write_report(read(make), faces=False).read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len([each for each in ids if each.startswith("plugin-1-")]) >= 3
    assert len(set(ids)) == len(ids)


def fail(run: RunRecord) -> Section:
    raise KeyError("margin")


def leave(run: RunRecord) -> Section:
    raise SystemExit(0)


FAILING: dict[str, tuple[Callable[[RunRecord], Any], str]] = {
    "raises": (fail, "failed in"),
    "leaves": (leave, "failed in"),
    "is no section": (lambda _: "<b>", "section() returned str, not a facesim.Section"),
    "holds no block": (
        lambda _: Section("a", "A", ("<b>",)),  # type: ignore[arg-type]
        "its section holds str, which is none of Text, Table, Plot, Cards, Code",
    ),
    "leads away": (
        lambda _: Section("a", "A", (Links("a", (("a", "https://example.org"),)),)),
        "its section holds Links, which is none of Text, Table, Plot, Cards, Code",
    ),
    "cannot be rendered": (lambda _: Section("a", "A", (Table("a", ("a",), ((),)),)), "left out: "),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_section_that_fails_is_named_and_the_report_is_there(
    read: Read, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    make, said = FAILING[name]
    with caplog.at_level(logging.WARNING, "facesim"):
        page = report_page(read(make, told), faces=False)
    titles = [section.title for section in page.sections]
    assert titles.index("Made 1") + 1 == titles.index("Told <b>here</b>")
    (section,) = [each for each in page.sections if each.title == "Made 1"]
    (text,) = section.blocks
    assert isinstance(text, Text)
    assert text.tone == "error"
    assert said in text.text
    assert "he report section 'made_1'" in text.text
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_failure_names_the_file_and_the_line(read: Read) -> None:
    page = report_page(read(fail), faces=False)
    (section,) = [each for each in page.sections if each.title == "Made 1"]
    (text,) = section.blocks
    assert isinstance(text, Text)
    assert f"({Path(__file__)}:" in text.text
    assert "KeyError: 'margin'" in text.text


def test_a_section_may_be_left_out_and_cannot_change_what_others_see(read: Read) -> None:
    def spoil(run: RunRecord) -> None:
        assert run.scores is not None
        run.scores["score"] = 0.0
        run.experiment.clear()  # type: ignore[attr-defined]

    seen = []
    page = report_page(
        read(spoil, lambda run: seen.append((run.scores["score"].abs().sum(), run.experiment))),
        faces=False,
    )
    assert not [section for section in page.sections if section.name.startswith("plugin")]
    ((total, experiment),) = seen
    assert total > 1
    assert experiment["name"] == "built"


def test_a_damaged_file_of_a_callback_is_named_and_the_report_is_there(
    read: Read, build_run: Callable[..., Run]
) -> None:
    run = build_run()
    folder = run.path / "callbacks" / "mine"
    folder.mkdir(parents=True)
    write_text(folder / "a.txt", "a")
    (folder / "a.txt").write_text("b")
    page = report_page(read(told, run=run), faces=False)
    (section,) = [each for each in page.sections if each.name == "plugin-1"]
    (text,) = section.blocks
    assert isinstance(text, Text)
    assert "a.txt: is not what facesim wrote" in text.text


def changed_run(run: Run, **settings: Any) -> Run:
    """A run as if it had begun with other settings, whatever is installed here."""
    content = yaml.safe_load((run.path / "experiment.yaml").read_text()) | settings
    write_text(run.path / "experiment.yaml", yaml.safe_dump(content))
    return Run.open(run.path)


SOURCES = {
    "a distribution": ("/site/acme.py:3 (acme-faces 1.2)", "the run had it from acme-faces 1.2"),
    "a module": ("/home/me/watch.py:3", "the run had it from /home/me/watch.py:3"),
    "nothing known": (None, "no plugin of this name is installed"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_one_line_says_which_plugin_is_not_installed_any_more(
    build_run: Callable[..., Run], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    source, said = SOURCES[name]
    gone = {"callbacks": ["norm_watch"], "report_sections": ["worst"], "trackers": ["elsewhere"]}
    run = changed_run(build_run(), **gone)
    plugins = {} if source is None else {f"{report_sections.kind} worst": source}
    write_text(run.path / "environment.json", json.dumps([{"plugins": plugins}]))
    with caplog.at_level(logging.WARNING, "facesim"):
        page = report_page(run.read(), faces=False)
    (section,) = [each for each in page.sections if each.title == "Worst"]
    (text,) = section.blocks
    assert isinstance(text, Text)
    (record,) = caplog.records
    told = record.getMessage()
    assert told.startswith(f"the report section 'worst' is left out: {said}")
    assert text.text.lower() == f"{told}.".lower()
    assert not any(each in told for each in ("norm_watch", "elsewhere", "\n"))


def test_a_section_of_a_plugin_file_needs_no_other_plugin_of_the_run(
    build_run: Callable[..., Run], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "of_file.py"
    file.write_text(
        "from facesim import ReportSection, Section, Text, report_sections\n\n\n"
        "@report_sections('of_file')\n"
        "class OfFile(ReportSection):\n"
        '    """A section."""\n\n'
        "    def section(self, run):\n"
        "        return Section('a', 'Of the file', (Text('is there'),))\n"
    )
    settings = {"callbacks": ["norm_watch"], "report_sections": ["of_file", "worst"]}
    run = changed_run(build_run(), plugins=[str(file)], **settings)
    with caplog.at_level(logging.WARNING, "facesim"):
        page = report_page(run.read(), faces=False, trust=True)
    assert "Of the file" in [section.title for section in page.sections]
    (record,) = caplog.records
    assert record.getMessage().startswith("the report section 'worst' is left out: no plugin")


def test_a_plugin_file_that_is_gone_is_named_in_one_line(
    build_run: Callable[..., Run], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"callbacks": ["norm_watch"], "report_sections": ["of_file"]}
    run = changed_run(build_run(), plugins=[str(tmp_path / "gone.py")], **settings)
    with caplog.at_level(logging.WARNING, "facesim"):
        report_page(run.read(), faces=False, trust=True)
    (record,) = caplog.records
    assert "gone.py" in record.getMessage()
    assert "norm_watch" not in record.getMessage()
    assert "\n" not in record.getMessage()
