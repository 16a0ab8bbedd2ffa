"""Directories of somebody else that smuggle code: no command runs it without consent."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from facesim.atomic import MANIFEST, sha256_of
from facesim.discovery import record_consent
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of, import_what_runs_need
from tests.campaigns.command import run_facesim
from tests.campaigns.tiny_experiments import write_experiment

_EVIL, _OWN = "evil-ran", "own-ran"
"""Files that are there once the attacker's code ran, or the plugin of the run's author."""

_PLUGIN = """
from pathlib import Path
Path("{mark}").touch()
from facesim import Metric, metrics

@metrics("smuggled")
class Smuggled(Metric):
    label = "Smuggled"
    headline = True

    def value(self, roc, threshold):
        return 0.5
"""

_REDUCES = """
import torch, pathlib

class Evil:
    def __reduce__(self):
        return pathlib.Path("{mark}").touch, ()

torch.save({{"format": 2, "network": Evil()}}, "{file}")
"""


class UntrustedRuns(Campaign):
    """A finished run or study, changed by an attacker, in the hands of every command."""

    sample = 10
    long = 1500

    def prepare(self, folder: Path) -> None:
        """Make runs with a plugin that leaves a mark, and see that it does with consent."""
        import_what_runs_need()
        self.author = folder / "place"
        self.author.mkdir()
        mark = self.author / _OWN
        (self.author / "plugin.py").write_text(_PLUGIN.format(mark=mark))
        tiny = write_experiment(self.author, "untrained", 0)
        (self.author / "own.yaml").write_text(
            f"extends: {tiny}\nname: own\nplugins: [./plugin.py]\n"
            "evaluate: {metrics: [accuracy, smuggled], baselines: false}\n"
        )
        (self.author / "plain.yaml").write_text(f"extends: {tiny}\nname: own\n")
        use = partial(_use_state, folder / "state")
        runs = self.author / "runs" / "own"
        for name in ("1", "2"):
            ended = run_facesim("run", "own.yaml", folder=self.author, prepare=use)
            if ended.status or not mark.exists():
                raise RuntimeError(f"there is no run to attack: {ended.output}")
            next(path for path in runs.iterdir() if len(path.name) > 1).rename(runs / name)
        study = self.author / "studies" / "own"
        study.mkdir(parents=True)
        for name in ("study.yaml", "best.yaml"):
            shutil.copy(runs / "1" / "experiment.yaml", study / name)
        (study / "journal.log").touch()
        mark.unlink()
        place = folder / "control"
        run = self._unpacked(place)
        _begin(run, folder / "mine")
        use = partial(_use_state, folder / "mine")
        ended = run_facesim("eval", str(run), folder=place, prepare=use)
        if ended.status or not (place / _OWN).exists():
            raise RuntimeError(f"the attacks would not be seen: {ended.output}")

    def _unpacked(self, place: Path) -> Path:
        """The author's first run in another place, to which its paths lead."""
        shutil.copytree(self.author, place)
        files = (*place.rglob("*.yaml"), place / "plugin.py")
        for file in files:
            file.write_text(file.read_text().replace(str(self.author), str(place)))
        for number in ("1", "2"):
            _forged_manifest(place / "runs" / "own" / number)
        return place / "runs" / "own" / "1"

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Unpack, smuggle, hide the traces, and run a command on it."""
        place, state = folder / "place", folder / "state"
        run, mark = self._unpacked(place), place / _EVIL
        smuggle, hide, command = (random.choice(list(each)) for each in (_WAYS, _TRACES, _COMMANDS))
        is_begun = random.random() < 0.5
        if is_begun:  # by this user, before the attacker changed it
            _begin(run, state)
        _WAYS[smuggle](random, run, mark)
        _TRACES[hide](run)
        within = run if random.random() < 0.3 else place
        ended = run_facesim(
            *_COMMANDS[command](run), folder=within, prepare=partial(_use_state, state)
        )
        told = f"{command}, {smuggle}, {hide}, in {within.name}"
        if mark.exists() or ((place / _OWN).exists() and not is_begun):
            yield Finding(Fault.CODE, f"{told}: {ended.output[-1000:]}")
        for finding in faults_of(ended, (0, 1, 2)):
            yield Finding(finding.fault, f"{told}: {finding.detail}")


def _begin(run: Path, state: Path) -> None:
    """Record that this user has begun a run."""
    before = os.environ.get("FACESIM_STATE", "")
    _use_state(state)
    record_consent((run / "experiment.yaml").read_bytes(), [str(run.parents[2] / "plugin.py")])
    _use_state(Path(before))


def _use_state(state: Path) -> None:
    os.environ["FACESIM_STATE"] = str(state)


def _as_it_was(_random: Random, _run: Path, _mark: Path) -> None:
    """The run names its author's plugin."""


