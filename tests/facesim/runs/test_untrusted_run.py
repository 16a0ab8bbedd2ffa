"""A run directory of somebody else runs no code, however it names it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from facesim.cli import main
from facesim.experiment.loading import load_experiment
from facesim.interfaces import REGISTRIES
from facesim.notebook import commands
from facesim.page import Records, Section
from facesim.runs.run import Run

EVIL = """
from pathlib import Path
Path({mark!r}).touch()

from facesim import Metric, Protocol, datasets, metrics, protocols, ProtocolReport
from facesim.page import Card, Section, Table, Text
import facesim_plugins.protocols.pairs as pairs

@metrics("half_error")
class HalfError(Metric):
    label = "Half of the <error>"
    higher_is_better = False
    headline = True

    def value(self, roc, threshold):
        return 0.25 + 0.5 * len(roc) / 1e9


@datasets("own_faces")
def own_faces():
    return datasets.spec(
        "synthetic_faces", identities=4, images_per_identity=4, first_identity=12, size=24
    ).build()


@protocols("told_pairs")
class Told(pairs.Pairs):
    def report(self, result):
        table = Table("Told <here>", ("What", "How many"), (("pairs", str(result.pairs)),))
        section = Section("told", "Told", (Text("It was told."), table))
        return ProtocolReport((Card("Told pairs", str(result.pairs), "none"),), (section,))
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registries and records that no other test sees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACESIM_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    forget_plugin_files()
    yield
    forget_plugin_files()


@pytest.fixture
def facesim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in a process that has imported no plugin file yet, as far as one can tell."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["facesim", *map(str, arguments)])
        forget_plugin_files()
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return command


def forget_plugin_files() -> None:
    for name in [name for name in sys.modules if name.startswith("facesim_local_")]:
        del sys.modules[name]
    for registry in REGISTRIES:
        for plugin in list(registry):
            if plugin.module.startswith("facesim_local_"):
                del registry._plugins[plugin.name]


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that exists once the plugin file ran."""
    return tmp_path / "it-ran"


@pytest.fixture
def own(tmp_path: Path, tiny_file: Path, mark: Path) -> Path:
    """This user's own experiment, with a plugin file."""
    (tmp_path / "plugin.py").write_text(EVIL.format(mark=str(mark)))
    file = tmp_path / "own.yaml"
    file.write_text(
        f"extends: {tiny_file}\nname: own\nplugins: [./plugin.py]\n"
        "train: {epochs: 1}\ndata: {test: own_faces}\n"
        "evaluate: {metrics: [accuracy, half_error], protocol: told_pairs, baselines: false}\n"
    )
    return file


@pytest.fixture
def run(own: Path, tmp_path: Path, mark: Path) -> Path:
    """A finished run that this user began."""
    made = Run.begin(load_experiment(own), tmp_path / "runs")
    made.complete()
    mark.unlink()
    return made.path


@pytest.fixture
def foreign(run: Path, tmp_path: Path) -> Path:
    """The same run, as if another user or machine had begun it."""
    shutil.rmtree(tmp_path / "state")
    return run


def test_report_and_compare_import_no_plugin_file_and_show_what_the_run_stored(
    facesim: Command, foreign: Path, tmp_path: Path, mark: Path
) -> None:
    code, _, error = facesim("report", foreign)
    assert (code, error) == (0, "")
    text = (foreign / "report.html").read_text(encoding="utf-8")
    assert "<dt>Half of the &lt;error&gt;</dt>" in text
    assert "Half of the &lt;error&gt;" in text.split('id="training"')[1].split("</section>")[0]
    assert "<dt>Told pairs</dt>" in text
    assert "Told &lt;here&gt;" in text
    assert "told_pairs" in text
    assert "own_faces&#39; comes from a plugin file, which is not imported here" in text
    shutil.copytree(foreign, tmp_path / "again")
    code, output, _ = facesim("compare", foreign, tmp_path / "again", "--out", "page.html")
    assert code == 0
    assert "Half of the <error>" in output
    assert "as if the runs were independent" in output
    code, output, _ = facesim("compare", foreign, "--against", tmp_path / "again")
    assert code == 0
    assert "Not compared: Half of the <error>" in output
    assert facesim("cache", "list")[0] == 0
    assert not mark.exists()


