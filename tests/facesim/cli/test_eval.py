"""``facesim eval``, as it is typed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.cli import main
from facesim.experiment.loading import load_experiment

TINY = """
name: mine
data:
  train: {name: synthetic_faces, identities: 6, images_per_identity: 4, size: 24, root: faces/train}
  val: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 6, size: 24,
        root: faces/val}
  test: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 10, size: 24,
         root: faces/test}
  workers: 0
image: {size: [24, 24]}
backbone: {name: small_cnn, width: 4}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: contrastive
optimizer: adam
train: {epochs: 1, batch_size: 8}
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def facesim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Types a command in an empty folder: its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["facesim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return command


def write_view_2(folder: Path) -> None:
    """Test's four people in LFW's layout, and pairs of them in two folds."""
    table = load_experiment(folder / "mine.yaml").data.dataset_of("test").build()
    names = [f"Person_{label}" for label in table.labels]
    for row, identity in enumerate(table.identities):
        number = row - int((table.identities < identity).sum()) + 1
        target = folder / "lfw" / names[identity] / f"{names[identity]}_{number:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(table.path(row).read_bytes())
    a, b, c, d = names
    lines = ["2\t2"]
    for first, second in ((a, b), (c, d)):
        lines += [f"{first}\t1\t2", f"{second}\t1\t2"]
        lines += [f"{first}\t1\t{second}\t1", f"{first}\t2\t{second}\t2"]
    (folder / "pairs.txt").write_text("\n".join(lines))


def test_other_data_is_measured_under_its_own_name(facesim: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TINY)
    assert facesim("run", "mine.yaml")[0] == 0
    (run,) = (tmp_path / "runs" / "mine").iterdir()
    own = (run / "eval/test/metrics.json").read_bytes()
    write_view_2(tmp_path)
    data = "data.test={name: lfw, root: lfw, pairs: pairs.txt}"

    code, _, error = facesim("eval", str(run), "--set", data)
    assert code == 2
    assert "give this one a name: --name NAME" in error

    code, _, error = facesim("eval", str(run), "--set", "train.epochs=3", "--name", "longer")
    assert code == 2
    assert "an evaluation cannot change train.epochs (1 -> 3): the run is trained" in error

    folds = "evaluate.protocol=k_fold"
    code, output, error = facesim("eval", str(run), "--set", data, "--set", folds, "--name", "lfw")
    assert (code, error) == (0, "")
    assert "lfw: 8 pairs of 4 identities" in output
    assert "Accuracy over 2 folds" in output
    assert "standard error" in output
    assert f"written to {run.relative_to(tmp_path)}/eval/lfw" in output.replace(f"{tmp_path}/", "")
    assert (run / "eval/test/metrics.json").read_bytes() == own

    crop = ("--set", data, "--set", "image.crop=[2, 2, 20, 20]", "--name", "cropped")
    code, _, error = facesim("eval", str(run), *crop)
    assert code == 2
    assert "add --recalibrate" in error
    assert facesim("eval", str(run), *crop, "--recalibrate")[0] == 0
    assert (run / "eval/cropped/calibration.json").is_file()


SOURCE = """\
data:
  source: {name: synthetic_faces, identities: 16, images_per_identity: 4, size: 24, root: faces/all}
  split: {ratios: [0.5, 0.25, 0.25], seed: 1}
"""


def test_a_run_whose_source_is_split_runs_again_and_is_measured_on_other_data(
    facesim: Command, tmp_path: Path
) -> None:
    splits = TINY[TINY.index("data:") : TINY.index("  workers")]
    (tmp_path / "mine.yaml").write_text(TINY.replace(splits, SOURCE))
    assert facesim("run", "mine.yaml")[0] == 0
    (run,) = (tmp_path / "runs" / "mine").iterdir()
    assert facesim("run", str(run / "experiment.yaml"), "--out", "again")[0] == 0
    (again,) = (tmp_path / "again" / "mine").iterdir()
    metrics = "eval/test/metrics.json"
    assert (run / metrics).read_bytes() == (again / metrics).read_bytes()

    code, _, error = facesim("eval", str(run), "--set", "data.split.seed=2", "--name", "other")
    assert code == 2
    assert "an evaluation cannot change data.split.seed (1 -> 2): the run is trained" in error

    known = "{name: synthetic_faces, identities: 16, images_per_identity: 4, size: 24}"
    code, _, error = facesim("eval", str(run), "--set", f"data.test={known}", "--name", "all")
    assert code == 2
    assert "image_in_two_splits: train and all share 32 images" in error
    other = known.replace("identities: 16", "identities: 6, first_identity: 50")
    code, output, error = facesim("eval", str(run), "--set", f"data.test={other}", "--name", "six")
    assert (code, error) == (0, "")
    assert "of 6 identities" in output
