"""The linter over whole splits of pictures: what it must find, and that it stops the run."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from facesim.data.linter.findings import Finding, ProtocolError
from facesim.data.linter.protocol import lint_protocol
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.processes import Processes
from facesim.runs.run import Run
from facesim.training.build import prepare
from facesim.training.evaluation_pairs import choose_all_pairs
from facesim.training.lint import lint_experiment

EXPERIMENT = """
name: linted
data:
  train: {{name: csv, images: {root}, table: {root}/train.csv}}
  val: {{name: csv, images: {root}, table: {root}/val.csv}}
  test: {{name: csv, images: {root}, table: {root}/test.csv}}
  workers: 0
image: {{size: [24, 24]}}
backbone: {{name: small_cnn, width: 4}}
head: {{name: mlp, fc_dim: 8, out_dim: 4}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 1, batch_size: 8}}
evaluate: {{pairs_per_image: 0.5}}
"""

PEOPLE, IMAGES = 12, 4


def picture(seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    coarse, fine = (
        Image.fromarray(generator.integers(0, 256, (side, side, 3)).astype(np.uint8)).resize(
            (96, 96), Image.Resampling.BICUBIC
        )
        for side in (10, 40)
    )
    return Image.blend(coarse, fine, 0.4)


class Data:
    """Twelve people in three splits, which a test then spoils."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
        for person in range(PEOPLE):
            split = "train" if person < 6 else "val" if person < 9 else "test"
            for number in range(IMAGES):
                file = f"{person:02d}-{number}.png"
                picture(IMAGES * person + number).save(root / file)
                self.rows[split].append((file, f"person {person}"))

    def experiment(self, *overrides: str) -> Experiment:
        for split, rows in self.rows.items():
            lines = ["img,ids", *(f"{file},{person}" for file, person in rows)]
            (self.root / f"{split}.csv").write_text("\n".join(lines) + "\n")
        file = self.root / "linted.yaml"
        file.write_text(EXPERIMENT.format(root=self.root))
        return load_experiment(file, overrides)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def linted(experiment: Experiment) -> tuple[Finding, ...]:
    splits = prepare(experiment).splits
    pairs = choose_all_pairs(experiment, splits[1:])
    return lint_protocol(experiment, splits, pairs, Processes()).findings


def test_clean_splits_have_no_error_and_no_near_image(data: Data) -> None:
    assert {finding.rule for finding in linted(data.experiment())} <= {
        "too_few_impostors",
        "too_few_genuine",
        "dominant_identity",
    }


def move_an_identity(data: Data) -> None:
    moved = data.rows["train"].pop()
    data.rows["val"].append(moved)


def copy_an_image(data: Data) -> None:
    content = (data.root / "01-2.png").read_bytes()
    (data.root / "copy.png").write_bytes(content)
    data.rows["val"].append(("copy.png", "person 6"))


def encode_an_image_again(data: Data) -> None:
    file = io.BytesIO()
    Image.open(data.root / "03-1.png").save(file, "JPEG", quality=60)
    (data.root / "again.jpg").write_bytes(file.getvalue())
    data.rows["val"].append(("again.jpg", "person 7"))


def mirror_an_image(data: Data) -> None:
    ImageOps.mirror(Image.open(data.root / "02-0.png")).save(data.root / "mirror.png")
    data.rows["val"].append(("mirror.png", "person 8"))


