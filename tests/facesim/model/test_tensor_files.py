"""The bytes of a saved state depend on what it holds, not on which objects hold it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from facesim.errors import DataError, FacesimError
from facesim.model.tensor_files import load_tensors, on_cpu, save_tensors


def saved(content: dict[str, Any], path: Path) -> bytes:
    save_tensors(path, content)
    return path.read_bytes()


def loaded(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def shared_and_not() -> tuple[dict[str, Any], dict[str, Any]]:
    """Equal states: in one of them equal objects are one object."""
    weights, betas, words = torch.arange(6.0).reshape(2, 3), (0.9, 0.99), ["cpu", "storage", "a-b"]
    shared = {"weights": weights, "again": weights, "groups": [betas, betas], "words": words * 2}
    return shared, {
        "weights": weights.clone(),
        "again": weights.clone(),
        "groups": [(0.9, 0.99), tuple(map(float, ("0.9", "0.99")))],
        "words": ["".join(list(word)) for word in words * 2],
    }


def test_equal_states_are_equal_bytes_whatever_objects_they_share(tmp_path: Path) -> None:
    shared, apart = shared_and_not()
    assert saved(shared, tmp_path / "shared.pt") == saved(apart, tmp_path / "apart.pt")


def test_what_is_loaded_is_saved_as_it_was(tmp_path: Path) -> None:
    shared, _ = shared_and_not()
    first = saved(shared, tmp_path / "first.pt")
    assert saved(loaded(tmp_path / "first.pt"), tmp_path / "second.pt") == first


def test_an_optimizer_that_went_on_is_saved_as_one_that_never_stopped(tmp_path: Path) -> None:
    def trained(steps: int, state: dict[str, Any] | None = None) -> torch.optim.Optimizer:
        layer = torch.nn.Linear(3, 2)
        torch.nn.init.ones_(layer.weight)
        groups: list[dict[str, Any]] = [
            {"params": [layer.weight], "name": "w"},
            {"params": [layer.bias], "name": "b"},
        ]
        optimizer = torch.optim.AdamW(groups, lr=0.1)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            for parameter in layer.parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
        return optimizer

    undisturbed = saved(trained(4).state_dict(), tmp_path / "undisturbed.pt")
    save_tensors(tmp_path / "half.pt", trained(2).state_dict())
    resumed = trained(2, loaded(tmp_path / "half.pt"))
    assert saved(resumed.state_dict(), tmp_path / "resumed.pt") == undisturbed


def test_a_part_of_a_large_tensor_is_saved_alone_with_its_layout(tmp_path: Path) -> None:
    images = torch.randn(4, 3, 8, 8).to(memory_format=torch.channels_last)
    content = {"first": images[:1], "empty": torch.empty(0), "none": torch.empty(0)}
    assert len(saved(content, tmp_path / "part.pt")) < 4000
    part = loaded(tmp_path / "part.pt")["first"]
    assert torch.equal(part, images[:1])
    assert part.stride() == images[:1].stride()


def test_saving_changes_nothing_that_is_saved(tmp_path: Path) -> None:
    shared, _ = shared_and_not()
    before = copy.deepcopy(shared)
    save_tensors(tmp_path / "a.pt", shared)
    assert shared["weights"] is shared["again"]
    assert torch.equal(shared["weights"], before["weights"])
    assert shared["words"] == before["words"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"nowhere.a\.pt: cannot be written: .*No such file"):
        save_tensors(tmp_path / "nowhere" / "a.pt", {})


def test_nested_data_go_to_the_cpu_detached_and_otherwise_as_they_are() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    found = on_cpu({"weights": [weight, 3], "pair": (weight, "text"), "none": None})
    for tensor in (found["weights"][0], found["pair"][0]):
        assert torch.equal(tensor, weight)
        assert not tensor.requires_grad
    assert (found["weights"][1], found["pair"][1], found["none"]) == (3, "text", None)
    elsewhere = {"weights": [torch.ones(2, device="meta")]}  # the one device that is everywhere
    with pytest.raises(NotImplementedError, match="meta"):
        on_cpu(elsewhere)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "EOFError"),
        (b"no tensors", "it is damaged, or holds more than tensors and plain data"),
        (b"PK\x03\x04", "PytorchStreamReader failed reading zip archive"),
    ],
)
def test_why_a_file_cannot_be_loaded_is_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    """The exception's own words; its name where it has none."""
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(DataError) as error:
        load_tensors(tmp_path / "x.pt")
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)
