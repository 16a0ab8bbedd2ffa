"""The commands: what they print, and how they refuse a person's mistake."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.cli import main
from facesim.interfaces import REGISTRIES
from facesim.runs.run import Run
from facesim.training.stop import Stopped
from facesim.version import installed_version

GOOD = """\
name: mine
data:
  train: {name: synthetic_faces, identities: 8, images_per_identity: 6, size: 24}
  val: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 8, size: 24}
  test: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 12, size: 24}
  workers: 0
image: {size: [24, 24]}
backbone: {name: small_cnn, width: 4}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: {name: contrastive, margin: 2.0}
optimizer: {name: adam, lr: 1e-3}
train: {epochs: 2, batch_size: 8}
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def facesim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs a command in an empty folder; returns its exit code, output and error output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["facesim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        captured = capsys.readouterr()
        return int(code or 0), captured.out, captured.err

    return command


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    return path


def test_a_run_leaves_what_the_design_promises_and_eval_measures_it_again(
    facesim: Command, good: Path, tmp_path: Path
) -> None:
    code, output, _ = facesim("run", "mine.yaml")
    assert code == 0
    (run,) = (tmp_path / "runs" / "mine").iterdir()
    assert f"run directory: runs/mine/{run.name}" in output.splitlines()[-1]
    for name in (
        "experiment.yaml",
        "environment.json",
        "metrics.jsonl",
        "calibration.json",
        "lint.json",
        "checkpoints/last.pt",
        "checkpoints/best.pt",
        "pairs/val.csv",
        "pairs/test.csv",
        "eval/test/metrics.json",
        "eval/test/scores.csv",
        "eval/test/baselines.json",
        "eval/test/slices.json",
        "report.html",
    ):
        assert (run / name).is_file(), name
    first = (run / "eval/test/metrics.json").read_text()
    figures = json.loads(first)
    assert figures["pairs"] == figures["genuine"] + figures["impostor"] == 16
    assert figures["identities"] == 4
    assert "val" in figures["threshold_source"]
    assert {"threshold", "loss"} <= figures.keys()
    assert {"accuracy", "eer", "roc_auc"} <= figures["metrics"].keys()
    assert facesim("eval", str(run))[0] == 0
    assert (run / "eval/test/metrics.json").read_text() == first


def test_the_resolved_experiment_runs_again_to_the_same_figures(
    facesim: Command, good: Path, tmp_path: Path
) -> None:
    facesim("run", "mine.yaml", "--set", "train.epochs=1")
    (first,) = (tmp_path / "runs" / "mine").iterdir()
    facesim("run", str(first / "experiment.yaml"), "--out", "again")
    (second,) = (tmp_path / "again" / "mine").iterdir()
    assert (second / "metrics.jsonl").read_text() == (first / "metrics.jsonl").read_text()
    assert (second / "experiment.yaml").read_text() == (first / "experiment.yaml").read_text()


def test_resuming_with_another_experiment_shows_the_difference(
    facesim: Command, good: Path, tmp_path: Path
) -> None:
    facesim("run", "mine.yaml", "--set", "train.epochs=1")
    (run,) = (tmp_path / "runs" / "mine").iterdir()
    code, _, error = facesim("run", "mine.yaml", "--resume", str(run))
    assert code == 2
    assert "train.epochs: 1 -> 2" in error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_resume_it_and_exits_as_a_shell_expects(
    facesim: Command, good: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def stopped(_run: Run) -> None:
        raise Stopped(number)

    monkeypatch.setattr(Run, "complete", stopped)
    ended, output, _ = facesim("run", "mine.yaml", "--set", "seed=3", "--out", "to here")
    assert ended == code
    assert output.splitlines()[-2:] == [
        f"stopped by {signal.Signals(number).name}; resume with:",
        "facesim run mine.yaml --set=seed=3 '--out=to here' --resume=auto",
    ]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    "words", [("lint", "mine.yaml"), ("--traceback", "compare", "run"), ("--version",)]
)
def test_what_torchrun_starts_several_times_is_carried_out_by_one_process_where_none_are_shared(
    facesim: Command, good: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], rank: int
) -> None:
    started = {"RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}
    for name, value in started.items():
        monkeypatch.setenv(name, str(value))
    code, output, error = facesim(*words)
    assert (code, output, error) == (0, "", "") if rank else output or error


def test_check_says_what_would_happen_and_writes_nothing(
    facesim: Command, good: Path, tmp_path: Path
) -> None:
    code, output, _ = facesim("check", "mine.yaml")
    assert code == 0
    for said in (
        "48 images of 8 identities",
        "trainable",
        "frozen",
        "48 pairs in 6 batches",
        "runs/mine",
    ):
        assert said in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


WRONG = {
    "typo in a plugin's name": (
        ("contrastive", "contrastve"),
        r"mine.yaml:11:\d+: .*'contrastive'",
    ),
    "typo in a key": (("margin", "magrin"), r"mine.yaml:11:\d+: loss.magrin: .*'margin'"),
    "wrong type": (("epochs: 2", "epochs: two"), r"mine.yaml:13:\d+: train.epochs: .*whole number"),
    "value out of range": (("margin: 2.0", "margin: -1"), r"mine.yaml:11:\d+: loss.margin: .*0"),
    "duplicate key": (
        ("\ntrain: {", "\ntrain: {epochs: 1, batch_size: 1}\ntrain: {"),
        r"mine.yaml:14:\d+: train: .*line 13",
    ),
    "two plugins of one name": (
        ("name: mine", "plugins: [./taken.py]\nname: mine"),
        r"mine.yaml:1:\d+: plugins.0: (.|\n)*'contrastive'(.|\n)*contrastive.py:\d+",
    ),
    "broken plugin": (
        ("name: mine", "plugins: [./broken.py]\nname: mine"),
        r"mine.yaml:1:\d+: plugins.0: (.|\n)*no_such_package",
    ),
    "unknown variable": (
        ("lr: 1e-3", 'lr: "${FACESIM_NO_SUCH}"'),
        r"mine.yaml:12:\d+: optimizer.lr: .*FACESIM_NO_SUCH.*:-",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_file_is_a_message_with_its_line_and_exit_code_2(
    command: str, mistake: str, facesim: Command, tmp_path: Path
) -> None:
    (right, wrong), message = WRONG[mistake]
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    (tmp_path / "taken.py").write_text(
        "from facesim import losses\n\n\n@losses('contrastive')\n"
        "def mine(embedding_dim, num_identities): ...\n"
    )
    assert right in GOOD
    (tmp_path / "mine.yaml").write_text(GOOD.replace(right, wrong, 1))
    code, output, error = facesim(command, "mine.yaml")
    assert code == 2
    assert re.search(message, error), error
    assert "Traceback" not in output + error
    assert not (tmp_path / "runs").exists()


def test_a_missing_file_names_those_that_there_are(facesim: Command, good: Path) -> None:
    code, _, error = facesim("run", "mien.yaml")
    assert code == 2
    assert re.search(r"mien.yaml: there is no such file .*mine.yaml", error), error


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.epohcs=3", r"mine.yaml:13:\d+: --set train.epohcs=3: train.epohcs: .*'epochs'"),
        ("train.epochs", r"mine.yaml:1:\d+: --set train.epochs: .*=value"),
        ("train.epochs=[", r"mine.yaml:13:\d+: --set train.epochs=\[: .*YAML"),
    ],
)
def test_a_bad_override_points_at_itself_and_at_the_file(
    assignment: str, message: str, facesim: Command, good: Path
) -> None:
    code, _, error = facesim("check", "mine.yaml", "--set", assignment)
    assert code == 2
    assert re.search(message, error), error


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.plural)
def test_every_plugin_is_listed_and_explained(registry: object, facesim: Command) -> None:
    from facesim.registry import Registry

    assert isinstance(registry, Registry)
    code, listing, _ = facesim("plugins", registry.plural)
    assert code == 0
    for plugin in registry:
        assert plugin.name in listing
        code, text, _ = facesim("plugins", registry.kind, plugin.name)
        assert code == 0
        assert all(name in text for name in plugin.parameters.model_fields if name != "name")


