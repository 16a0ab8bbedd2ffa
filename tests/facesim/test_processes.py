"""One process that works alone."""

import torch

from facesim.processes import Processes
from facesim.reporters import SilentReporter


def test_by_default_one_silent_process_is_the_main_one() -> None:
    processes = Processes()
    assert (processes.rank, processes.size, processes.is_main) == (0, 1, True)
    assert isinstance(processes.reporter, SilentReporter)


def test_alone_it_gathers_and_broadcasts_its_own() -> None:
    processes = Processes()
    tensor, value = torch.arange(3), {"seed": 1}
    (gathered,) = processes.gather(tensor)
    assert gathered is tensor
    assert processes.broadcast(value) is value
