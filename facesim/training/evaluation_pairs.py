"""The pairs that a run is measured on: chosen once, kept as CSV, read back ever after."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from facesim.data.pair_drawing import PairSpace, require_pairs
from facesim.data.pair_sets import draw_pair_set, read_pair_list, read_pair_set, write_pair_set
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.seeds import derive_seed
from facesim.training.build import Split


def evaluation_pairs(path: Path, experiment: Experiment, split: Split) -> PairSet:
    """The pairs of a split: those in ``path``, or new ones that are put there.

    Args:
        path: where the run keeps them.
        experiment: says how they are chosen.
        split: val or test.

    Raises:
        DataError: the split allows no pairs, or the pairs on disk do not fit its table.
    """
    if not path.exists():
        write_pair_set(path, split.table, choose_pairs(experiment, split))
    return _read(path, experiment, split)


def choose_all_pairs(experiment: Experiment, splits: Iterable[Split]) -> dict[str, PairSet]:
    """The pairs of val and test by the split's name; test has none if all of them are compared.

    Raises:
        FacesimError: a split does not allow what the protocol asks for.
    """
    return {
        split.name: choose_pairs(experiment, split)
        for split in splits
        if not is_exhaustive(experiment, split)
    }


def choose_pairs(experiment: Experiment, split: Split) -> PairSet:
    """The pairs that the experiment lists for a split, else the dataset's own, else drawn ones.

    What is drawn is a function of the experiment's seed and the split's name.

    Raises:
        FacesimError: the list does not fit the table, the split allows no pairs, or they have no
            folds and the protocol needs some.
    """
    pairs = _choose(experiment, split)
    if split.name == "test" and experiment.evaluate.protocol == "k_fold":
        _require_folds(pairs)
    return pairs


def is_exhaustive(experiment: Experiment, split: Split) -> bool:
    """Whether every pair of a split is compared, so that none is chosen.

    Raises:
        FacesimError: that is so, and the table has no genuine or no impostor pair.
    """
    if split.name != "test" or experiment.evaluate.protocol != "exhaustive":
        return False
    require_pairs(PairSpace.of(split.table.identities), genuine=1, impostor=1)
    return True


def _choose(experiment: Experiment, split: Split) -> PairSet:
    settings = experiment.evaluate
    listed = _listed(experiment, split)
    if listed is not None:
        return read_pair_list(listed, split.table)
    if split.table.pairs is not None:
        return split.table.pairs
    return draw_pair_set(
        split.table,
        settings.pairs_per_image,
        settings.same_fraction,
        derive_seed(experiment.seed, "pairs", split.name),
    )


def _read(path: Path, experiment: Experiment, split: Split) -> PairSet:
    """What was drawn holds no odd pair; what was given may, if the linter only warns of it."""
    drawn = _listed(experiment, split) is None and split.table.pairs is None
    return (read_pair_set if drawn else read_pair_list)(path, split.table)


def _listed(experiment: Experiment, split: Split) -> Path | None:
    settings = experiment.evaluate
    return {"val": settings.val_pairs, "test": settings.test_pairs}[split.name]


def _require_folds(pairs: PairSet) -> None:
    if pairs.fold is None or len(np.unique(pairs.fold)) < 2:
        raise FacesimError(
            "evaluate.protocol: k_fold needs pairs in two folds or more, and those of test have "
            f"{'none' if pairs.fold is None else 'one'}; list them in evaluate.test_pairs with a "
            "column `fold`, use a dataset that has folds, or write `protocol: verification`"
        )