def test_the_report_without_the_plugin_is_the_one_of_the_run_but_for_what_needs_images(
    own: Path, run: Path, tmp_path: Path
) -> None:
    from facesim.report.run_report import report_page

    def without_filters() -> list[Section]:
        """The sections, without what the attributes of the images are needed for."""
        page = report_page(Run.open(run).read(), faces=False)
        return [
            replace(
                section,
                blocks=tuple(
                    replace(block, filters=block.filters[:1])
                    if isinstance(block, Records)
                    else block
                    for block in section.blocks
                ),
            )
            for section in page.sections
            if section.name != "images"
        ]

    with_plugins = without_filters()
    forget_plugin_files()
    assert without_filters() == with_plugins


def commands_on(run: Path) -> dict[str, tuple[object, ...]]:
    return {
        "eval": ("eval", run),
        "eval of other data": ("eval", run, "--name", "b", "--set", "evaluate.seed=1"),
        "run": ("run", run / "experiment.yaml"),
        "run in it": ("run", run / "experiment.yaml", "--resume", run),
        "check": ("check", run / "experiment.yaml"),
        "lint": ("lint", run / "experiment.yaml"),
        "optimize": ("optimize", run / "experiment.yaml"),
        "schema": ("schema", "--plugin", run / "experiment.yaml"),
        "plugins": ("plugins", "--plugin", run / "experiment.yaml"),
    }


@pytest.mark.parametrize("name", commands_on(Path()))
def test_what_would_run_is_listed_and_nothing_runs(
    facesim: Command, foreign: Path, tmp_path: Path, mark: Path, name: str
) -> None:
    code, _, error = facesim(*commands_on(foreign)[name])
    assert code == 2
    assert str(tmp_path / "plugin.py") in error
    assert "--trust" in error
    assert "Traceback" not in error
    assert not mark.exists()


@pytest.mark.parametrize("name", ["eval", "check", "plugins"])
def test_trust_runs_it(facesim: Command, foreign: Path, mark: Path, name: str) -> None:
    assert facesim(*commands_on(foreign)[name], "--trust")[0] == 0
    assert mark.exists()


@pytest.mark.parametrize("name", ["eval", "check"])
def test_who_began_the_run_needs_no_more(
    facesim: Command, run: Path, mark: Path, tmp_path: Path, name: str
) -> None:
    run = run.rename(tmp_path / "moved")
    assert facesim(*commands_on(run)[name])[0] == 0
    assert mark.exists()


def test_a_plugin_that_has_changed_is_not_run(
    facesim: Command, run: Path, mark: Path, tmp_path: Path
) -> None:
    with (tmp_path / "plugin.py").open("a") as file:
        file.write("\n")
    code, _, error = facesim("eval", run)
    assert code == 2
    assert f"{tmp_path / 'plugin.py'}: has changed since then" in error
    assert not mark.exists()


def test_the_experiment_that_names_them_resumes_a_run_and_is_recorded(
    facesim: Command, foreign: Path, own: Path
) -> None:
    assert facesim("eval", foreign)[0] == 2
    assert facesim("run", own, "--resume", foreign)[0] == 0
    assert facesim("eval", foreign)[0] == 0


