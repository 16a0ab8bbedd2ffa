"""Plugins that raise, of every kind and in every call: one line, exit code 2, nothing lost."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from facesim.runs.directory import RunFile
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of, import_what_runs_need
from tests.campaigns.command import Ended, run_facesim
from tests.campaigns.tiny_experiments import write_experiment

_HEADER = """
import itertools

import torch

import facesim
from facesim_plugins.backbones.small_cnn import small_cnn
from facesim_plugins.callbacks.save_embeddings import SaveEmbeddings
from facesim_plugins.heads.mlp import mlp
from facesim_plugins.losses.contrastive import Contrastive
from facesim_plugins.metrics.eer import Eer
from facesim_plugins.protocols.pairs import Pairs
from facesim_plugins.report_sections.embedding_map import EmbeddingMap
from facesim_plugins.samplers.random_pairs import RandomPairs
from facesim_plugins.trackers.csv import Csv
from facesim_plugins.transforms.horizontal_flip import HorizontalFlip

_calls = itertools.count(1)


class Odd(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise ValueError("mute")


def fail():
    if next(_calls) >= {after}:
        raise {raised}

"""

_RAISED = (
    "KeyError('margin')",
    "ValueError('two\\n  lines')",
    "RuntimeError('CUDA error: \\x1b[2J')",
    "AssertionError",
    "TypeError('x' * 5000)",
    "IndexError(-1)",
    "Mute()",
    "Odd('base')",
    "SystemExit(0)",
    "SystemExit('text')",
    "KeyboardInterrupt",
    "GeneratorExit",
    "StopIteration",
    "RecursionError('deep')",
    "ExceptionGroup('several', [ValueError(1)])",
    "UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'no')",
)

_CALL = """\
    def {call}(self, *a, **k):
        fail()
        return super().{call}(*a, **k)
"""

_PART = """
class Part(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        if "{call}" == "forward":
            fail()
        return self.inner(x)

    def {call}_(self, *a, **k):
        fail()
        return super().{call}(*a, **k)

    if "{call}" != "forward":
        {call} = {call}_
"""

_CALLS = {
    "loss": """
@facesim.losses("failing")
class Failing(Contrastive):
"""
    + _CALL,
    "metric": """
@facesim.metrics("failing")
class Failing(Eer):
"""
    + _CALL,
    "protocol": """
@facesim.protocols("failing")
class Failing(Pairs):
"""
    + _CALL,
    "sampler": """
@facesim.samplers("failing")
class Failing(RandomPairs):
    def __init__(self, identities, batch_size, seed):
        fail()
        super().__init__(identities, batch_size, seed, pairs_per_image=1.0)

"""
    + _CALL,
    "callback": """
@facesim.callbacks("failing")
class Failing(SaveEmbeddings):
"""
    + _CALL,
    "report_section": """
@facesim.report_sections("failing")
class Failing(EmbeddingMap):
"""
    + _CALL,
    "tracker": """
@facesim.trackers("failing")
class Failing(Csv):
"""
    + _CALL,
    "transform": """
@facesim.transforms("failing")
class Failing(HorizontalFlip):
    only_mirrors = False

"""
    + _CALL,
    "head": _PART
    + """

@facesim.heads("failing")
def failing(features):
    return Part(mlp(features, fc_dim=8, out_dim=4))
""",
    "backbone": _PART
    + """

@facesim.backbones("failing")
def failing():
    made = small_cnn(width=4)
    made.tail = Part(made.tail)
    return made
""",
    "optimizer": """
class Adam(torch.optim.Adam):
"""
    + _CALL
    + """

@facesim.optimizers("failing")
def failing(parameter_groups):
    return Adam(parameter_groups)
""",
    "scheduler": """
class Steps(torch.optim.lr_scheduler.ConstantLR):
"""
    + _CALL
    + """

@facesim.schedulers("failing")
def failing(optimizer, total_steps):
    return Steps(optimizer)
""",
    "dataset": """
@facesim.datasets("failing")
def failing(*, first: int = 0):
    fail()
    return facesim.datasets.spec(
        "synthetic_faces", identities=6, images_per_identity=3, first_identity=first, size=16
    ).build()
""",
}

_NAMES = {
    "loss": ("forward", "score"),
    "metric": ("value", "undefined_reason", "trials", "point"),
    "protocol": ("plan", "measure", "report"),
    "sampler": ("batches", "__len__"),
    "tracker": ("start", "log", "finish"),
    "transform": ("__call__",),
    "head": ("forward", "state_dict", "train"),
    "backbone": ("forward", "state_dict", "train"),
    "optimizer": ("step", "state_dict", "zero_grad"),
    "scheduler": ("step", "state_dict"),
    "dataset": ("failing",),
    "callback": ("on_start", "on_epoch_start", "on_epoch_end", "on_checkpoint", "on_end", "state"),
    "report_section": ("section",),
}

_PLACES = {
    "metric": "evaluate: {metrics: [accuracy, failing], baselines: false}",
    "protocol": "evaluate: {protocol: failing, baselines: false}",
    "tracker": "trackers: [failing]",
    "callback": "callbacks: [failing]",
    "report_section": "report_sections: [failing]",
    "transform": "transforms: [failing]",
    "dataset": "data: {test: {name: failing, first: 200}}",
}


class FailingPlugins(Campaign):
    """Every kind and call in turn, with an exception and a moment drawn at random."""

    sample = 6
    long = 2000

    def prepare(self, folder: Path) -> None:
        """Write the experiments that the failing ones extend."""
        import_what_runs_need()
        self._bases = [write_experiment(folder, "augmented", workers) for workers in (0, 1)]

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Write a plugin that fails, and run it; where it does, mend it and resume."""
        kinds = [(kind, call) for kind, calls in _NAMES.items() for call in calls]
        kind, call = kinds[number % len(kinds)]
        raised, after = random.choice(_RAISED), random.choice((1, 1, 2, 3, 5, 8, 13, 30))
        file = folder / "plugin.py"
        self._write(file, kind, call, raised, after)
        (folder / "e.yaml").write_text(
            f"extends: {random.choice(self._bases)}\nplugins: [./plugin.py]\n"
            f"train: {{epochs: 1}}\n{_PLACES.get(kind, f'{kind}: failing')}\n"
        )
        use = partial(_use_state, folder / "state")
        told = f"{kind}.{call} raises {raised} the {after}. time"
        check = random.random() < 0.25
        words = ("check", "e.yaml") if check else ("run", "e.yaml")
        ended = run_facesim(*words, folder=folder, prepare=use)
        for finding in self._looked_at(ended, kind, file, folder, is_run=not check):
            yield Finding(finding.fault, f"{told}, {words[0]}: {finding.detail}")
        if check or ended.status == 0:
            return
        self._write(file, kind, call, raised, 10**9)
        again = run_facesim("run", "e.yaml", "--resume", "auto", folder=folder, prepare=use)
        for finding in faults_of(again, (0,)):
            yield Finding(finding.fault, f"{told}, then mended: {finding.detail}")
        if kept := list((folder / "runs").rglob(RunFile.TRACEBACK.value)):
            yield Finding(Fault.LEFT, f"{told}, then mended: {kept}")

    def _write(self, file: Path, kind: str, call: str, raised: str, after: int) -> None:
        header = _HEADER.format(after=after, raised=raised)
        file.write_text(header + _CALLS[kind].replace("{call}", call))

    def _looked_at(
        self, ended: Ended, kind: str, file: Path, folder: Path, *, is_run: bool
    ) -> Iterator[Finding]:
        """Whether the end is told as it should be."""
        yield from faults_of(ended, (0, 2))
        if ended.status != 2:
            return
        line = ended.output.rstrip("\n").rpartition("\n")[2]
        # That sizes do not fit, or a factory's ValueError, says more than a line of the plugin.
        told = line.startswith((f"{kind} 'failing' does not take", f"{kind} 'failing': "))
        is_placed = str(file) in line or told
        if f"{kind} 'failing'" not in line or not is_placed:
            yield Finding(Fault.MESSAGE, f"it does not name the plugin and its file: {line}")
        made = list((folder / "runs").glob("*/*/environment.json")) if is_run else []
        kept = list((folder / "runs").glob(f"*/*/{RunFile.TRACEBACK}"))
        if made and not kept and not told and "--traceback" not in line:
            yield Finding(Fault.LOST, f"there is no traceback: {line}")


def _use_state(state: Path) -> None:
    os.environ["FACESIM_STATE"] = str(state)
