"""Every example of plugins/README.md works as it stands there."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from facesim import discovery
from facesim.cli import main
from facesim.experiment.loading import load_experiment
from facesim.interfaces import REGISTRIES, EvaluationResult, data_commands
from facesim.processes import Processes
from facesim.registry import Plugin
from facesim.runs.run import Run
from facesim.testing import ContractBrokenError, check_plugin
from facesim.training.checkpoint import LAST, read_checkpoint
from facesim.training.stop import Stopped
from facesim.tuning.optimize import Request, optimize
from facesim.tuning.study import Plan, open_study
from facesim.tuning.trial_queue import StudyProgress

ROOT = Path(__file__).parents[2]
README = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", README, re.DOTALL))
SHOWN = dict(re.findall(r"<!-- shown by (\S+) [^\n]*-->\n```text\n(.*?)```\n", README, re.DOTALL))
PLUGIN_FILES = sorted(
    name for name, text in FILES.items() if "\n@" in text and "@data_commands" not in text
)
PARAMETERS: dict[str, dict[str, Any]] = {"mobilenet": {"weights": "none"}}
SMALL = (
    "data.train.identities=8",
    "data.train.root=faces",
    "data.val.identities=4",
    "data.val.root=faces",
    "data.test.identities=4",
    "data.test.root=faces",
    "evaluate.pairs_per_image=1.0",
    "train.batch_size=12",
    "train.epochs=3",
)


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    discovery.load_installed_plugins()
    with ExitStack() as stack:
        for registry in (*REGISTRIES, data_commands):
            stack.enter_context(registry.isolated())
        yield
    # A file that is named again is to register again.
    for name in [name for name in sys.modules if name.startswith("facesim_local_")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files, beside the shipped experiments."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def facesim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a command and returns what it printed."""

    def command(*arguments: str) -> str:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["facesim", *arguments])
        with pytest.raises(SystemExit):
            main()
        captured = capsys.readouterr()
        return captured.out + captured.err

    return command


def plugins_of(file: Path) -> list[Plugin[Any]]:
    before = {(plugin.kind, plugin.name) for registry in REGISTRIES for plugin in registry}
    discovery.load_named_plugin(file.name, file.parent)
    now = [plugin for registry in REGISTRIES for plugin in registry]
    return [plugin for plugin in now if (plugin.kind, plugin.name) not in before]


def test_the_page_has_an_example_of_each_kind(folder: Path) -> None:
    kinds = {plugin.kind for name in PLUGIN_FILES for plugin in plugins_of(folder / name)}
    assert kinds == {registry.kind for registry in REGISTRIES}


@pytest.mark.parametrize("file", PLUGIN_FILES)
def test_an_example_keeps_the_promises_of_its_kind(folder: Path, file: str) -> None:
    (plugin,) = plugins_of(folder / file)
    parameters = PARAMETERS.get(plugin.name, {})
    if plugin.kind == "dataset":
        for name in ("ann_1.jpg", "ann_2.jpg", "bob_1.jpg"):
            Image.new("RGB", (20, 20)).save(folder / name)
        parameters = {"root": folder}
    (registry,) = [registry for registry in REGISTRIES if registry.kind == plugin.kind]
    check_plugin(registry.spec(plugin.name, **parameters))


def test_a_metric_in_a_file_is_measured_shown_compared_and_chooses(
    folder: Path, facesim: Callable[..., str]
) -> None:
    small = [f"--set={value}" for value in SMALL]
    printed = facesim("run", "with_youden.yaml", *small)
    (run_dir,) = (folder / "runs" / "with_youden").iterdir()
    assert "Youden's J" in printed
    text = (run_dir / "eval" / "test" / "metrics.json").read_text()
    result = EvaluationResult.model_validate_json(text)
    assert list(result.metrics) == ["accuracy", "youden", "roc_auc"]
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    by_epoch = [line["youden"] for line in lines if line["kind"] == "val"]
    best = read_checkpoint(run_dir / "checkpoints" / "best.pt")["progress"]
    assert best["best"] == max(by_epoch)
    assert "Youden&#39;s J" in (run_dir / "report.html").read_text()
    facesim("run", "with_youden.yaml", *small, "--set=seed=1")
    first, second = sorted(map(str, (folder / "runs" / "with_youden").iterdir()))
    assert "Youden's" in facesim("compare", first, second)


def test_a_metric_in_a_file_steers_a_search(folder: Path, facesim: Callable[..., str]) -> None:
    search = "search: {trials: 2, metric: val.youden, space: {optimizer.lr: {float: [1e-4, 1e-2]}}}"
    (folder / "searched.yaml").write_text(f"extends: with_youden.yaml\nname: searched\n{search}\n")
    printed = facesim("optimize", "searched.yaml", *(f"--set={value}" for value in SMALL))
    assert "youden" in printed
    summary = json.loads((folder / "studies" / "searched" / "summary.json").read_text())
    assert summary["metric"] == "youden"
    assert "youden" in summary["winner"]["test"]
    assert "youden" in (folder / "studies" / "searched" / "study.html").read_text().lower()


