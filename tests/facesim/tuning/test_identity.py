"""What is the same experiment on another machine, and what is not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_with_source
from facesim.interfaces import Tracker, trackers
from facesim.training.build import Tables
from facesim.tuning.identity import Identity
from facesim.tuning.study import Plan, changed_plugins, open_study

CSV = """\
data:
  train: {name: csv, images: "${FACES}", table: "${FACES}/train.csv"}
  val: {name: csv, images: "${FACES}", table: "${FACES}/val.csv"}
  test: {name: csv, images: "${FACES}", table: "${FACES}/test.csv"}
  workers: 0
"""
SPLITS = ("train", "val", "test")


class Machine:
    """A folder of faces and a search in another folder, as they are on one machine."""

    def __init__(self, folder: Path, search: str, patch: pytest.MonkeyPatch) -> None:
        self.faces = folder / "some" / "where"
        self.faces.mkdir(parents=True)
        self.file = folder / "tiny.yaml"
        head, _, rest = search.partition("data:\n")
        self.file.write_text(head + CSV + rest[rest.index("image:") :])
        for split in SPLITS:
            rows = [f"{split}-{row}.png,person {split} {row // 2},{row}" for row in range(4)]
            (self.faces / f"{split}.csv").write_text("\n".join(["img,ids,age", *rows, ""]))
            for row in range(4):
                (self.faces / f"{split}-{row}.png").write_text(f"image {split} {row}")
        self.patch = patch

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def plan(self, storage: str, *assignments: str) -> Plan:
        self.patch.setenv("FACES", str(self.faces))
        self.patch.chdir(self.file.parent)
        experiment, root = load_with_source(self.file, assignments)
        folder = self.file.parent / "studies" / "tiny"
        folder.mkdir(parents=True, exist_ok=True)
        plan = Plan.of(experiment, root, folder, storage)
        identity, tables = Identity.of(plan.space.base, plan.space.root), Tables()
        read = {split: tables.read(split, plan.space.base) for split in SPLITS}
        return replace(plan, identity=identity.reading(read))


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


@pytest.fixture
def machines(
    write_search: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Machine, Machine]:
    search = write_search().read_text()
    return (
        Machine(tmp_path / "one", search, monkeypatch),
        Machine(tmp_path / "two", search, monkeypatch),
    )


Machines = tuple[Machine, Machine]


def test_the_same_data_in_another_place_are_the_same(machines: Machines, storage: str) -> None:
    one, two = machines
    open_study(one.plan(storage))
    assert len(open_study(two.plan(storage)).trials) == 1
    # Not because of the variables: what is read is compared.
    two.edit('images: "${FACES}"', f"images: {two.faces}")
    two.edit('"${FACES}/val.csv"', "some/where/val.csv")
    open_study(two.plan(storage, f"data.test.table={two.faces}/test.csv"))
    open_study(one.plan(storage))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("row", r"data\.val: not the same images, .+ are listed \(4 -> 3\)$"),
        ("identity", r"data\.val: not the same images, .+ are listed$"),
        ("attribute", r"data\.val: not the same images, .+ are listed$"),
        ("image", r"data\.val: the same images are listed, but their files differ$"),
    ],
)
def test_other_data_are_refused_with_their_split_wherever_they_lie(
    machines: Machines, storage: str, change: str, said: str
) -> None:
    one, two = machines
    open_study(one.plan(storage))
    for machine in (two, one):  # also where only the content has changed since
        table = machine.faces / "val.csv"
        text = table.read_text()
        if change == "image":
            (machine.faces / "val-3.png").write_text("another image")
        elif change == "row":
            table.write_text(text.replace("val-3.png,person val 1,3\n", ""))
        elif change == "identity":
            table.write_text(text.replace("person val 1,3", "person val 0,3"))
        else:
            table.write_text(text.replace("person val 1,3", "person val 1,4"))
        with pytest.raises(FacesimError, match=said):
            open_study(machine.plan(storage))


def test_a_variable_that_is_no_path_is_compared_with_its_value(
    machines: Machines, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machines
    for machine in machines:
        machine.edit("optimizer: adam", "optimizer:\n  name: adam\n  lr: ${LR}")
    monkeypatch.setenv("LR", "1e-3")
    open_study(one.plan(storage))
    open_study(two.plan(storage))
    monkeypatch.setenv("LR", "1e-2")
    with pytest.raises(FacesimError, match=r"base\.optimizer\.lr: 0\.001 -> 0\.01"):
        open_study(two.plan(storage))


def test_a_file_is_compared_by_its_content(machines: Machines, storage: str) -> None:
    one, two = machines
    for machine in machines:
        (machine.faces.parent / "pairs.csv").write_text("file1,file2,same\nval-0.png,val-1.png,1\n")
    options = [f"evaluate.val_pairs={machine.faces.parent}/pairs.csv" for machine in machines]
    open_study(one.plan(storage, options[0]))
    open_study(two.plan(storage, options[1]))
    (two.faces.parent / "pairs.csv").write_text("file1,file2,same\nval-0.png,val-2.png,0\n")
    said = r"base\.evaluate\.val_pairs: .+one/some/pairs\.csv \(SHA-256 \w{12}\) -> .+two/some/"
    with pytest.raises(FacesimError, match=said):
        open_study(two.plan(storage, options[1]))
    (one.faces.parent / "pairs.csv").write_bytes((two.faces.parent / "pairs.csv").read_bytes())
    with pytest.raises(FacesimError, match=r"one/some/pairs\.csv \(SHA-256 \w{12}\) -> .+one/"):
        open_study(one.plan(storage, options[0]))


@pytest.mark.parametrize("parameter", ["folder", "text"])
def test_another_path_is_compared_as_it_is_written(
    machines: Machines, storage: str, monkeypatch: pytest.MonkeyPatch, parameter: str
) -> None:
    one, two = machines
    for machine in machines:
        written = f'trackers: [{{name: keeps, {parameter}: "${{LOGS}}"}}]\nhead:'
        machine.edit("head:", written)
    with trackers.isolated():

        @trackers("keeps")
        def keeps(*, folder: Path = Path("logs"), text: str = "") -> Tracker:
            """Is never built here."""
            raise NotImplementedError

        monkeypatch.setenv("LOGS", "/logs/of/one")
        open_study(one.plan(storage))
        monkeypatch.setenv("LOGS", "/other/logs")
        open_study(two.plan(storage))
        two.edit("${LOGS}", "/other/logs")
        said = r"base\.trackers: .+/logs/of/one.+ -> .+/other/logs.+\n.+ write it as \$\{NAME\}"
        with pytest.raises(FacesimError, match=said):
            open_study(two.plan(storage))


def test_a_plugin_file_is_compared_by_content_in_another_place_and_may_be_corrected_in_its_own(
    machines: Machines, storage: str
) -> None:
    one, two = machines
    for machine in machines:
        machine.edit("name: tiny\n", "name: tiny\nplugins: [./mine.py]\n")
        (machine.file.parent / "mine.py").write_text("WIDTH = 1\n")
    study = open_study(one.plan(storage))
    assert changed_plugins(one.plan(storage), study) == []
    assert changed_plugins(two.plan(storage), open_study(two.plan(storage))) == []
    (two.file.parent / "mine.py").write_text("WIDTH = 2\n")
    with pytest.raises(FacesimError, match=r"base\.plugins: .+one/mine\.py \(SHA-256 "):
        open_study(two.plan(storage))
    (one.file.parent / "mine.py").write_text("WIDTH = 2\n")
    plan = one.plan(storage)
    assert changed_plugins(plan, open_study(plan)) == [str(one.file.parent / "mine.py")]


def test_a_study_of_before_is_joined_where_it_was_begun_and_then_from_anywhere(
    machines: Machines, storage: str
) -> None:
    one, two = machines
    study = open_study(replace(one.plan(storage), identity=None))  # as it was begun then
    assert set(study.user_attrs["facesim"]) == {"base", "search"}
    with pytest.raises(FacesimError, match=r"base\.data\.train\.images: "):
        open_study(two.plan(storage))
    open_study(one.plan(storage))
    open_study(two.plan(storage))


def test_two_machines_that_begin_at_once_notice_that_their_data_differ(
    machines: Machines, storage: str
) -> None:
    one, two = machines
    (two.faces / "val-3.png").write_text("another image")
    mine, other = one.plan(storage), two.plan(storage)
    for plan in (mine, other):  # before the datasets have been read
        assert plan.identity is not None
        open_study(replace(plan, identity=Identity(paths=plan.identity.paths)))
    open_study(mine)
    with pytest.raises(FacesimError, match=r"data\.val: the same images"):
        open_study(other)  # as its workers would, if it had written last
