"""What the README shows is true: its snippets load, its commands and its keys exist."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import facesim
from facesim.cli.program import app
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment, keys_at
from facesim.packing.pack import PackOptions, pack_run
from facesim.runs.run import Run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = (ROOT / ".github" / "PACKAGE.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [*blocks("yaml"), *blocks("yaml", PACKAGE)])
def test_every_experiment_shown_loads(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    path = tmp_path / "shown.yaml"
    path.write_text(text, encoding="utf-8")
    load_experiment(path)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`facesim ([a-z]+(?: [a-z]+)?)", README + PACKAGE)))
)
def test_every_command_named_exists(command: str) -> None:
    words = command.split()
    listed = CliRunner().invoke(app, ["--help"]).output
    assert words[0] in listed
    group = CliRunner().invoke(app, [words[0], "--help"])
    assert group.exit_code == 0
    if "COMMAND" in group.output and len(words) > 1:
        assert words[1] in group.output


@pytest.mark.parametrize(
    "command",
    [line for block in blocks("sh") for line in block.splitlines() if "facesim run" in line],
)
def test_every_experiment_named_is_there(command: str) -> None:
    for name in re.findall(r"experiments/\w+\.yaml", command):
        assert (ROOT / name).is_file()


def test_the_tables_keys_are_keys_of_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CELEBA", "data/celeba")
    path = ROOT / "experiments" / "celeba_contrastive.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    table = README[README.index("| there | here |") :]
    keys = set(re.findall(r"`((?:head|data|sampler|evaluate|train)\.\w+)`", table))
    assert len(keys) >= 10
    for key in keys:
        section, name = key.split(".")
        known = keys_at(Experiment, (section,), data)
        assert name in known, f"{key}: known are {known}"


def test_the_mistakes_shown_are_reported_as_shown(tmp_path: Path) -> None:
    (shown,) = (block for block in blocks("text") if "unknown key" in block)
    lines = ["name: my"] + [""] * 13
    lines[9] = "loss: {name: contrastive,    magrin: 1}"
    lines[13] = 'train: {        epochs: "10", batch_size: 8}'
    (tmp_path / "my.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(FacesimError) as error:
        load_experiment(tmp_path / "my.yaml")
    said = str(error.value).replace(f"{tmp_path}/", "")
    for line in shown.strip().splitlines():
        message = re.sub(r":\d+:\d+:", ":", line.strip())
        assert message in re.sub(r":\d+:\d+:", ":", said), f"{message}\n{said}"


def test_both_commands_work_on_a_fresh_machine_with_python_and_pip() -> None:
    install, test = blocks("sh")[:2]
    for command in (install, test):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -e ")
        assert len(command.strip().splitlines()) == 1
    assert sys.version_info >= (3, 11)


def test_the_walk_through_a_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk, use = blocks("python")
    # The real quickstart takes a minute; these are fewer people.
    (tmp_path / "experiments").mkdir()
    fewer = "".join(
        f"  {split}: {{identities: {identities}, root: {tmp_path}/faces}}\n"
        for split, identities in (("train", 20), ("val", 12), ("test", 12))
    )
    text = f"extends: {ROOT}/experiments/quickstart.yaml\ndata:\n{fewer}"
    (tmp_path / "experiments" / "quickstart.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(walk, names)
    assert "epoch 3/3" in capsys.readouterr().out
    run, other = names["run"], names["other"]
    assert run.embed([names["faces"].path(0)]).shape == (1, 32)
    assert names["every_pair"].metrics.result.pairs == 48 * 47 // 2
    assert facesim.compare(run, other).comparison.configuration == {"train.epochs": ("3", "1")}
    _shows_the_tree_of(run.path)
    _use_a_pack(use, run, names["faces"])


def _shows_the_tree_of(run: Path) -> None:
    """The README's tree of a run has what the quickstart leaves, and nothing else."""
    (tree,) = (block for block in blocks("text") if "experiment.yaml     " in block)
    first, *lines = tree.strip().splitlines()
    assert first.startswith("runs/quickstart/")
    shown, folder = set(), ""
    for line in lines:
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        folder = folder if indent > 2 else name if name.endswith("/") else ""
        place = folder + name if indent > 2 else name
        assert (run / place).is_dir() if name.endswith("/") else (run / place).is_file(), place
        shown.add(place.rstrip("/"))
    visible = [path for path in (*run.iterdir(), *run.glob("eval/test/*")) if path.name[0] != "."]
    there = {path.relative_to(run).as_posix() for path in visible}
    assert shown == (there - {"eval"}) | {"eval/test"}


def _use_a_pack(use: str, run: facesim.OpenedRun, faces: facesim.FaceTable) -> None:
    """In the current folder, where the snippet finds a pack and two photographs."""
    pack_run(Run.open(run.path), Path("pack"), PackOptions())
    for row, name in enumerate(("a.jpg", "b.jpg")):
        Path(name).write_bytes(Path(faces.path(row)).read_bytes())
    names: dict[str, Any] = {}
    exec(use, names)
    assert names["verdict"].score == pytest.approx(run.score("a.jpg", "b.jpg"), abs=1e-3)
    assert "missing.jpg" in names["many"][1].reason
    assert names["embeddings"].shape == (2, 32)