def test_a_protocol_in_a_file_measures_a_run_and_reports(
    folder: Path, facesim: Callable[..., str]
) -> None:
    small = [f"--set={value}" for value in SMALL]
    facesim("run", "with_youden.yaml", *small)
    (run_dir,) = (folder / "runs" / "with_youden").iterdir()
    plugin = ["--plugin=templates.py", "--set=evaluate.protocol=templates"]
    printed = facesim("eval", str(run_dir), "--name=templates", *plugin)
    assert "two per person" in printed
    measured = json.loads((run_dir / "eval" / "templates" / "metrics.json").read_text())
    assert (measured["protocol"], measured["pairs"]) == ("templates", 8 * 7 // 2)
    facesim("report", str(run_dir), "--name=templates")
    assert "two per person" in (run_dir / "report-templates.html").read_text()


def test_the_loss_is_ten_lines() -> None:
    body = FILES["cosine_contrastive.py"].partition('"""Pull')[2].splitlines()[1:]
    assert len([line for line in body if line.strip()]) == 9


def test_a_typo_is_shown_as_the_page_says(folder: Path, facesim: Callable[..., str]) -> None:
    text = FILES["mine.yaml"].replace("ceiling", "cieling")
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    assert facesim("check", "mine.yaml") == SHOWN["mine.yaml"]


def test_the_loss_is_explained_and_in_the_schema(folder: Path, facesim: Callable[..., str]) -> None:
    for named in ("mine.yaml", "cosine_contrastive.py"):
        shown = facesim("plugins", "losses", "cosine_contrastive", "--plugin", named)
        assert "impostors below it have no loss" in shown
        assert ">= -1 and < 1" in shown
    schema = facesim("schema", "--plugin", "mine.yaml")
    assert all(name in schema for name in ('"cosine_contrastive"', '"ceiling"'))


@pytest.mark.parametrize("loss", ["cosine_contrastive", "proxy_softmax"])
def test_a_run_with_it_that_is_interrupted_ends_as_one_that_was_not(
    folder: Path, loss: str
) -> None:
    text = FILES["mine.yaml"].replace("cosine_contrastive", loss).replace(", ceiling: 0.2", "")
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(folder / "mine.yaml", SMALL)
    whole = Run.begin(experiment, folder / "whole")
    result = whole.complete()

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped):
        Run.begin(experiment, folder / "parts").complete(interrupt)
    interrupted = Run.latest_unfinished(experiment, folder / "parts")
    assert interrupted is not None
    resumed = Run.open(interrupted.path).complete()

    assert resumed.metrics["roc_auc"] == result.metrics["roc_auc"]
    first, second = (weights(run) for run in (whole, interrupted))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(key.startswith("loss.") for key in first) == (loss == "proxy_softmax")


def test_a_search_varies_the_parameter_of_the_loss(folder: Path) -> None:
    search = "search: {trials: 2, space: {loss.ceiling: {float: [0.1, 0.6]}}}\n"
    lint = 'lint: {too_few_impostors: "off"}\n'
    (folder / "mine.yaml").write_text(FILES["mine.yaml"] + lint + search, encoding="utf-8")
    quick = (*SMALL, "train.epochs=1", "backbone.width=4", "evaluate.baselines=false")
    request = Request(folder / "mine.yaml", quick, folder / "studies", None, None, 1, resume=False)
    out, _ = optimize(request, SilentView(), Processes())
    study = open_study(Plan.read(out, None))
    tried = [trial.params["loss.ceiling"] for trial in study.trials]
    assert len(tried) == len(set(tried)) == 2
    best = load_experiment(out / "best.yaml").loss.arguments["ceiling"]
    assert best in (0.2, *tried)


class SilentView:
    """Listens to a search and shows nothing."""

    def say(self, text: str) -> None: ...

    def show(self, progress: StudyProgress) -> None: ...


def weights(run: Run) -> dict[str, torch.Tensor]:
    network: dict[str, torch.Tensor] = read_checkpoint(run.checkpoints.file(LAST))["network"]
    return network


def test_the_test_of_the_page_passes(folder: Path) -> None:
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    finished = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_check_without_pytest_passes(folder: Path) -> None:
    runpy.run_path("without_pytest.py")


def test_a_broken_promise_is_shown_as_the_page_says(folder: Path) -> None:
    sound = "costs.sum() / max(len(costs), 1)"
    broken = FILES["cosine_contrastive.py"].replace(sound, "costs.mean()")
    (folder / "cosine_contrastive.py").write_text(broken, encoding="utf-8")
    with pytest.raises(ContractBrokenError) as caught:
        runpy.run_path("without_pytest.py")
    assert str(caught.value).replace(f"{folder}/", "") + "\n" == SHOWN["cosine_contrastive.py"]


def test_the_data_command_runs(folder: Path, facesim: Callable[..., str]) -> None:
    discovery.load_named_plugin("list_faces.py", folder)
    assert facesim("data", "list-faces", "faces") == "faces: no <person>/<image>.jpg is in it\n"
    (folder / "faces" / "ann").mkdir(parents=True)
    (folder / "faces" / "ann" / "1.jpg").touch()
    assert facesim("data", "list-faces", "faces") == "1 images: faces.csv\n"
    assert (folder / "faces.csv").read_text() == "img,ids\nann/1.jpg,ann\n"