SPOILED: dict[str, tuple[Callable[[Data], None], str, str]] = {
    "moved": (
        move_an_identity,
        "identity_in_two_splits",
        "identity person 5: 05-0.png in train, 05-3.png in val",
    ),
    "copied": (copy_an_image, "image_in_two_splits", "01-2.png = copy.png"),
    "encoded again": (encode_an_image_again, "near_image_in_two_splits", "03-1.png = again.jpg"),
    "mirrored": (
        mirror_an_image,
        "near_image_in_two_splits",
        "02-0.png = mirror.png (mirrored)",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_each_leak_between_train_and_val_is_named(data: Data, what: str) -> None:
    spoil, rule, row = SPOILED[what]
    before = {finding.rule for finding in linted(data.experiment())}
    spoil(data)
    (finding,) = (found for found in linted(data.experiment()) if found.rule not in before)
    assert (finding.rule, finding.rows) == (rule, (row,))
    assert finding.message.startswith("train and val share 1 ")


def test_all_leaks_at_once_are_all_named_and_stop_the_run(data: Data, tmp_path: Path) -> None:
    for spoil, _, _ in SPOILED.values():
        spoil(data)
    rows = {finding.rule: finding.rows for finding in linted(data.experiment())}
    for _, rule, row in SPOILED.values():
        assert row in rows[rule]  # type: ignore[index]
    with pytest.raises(ProtocolError) as error:
        Run.begin(data.experiment(), tmp_path / "runs").complete()
    for _, _, row in SPOILED.values():
        assert row in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_on_with_what_is_only_warned_of_and_keeps_it(data: Data, tmp_path: Path) -> None:
    copy_an_image(data)
    experiment = data.experiment("lint.image_in_two_splits=warning")
    run = Run.begin(experiment, tmp_path / "runs")
    run.complete()
    assert "01-2.png = copy.png" in (run.path / "lint.json").read_text()


def test_pictures_are_not_decoded_where_nobody_asks_for_near_ones(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr("facesim.data.image_copies.thumbnails", refuse)
    linted(data.experiment("lint.near_image_in_two_splits=off"))


@pytest.mark.parametrize("what", ["copied", "encoded again", "mirrored"])
def test_a_copy_stops_the_run_however_it_is_disguised(
    data: Data, tmp_path: Path, what: str
) -> None:
    SPOILED[what][0](data)
    with pytest.raises(ProtocolError) as error:
        Run.begin(data.experiment(), tmp_path / "runs")
    assert str(error.value).startswith(f"error: {SPOILED[what][1]}: train and val share 1 ")


def test_copies_within_test_are_counted_with_the_pairs_that_compare_them(data: Data) -> None:
    for person in (9, 10):
        picture(IMAGES * person).save(data.root / f"again-{person}.bmp")
        data.rows["test"].append((f"again-{person}.bmp", f"person {person}"))
    picture(IMAGES * 11).save(data.root / "wrong.bmp")
    data.rows["test"].append(("wrong.bmp", "person 9"))
    Image.new("RGB", (96, 96)).save(data.root / "black.png")
    data.rows["test"].append(("black.png", "person 9"))
    found = {f.rule: f for f in linted(data.experiment("evaluate.pairs_per_image=2.5"))}
    twice = found["image_twice"]
    assert twice.severity == "warning"
    assert twice.rows == (
        "09-0.png = again-9.bmp: identity person 9",
        "10-0.png = again-10.bmp: identity person 10",
    )
    assert re.search(
        "test holds 2 couples .* ([12]|none) of the [0-9]+ genuine pairs", twice.message
    )
    assert found["image_under_two_labels"].rows == (
        "11-0.png = wrong.bmp: identities person 11 and person 9",
    )
    assert found["blank_image"].rows == ("black.png",)


def test_what_lint_finds_it_can_exclude_and_then_the_run_goes_on(
    data: Data, tmp_path: Path
) -> None:
    for what in ("copied", "encoded again", "mirrored"):
        SPOILED[what][0](data)
    linted = lint_experiment(data.experiment(), Processes())
    assert not linted.report.allows_run
    assert linted.write_exclusion(tmp_path / "leaks.csv") == 3
    assert [row.split(",")[:2] for row in (tmp_path / "leaks.csv").read_text().splitlines()] == [
        ["split", "file"],
        ["train", "01-2.png"],
        ["train", "02-0.png"],
        ["train", "03-1.png"],
    ]
    experiment = data.experiment(f"data.exclude={tmp_path / 'leaks.csv'}")
    assert lint_experiment(experiment, Processes()).report.allows_run
    run = Run.begin(experiment, tmp_path / "runs")
    run.complete()
    assert len(run.components.train.table) == 21
    again = lint_experiment(experiment, Processes())
    assert again.write_exclusion(tmp_path / "again.csv") == 3


def test_what_is_excluded_of_a_source_does_not_depend_on_its_division(
    data: Data, tmp_path: Path
) -> None:
    rows = [row for each in data.rows.values() for row in each]
    for person in range(PEOPLE):
        picture(0).save(data.root / f"{person:02d}-copy.png")
        rows.append((f"{person:02d}-copy.png", f"person {person}"))
    lines = ["img,ids", *(f"{file},{person}" for file, person in rows)]
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n")
    source = (
        *("data.train=null", "data.val=null", "data.test=null"),
        f"data.source={{name: csv, images: {data.root}, table: {tmp_path / 'all.csv'}}}",
        "data.split.ratios=[0.5, 0.25, 0.25]",
    )
    leaks = tmp_path / "leaks.csv"
    linted = lint_experiment(data.experiment(*source), Processes())
    assert linted.write_exclusion(leaks) >= 9
    assert {each.split for each in linted.leaked} == {""}
    without = (*source, f"data.exclude={leaks}")
    assert lint_experiment(data.experiment(*without), Processes()).report.allows_run
    for seed in (1, 2):  # none of them is looked for in a split that does not hold it
        lint_experiment(data.experiment(*without, f"data.split.seed={seed}"), Processes())


def test_a_run_is_not_resumed_with_other_excluded_images(data: Data, tmp_path: Path) -> None:
    leaks = tmp_path / "leaks.csv"
    leaks.write_text("split,file\ntrain,00-0.png\n")
    run = Run.begin(data.experiment(f"data.exclude={leaks}"), tmp_path / "runs")
    leaks.write_text("split,file\ntrain,00-1.png\n")
    changed = data.experiment(f"data.exclude={leaks}")
    with pytest.raises(FacesimError, match=r"data\.exclude\.train: \[.00-0\.png"):
        run.take_experiment(changed)
    assert Run.latest_unfinished(changed, tmp_path / "runs") is None
    leaks.unlink()
    assert "00-0.png" not in Run.open(run.path).components.train.table.files.tolist()


def test_the_test_images_that_a_run_excludes_are_no_images_of_other_data(
    data: Data, tmp_path: Path
) -> None:
    excluding = "data.exclude={test: [10-0.png], val: [06-0.png]}"
    run = Run.begin(data.experiment(excluding), tmp_path / "runs")
    run.complete()
    (tmp_path / "other.csv").write_text(
        "img,ids\n" + "".join(f"{p:02d}-{n}.png,person {p}\n" for p in (9, 11) for n in range(4))
    )
    other = f"data.test={{name: csv, images: {data.root}, table: {tmp_path}/other.csv}}"
    plan, result = run.evaluate(overrides=[other], name="other")
    assert result.pairs
    assert plan.experiment.data.exclude is not None
    assert plan.experiment.data.exclude.test == ()
    assert plan.experiment.data.exclude.val == ("06-0.png",)


def test_pairs_of_val_and_test_are_judged(data: Data) -> None:
    experiment = data.experiment()
    splits = prepare(experiment).splits
    pairs = choose_all_pairs(experiment, splits[1:])
    rows = pairs["val"].rows.copy()
    rows[0] = rows[0, 0]
    spoiled = {**pairs, "val": replace(pairs["val"], rows=rows, same=pairs["val"].same | True)}
    findings = lint_protocol(experiment, splits, spoiled, Processes()).findings
    assert {"self_pair", "contradictory_pair"} <= {finding.rule for finding in findings}
