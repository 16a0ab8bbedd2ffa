"""facesim data split: identity-disjoint tables of any people, the same that an experiment draws."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from facesim import FaceTable, load_experiment, load_installed_plugins
from facesim.cli import main
from facesim.training.build import Tables
from facesim_plugins.datasets.csv import csv

SPLITS = ("train", "val", "test")

EXPERIMENT = """
name: mine
image: {size: [8, 8]}
backbone: {name: small_cnn, width: 4}
head: {name: linear, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: contrastive
optimizer: adam
train: {epochs: 1, batch_size: 8}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty people with one to five images."""
    load_installed_plugins()
    root = tmp_path / "photos"
    for person in range(30):
        for number in range(1 + person % 5):
            path = root / f"person {person:02d}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (person, number, 0)).save(path)
    return root


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Typed":
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Typed(monkeypatch, capsys)


class Typed:
    """Types ``facesim data split``: its exit code, output and errors."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self._patch, self._captured = patch, captured

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["facesim", "data", "split", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self._captured.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err


def of_experiment(folder: Path, data: object) -> dict[str, FaceTable]:
    file = folder / "mine.yaml"
    file.write_text(EXPERIMENT + yaml.safe_dump({"data": data}))
    experiment = load_experiment(file)
    tables = Tables()
    return {name: tables.read(name, experiment).table for name in SPLITS}


def rows(tables: dict[str, FaceTable]) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [
            (str(table.path(row)), str(table.labels[identity]))
            for row, identity in enumerate(table.identities)
        ]
        for name, table in tables.items()
    }


def pasted(output: str) -> object:
    return yaml.safe_load(output[output.index("data:\n") :])["data"]


def test_its_tables_hold_the_people_of_the_experiment_s_own_split(
    typed: Typed, photos: Path, tmp_path: Path
) -> None:
    code, output, error = typed(photos, "--ratios", "0.5", "0.2", "0.3", "--seed", "3")
    assert (code, error) == (0, "")
    source = {"name": "folder", "root": str(photos)}
    drawn = of_experiment(
        tmp_path, {"source": source, "split": {"ratios": [0.5, 0.2, 0.3], "seed": 3}}
    )
    written = of_experiment(tmp_path, pasted(output))
    assert rows(written) == rows(drawn)
    assert [len(table.labels) for table in written.values()] == [15, 6, 9]
    assert (tmp_path / "photos_splits" / "val.csv").is_file()


def test_it_prints_what_each_split_holds(typed: Typed, photos: Path) -> None:
    code, output, _ = typed(photos, "--out", "here")
    assert code == 0
    lines = output.splitlines()
    assert lines[0] == f"30 identities of {photos}, by ratios 0.7 0.1 0.2 and seed 0:"
    assert lines[2].split() == ["split", "identities", "images", "images", "per", "identity"]
    assert [line.split()[:2] for line in lines[3:6]] == [
        ["train", "21"],
        ["val", "3"],
        ["test", "6"],
    ]
    assert "Identities with a single image, which occur in impostor pairs only: 6 of 30." in output


def test_a_table_keeps_its_columns_and_is_stratified_by_one(
    typed: Typed, photos: Path, tmp_path: Path
) -> None:
    files = sorted(path.relative_to(photos).as_posix() for path in photos.glob("*/*.png"))
    people = [file.partition("/")[0] for file in files]
    frame = pd.DataFrame(
        {"file": files, "who": people, "kind": ["ab"[p[-1] in "02468"] for p in people]}
    )
    frame.to_excel(tmp_path / "people.xlsx", index=False)
    columns = ("--image-column", "file", "--identity-column", "who")
    arguments = ("people.xlsx", "--images", photos, "--stratify", "kind", *columns)
    code, output, error = typed(*arguments, "--ratios", "0.4", "0.2", "0.4")
    assert (code, error) == (0, "")
    tables = {
        name: csv(
            images=photos,
            table=tmp_path / "people_splits" / f"{name}.csv",
            image_column="file",
            identity_column="who",
        )
        for name in SPLITS
    }
    assert rows(tables) == rows(of_experiment(tmp_path, pasted(output)))
    kinds = {
        name: table.attributes.groupby(table.identities)["kind"].first().value_counts().to_dict()
        for name, table in tables.items()
    }
    assert kinds == {"train": {"a": 6, "b": 6}, "val": {"a": 3, "b": 3}, "test": {"a": 6, "b": 6}}


def test_no_cell_is_a_formula_and_all_read_back_as_they_were(
    typed: Typed, photos: Path, tmp_path: Path
) -> None:
    files = sorted(path.relative_to(photos).as_posix() for path in photos.glob("*/*.png"))
    people = [file.partition("/")[0] for file in files]
    notes = ['=HYPERLINK("x")', "@a", "-1+2", "''=a", "'plain", "-5"] * len(files)
    frame = pd.DataFrame({"img": files, "ids": people, "=note": notes[: len(files)], "age": -1.5})
    frame.to_parquet(tmp_path / "people.parquet")
    code, _, error = typed("people.parquet", "--images", photos)
    assert (code, error) == (0, "")
    written = [tmp_path / "people_splits" / f"{name}.csv" for name in SPLITS]
    header = written[0].read_text().splitlines()[0]
    assert header == "img,ids,'=note,age"
    cells = {cell for path in written for cell in pd.read_csv(path)["'=note"]}
    assert cells == {'\'=HYPERLINK("x")', "'@a", "'-1+2", "''=a", "'plain", "-5"}
    source, *tables = (
        csv(images=photos, table=path) for path in (tmp_path / "people.parquet", *written)
    )
    of_source, *of_splits = (table.attributes.set_index(table.files) for table in (source, *tables))
    together = pd.concat(of_splits).loc[of_source.index]
    assert together.to_dict("list") == of_source.to_dict("list")
    assert "'=a" in set(together["=note"])


def test_a_column_split_is_taken_at_its_word(typed: Typed, photos: Path, tmp_path: Path) -> None:
    files = [f"person {person:02d}/0.png" for person in range(30)]
    frame = pd.DataFrame({"img": files, "ids": range(30), "split": ["train", "val", "test"] * 10})
    frame.to_csv("people.csv", index=False)
    code, output, error = typed("people.csv", "--images", photos)
    assert (code, error) == (0, "")
    assert "30 identities of people.csv, by its column `split`:" in output
    assert pd.read_csv("people_splits/val.csv")["ids"].tolist() == list(range(1, 30, 3))
    code, _, error = typed("people.csv", "--images", photos, "--seed", "1", "--out", "other")
    assert code == 2
    assert "has a column `split`, which says who is in which split; leave --seed out" in error
    assert not (tmp_path / "other").exists()
    frame.assign(ids=0).to_csv("people.csv", index=False)
    code, output, _ = typed("people.csv", "--images", photos, "--out", "other")
    assert "warning: 1 identities are in more than one split, such as '0'" in output


def test_nothing_is_overwritten_and_nothing_half_written(
    typed: Typed, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "test.csv").write_text("precious")
    code, _, error = typed(photos, "--out", out)
    assert code == 2
    assert f"{out / 'test.csv'}: there already, and not overwritten" in error
    assert [path.name for path in out.iterdir()] == ["test.csv"]
    (out / "test.csv").unlink()

    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path.name == "test.csv":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    code, _, error = typed(photos, "--out", out)
    assert code == 2
    assert "cannot be written: No space left on device" in error
    assert list(out.iterdir()) == []


WRONG = [
    (("--ratios", "0.7", "0.1", "0.1"), "--ratios: the shares of train, val and test sum to 0.9"),
    (("--ratios", "0.7", "0", "0.3"), "--ratios: input should be greater than 0"),
    (("--stratify", "gender"), "`stratify`: the source has no attribute 'gender'"),
    (("--ratios", "0.98", "0.01", "0.01"), "has 30 identities, of which ratios 0.98, 0.01, 0.01"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_is_wrong_is_told_and_nothing_is_written(
    typed: Typed, photos: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, _, error = typed(photos, *arguments)
    assert code == 2
    assert message in error
    assert not (tmp_path / "photos_splits").exists()


def test_the_written_files_are_named_and_equal_numbers_said_once(
    typed: Typed, tmp_path: Path
) -> None:
    for person in range(12):
        for number in range(8 + person % 2):
            path = tmp_path / "uneven" / f"{person}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            if number < 8:
                path = tmp_path / "people" / f"{person}" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
    code, output, _ = typed("people", "--ratios", "0.5", "0.25", "0.25")
    assert code == 0
    files = "people_splits/train.csv, people_splits/val.csv, people_splits/test.csv"
    assert f"\nwritten: {files}\n" in output
    assert [line.split()[3:] for line in output.splitlines()[3:6]] == [["8"]] * 3
    assert "8 to 9, median 8.5" in typed("uneven", "--ratios", "0.5", "0.25", "0.25")[1]
