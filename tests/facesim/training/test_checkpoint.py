"""A checkpoint is one whole file, read without executing anything in it."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from facesim.atomic import begin_manifest, link_file, write_text
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.training.build import prepare
from facesim.training.checkpoint import (
    CheckpointFolder,
    Progress,
    TrainingState,
    checkpoint_content,
    load_network,
    read_checkpoint,
    restore_checkpoint,
    restore_content,
    save_checkpoint,
)


@pytest.fixture
def state(tiny: Experiment) -> TrainingState:
    return prepare(tiny).state


def test_everything_comes_back(state: TrainingState, tiny: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, state, Progress(1, 2, 9, 0.5, 0, [0.25], 7))
    fresh = prepare(tiny.model_copy(update={"seed": 5})).state
    assert restore_checkpoint(path, fresh) == Progress(1, 2, 9, 0.5, 0, [0.25], 7)
    for name, tensor in state.network.state_dict().items():
        assert torch.equal(tensor, fresh.network.state_dict()[name])


def test_a_state_is_restored_from_content_that_no_file_holds(
    state: TrainingState, tiny: Experiment
) -> None:
    content = checkpoint_content(state, Progress(epoch=1, step=3))
    fresh = prepare(tiny.model_copy(update={"seed": 5})).state
    assert restore_content("what came", content, fresh) == Progress(epoch=1, step=3)
    for name, tensor in state.network.state_dict().items():
        assert torch.equal(tensor, fresh.network.state_dict()[name])
    content["optimizer"] = {}
    with pytest.raises(FacesimError, match=r"^what came does not fit this experiment's optimizer"):
        restore_content("what came", content, fresh)
    content["network"] = {}
    with pytest.raises(FacesimError, match=r"^what came does not fit this experiment's network"):
        restore_content("what came", content, fresh)


def test_a_file_that_would_run_code_is_refused(state: TrainingState, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pt"
    torch.save({"format": 2, "network": Evil()}, path)
    with pytest.raises(FacesimError, match="cannot be read as a checkpoint"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FacesimError, match="cannot be read as a checkpoint"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("found", [torch.tensor([2, 2]), "3", None])
def test_another_format_is_refused_whatever_it_is(found: object, tmp_path: Path) -> None:
    path = tmp_path / "strange.pt"
    torch.save({"format": found}, path)
    with pytest.raises(FacesimError, match="is not a checkpoint that this version"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint", b"that of an epoch"])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(FacesimError, match=r"last\.pt"):
        read_checkpoint(path)


def test_a_missing_checkpoint_lists_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "best.pt").touch()
    with pytest.raises(FacesimError, match="known: best"):
        read_checkpoint(tmp_path / "bset.pt")


def test_anothers_weights_are_refused(
    tiny: Experiment, state: TrainingState, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "last.pt", state, Progress())
    other = tiny.head.plugin.parameters.model_validate({"name": "mlp", "fc_dim": 9, "out_dim": 4})
    head = type(tiny.head)(tiny.head.plugin, other)
    wider = prepare(tiny.model_copy(update={"head": head})).state
    with pytest.raises(FacesimError, match="does not fit this experiment's network"):
        restore_checkpoint(tmp_path / "last.pt", wider)


def test_what_does_not_fit_is_told_on_one_line_that_is_not_too_long(
    state: TrainingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "size mismatch:\n   " + "x" * 1000
    monkeypatch.setattr(state.network, "load_trained_state", Mock(side_effect=RuntimeError(reason)))
    with pytest.raises(FacesimError) as error:
        load_network("a.pt", checkpoint_content(state, Progress()), state.network)
    told = "a.pt does not fit this experiment's network: size mismatch: "
    assert str(error.value) == told + "x" * (400 - len("size mismatch: "))


def test_only_the_newest_periodic_checkpoints_stay(tmp_path: Path) -> None:
    for step in range(5):
        (tmp_path / f"step-{step}.pt").write_text(str(step))
    link_file(tmp_path / "step-4.pt", tmp_path / "last.pt")
    link_file(tmp_path / "step-0.pt", tmp_path / "best.pt")
    CheckpointFolder(tmp_path).keep_newest(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.pt",
        "last.pt",
        "step-3.pt",
        "step-4.pt",
    ]
    assert (tmp_path / "best.pt").read_text() == "0"


def test_the_newest_are_told_by_their_age_and_not_by_their_names(tmp_path: Path) -> None:
    for age, name in enumerate(["a", "b", "c"]):
        (tmp_path / f"{name}.pt").touch()
        os.utime(tmp_path / f"{name}.pt", (1000 - age, 1000 - age))
    CheckpointFolder(tmp_path).keep_newest(1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_fewer_periodic_checkpoints_than_are_kept_all_stay(tmp_path: Path) -> None:
    for kept in range(4):
        CheckpointFolder(tmp_path).keep_newest(3)
        assert len(list(tmp_path.iterdir())) == kept
        (tmp_path / f"{kept}.pt").touch()


@pytest.mark.parametrize("name", ["../last", "sub/last", "/tmp/last"])
def test_a_checkpoint_lies_in_the_folder_of_checkpoints(name: str, tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="is named by its file name alone"):
        CheckpointFolder(tmp_path).file(name)
    assert CheckpointFolder(tmp_path).file("step.5") == tmp_path / "step.5.pt"
    assert CheckpointFolder(tmp_path).file("last.pt") == tmp_path / "last.pt"


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda it: it.pop("progress"), "progress is missing or is something else"),
        (lambda it: it.pop("optimizer"), "optimizer is missing or is something else"),
        (lambda it: it.update(network=[]), "network is missing or is something else"),
        (lambda it: it.update(num_identities="4"), "num_identities is missing"),
        (lambda it: it["progress"].update(step="9"), "progress.step is missing"),
        (lambda it: it["progress"].update(epoch=-1), "progress.epoch is missing"),
        (lambda it: it["network"].update(extra=1), "extra is no tensor"),
        (lambda it: it["network"].popitem(), "Missing key"),
        (lambda it: _cast(it["network"], torch.int32), "is torch.int32 instead of torch.float32"),
        (lambda it: _cast(it["network"], torch.complex64), "is torch.complex64 instead of"),
        (lambda it: it["optimizer"].update(param_groups=3), "optimizer.param_groups is of type"),
        (lambda it: it["optimizer"]["param_groups"][0].update(lr="x"), "0.lr is of type str"),
        (lambda it: it["optimizer"].update(state=[1]), "optimizer"),
        (lambda it: it["scheduler"].pop("last_epoch"), "scheduler has no 'last_epoch'"),
        (lambda it: it["scheduler"].update(last_epoch={}), "scheduler.last_epoch is of type dict"),
    ],
)
def test_a_checkpoint_that_lacks_a_part_or_has_other_types_is_named(
    state: TrainingState, tmp_path: Path, change: Change, fault: str
) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, state, Progress())
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    before = {name: each.clone() for name, each in state.network.trained_state().items()}
    with pytest.raises(FacesimError, match=f"last.pt.*{fault}"):
        restore_checkpoint(path, state)
    after = state.network.trained_state()
    if "torch." in fault:
        assert all(torch.equal(before[name], after[name]) for name in before)


def _cast(tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> None:
    name = next(iter(tensors))
    tensors[name] = tensors[name].to(dtype)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("last", r"copy another checkpoint over it \(best\), or start a new run"),
        ("best", r"delete it, copy an earlier checkpoint over last\.pt and resume, or start"),
    ],
)
def test_a_damaged_checkpoint_says_what_can_still_be_done(
    name: str, remedy: str, tmp_path: Path
) -> None:
    begin_manifest(tmp_path)
    for each in ("last", "best"):
        write_text(tmp_path / f"{each}.pt", each)
    (tmp_path / f"{name}.pt").write_text("damaged")
    with pytest.raises(FacesimError, match=remedy):
        read_checkpoint(tmp_path / f"{name}.pt")
