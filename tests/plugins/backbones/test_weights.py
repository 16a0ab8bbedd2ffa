import sys
from collections import OrderedDict
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from facesim import FacesimError, PluginError
from facesim_plugins._optional_package import optional_package
from facesim_plugins.backbones._weights import load_weights, read_weights, torchvision_file


def network() -> nn.Module:
    layers = OrderedDict(conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4), fc=nn.Linear(4, 10))
    return nn.Sequential(layers)


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def test_weights_are_copied_and_the_classifier_is_dropped(tmp_path: Path) -> None:
    source, model = network(), network()
    load_weights(model, saved(tmp_path / "w.pth", source.state_dict()), "fc")
    assert torch.equal(model.get_parameter("conv.weight"), source.get_parameter("conv.weight"))
    assert not any(name.startswith("fc.") for name in model.state_dict())


def test_a_file_without_classifier_or_batch_counters_fits(tmp_path: Path) -> None:
    state = network().state_dict()
    kept = {k: v for k, v in state.items() if not k.startswith("fc.") and "num_batches" not in k}
    load_weights(network(), saved(tmp_path / "w.pth", kept), "fc")


def test_entries_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = network().state_dict()
    state["convolution.weight"] = state.pop("conv.weight")
    state["bn.bias"] = torch.zeros(7)
    file = saved(tmp_path / "w.pth", state)
    with pytest.raises(FacesimError) as error:
        load_weights(network(), file, "fc")
    assert str(error.value) == (
        f"weights: {file} does not fit this backbone; missing: conv.weight; "
        "unknown: convolution.weight; of another shape: bn.bias [7] instead of [4]"
    )


def test_only_the_first_few_of_many_are_named(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", {})
    with pytest.raises(
        FacesimError, match=r"missing: conv\.weight, conv\.bias, bn\.weight and 3 more$"
    ):
        load_weights(network(), file, "fc")


@pytest.mark.parametrize(("word", "meant"), [("imagnet", "imagenet"), ("ImageNet", "imagenet")])
def test_a_misspelt_word_is_recognised(word: str, meant: str) -> None:
    with pytest.raises(FacesimError, match=f"did you mean '{meant}'"):
        read_weights(Path(word))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="there is no file"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 torn", b"\x80\x02garbage", b"\x00" * 100]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(content)
    with pytest.raises(FacesimError, match="cannot be read as a state dict"):
        read_weights(file)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", network().state_dict())
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(FacesimError, match="cannot be read as a state dict"):
        read_weights(file)


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", network())  # a pickled module, not its state dict
    with pytest.raises(FacesimError, match="cannot be read as a state dict"):
        read_weights(file)


@pytest.mark.parametrize(
    ("value", "what"),
    [({"state_dict": {}, "epoch": 3}, "a dictionary with state_dict, epoch"), ([1], "a list")],
)
def test_something_other_than_a_state_dict_is_described(
    tmp_path: Path, value: object, what: str
) -> None:
    with pytest.raises(FacesimError, match=f"holds {what}, not a state dict"):
        read_weights(saved(tmp_path / "w.pth", value))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_download_is_checked_by_its_hash_and_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("sys.stderr", Mock(isatty=lambda: terminal))
    weights = Mock(url="https://host/models/net-0123abcd.pth?version=2")
    file = torchvision_file(weights, "resnet", "ResNet-18")
    assert file == tmp_path / "checkpoints" / "net-0123abcd.pth"
    weights.get_state_dict.assert_called_once_with(
        progress=terminal, check_hash=True, weights_only=True
    )
    file.parent.mkdir()
    file.touch()
    assert torchvision_file(weights, "resnet", "ResNet-18") == file
    weights.get_state_dict.assert_called_once()


def test_safetensors_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path / "w.safetensors", {})
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(FacesimError, match=r"to read .*w\.safetensors, pip install safetensors"):
        read_weights(file)


def test_a_package_that_is_there_and_broken_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        optional_package("broken_package", "backbone mine", "pip install it")
    with pytest.raises(PluginError) as error:
        optional_package("no_such_package", "backbone mine", "pip install it")
    assert str(error.value) == "backbone mine needs the package no-such-package: pip install it"
