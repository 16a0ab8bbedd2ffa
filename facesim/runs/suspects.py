"""The look at embeddings after training: wrong labels, people under two labels, twins."""

import logging

import numpy as np

from facesim.arrays import Int64Array
from facesim.data.image_digests import TableDigests
from facesim.data.linter.findings import Finding, Findings
from facesim.errors import FacesimError
from facesim.evaluation.embedded_splits import EmbeddedSplit
from facesim.evaluation.embedding_suspects import RULES, find_embedding_suspects
from facesim.heartbeats import GroupFailedError
from facesim.model.network import SiameseNetwork
from facesim.processes import Processes
from facesim.runs.evaluation_plan import OWN, EvaluationPlan
from facesim.runs.systems import TRAINED, UNTOUCHED, NetworkSystem, share_untouched
from facesim.seeds import derive_seed
from facesim.training.build import Split, Tables
from facesim.training.make_inputs import make_inputs

log = logging.getLogger(__name__)

MOST_IMAGES = 4_000
"""Looked at in each split; whole identities, drawn at random where there are more."""


def look_for_suspects(
    plan: EvaluationPlan, trained: SiameseNetwork, tables: Tables, processes: Processes
) -> tuple[Finding, ...]:
    """What the embeddings say against the labels; suspicions, which stop nothing.

    The untouched backbone is asked, because the trained network has learned the labels of train,
    right or wrong. Where it tells nobody apart, as one that begins untrained, the trained network
    is asked about the splits that it was not trained on.

    Args:
        plan: of an evaluation whose images the run has not looked at yet, or of the run's own.
        trained: the network with its weights, which the other processes have as well.
        tables: where the tables are kept that are read.
        processes: show what is being embedded.

    Raises:
        FacesimError: the backbone cannot be built.
    """
    severities = dict(plan.experiment.lint)
    severities.update({rule: "warning" for rule in RULES if severities.get(rule) == "error"})
    findings = Findings(severities)
    known = plan.name != OWN and not plan.has_other_images
    if known or not any(map(findings.watches, RULES)):
        return ()
    images = _readable(plan, tables)
    backbone = share_untouched(plan.experiment, trained, processes)
    splits = _embedded(plan, backbone, UNTOUCHED, images, processes)
    if len(splits) < 2 or find_embedding_suspects(splits, findings):
        return findings.report().findings
    images.pop("train", None)
    splits = _embedded(plan, trained, TRAINED, images, processes)
    if len(splits) > 1:
        find_embedding_suspects(splits, findings)
    return findings.report().findings


def _readable(plan: EvaluationPlan, tables: Tables) -> dict[str, TableDigests]:
    """The run's train, and val and test of the evaluation, as far as they can be read."""
    found = {}
    for split, name in (("train", "train"), ("val", plan.val_name), ("test", plan.name)):
        try:
            images = tables.read(split, plan.experiment)
            images.get()
        except FacesimError:  # training data may be on another machine
            continue
        found[name] = images
    return found


def _embedded(
    plan: EvaluationPlan,
    network: SiameseNetwork,
    system_name: str,
    images: dict[str, TableDigests],
    processes: Processes,
) -> list[EmbeddedSplit]:
    splits = []
    names = {"train": "train", plan.val_name: "val", plan.name: "test"}
    for name, digests in images.items():
        inputs = make_inputs(plan.experiment, network, digests)
        split = Split(names[name], digests.table, inputs, digests)
        rows = some_identities(digests.table.identities, derive_seed(plan.experiment.seed, name))
        system = NetworkSystem(network, split, plan.experiment, processes, system_name)
        try:
            embeddings = system.embed(rows).numpy()
        except GroupFailedError:
            raise
        except FacesimError as error:  # a changed crop need not fit images that are not measured
            log.info("the labels of %s are not looked at: %s", name, error)
            continue
        splits.append(EmbeddedSplit(name, digests.table, rows, embeddings))
    return splits


def some_identities(identities: Int64Array, seed: int, most: int = MOST_IMAGES) -> Int64Array:
    """The rows of some identities, all of each, that are ``most`` or a few fewer: ascending.

    Args:
        identities: int64 [N].
        seed: decides which.
        most: rows; at least one identity is taken.
    """
    if len(identities) <= most:
        return np.arange(len(identities))
    order = np.random.default_rng(seed).permutation(np.unique(identities))
    counts = np.bincount(identities)[order]
    kept = order[: max(int(np.searchsorted(np.cumsum(counts), most, "right")), 1)]
    return np.flatnonzero(np.isin(identities, kept))
