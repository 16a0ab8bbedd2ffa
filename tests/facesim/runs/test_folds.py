"""A run of k folds: k ordinary runs, and one result over everybody."""

import json
import multiprocessing
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from facesim.cli import main
from facesim.data.linter.findings import ProtocolError
from facesim.errors import DataError, FacesimError
from facesim.evaluation.calibration import Calibration, OperatingPoint
from facesim.evaluation.folds import MeasuredFold, evaluate_folds
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import EvaluationResult
from facesim.interfaces.kinds import built_metrics
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores
from facesim.notebook.commands import open_run
from facesim.packing.pack import PackOptions, pack_run
from facesim.processes import Processes
from facesim.report.run_report import write_report
from facesim.reporters import Advance, SilentReporter
from facesim.runs.comparison import compare_groups, compare_runs
from facesim.runs.dry_run import check_experiment
from facesim.runs.run import Run
from facesim.runs.scored_pairs import read_baseline_scores
from facesim.training.lint import lint_experiment
from tests.campaigns.undisturbed import MAY_DIFFER, differences
from tests.facesim.accessibility import violations

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["facesim.runs.run", "facesim.discovery"])

FOLDS = """
name: few
data:
  source: {{name: synthetic_faces, identities: 12, images_per_identity: 6, size: 24,
            root: {root}/faces}}
  workers: 0
image: {{size: [24, 24]}}
transforms: [horizontal_flip]
backbone: {{name: small_cnn, width: 4}}
head: {{name: mlp, fc_dim: 8, out_dim: 4}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 2, batch_size: 8, checkpoint_every: 4, log_every: 2}}
evaluate: {{protocol: {{name: identity_folds, folds: 3}}, pairs_per_image: 2.0}}
"""


def write_folds(folder: Path) -> Path:
    path = folder / "few.yaml"
    path.write_text(FOLDS.format(root=folder))
    return path