def _experiments(run: Path) -> list[Path]:
    """Those of the run and of the study beside it."""
    study = run.parents[2] / "studies"
    return [*run.rglob("experiment.yaml"), *(study.rglob("*.yaml") if study.is_dir() else ())]


def _edit(run: Path, entry: str) -> None:
    """Let the run's experiment name something else."""
    for file in _experiments(run):
        lines = file.read_text().splitlines()
        at = next(at for at, line in enumerate(lines) if line.startswith("plugins:"))
        end = next(
            (e for e in range(at + 1, len(lines)) if not lines[e].startswith(("-", " "))),
            len(lines),
        )
        file.write_text("\n".join([*lines[:at], f"plugins: [{json.dumps(entry)}]", *lines[end:]]))


def _plugin(file: Path, mark: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_PLUGIN.format(mark=mark))
    return file


def _file_of_the_run(random: Random, run: Path, mark: Path) -> None:
    file = _plugin(run / random.choice((".", "eval", "checkpoints", ".git")) / "evil.py", mark)
    _edit(run, random.choice((str(file), os.path.relpath(file, run), f"./{file.name}")))


def _linked_file(_random: Random, run: Path, mark: Path) -> None:
    target = _plugin(run / "pairs" / "evil.txt", mark)
    (run / "evil.py").symlink_to(target)
    _edit(run, str(run / "evil.py"))


def _other_content(_random: Random, run: Path, mark: Path) -> None:
    """The plugin's own path, another text."""
    place = run.parents[2]
    (place / "plugin.py").write_text(_PLUGIN.format(mark=mark) + "# changed\n")


def _shadowing_module(random: Random, run: Path, mark: Path) -> None:
    """A module that Python could find in the current folder."""
    name = random.choice(("json", "torch", "facesim_plugins", "evil", "numpy"))
    for folder in (run, run.parents[2]):
        _plugin(folder / f"{name}.py", mark)
    _edit(run, random.choice((name, f"{name}.evil")))


def _variable(_random: Random, run: Path, mark: Path) -> None:
    file = _plugin(run / "evil.py", mark)
    _edit(run, f"${{NOT_SET:-{file}}}")


def _base(random: Random, run: Path, mark: Path) -> None:
    """The experiment extends another file, which names it."""
    _plugin(run / "evil.py", mark)
    (run / "base.yaml").write_text("plugins: [./evil.py]\n")
    for file in _experiments(run):
        text = file.read_text()
        named = text.index("plugins:")
        if random.random() < 0.5:  # its own list would replace that of the base
            text = text[:named] + text[text.index("\n", text.index("plugin.py", named)) + 1 :]
        file.write_text(f"extends: {run / 'base.yaml'}\n{text}")


def _evaluation(_random: Random, run: Path, mark: Path) -> None:
    """An evaluation in the run has an experiment of its own."""
    file = _plugin(run / "evil.py", mark)
    shutil.copytree(run / "eval" / "test", run / "eval" / "b")
    shutil.copy(run / "experiment.yaml", run / "eval" / "b" / "experiment.yaml")
    _edit(run / "eval" / "b", str(file))


