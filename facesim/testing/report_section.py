"""Contract of report sections."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from facesim.evaluation.evaluate import evaluate_scores
from facesim.interfaces import LabelledScores, ReportSection, RunRecord
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.report_section import BLOCKS
from facesim.page import Section
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require

REPORT_SECTION: Contract[ReportSection] = Contract("report_section", promises_of_every_kind())


@REPORT_SECTION.promise(
    hint="return facesim.Section(name, title, (Text(...), Table(...))), or None"
)
def section_is_made_of_blocks(spec: Spec[ReportSection]) -> None:
    """Of a finished run it makes a section of the page's blocks, or none."""
    with _run_directory() as run_dir:
        _checked(spec.build().section(_record(run_dir)))


@REPORT_SECTION.promise(
    hint="ask whether run.result, run.scores and the entries are there; or None"
)
def run_may_be_unfinished(spec: Spec[ReportSection]) -> None:
    """It copes with a run that was not evaluated, has logged nothing or has no files."""
    with _run_directory() as run_dir:
        nothing: dict[str, Any] = {"steps": (), "epochs": (), "logged": (), "files": {}}
        unmeasured: dict[str, Any] = {"result": None, "scores": None}
        begun = {"status": "running", **nothing, **unmeasured}
        for changes in (nothing, unmeasured, begun):
            _checked(spec.build().section(_record(run_dir, **changes)))


@REPORT_SECTION.promise(hint="set nothing by time or chance, and sort what comes from a set")
def section_repeats(spec: Spec[ReportSection]) -> None:
    """Of the same run it makes the same section, however often it is asked."""
    with _run_directory() as run_dir:
        first, built = spec.build().section(_record(run_dir)), spec.build()
        built.section(_record(run_dir))
        again = built.section(_record(run_dir))
        require(repr(first) == repr(again), f"after {first} came {again}")


@REPORT_SECTION.promise(hint="copy before changing, and write no file: a report reads a run alone")
def run_stays_as_it_was(spec: Spec[ReportSection]) -> None:
    """It changes neither the run directory nor what it is given."""
    with _run_directory() as run_dir:
        record, before = _record(run_dir), _content(run_dir.parent)
        assert record.scores is not None  # noqa: S101
        scores = record.scores.copy()
        experiment = repr(record.experiment)
        spec.build().section(record)
        changed = sorted(dict(_content(run_dir.parent).items() ^ before.items()))
        require(not changed, f"it wrote or removed {', '.join(changed)}")
        require(record.scores.equals(scores), "it changed the scores")
        require(repr(record.experiment) == experiment, "it changed the experiment")


def _checked(section: object) -> None:
    if section is None:
        return
    if not isinstance(section, Section):
        require(False, f"it returned {type(section).__name__}")
        return
    blocks: Sequence[object] = section.blocks
    wrong = [type(block).__name__ for block in blocks if not isinstance(block, BLOCKS)]
    require(not wrong, f"its section holds {', '.join(wrong)}, which is none of its blocks")
    require(bool(str(section.title).strip()), "its section has no title")


@contextmanager
def _run_directory() -> Iterator[Path]:
    """A folder with a log and the file of a callback."""
    with TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        (run_dir / "callbacks" / "save_embeddings").mkdir(parents=True)
        (run_dir / "metrics.jsonl").write_text("{}\n")
        with _file_of_callback(run_dir).open("wb") as file:
            np.savez(
                file,
                files=np.array(["a.png", "b.png"]),
                labels=np.array(["a", "b"]),
                embeddings=np.eye(2, dtype=np.float32),
            )
        yield run_dir


def _file_of_callback(run_dir: Path) -> Path:
    return run_dir / "callbacks" / "save_embeddings" / "val-epoch-0003.npz"


def _content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _record(run_dir: Path, **changes: Any) -> RunRecord:
    """A finished run of three epochs, evaluated on 240 pairs of twelve people."""
    drawn = np.random.default_rng(0)
    one, other = drawn.integers(0, 12, 240), drawn.integers(0, 12, 240)
    same = np.arange(240) % 2 == 0
    other = np.where(same, one, np.where(one == other, (one + 1) % 12, other))
    scores = drawn.normal(size=240) + 2 * same
    metrics = built_metrics(standard_metrics())
    known: dict[str, Any] = {
        "path": run_dir,
        "title": "tried / run",
        "evaluation": "test",
        "experiment": {"name": "tried", "seed": 0, "loss": {"name": "contrastive"}},
        "status": "finished",
        "stopped": None,
        "steps": tuple({"step": s, "epoch": 1 + s // 4, "loss": 1 / s, "lr": 1e-3} for s in (2, 4)),
        "epochs": tuple(
            {"step": 4 * e, "epoch": e, "loss": 1 / e, "roc_auc": 0.5 + e / 10} for e in (1, 2, 3)
        ),
        "logged": tuple({"step": 4 * e, "epoch": e, "lr_monitor.tail": 0.1} for e in (1, 2, 3)),
        "result": evaluate_scores(LabelledScores.of(scores, same, one, other), metrics),
        "metrics": metrics,
        "scores": pd.DataFrame(
            {
                "file1": [f"{it}/1.png" for it in one],
                "file2": [f"{it}/2.png" for it in other],
                "identity1": one.astype(str),
                "identity2": other.astype(str),
                "same": same,
                "score": scores,
            }
        ),
        "files": {"save_embeddings": (_file_of_callback(run_dir),)},
    }
    return RunRecord(**{**known, **changes})
