"""The script that counts how the engine's code is cut, on a checkout of a few lines."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import structure

TRAINER = '''"""The loop."""

import facesim.model.network
from facesim import registry


def train(network, batches, *, seed):
    """Train.

    At length.
    """
    # because of this
    for batch in batches:
        _step(network, batch)


def _step(network, batch):
    network(batch)
'''
NETWORK = '''"""The network."""


class Network:
    """A network."""

    WIDTH = 2
    """Of everything."""

    def __call__(self, batch):
        return self._run(batch) + self._run(batch)

    def _run(self, batch):
        from facesim.arrays import ones  # late

        return ones(batch)
'''


@pytest.fixture
def checkout(tmp_path: Path) -> structure.Checkout:
    files = {
        "facesim/__init__.py": '"""The package."""\n',
        "facesim/training/trainer.py": TRAINER,
        "facesim/model/network.py": NETWORK,
        "facesim/arrays.py": "def ones(batch): ...\n",
        "facesim/registry.py": "",
        "facesim/report.py": "from facesim import training  # noqa: F401\n",
        "plugins/loss.py": "from facesim import Loss\nfrom facesim.arrays import ones, zeros\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return structure.Checkout(tmp_path)


def test_a_function_has_the_size_that_it_has_without_its_docstring(
    checkout: structure.Checkout,
) -> None:
    sizes = {function.name: function.size for function in checkout.functions}
    assert sizes == {"train": 4, "_step": 2, "__call__": 2, "_run": 4, "ones": 1}


def test_self_is_not_counted_among_the_parameters(checkout: structure.Checkout) -> None:
    parameters = {function.name: function.parameters for function in checkout.functions}
    assert parameters == {"train": 3, "_step": 2, "__call__": 1, "_run": 1, "ones": 1}


def test_a_private_function_that_is_mentioned_once_is_listed(checkout: structure.Checkout) -> None:
    once = [(it.place, it.name) for it in checkout.short_called_once]
    assert once == [("facesim/training/trainer.py:17", "_step")]


def test_the_training_loop_reaches_what_its_imports_import(checkout: structure.Checkout) -> None:
    reached = [source.module for source in checkout.reached_from("facesim.training.trainer")]
    assert reached == ["facesim.arrays", "facesim.model.network", "facesim.registry"]


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings(
    checkout: structure.Checkout,
) -> None:
    code = {source.file: source.lines_of_code for source in checkout.engine}
    assert code["facesim/training/trainer.py"] == 7
    assert code["facesim/model/network.py"] == 7


def test_only_imports_from_below_the_package_are_deep(checkout: structure.Checkout) -> None:
    assert checkout.deep_imports == ["facesim.arrays.ones", "facesim.arrays.zeros"]


def test_the_table_has_a_row_per_measure(checkout: structure.Checkout) -> None:
    rows = structure.measures(checkout)
    assert rows["engine modules"] == "5"
    assert rows["function size, median / p90 / max"] == "2 / 4 / 4"
    assert rows["private functions called once"] == "1 of 2 (50%)"
    assert rows["most parameters"] == "3: train (facesim/training/trainer.py:7)"
    assert rows["reached from the training loop"] == "3 modules, 17 lines"
    assert rows["deep imports of plugins"] == "2 (2 names)"


def test_the_command_prints_the_table_or_the_list_of_this_checkout() -> None:
    table, listing = (
        subprocess.run(
            [sys.executable, structure.__file__, *options],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for options in ([], ["--list"])
    )
    assert table.startswith("engine modules ")
    assert all("facesim/" in line for line in listing.splitlines())