class Heard(SilentReporter):
    """Remembers what was said, and the titles of tasks."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.tasks: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        self.tasks.append(title)
        with super().task(title, total, done) as advance:
            yield advance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def experiment(folder: Path) -> Experiment:
    return load_experiment(write_folds(folder))


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def run(folder: Path, experiment: Experiment, heard: Heard) -> Run:
    began = Run.begin(experiment, folder / "runs", Processes(heard))
    began.complete()
    return Run.open(began.path)


@pytest.fixture(scope="module")
def result(run: Run) -> EvaluationResult:
    found = run.read().result
    assert found is not None
    return found


def scores_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path / "eval" / "test" / "scores.csv", dtype={"identity1": str})


def people_in(fold: Run, name: str) -> set[str]:
    return set(fold.tables.read(name, fold.experiment).table.labels.tolist())


def test_each_person_is_tested_once_by_a_network_without_them(run: Run) -> None:
    tested = [people_in(fold, "test") for fold in run.folds]
    assert [len(each) for each in tested] == [4, 4, 4]
    assert len(set.union(*tested)) == 12
    for fold, people in zip(run.folds, tested, strict=True):
        assert not people & (people_in(fold, "train") | people_in(fold, "val"))
        assert not people_in(fold, "train") & people_in(fold, "val")
    assert people_in(run.folds[2], "val") == tested[0]


def test_a_fold_is_an_ordinary_run_that_runs_again_to_the_same(run: Run, tmp_path: Path) -> None:
    fold = run.folds[1]
    split = load_experiment(fold.path / "experiment.yaml").data.split
    assert split is not None
    assert (split.folds, split.fold) == (3, 2)
    again = Run.begin(fold.experiment, tmp_path).complete()
    assert again == fold.read().result


def test_each_pair_is_decided_by_the_threshold_of_its_own_fold(
    run: Run, result: EvaluationResult
) -> None:
    right, margins = [], []
    for fold in run.folds:
        scores = scores_of(fold.path)
        chosen = Calibration.model_validate_json((fold.path / "calibration.json").read_text())
        threshold = chosen.operating_points[0].threshold or 0.0
        right += ((scores.score >= threshold) == (scores.same == 1)).tolist()
        margins += (scores.score - threshold).tolist()
    assert result.metrics["accuracy"].value == pytest.approx(np.mean(right))
    pooled = scores_of(run.path)
    assert pooled.score.tolist() == pytest.approx(margins)
    assert pooled.network.value_counts().to_dict() == {1: 48, 2: 48, 3: 48}
    assert (result.protocol, result.threshold, result.identities) == ("identity_folds", 0.0, 12)


def test_the_area_is_the_mean_over_the_networks(run: Run, result: EvaluationResult) -> None:
    areas = []
    for fold in run.folds:
        scores = scores_of(fold.path)
        areas.append(Roc.of_scores(scores.score, scores.same).area)
    assert result.metrics["roc_auc"].value == pytest.approx(np.mean(areas))
    pairs = run.read().pairs
    assert pairs is not None
    assert pairs.roc().area == pytest.approx(np.mean(areas))


def test_baselines_are_the_means_of_those_of_the_folds(run: Run) -> None:
    pooled = {each.name: each for each in run.read().baselines}
    assert set(pooled) == {"chance", "raw_pixels", "untouched_backbone"}
    for name, found in pooled.items():
        of_folds = [
            {each.name: each for each in fold.read().baselines}[name].result.metrics["accuracy"]
            for fold in run.folds
        ]
        mean = np.mean([each.value for each in of_folds if each.value is not None])
        assert found.result.metrics["accuracy"].value == pytest.approx(mean)
        gain = found.gain("accuracy").difference
        trained = run.read().result
        assert trained is not None
        assert gain == pytest.approx((trained.metrics["accuracy"].value or 0) - mean)


def test_baselines_have_the_intervals_of_all_people(run: Run, result: EvaluationResult) -> None:
    for found in run.read().baselines:
        folds = []
        for fold in run.folds:
            own = {each.name: each for each in fold.read().baselines}[found.name]
            scores = pd.read_csv(fold.path / "eval/test/baseline_scores.csv")[found.name]
            people = scores_of(fold.path)
            accuracy = np.mean((scores >= own.result.threshold) == (people.same == 1))
            assert accuracy == pytest.approx(own.result.metrics["accuracy"].value)
            names = people[["identity1", "identity2"]].astype(int).to_numpy().T
            scored = LabelledScores.of(scores, people.same == 1, *names)
            at = OperatingPoint(name="best_accuracy", threshold=own.result.threshold)
            folds.append(MeasuredFold(scored, [at]))
        metrics = built_metrics(run.experiment.evaluate.metrics)
        whole = evaluate_folds(folds, metrics, seed=result.seed, resamples=result.resamples)
        for name, wanted in whole.metrics.items():
            own_interval = result.metrics[name].interval
            assert found.result.metrics[name].interval == wanted.interval == own_interval
            assert found.result.metrics[name].low == pytest.approx(wanted.low), name
        gain = found.gain("accuracy")
        assert (gain.reason, gain.interval) == (None, result.metrics["accuracy"].interval)
        assert gain.low is not None
        assert gain.low < (gain.difference or 0)


def test_only_a_fold_keeps_the_scores_of_its_baselines(run: Run) -> None:
    assert not (run.path / "eval/test/baseline_scores.csv").exists()
    kept = run.folds[0].path / "eval/test/baseline_scores.csv"
    manifest = (run.folds[0].path / "facesim-manifest.json").read_text()
    assert f"eval/test/{kept.name}" in manifest


def test_damaged_scores_of_baselines_are_not_evaluated(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    file = tmp_path / "copy/folds/2/eval/test/baseline_scores.csv"
    lines = file.read_text().splitlines(keepends=True)
    for damaged in ("".join(lines[:-1]), "".join(lines).replace("0.", "x", 1)):
        file.write_text(damaged)
        with pytest.raises(DataError, match=r"baseline_scores.csv"):
            Run.open(tmp_path / "copy").complete()
        with pytest.raises(DataError, match=r"baseline_scores.csv"):
            read_baseline_scores(shutil.copytree(file.parent, tmp_path / str(len(damaged))), 48)


def test_folds_of_before_give_baselines_without_intervals(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy/folds/2/eval/test/baseline_scores.csv").unlink()
    before = Run.open(tmp_path / "copy")
    before.complete()
    now = {each.name: each for each in run.read().baselines}
    for found in before.read().baselines:
        accuracy, gain = found.result.metrics["accuracy"], found.gain("accuracy")
        assert accuracy.value == pytest.approx(now[found.name].result.metrics["accuracy"].value)
        assert gain.difference == pytest.approx(now[found.name].gain("accuracy").difference)
        assert accuracy.low is gain.low is None
        assert accuracy.reason == gain.reason
        assert "fold 2 was tested by an older facesim" in (gain.reason or "")
    write_report(before.read(), faces=False)


def test_progress_says_which_fold(run: Run, heard: Heard) -> None:
    assert run.missing_stages == ("report",)
    assert "fold 2 of 3" in heard.said
    assert any(title.startswith("fold 3 of 3: epoch") for title in heard.tasks)
    told = [line for line in heard.said if line.startswith("warning: too_few_impostors: ")]
    assert len(told) == len(set(told)), "what is found in each fold is said once"


def test_what_a_fold_consists_of_is_said_once(heard: Heard) -> None:
    told = heard.said[heard.said.index("fold 2 of 3") : heard.said.index("fold 3 of 3")]
    assert [line for line in told if line.startswith(("train:", "val:", "test:"))] == [
        f"{name}: 24 images of 4 identities" for name in ("train", "val", "test")
    ]


def test_folds_that_are_done_are_passed_over_in_words(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/folds/3")
    heard = Heard()
    Run.open(tmp_path / "copy", Processes(heard)).complete()
    folds = [line for line in heard.said if line.startswith("fold ")]
    assert folds == ["fold 1 of 3: done already", "fold 2 of 3: done already", "fold 3 of 3"]


def test_the_report_of_a_run_that_was_killed_says_what_is_still_to_do(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    shutil.rmtree(copy / "folds/3")
    shutil.rmtree(copy / "eval/test")
    monkeypatch.setattr(sys, "argv", ["facesim", "report", str(copy), "--no-faces"])
    with pytest.raises(SystemExit):
        main()
    told = " ".join(capsys.readouterr().out.split())
    command = f"facesim run {copy}/experiment.yaml --resume={copy}"
    assert f"still to do: fold 3, evaluate test; go on with: {command}" in told
    page = (copy / "report.html").read_text()
    left = "fold 3, the evaluation of all folds together"
    assert f"2 of 3 folds are tested so far. Still to do: {left}." in page
    assert "`facesim eval` evaluates" not in page
    monkeypatch.setattr(sys, "argv", ["facesim", "report", str(run.path), "--no-faces"])
    with pytest.raises(SystemExit):
        main()
    assert "still to do" not in capsys.readouterr().out


def test_the_report_shows_the_spread_and_leads_to_the_folds(run: Run) -> None:
    page = write_report(run.read(), faces=False).read_text()
    for number in (1, 2, 3):
        assert f'href="folds/{number}/report.html"' in page
        assert (run.path / "folds" / str(number) / "report.html").is_file()
    assert "Accuracy by fold" in page
    assert "3 networks: each fold of synthetic_faces" in page
    assert "The run has logged nothing yet" not in page


def test_a_report_is_written_into_no_run_that_a_link_leads_to(run: Run, tmp_path: Path) -> None:
    copied, mine = tmp_path / "downloaded", tmp_path / "mine"
    shutil.copytree(run.path, copied)
    (copied / "folds" / "2").rename(mine)
    (copied / "folds" / "2").symlink_to(mine)
    shutil.rmtree(copied / "folds" / "3")
    (copied / "folds" / "3").symlink_to(copied)  # a run with folds, and so on
    (mine / "report.html").write_text("mine")
    files = Run.open(copied).read()
    assert [each.path.name for each in files.folds] == ["1"]
    assert files.status == "not started"
    write_report(files, faces=False)
    assert (mine / "report.html").read_text() == "mine"


def test_a_fold_has_no_folds_and_neither_has_a_run_without_them(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "whole")
    shutil.copytree(run.path / "folds", tmp_path / "whole" / "folds" / "1" / "folds")
    (first, *_) = Run.open(tmp_path / "whole").read().folds
    assert first.folds == ()
    assert Run.open(first.path).folds == ()
    shutil.rmtree(first.path)
    shutil.copytree(run.path, first.path)
    opened = Run.open(tmp_path / "whole")
    assert [each.path.name for each in opened.read().folds] == ["2", "3"]
    assert [each.path.name for each in opened.folds] == ["2", "3"]


def test_axe_finds_nothing_in_the_report(run: Run, browser: Any) -> None:
    assert violations(browser, write_report(run.read(), faces=False)) == []


def test_two_runs_of_the_same_folds_are_compared_pair_by_pair(
    run: Run, experiment: Experiment, tmp_path: Path
) -> None:
    other = Run.begin(experiment.model_copy(update={"seed": 1}), tmp_path)
    other.complete()
    both = run, Run.open(other.path)
    (group,) = compare_runs(both).groups
    areas = group.values(built_metrics(experiment.evaluate.metrics)["roc_auc"])
    assert group.seeds == (0, 1)
    found = compare_groups(both[:1], both[1:]).groups[1].differences["roc_auc"]
    assert found.difference == pytest.approx(areas[1] - areas[0])
    assert found.interval is not None


@pytest.mark.parametrize(
    "use",
    [
        lambda run: run.evaluate(name="other"),
        lambda run: run.train(),
        lambda run: pack_run(run, run.path / "pack", PackOptions()),
        lambda run: open_run(run.path).network,
    ],
    ids=["eval", "train", "pack", "network"],
)
def test_what_needs_one_network_says_what_to_do_instead(
    run: Run, use: Callable[[Run], object]
) -> None:
    with pytest.raises(FacesimError, match=r"3 networks, one per fold.*or train one on all"):
        use(run)


def test_a_search_is_refused_since_its_val_is_tested_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "search.yaml"
    space = "search: {trials: 2, space: {optimizer.lr: {float: [1.0e-4, 1.0e-2]}}}\n"
    file.write_text(FOLDS.format(root=folder) + space)
    monkeypatch.setattr(sys, "argv", ["facesim", "optimize", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    assert "tested in another fold" in " ".join(capsys.readouterr().err.split())


def test_a_check_rehearses_one_fold_and_says_how_many_trainings_there_are(
    experiment: Experiment, tmp_path: Path
) -> None:
    lines = dict(check_experiment(experiment, tmp_path, Processes()).lines)
    assert lines["trainings"].startswith("3, one after another")
    assert lines["train"] == "24 images of 4 identities"
    assert not list(tmp_path.iterdir())


def test_the_images_of_all_folds_are_described_once(run: Run, experiment: Experiment) -> None:
    heard = Heard()
    linted = lint_experiment(experiment, Processes(heard)).report
    (images,) = linted.images
    assert str(images).startswith(
        "the source: 24 x 24 pixels (height x width); at the input as large"
    )
    assert images.sizes.images == 72
    assert images.face is not None
    assert images.face.images == 72
    assert [title for title in heard.tasks if title.startswith("looking at faces")] == [
        "looking at faces of the source"
    ]
    kept = run.read().lint
    assert kept is not None
    assert kept.images == linted.images
    page = write_report(run.read()).read_text()
    assert "Mean faces" in page


def test_most_images_magnified_is_said_once_of_all_folds(folder: Path) -> None:
    larger = load_experiment(write_folds(folder), ["image.size=[96, 96]"])
    found = lint_experiment(larger, Processes()).report.findings
    (magnified,) = [each for each in found if each.rule == "magnified"]
    assert magnified.message.startswith("most images of the source are magnified")


def test_lint_looks_at_every_fold(experiment: Experiment, tmp_path: Path) -> None:
    """Two people of whom one image is the same are in two splits of every fold that parts them."""
    file, photos = write_folds(tmp_path), tmp_path / "photos"
    table = load_experiment(file).data.dataset_of("train").build()
    for row, identity in enumerate(table.identities):
        (photos / f"person {identity}").mkdir(parents=True, exist_ok=True)
        shutil.copy(table.path(row), photos / f"person {identity}" / f"{row}.png")
    shutil.copy(photos / "person 0" / "0.png", photos / "person 11" / "copy.png")
    source = f"data.source={{name: folder, root: {photos}}}"
    leaking = load_experiment(file, [source])
    linted = lint_experiment(leaking, Processes())
    assert not linted.report.allows_run
    found = [each for each in linted.report.findings if each.rule == "image_in_two_splits"]
    assert found
    assert found[0].message.startswith("in fold")
    assert {each.split for each in linted.leaked} == {""}
    with pytest.raises(ProtocolError):
        Run.begin(leaking, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    linted.write_exclusion(tmp_path / "leaks.csv")
    without = load_experiment(file, [source, f"data.exclude={tmp_path / 'leaks.csv'}"])
    assert lint_experiment(without, Processes()).report.allows_run


def start_or_resume(file: Path, out: Path) -> None:
    torch.set_num_threads(1)
    experiment = load_experiment(file)
    run = Run.latest_unfinished(experiment, out) or Run.begin(experiment, out)
    assert run.path.parent == out / "few", "a fold is no run that is resumed by itself"
    run.complete()


def in_process(file: Path, out: Path) -> Any:
    process = FORKSERVER.Process(target=start_or_resume, args=(file, out))
    process.start()
    return process


def test_killed_at_random_moments_and_resumed_ends_bit_identical(tmp_path: Path) -> None:
    file = write_folds(tmp_path)
    undisturbed = in_process(file, tmp_path / "undisturbed")
    undisturbed.join()
    assert undisturbed.exitcode == 0
    delays = random.Random(0)
    begun = "folds/1/checkpoints/last.pt", "folds/2/experiment.yaml", "folds/3/checkpoints/last.pt"
    for moment in begun:
        process = in_process(file, tmp_path / "killed")
        while process.is_alive() and not list((tmp_path / "killed").glob(f"few/*/{moment}")):
            time.sleep(0.005)
        time.sleep(delays.uniform(0, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it has come to its end before"
    process = in_process(file, tmp_path / "killed")
    process.join()
    assert process.exitcode == 0
    paths = [next((tmp_path / out / "few").glob("[!.]*")) for out in ("undisturbed", "killed")]
    found = [each for each in differences(*paths) if Path(each.detail).name not in MAY_DIFFER]
    assert not found
    assert json.loads((paths[1] / "eval/test/metrics.json").read_text())["identities"] == 12


def test_callbacks_watch_each_fold_and_sections_see_them_all(tmp_path: Path) -> None:
    stop = "callbacks=[{name: early_stopping, patience: 1, min_delta: 0.9}, save_embeddings]"
    chosen = (stop, "report_sections=[embedding_map]", "train.epochs=4", "evaluate.baselines=false")
    run = Run.begin(load_experiment(write_folds(tmp_path), chosen), tmp_path / "runs")
    run.complete()
    assert set(run.missing_stages) <= {"report"}
    for fold in run.folds:
        assert fold.log is not None
        assert len(fold.log.val) == 2
        assert fold.log.stopped is not None
        assert list(fold.directory.callback_files()) == ["save_embeddings"]
    whole = write_report(run.read(), faces=False).read_text(encoding="utf-8")
    assert "Embeddings of val" not in whole
    assert "is left out" not in whole
    of_fold = (run.path / "folds" / "2" / "report.html").read_text(encoding="utf-8")
    assert "Embeddings of val after epoch 2" in of_fold
    assert "A callback ended training with epoch 2 of 4: early_stopping" in of_fold
