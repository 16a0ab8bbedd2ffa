"""Scores of pairs from embeddings that are computed once per image."""

import socket
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.errors import FacesimError
from facesim.evaluation.embedding import Embedder, SharedNames, embed_together, score_pairs
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.model.embedding_cache import EmbeddingCache
from facesim.model.feature_store import StoreUnwritableError
from facesim.processes import Processes
from facesim.training.build import prepare
from tests.facesim.lockstep import Lockstep, in_lockstep


def test_pairs_have_the_same_scores_however_many_are_scored_at_a_time(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = prepare(tiny)
    identities = components.val.table.identities
    embedder = Embedder(components.network, components.val.inputs, 8, Processes())
    rows = np.stack(np.triu_indices(8, 1), axis=1).astype(np.int64)
    pairs = PairSet(rows, identities[rows[:, 0]] == identities[rows[:, 1]])
    whole = score_pairs(embedder, pairs, identities)
    assert len(np.unique(whole.scores)) > len(rows) / 2
    monkeypatch.setattr("facesim.evaluation.embedding._PAIRS_AT_A_TIME", 4)
    np.testing.assert_allclose(
        score_pairs(embedder, pairs, identities).scores, whole.scores, rtol=1e-5
    )


Batches = Callable[[Processes, int], Generator[Tensor]]


@pytest.fixture
def batches(tiny: Experiment) -> Batches:
    """Embeds 11 rows of val by several processes, each with a network of its own."""

    def begin(processes: Processes, batch_size: int) -> Generator[Tensor]:
        components = prepare(tiny)
        rows: Int64Array = np.arange(11)
        inputs = components.val.inputs
        return embed_together(components.network, inputs, rows, batch_size, processes)

    return begin


@pytest.mark.parametrize("batch_size", [1, 3, 4, 11, 64])
def test_processes_take_batches_in_turn_and_all_have_the_bits_of_one(
    batches: Batches, batch_size: int
) -> None:
    def work(processes: Lockstep) -> list[Tensor]:
        return list(batches(processes, batch_size))

    (alone,) = in_lockstep(1, work)
    assert [len(batch) for batch in alone] == [
        min(batch_size, 11 - begin) for begin in range(0, 11, batch_size)
    ]
    assert torch.cat(alone).std(0).all()
    for size in (2, 3):
        for found in in_lockstep(size, work):
            assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=True))


@pytest.mark.parametrize("read", [1, 2, 3, 4])
def test_where_the_main_process_closes_it_the_others_leave_and_all_go_on(
    batches: Batches, read: int
) -> None:
    """After any batch, the last one included; what they do next finds them in step."""

    def work(processes: Lockstep) -> tuple[int, str]:
        count = 0
        with closing(batches(processes, 3)) as embedded:
            for _ in embedded:
                count += 1
                if processes.is_main and count == read:
                    break
        return count, processes.broadcast("next" if processes.is_main else "")

    main, *others = in_lockstep(3, work)
    assert main == (read, "next")
    in_round = {1: 3, 2: 3, 3: 3, 4: 4}[read]  # the others have all batches of a round
    assert others == [(in_round, "next")] * 2


@pytest.mark.parametrize(("row", "rank"), [(4, 1), (0, 0), (10, 0)])
def test_a_damaged_image_is_an_error_of_all_processes_which_are_in_step_after_it(
    write_tiny: Callable[[Path, int], Path], tmp_path: Path, row: int, rank: int
) -> None:
    """Batches of 3, in turn: the first and the last are the main process's."""
    tiny = load_experiment(write_tiny(tmp_path, 0))
    path = prepare(tiny).val.table.path(row)
    path.write_bytes(path.read_bytes()[:60])

    def work(processes: Lockstep) -> tuple[str, str]:
        components = prepare(tiny)
        network, inputs = components.network, components.val.inputs
        network.train()
        with pytest.raises(FacesimError, match=path.name) as raised:
            list(embed_together(network, inputs, np.arange(11), 3, processes))
        assert network.training
        return str(raised.value), processes.broadcast("next" if processes.is_main else "")

    (main, went_on), *others = in_lockstep(3, work)
    assert went_on == "next"
    named = f"process {rank} of 3 on {socket.gethostname()}: "
    assert main.startswith(named) == (rank != 0)
    text = named + main.removeprefix(named)
    assert others == [(text, "next")] * 2


def test_networks_return_to_their_mode(tiny: Experiment) -> None:
    components = prepare(tiny)
    components.network.train()
    rows: Int64Array = np.arange(4)
    embedded = embed_together(components.network, components.val.inputs, rows, 2, Processes())
    next(embedded)
    assert not components.network.training
    embedded.close()
    assert components.network.training


class Unwritable(EmbeddingCache):
    """A cache whose disk is full after the first batch."""

    def __init__(self) -> None:
        self.kept = 0

    def incomplete(self, rows: Int64Array, batch_size: int) -> Int64Array:
        return rows

    def keep(self, rows: Int64Array, embeddings: Tensor) -> None:
        self.kept += 1
        self.failure = StoreUnwritableError("the disk is full")
        self.failure.__context__ = RuntimeError()
        raise self.failure  # which is held, and with it what was going on


def test_a_cache_that_cannot_be_written_is_given_up_by_all_processes_in_step(
    tiny: Experiment, batches: Batches
) -> None:
    def work(processes: Lockstep) -> Tensor | list[str]:
        components = prepare(tiny)
        network, inputs = components.network, components.val.inputs
        if processes.is_main:
            cache = Unwritable()
            embedder = Embedder(
                network, inputs, 3, processes, cache=cache, shared_as=SharedNames("training", "val")
            )
            found = embedder.embed(np.arange(11))
            processes.request("end")
            assert cache.kept == 1
            return found
        names = []
        while (request := processes.next_request())[0] != "end":
            name, values = request
            names.append(name)
            if name == "embed":
                rows = values["rows"].numpy()
                for _ in embed_together(network, inputs, rows, values["batch_size"], processes):
                    pass
        return names

    found, names = in_lockstep(2, work)
    assert names == ["warm", "embed", "warm", "embed"]
    assert isinstance(found, Tensor)
    assert torch.equal(found, torch.cat(list(batches(Processes(), 3))))
