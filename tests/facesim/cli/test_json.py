"""``--json`` and ``--quiet``: what scripts read."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facesim.cli import main
from facesim.interfaces import REGISTRIES
from facesim.terminal.documents import FORMAT
from facesim.training.stop import Stopped
from tests.facesim.cli.test_cli import GOOD, Command

NOISY = """\
import os
import subprocess

print("hello from a plugin")
os.write(1, b"raw bytes\\n")
subprocess.run(["echo", "from a process"], check=True)
"""

ESTIMATE = {"value", "low", "high", "interval", "reason", "point", "procedure"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment whose plugin prints."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "mine.yaml").write_text(GOOD + "plugins: [./noisy.py]\n")
    (folder / "noisy.py").write_text(NOISY)
    return folder


def as_process(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of a command."""
    finished = subprocess.run(
        [sys.executable, "-m", "facesim", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout, finished.stderr


@pytest.fixture
def facesim(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The same in this process."""
    monkeypatch.chdir(folder)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["facesim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return command


@pytest.fixture(scope="module")
def ran(folder: Path) -> dict[str, Any]:
    """The document of a run."""
    code, output, error = as_process(folder, "run", "mine.yaml", "--json")
    assert code == 0, error
    assert output.count("\n") == 1
    # what anything printed is still there, elsewhere
    for line in ("hello from a plugin", "raw bytes", "from a process", "epoch 2/2"):
        assert line in error
    document: dict[str, Any] = json.loads(output)
    return document


def test_a_run_is_one_document(ran: dict[str, Any]) -> None:
    assert (ran["format"], ran["command"], ran["experiment"]) == (FORMAT, "run", "mine")
    assert list(ran) == [
        *("format", "command", "experiment", "run_dir", "evaluation", "result", "baselines"),
        "report",
    ]
    written = json.loads((Path(ran["run_dir"]) / "eval/test/metrics.json").read_text())
    assert ran["result"] == written
    assert set(ran["result"]["metrics"]["accuracy"]) == ESTIMATE
    assert set(ran["baselines"]["chance"]["accuracy"]) == ESTIMATE
    assert Path(ran["report"]).is_file()


def test_an_evaluation_is_one_document(facesim: Command, ran: dict[str, Any]) -> None:
    change = "evaluate.pairs_per_image=0.5"
    code, output, error = facesim(
        "eval", ran["run_dir"], "--set", change, "--name", "fewer", "--json", "--quiet"
    )
    assert code == 0, error
    found = json.loads(output)
    assert (found["command"], found["evaluation"]) == ("eval", "fewer")
    assert found["folder"] == str(Path(ran["run_dir"]) / "eval/fewer")
    assert found["result"]["pairs"] < ran["result"]["pairs"]


def test_a_quiet_comparison_is_its_tables(facesim: Command, ran: dict[str, Any]) -> None:
    other = facesim("run", "mine.yaml", "--set=seed=1", "--set=name=other", "--json")[1]
    runs = (ran["run_dir"], json.loads(other)["run_dir"])
    code, output, error = facesim("compare", *runs, "--out=page.html", "--quiet")
    assert (code, error) == (0, "")
    assert "written to" not in output
    assert "Accuracy" in output
    document = json.loads(facesim("compare", *runs, "--json", "--quiet")[1])
    assert document["configuration"] == {
        "name": {"mine": "mine", "other": "other"},
        "seed": {"mine": [0], "other": [1]},
    }
    assert "written to" in facesim("compare", *runs, "--out=page.html")[1]


def test_quiet_leaves_the_result_alone(folder: Path, facesim: Command) -> None:
    (folder / "plain.yaml").write_text(GOOD.replace("name: mine", "name: plain"))
    code, output, error = facesim("run", "plain.yaml", "--quiet")
    assert (code, error) == (0, "")
    (run,) = (folder / "runs" / "plain").iterdir()
    assert output.lstrip().startswith("test: ")
    assert "epoch" not in output
    assert output.splitlines()[-1] == f"run directory: runs/plain/{run.name}"


def test_a_check_is_one_document_whatever_the_number_of_processes(folder: Path) -> None:
    code, output, error = as_process(
        folder, "check", "mine.yaml", "--set=train.shards=2", "--processes=2", "--json"
    )
    assert code == 0, error
    found = json.loads(output)
    assert list(found) == ["format", "command", "experiment", "numbers", "facts", "notes"]
    numbers = found["numbers"]
    assert (numbers["train_images"], numbers["test_identities"]) == (48, 4)
    assert numbers["steps"] == 2 * numbers["batches_per_epoch"]
    assert found["facts"]["first loss"] == f"{numbers['first_loss']:.4f}"
    assert found["facts"]["train"] == "48 images of 8 identities"


def test_what_a_check_finds_is_its_result_and_stays_where_it_is_quiet(facesim: Command) -> None:
    few = "--set=evaluate.pairs_per_image=0.5"
    code, output, error = facesim("check", "mine.yaml", few, "--quiet")
    assert (code, error) == (0, "")
    assert "warning: too_few_genuine: test has" in output
    assert "warning: too_few_genuine: test has" in facesim("lint", "mine.yaml", few, "--quiet")[1]


def test_findings_are_a_document_and_an_exit_code(facesim: Command) -> None:
    code, output, _ = facesim("lint", "mine.yaml", "--set=data.test.first_identity=0", "--json")
    assert code == 1
    found = json.loads(output)
    assert (found["allows_run"], found["written"]) == (False, None)
    assert "identity_in_two_splits" in {finding["rule"] for finding in found["findings"]}


def test_plugins_are_a_document_or_names(facesim: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in REGISTRIES:  # files of other tests that failed would be told on stderr
        monkeypatch.setattr(registry, "_failures", {})
    code, output, _ = facesim("plugins", "losses", "triplet", "--json")
    assert code == 0
    (found,) = json.loads(output)["plugins"]
    assert (found["kind"], found["name"]) == ("loss", "triplet")
    assert "margin" in {parameter["name"] for parameter in found["parameters"]}
    code, output, error = facesim("plugins", "losses", "--quiet")
    assert (code, error) == (0, "")
    assert "triplet" in output.splitlines()


@pytest.mark.parametrize("command", ["doctor", "cache list"])
def test_the_installation_is_a_document(facesim: Command, command: str) -> None:
    code, output, error = facesim(*command.split(), "--json")
    assert code == 0, error
    assert json.loads(output)["command"] == command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "no.yaml"), "no.yaml: there is no such file"),
        (("eval", "no_run"), "no_run"),
        (("run",), "Missing argument"),
        (("plugins", "losses", "triplett"), "did you mean 'triplet'"),
        (("run", "mine.yaml", "--no-such-option"), "--no-such-option"),
    ],
)
def test_a_mistake_is_a_document_too_and_a_message(
    facesim: Command, arguments: tuple[str, ...], message: str
) -> None:
    code, output, error = facesim(*arguments, "--json")
    assert code == 2
    found = json.loads(output)
    assert list(found) == ["format", "error"]
    assert found["error"]["exit_code"] == 2
    assert message in found["error"]["message"]
    assert message.partition(":")[0] in error


def test_what_is_stopped_is_a_document_too(
    facesim: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr("facesim.runs.run.Run.complete", stop)
    code, output, error = facesim("run", "mine.yaml", "--json", "--quiet")
    assert code == 143
    assert json.loads(output)["error"] == {"message": "stopped by SIGTERM", "exit_code": 143}
    assert "--resume=auto" in error  # the command that goes on


def test_the_problems_of_an_experiment_have_their_places(folder: Path, facesim: Command) -> None:
    (folder / "wrong.yaml").write_text(GOOD.replace("margin", "magrin"))
    _, output, _ = facesim("check", "wrong.yaml", "--json")
    (problem,) = json.loads(output)["error"]["problems"]
    assert problem == {
        "file": "wrong.yaml",
        "line": 11,
        "column": 27,
        "key": "loss.magrin",
        "message": "unknown key (did you mean 'margin'?)",
    }
