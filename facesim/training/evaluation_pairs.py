"""The pairs that a run is measured on: drawn once, kept as CSV, read back ever after."""

from facesim.data.pair_sets import draw_pair_set, read_pair_set, write_pair_set
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.seeds import derive_seed
from facesim.training.preparation import Split
from facesim.training.run_directory import RunDirectory


def evaluation_pairs(run: RunDirectory, experiment: Experiment, split: Split) -> PairSet:
    """The pairs of a split: those in the run's folder, or new ones that are put there.

    Raises:
        DataError: the split allows no pairs, or the pairs on disk do not fit its table.
    """
    path = run.pairs_file(split.name)
    if not path.exists():
        write_pair_set(path, split.table, choose_pairs(experiment, split))
    return read_pair_set(path, split.table)


def choose_pairs(experiment: Experiment, split: Split) -> PairSet:
    """Draw the pairs of a split: a function of the experiment's seed and the split's name.

    Raises:
        DataError: the split allows no pairs.
    """
    settings = experiment.evaluate
    return draw_pair_set(
        split.table,
        settings.pairs_per_image,
        settings.same_fraction,
        derive_seed(experiment.seed, "pairs", split.name),
    )