def _start_files(_random: Random, run: Path, mark: Path) -> None:
    """Files that Python, pytest and git run where they find them."""
    for name in ("sitecustomize.py", "conftest.py", "usercustomize.py", "__init__.py"):
        _plugin(run / name, mark)
    info = run / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facesim.plugins]\nevil = evil\n")
    program = run / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    git = run / ".git"
    for folder in ("objects", "refs/heads"):
        (git / folder).mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text(f"[core]\n\tfsmonitor = {program}\n\tbare = false\n")


def _pickle(random: Random, run: Path, mark: Path) -> None:
    """A checkpoint that calls a function when it is unpickled."""
    file = random.choice((run / "checkpoints" / "best.pt", run / "trunk.pt"))
    file.parent.mkdir(exist_ok=True)
    exec(_REDUCES.format(mark=mark, file=file), {})
    _edit(run, "facesim_plugins")


_WAYS: dict[str, Callable[[Random, Path, Path], None]] = {
    "as it was": _as_it_was,
    "file of the run": _file_of_the_run,
    "linked file": _linked_file,
    "other content": _other_content,
    "shadowing module": _shadowing_module,
    "variable": _variable,
    "base": _base,
    "evaluation": _evaluation,
    "start files": _start_files,
    "pickle": _pickle,
}


def _no_manifest(run: Path) -> None:
    (run / MANIFEST).unlink(missing_ok=True)


def _forged_manifest(run: Path) -> None:
    """Every file as it is now, among them those that the attacker wrote."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name != MANIFEST)
    digests = {str(path.relative_to(run)): [sha256_of(path)] for path in files}
    (run / MANIFEST).write_text(json.dumps(digests))


def _old_format(run: Path) -> None:
    _no_manifest(run)
    (run / "run.json").unlink()


_TRACES: dict[str, Callable[[Path], None]] = {
    "no manifest": _no_manifest,
    "forged manifest": _forged_manifest,
    "old format": _old_format,
    "as it is": lambda _: None,
}


def _command(*words: str) -> Callable[[Path], tuple[str, ...]]:
    """A command in which RUN, OTHER and PLACE stand for folders."""

    def of(run: Path) -> tuple[str, ...]:
        places = {"RUN": run, "OTHER": run.with_name("2"), "PLACE": run.parents[2]}
        filled = list(words)
        for name, path in places.items():
            filled = [word.replace(name, str(path)) for word in filled]
        return tuple(filled)

    return of


_COMMANDS = {
    " ".join(words): _command(*words)
    for words in (
        ("report", "RUN"),
        ("report", "RUN", "--name", "b"),
        ("report", "RUN", "--no-faces"),
        ("compare", "RUN", "OTHER"),
        ("compare", "RUN", "--against", "OTHER"),
        ("compare", "OTHER", "RUN", "--out", "page.html"),
        ("eval", "RUN"),
        ("eval", "RUN", "--checkpoint", "last"),
        ("eval", "RUN", "--name", "b", "--set", "evaluate.seed=1"),
        ("eval", "RUN", "--name", "c", "--set", "data.workers=0", "--plugin", "facesim_plugins"),
        ("check", "RUN/experiment.yaml"),
        ("check", "RUN/eval/b/experiment.yaml"),
        ("lint", "RUN/experiment.yaml"),
        ("run", "RUN/experiment.yaml", "--out", "PLACE/new"),
        ("run", "RUN/experiment.yaml", "--resume", "RUN"),
        ("run", "PLACE/plain.yaml", "--resume", "RUN"),
        ("run", "PLACE/plain.yaml", "--resume", "auto", "--out", "PLACE/runs"),
        ("optimize", "RUN/experiment.yaml", "--trials", "1", "--out", "PLACE/new"),
        ("optimize", "PLACE/plain.yaml", "--resume", "--out", "PLACE/studies"),
        ("check", "PLACE/studies/own/best.yaml"),
        ("check", "PLACE/studies/own/study.yaml"),
        ("schema", "--plugin", "RUN/experiment.yaml"),
        ("plugins", "losses", "--plugin", "RUN/experiment.yaml"),
        ("plugins", "metrics"),
        ("doctor",),
        ("cache", "list"),
        ("cache", "verify"),
    )
}