def test_auto_imports_nothing_of_what_it_finds(
    facesim: Command, foreign: Path, own: Path, mark: Path, tiny_file: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.yaml"
    plain.write_text(f"extends: {tiny_file}\nname: own\ntrain: {{epochs: 0}}\n")
    (foreign / "report.html").unlink(missing_ok=True)
    assert facesim("run", plain, "--resume", "auto")[0] == 0
    assert not mark.exists()


WAYS = (
    "a link to the file",
    "a link to the folder",
    "a base",
    "a base in a linked folder",
    "another file of the run",
    "a relative path",
)


def smuggled(foreign: Path, tmp_path: Path) -> dict[str, Path]:
    """Files of this user's folder that lead to what the run names."""
    experiment = foreign / "experiment.yaml"
    linked = tmp_path / "linked.yaml"
    linked.symlink_to(experiment)
    (tmp_path / "folder").symlink_to(foreign)
    extending = tmp_path / "extending.yaml"
    extending.write_text(f"extends: {experiment}\nseed: 1\n")
    inside = foreign / "eval" / "inside.yaml"
    shutil.copy(experiment, inside)
    hidden = tmp_path / "hidden.yaml"
    hidden.write_text("extends: folder/experiment.yaml\n")
    return {
        "a link to the file": linked,
        "a link to the folder": tmp_path / "folder" / "experiment.yaml",
        "a base": extending,
        "a base in a linked folder": hidden,
        "another file of the run": inside,
        "a relative path": Path(os.path.relpath(experiment)),
    }


@pytest.mark.parametrize("name", WAYS)
def test_ways_around_lead_to_the_same_question(
    facesim: Command, foreign: Path, tmp_path: Path, mark: Path, name: str
) -> None:
    code, _, error = facesim("check", smuggled(foreign, tmp_path)[name])
    assert code == 2
    assert "--trust" in error
    assert not mark.exists()


def test_the_experiment_of_a_run_extends_nothing(
    facesim: Command, foreign: Path, own: Path, mark: Path
) -> None:
    (foreign / "experiment.yaml").write_text(f"extends: {own}\n")
    (foreign / "facesim-manifest.json").unlink()
    other = shutil.copytree(foreign, foreign.with_name("other"))
    for command in (("eval", foreign), ("report", foreign), ("compare", foreign, other)):
        code, _, error = facesim(*command)
        assert code == 2
        assert "extends no other file" in error
    assert not mark.exists()


def test_a_named_module_is_code_as_well(
    facesim: Command, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: Path
) -> None:
    (tmp_path / "acme_smuggled.py").write_text(f"open({str(mark)!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = foreign / "experiment.yaml"
    file.write_text(file.read_text().replace(str(tmp_path / "plugin.py"), "acme_smuggled"))
    (foreign / "facesim-manifest.json").unlink()
    code, _, error = facesim("eval", foreign)
    assert code == 2
    assert "acme_smuggled: no run of yours began" in error
    assert not mark.exists()


def test_an_evaluation_in_it_is_read_without_its_plugins(
    facesim: Command, foreign: Path, mark: Path
) -> None:
    assert facesim("eval", foreign, "--trust", "--name", "b", "--set", "evaluate.seed=1")[0] == 0
    mark.unlink()
    assert facesim("report", foreign, "--name", "b")[0] == 0
    assert not mark.exists()


def test_from_python_metrics_need_no_plugin_and_the_network_needs_consent(
    foreign: Path, mark: Path
) -> None:
    from facesim.discovery import UntrustedPluginsError

    forget_plugin_files()
    opened = commands.open_run(foreign)
    assert "half_error" in opened.metrics
    assert len(opened.scores)
    commands.compare(foreign, foreign)
    with pytest.raises(UntrustedPluginsError, match="trust=True"):
        _ = opened.network
    with pytest.raises(UntrustedPluginsError):
        commands.evaluate(opened, name="b")
    with pytest.raises(UntrustedPluginsError):
        commands.load_experiment(foreign / "experiment.yaml")
    assert not mark.exists()
    assert commands.open_run(foreign, trust=True).network is not None
    assert mark.exists()


def test_a_state_folder_that_cannot_be_written_is_said_once(
    facesim: Command, own: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file")
    code, output, error = facesim("run", own, "--set", "train.epochs=0")
    assert code == 0
    assert (output + error).count("will ask for --trust") == 1


SECTION = """
from pathlib import Path
Path({mark!r}).touch()

from facesim import ReportSection, Section, Text, report_sections

@report_sections("own_words")
class OwnWords(ReportSection):
    def section(self, run):
        return Section("own", "Own words", (Text("They were <said>."),))
"""


def test_a_section_of_a_plugin_file_needs_consent_and_the_report_says_so(
    facesim: Command, tiny_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "section-ran"
    (tmp_path / "section.py").write_text(SECTION.format(mark=str(mark)))
    file = tmp_path / "worded.yaml"
    file.write_text(
        f"extends: {tiny_file}\nname: worded\nplugins: [./section.py]\n"
        "train: {epochs: 0}\nevaluate: {baselines: false}\nreport_sections: [own_words]\n"
    )
    assert facesim("run", file, "--out", tmp_path / "worded")[0] == 0
    (run,) = (tmp_path / "worded" / "worded").iterdir()
    report = run / "report.html"
    assert "They were &lt;said&gt;." in report.read_text("utf-8")

    mark.unlink()
    assert facesim("report", run)[0] == 0
    assert mark.exists()  # by who began the run
    assert "They were &lt;said&gt;." in report.read_text("utf-8")

    mark.unlink()
    shutil.rmtree(tmp_path / "state")
    caplog.clear()
    assert facesim("report", run)[0] == 0
    assert not mark.exists()
    page = report.read_text("utf-8")
    assert "They were" not in page
    assert "The report section &#39;own_words&#39; is left out: it comes from a plugin file" in page
    assert "facesim report RUN_DIR --trust" in page
    (record,) = [each for each in caplog.records if "own_words" in each.getMessage()]
    assert "\n" not in record.getMessage()

    assert facesim("report", run, "--trust")[0] == 0
    assert mark.exists()
    assert "They were &lt;said&gt;." in report.read_text("utf-8")
