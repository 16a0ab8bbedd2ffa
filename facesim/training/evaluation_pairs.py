"""The pairs that a run is measured on: drawn once, kept as CSV, read back ever after."""

from facesim.data.pair_sets import PairSet, draw_pair_set, read_pair_set, write_pair_set
from facesim.experiment.schema import Experiment
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
        settings = experiment.evaluate
        drawn = draw_pair_set(
            split.table,
            settings.pairs_per_image,
            settings.same_fraction,
            derive_seed(experiment.seed, "pairs", split.name),
        )
        write_pair_set(path, split.table, drawn)
    return read_pair_set(path, split.table)