def test_lint_prints_findings_and_trains_nothing(
    facesim: Command, good: Path, tmp_path: Path
) -> None:
    code, out, _ = facesim("lint", str(good), "--write", "leaks.csv")
    assert code == 0
    assert "warning: too_few_impostors: " in out
    assert "no image is in two splits: leaks.csv is not written" in out
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".yaml"] == []


def test_lint_writes_what_stops_a_run_and_exits_with_1(facesim: Command, good: Path) -> None:
    same = "data.val.first_identity=0"
    code, out, _ = facesim("lint", str(good), "--set", same, "--write", "leaks.csv")
    assert code == 1
    assert "error: image_in_two_splits: train and val share 16 images" in out
    assert "written to leaks.csv: 16 images; leave them out with" in out
    assert Path("leaks.csv").read_text().splitlines()[0] == "split,file,reason"


def test_the_schema_is_json(facesim: Command) -> None:
    code, output, _ = facesim("schema")
    assert code == 0
    assert "contrastive" in json.dumps(json.loads(output))


def test_the_version_is_printed(facesim: Command) -> None:
    assert facesim("--version") == (0, f"facesim {installed_version('facesim')}\n", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("facesim re", ["report"]),
        ("facesim --version re", ["report"]),
        ("facesim cache ", ["list", "prune", "verify"]),
        ("facesim run --res", ["--resume"]),
        ("facesim check quickst", ["quickstart", "quickstart_optimize"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_options_and_experiments(
    shell: str, typed: str, offered: list[str], tmp_path: Path
) -> None:
    # In a process of its own, because a program's name decides which variables it reads.
    program = (
        "import sys; sys.argv[0] = 'facesim'; from facesim.cli import main\n"
        "try: main()\nfinally: assert 'torch' not in sys.modules"  # a shell waits for it
    )
    typing = {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **typing, "_FACESIM_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    if shell == "zsh":  # with descriptions: "report":"Write a run's report"
        found = re.findall(r'^(?:_arguments .*\(\()?"([^":]+)"', finished.stdout, re.MULTILINE)
    else:
        found = [line.split("\t")[0] for line in finished.stdout.splitlines()]
    assert found == offered


@pytest.mark.parametrize("command", [("doctor",), ("plugins", "doctor")])
def test_the_doctor_examines_environment_and_plugins(
    command: tuple[str, ...], facesim: Command
) -> None:
    code, output, _ = facesim(*command)
    assert code == 0
    assert output.startswith("environment: all well\n")
    assert f"\nfacesim {installed_version('facesim')} (made for interface 1): all well" in output


def test_the_doctor_exits_with_1_where_the_cache_is_not_writable(
    facesim: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "file" / "cache"))
    code, output, _ = facesim("doctor")
    assert code == 1
    assert f"cannot write in {tmp_path / 'file'}: Not a directory" in output


def test_pruning_the_cache_needs_a_limit(
    facesim: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    code, _, error = facesim("cache", "prune")
    assert code == 2
    assert "--older-than DAYS or --max-gb SIZE" in error
    assert facesim("cache", "prune", "--max-gb", "0")[:2] == (0, "removed 0 stores, 0.0 MB\n")


def test_a_new_plugin_says_the_files_that_were_written(facesim: Command, tmp_path: Path) -> None:
    code, output, _ = facesim("new", "plugin", "loss", "mine", "--out", str(tmp_path / "out"))
    assert code == 0
    written = sorted(str(path) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert sorted(output.split()) == written
    assert len(written) == 2


@pytest.mark.parametrize("group", [[], ["data"], ["cache"], ["new"]])
def test_a_group_without_a_command_lists_its_commands(facesim: Command, group: list[str]) -> None:
    code, output, error = facesim(*group)
    assert code == 2
    assert "Commands" in output + error
    assert "Missing command" not in output + error


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_need_no_torch(argument: str) -> None:
    program = (
        f"import sys; sys.argv = ['facesim', '{argument}']\n"
        "from facesim.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'pandas', 'numpy', 'optuna', 'pydantic', 'torchvision'}\n"
        "sys.exit(', '.join(slow & sys.modules.keys()) or 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "facesim" in finished.stdout


def test_help_is_printed_by_a_typer_that_wants_more_of_what_is_not_imported(tmp_path: Path) -> None:
    import typer.rich_utils

    source = Path(typer.rich_utils.__file__).read_text(encoding="utf-8")
    other = source.replace("markdown import Markdown", "markdown import Heading, Markdown")
    assert other != source
    (tmp_path / "other.py").write_text(other, encoding="utf-8")
    program = (
        "import sys, importlib.util\n"
        "sys.argv = ['facesim', 'run', '--help']\n"
        "class Finder:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'typer.rich_utils':\n"
        "            return importlib.util.spec_from_file_location(name, 'other.py')\n"
        "sys.meta_path.insert(0, Finder)\n"
        "from facesim.cli import main\n"
        "main()\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stderr
    assert "Usage: facesim run" in finished.stdout


@pytest.mark.parametrize("arguments", [["doctor"], ["check", "good.yaml"]])
def test_a_torch_that_cannot_be_imported_is_a_message(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    broken = "raise ImportError('libcudart.so.12: cannot open shared object file', name='torch._C')"
    (tmp_path / "torch" / "__init__.py").write_text(broken)
    (tmp_path / "good.yaml").write_text(GOOD)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-m", "facesim", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "torch cannot be imported: libcudart.so.12" in ended.stderr
    assert "Traceback" not in ended.stderr
