"""The comparisons that a run is measured on: selected once, pairs stored as CSV, then reused."""

from collections.abc import Iterable
from pathlib import Path

from facesim.atomic import require_unchanged
from facesim.data.linter.protocol import LintedSplit
from facesim.data.pair_sets import draw_pair_set, read_pair_list, read_pair_set, write_pair_set
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.interfaces.protocol import Comparisons
from facesim.seeds import derive_seed


def evaluation_pairs(path: Path, experiment: Experiment, split: LintedSplit) -> PairSet:
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


def plan_comparisons(
    experiment: Experiment, test: LintedSplit, path: Path | None = None
) -> Comparisons:
    """What the experiment's protocol compares in test.

    Args:
        experiment: names the protocol.
        test: the split.
        path: where the run keeps the pairs: they are read from there, or put there; None chooses
            and stores nothing.

    Raises:
        FacesimError: the split or the pairs on disk do not allow the protocol.
    """

    def listed_pairs() -> PairSet:
        if path is None or not path.exists():
            return choose_pairs(experiment, test)
        return _read(path, experiment, test)

    seed = derive_seed(experiment.evaluate.seed, "protocol")
    protocol = experiment.evaluate.protocol.build()
    comparisons = protocol.plan(test.table, listed_pairs, seed)
    if path is not None and comparisons.pairs is not None and not path.exists():
        write_pair_set(path, test.table, comparisons.pairs)
    return comparisons


def choose_all_pairs(experiment: Experiment, splits: Iterable[LintedSplit]) -> dict[str, PairSet]:
    """The pairs of val and test by the split's name; test has none if the protocol lists none.

    Raises:
        FacesimError: a split does not allow what the protocol asks for.
    """
    val, test = splits
    pairs = {val.name: choose_pairs(experiment, val)}
    of_test = plan_comparisons(experiment, test).pairs
    return pairs if of_test is None else {**pairs, test.name: of_test}


def choose_pairs(experiment: Experiment, split: LintedSplit) -> PairSet:
    """The pairs that the experiment lists for a split, else the dataset's own, else drawn ones.

    What is drawn is a function of ``evaluate.seed`` and the split's name.

    Raises:
        FacesimError: the list does not fit the table, or the split allows no pairs.
    """
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
        derive_seed(settings.seed, "pairs", split.name),
    )


def _read(path: Path, experiment: Experiment, split: LintedSplit) -> PairSet:
    """Drawn pairs are valid by construction; user-supplied lists are read leniently and linted."""
    require_unchanged(path, "delete it, and the pairs are chosen again as they were")
    drawn = _listed(experiment, split) is None and split.table.pairs is None
    return (read_pair_set if drawn else read_pair_list)(path, split.table)


def _listed(experiment: Experiment, split: LintedSplit) -> Path | None:
    settings = experiment.evaluate
    return {"val": settings.val_pairs, "test": settings.test_pairs}[split.name]
