"""The components of a run follow from its experiment, and what cannot be built says why."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from facesim.arrays import Int64Array
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.experiment.shipped import shipped_experiment
from facesim.interfaces import FaceTable, datasets, optimizers, samplers
from facesim.interfaces.sampler import PairBatch, Sampler, TableSampler
from facesim.model.inputs import CachedInputs, PixelInputs
from facesim.training.build import Tables, load_split, prepare
from facesim.training.trunk_file import save_trunk

FROZEN = "backbone={name: small_cnn, width: 4, frozen_stages: 2}"
ALL_FROZEN = "backbone={name: small_cnn, width: 4, frozen_stages: 4}"

Load = Callable[..., Experiment]


@pytest.fixture
def load(tiny_file: Path) -> Load:
    """Loads the tiny experiment with some settings changed."""
    return lambda *overrides: load_experiment(tiny_file, overrides)


def test_two_builds_of_one_experiment_are_the_same_to_the_last_bit(tiny: Experiment) -> None:
    torch.manual_seed(1)
    first = prepare(tiny)
    torch.manual_seed(2)
    second = prepare(tiny)
    weights = second.network.state_dict()
    assert all(
        torch.equal(each, weights[name]) for name, each in first.network.state_dict().items()
    )
    for one, other in zip(first.sampler.batches(1), second.sampler.batches(1), strict=True):
        assert torch.equal(one.images, other.images)


def test_pairs_follow_the_seed_of_the_experiment(load: Load) -> None:
    first, other = (prepare(load(f"seed={seed}")).sampler.batches(0) for seed in (0, 1))
    assert not torch.equal(next(first).images, next(other).images)


def test_the_steps_are_those_of_all_epochs_together(tiny: Experiment) -> None:
    components = prepare(tiny)
    drawn = sum(1 for epoch in range(3) for _ in components.sampler.batches(epoch))
    assert components.total_steps == drawn == 3 * len(components.sampler)


def test_only_the_training_split_is_augmented(load: Load) -> None:
    components = prepare(load())
    inputs = [split.inputs for split in components.splits]
    assert all(isinstance(each, PixelInputs) for each in inputs)
    assert [len(each.transforms) for each in inputs if isinstance(each, PixelInputs)] == [2, 0, 0]


def test_behind_a_frozen_trunk_what_is_not_augmented_is_cached(load: Load) -> None:
    augmented, plain = prepare(load(FROZEN)), prepare(load(FROZEN, "transforms=[]"))
    kinds = [type(split.inputs) for split in augmented.splits]
    assert kinds == [PixelInputs, CachedInputs, CachedInputs]
    assert [type(split.inputs) for split in plain.splits] == [CachedInputs] * 3


def test_a_dataset_that_two_splits_name_is_read_once(load: Load) -> None:
    reads: list[str] = []
    with datasets.isolated():

        @datasets("counted")
        def counted() -> FaceTable:
            reads.append("counted")
            files = np.array(["a.png", "b.png"])
            return FaceTable(Path("nowhere"), files, np.arange(2), files)

        experiment = load("data.val=counted", "data.test=counted")
        components = prepare(experiment)
    assert reads == ["counted"]
    assert components.val.table is components.test.table
    assert components.val.digests is components.test.digests


def test_an_empty_table_names_its_split(load: Load) -> None:
    with datasets.isolated():

        @datasets("empty")
        def empty() -> FaceTable:
            nothing = np.empty(0, str)
            return FaceTable(Path("nowhere"), nothing, np.empty(0, np.int64), nothing)

        with pytest.raises(FacesimError, match=r"data\.val: dataset 'empty' holds no image"):
            prepare(load("data.val=empty"))


def test_a_table_that_cannot_be_read_names_its_split(load: Load) -> None:
    broken = "data.test={name: csv, images: nowhere, table: nowhere.csv}"
    with pytest.raises(FacesimError, match=r"^data\.test: .*nowhere"):
        prepare(load(broken))


SOURCE = (
    "data={source: {name: synthetic_faces, identities: 20, images_per_identity: 4, size: 24}, "
    "split: {ratios: [0.5, 0.25, 0.25]}, train: null, val: null, test: null}"
)


def test_a_source_is_read_once_and_its_splits_share_nobody(load: Load) -> None:
    tables = Tables()
    experiment = load(SOURCE)
    train, val, test = (tables.read(name, experiment).table for name in ("train", "val", "test"))
    assert (len(train.labels), len(val.labels), len(test.labels)) == (10, 5, 5)
    assert len({*train.labels, *val.labels, *test.labels}) == 20
    assert tables.read("val", experiment).table is val
    other = load(SOURCE, "data.split.seed=1")
    assert tables.read("val", other).table.labels.tolist() != val.labels.tolist()


def test_an_excluded_image_moves_nobody_into_another_split(load: Load) -> None:
    whole = prepare(load(SOURCE))
    first = whole.val.table.files[:4].tolist()  # of one person, all of them
    left = prepare(load(SOURCE, f"data.exclude={{val: {json.dumps(first)}}}"))
    assert left.val.table.labels.tolist() == whole.val.table.labels.tolist()[1:]
    for before, after in ((whole.train, left.train), (whole.test, left.test)):
        assert before.table.files.tolist() == after.table.files.tolist()


def test_what_is_wrong_with_a_source_is_told_of_it(load: Load) -> None:
    with pytest.raises(FacesimError, match=r"^data\.source: nothing says how the people"):
        prepare(load(SOURCE.replace("split: {ratios: [0.5, 0.25, 0.25]}, ", "")))
    with pytest.raises(FacesimError, match=r"^data\.source: .* no attribute 'gender'"):
        prepare(load(SOURCE, "data.split.stratify=[gender]"))


def test_excluded_images_are_left_out_of_their_split_alone(load: Load) -> None:
    whole = prepare(load())
    first = str(whole.val.table.files[0])
    left = prepare(load(f"data.exclude={{val: [{first}]}}"))
    assert left.val.table.files.tolist() == whole.val.table.files.tolist()[1:]
    assert len(left.val.digests.get()) == len(left.val.table)
    assert left.val.table.notes[-1].startswith("Excluded by data.exclude: 1 of ")
    assert left.train.table.files.tolist() == whole.train.table.files.tolist()


def test_two_splits_of_one_dataset_may_leave_out_other_images(load: Load) -> None:
    same = "data.test=" + json.dumps(prepare(load()).experiment.data.dataset_of("val").as_node())
    first = str(prepare(load()).val.table.files[0])
    split = prepare(load(same, f"data.exclude={{val: [{first}]}}"))
    assert (len(split.val.table), len(split.test.table)) == (15, 16)


def test_an_image_of_no_split_cannot_be_excluded(load: Load) -> None:
    with pytest.raises(FacesimError, match=r"^data\.val: data\.exclude\.val: 'x\.png' is no image"):
        prepare(load("data.exclude={val: [x.png]}"))
    with pytest.raises(
        FacesimError, match=r"^data\.exclude\.anywhere: 'x\.png' is no image of train, val, test"
    ):
        prepare(load("data.exclude={anywhere: [x.png]}"))


def test_an_image_is_excluded_from_whichever_split_holds_it(load: Load) -> None:
    whole = prepare(load())
    first = str(whole.test.table.files[0])
    left = prepare(load(f"data.exclude={{anywhere: ['{first}']}}"))
    assert first not in left.test.table.files.tolist()
    assert [len(split.table) for split in left.splits] == [
        len(split.table) - (first in split.table.files.tolist()) for split in whole.splits
    ]


def test_attributes_that_are_asked_for_must_be_in_the_table_of_test(load: Load) -> None:
    experiment = load("evaluate.slices=[Smiling]")
    network = prepare(load()).network
    assert len(load_split(experiment, "val", network, Tables()).table)
    with pytest.raises(FacesimError, match="Smiling"):
        load_split(experiment, "test", network, Tables())


class Nothing(Sampler):
    """Draws no batch."""

    def __init__(self, identities: Int64Array, batch_size: int, seed: int) -> None: ...

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_a_sampler_without_batches_is_refused_unless_nothing_is_trained(load: Load) -> None:
    with samplers.isolated():
        samplers("nothing")(Nothing)
        with pytest.raises(FacesimError, match="'nothing' draws no batch from the 48 training"):
            prepare(load("sampler=nothing"))
        assert prepare(load("sampler=nothing", "train.epochs=0")).total_steps == 0


def test_a_sampler_that_asks_for_the_table_gets_that_of_train(load: Load) -> None:
    given: list[FaceTable] = []

    class Asking(Nothing, TableSampler):
        def read_table(self, table: FaceTable) -> None:
            given.append(table)

    with samplers.isolated():
        samplers("asking")(Asking)
        components = prepare(load("sampler=asking", "train.epochs=0"))
    assert given == [components.train.table]


def test_nothing_trainable_is_refused_unless_nothing_is_trained(load: Load) -> None:
    frozen = (ALL_FROZEN, "head={name: bnneck}", "transforms=[]")
    trainable = prepare(load(*frozen)).network.parameter_groups()
    assert [group["name"] for group in trainable] == ["head"]
    with datasets.isolated():
        components = prepare(load(ALL_FROZEN, "train.epochs=0"))
    (group,) = components.state.optimizer.param_groups
    assert [parameter.numel() for parameter in group["params"]] == [0]


def test_parameters_that_a_plugin_refuses_are_an_error_that_names_the_plugin(load: Load) -> None:
    with optimizers.isolated():

        @optimizers("choosy")
        def choosy(parameter_groups: Any) -> torch.optim.Optimizer:
            raise ValueError("betas must be two numbers")

        with pytest.raises(FacesimError, match="optimizer 'choosy': betas must be two numbers"):
            prepare(load("optimizer=choosy"))


def test_a_resumed_run_gets_the_trunk_that_it_began_with(load: Load, tmp_path: Path) -> None:
    experiment = load(FROZEN)
    other = prepare(load(FROZEN, "seed=5")).network
    save_trunk(tmp_path / "trunk.pt", other)
    resumed = prepare(experiment, tmp_path / "trunk.pt").network
    assert resumed.trunk_digest == other.trunk_digest != prepare(experiment).network.trunk_digest


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"files": np.array(["a\udcff", "b"])}, "row 0: the path of the image"),
        ({"labels": np.array(["x", "y\r"])}, "row 1: the label of an identity"),
        (
            {"attributes": pd.DataFrame([[1], [2]], columns=pd.Index(["a\udcff"], dtype=object))},
            "the attribute",
        ),
        (
            {"attributes": pd.DataFrame({"note": ["a\udcff", "b"]}, dtype=object)},
            "the attribute 'note' is not",
        ),
    ],
)
def test_a_table_of_any_dataset_holds_text_only(
    load: Load, changed: dict[str, Any], message: str
) -> None:
    @datasets("names")
    def names() -> FaceTable:
        plain = {"files": np.array(["a", "b"]), "labels": np.array(["x", "y"])}
        return FaceTable(root=Path(), identities=np.array([0, 1]), **{**plain, **changed})

    experiment = load("data.train=names")
    with pytest.raises(FacesimError, match=f"data.train: .*{message}"):
        Tables().read("train", experiment)


@pytest.mark.parametrize("key", ["train.batch_size", "evaluate.batch_size"])
def test_a_batch_beyond_the_memory_is_refused_by_its_key(
    load: Load, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesim.training.build._memory", lambda: 12 * 3 * 24 * 24 * 4.0)
    small = ("train.batch_size=6", "evaluate.batch_size=12")
    prepare(load(*small))
    with pytest.raises(FacesimError, match=f"{key} and image.size: the pixels of a batch take"):
        prepare(load(*small, f"{key}=13"))


def test_a_folder_that_a_dataset_cannot_make_is_named(load: Load, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    experiment = load(f"data.train={{name: synthetic_faces, root: {tmp_path / 'file'}}}")
    with pytest.raises(FacesimError, match=r"data\.train: .*file"):
        Tables().read("train", experiment)


def test_a_file_that_is_not_there_names_the_variable_whose_default_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACESIM_CELEBA", raising=False)
    experiment = load_experiment(shipped_experiment("celeba_lite0"))
    told = (
        r"^data\.train: data/celeba/train\.csv: there is no such file; set the variable "
        r"FACESIM_CELEBA \(.*celeba_lite0\.yaml:\d+:\d+\), whose default leads nowhere$"
    )
    with pytest.raises(FacesimError, match=told):
        Tables().read("train", experiment)
    monkeypatch.setenv("FACESIM_CELEBA", str(tmp_path / "faces"))
    with pytest.raises(FacesimError, match=r"train\.csv: there is no such file$"):
        Tables().read("train", load_experiment(shipped_experiment("celeba_lite0")))
