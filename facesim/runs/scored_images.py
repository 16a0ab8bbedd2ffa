"""The images behind the scored pairs of an evaluation."""

from dataclasses import dataclass

import numpy as np

from facesim.arrays import Int64Array
from facesim.errors import FacesimError
from facesim.interfaces import FaceTable, PairSet
from facesim.interfaces.scores import LabelledScores, effective_pair_identities
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import NamedPairs, rows_of


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """The table of an evaluation, and where its pairs stand in it.

    Attributes:
        table: the images.
        rows: int64 [P, 2], the rows of each scored pair.
        identities: int64 [P, 2], the identities of each scored pair, as the pairs have them.
    """

    table: FaceTable
    rows: Int64Array
    identities: Int64Array

    def labelled(self, pairs: NamedPairs) -> LabelledScores:
        """The scored pairs with their identities."""
        return LabelledScores.of(pairs.scores, pairs.same, *self.identities.T)


def find_images(files: RunFiles, pairs: NamedPairs) -> ScoredImages:
    """Build the table that an evaluation was made on, and find its pairs in it.

    Raises:
        FacesimError: it cannot be read, or is not the one that was evaluated.
    """
    try:
        table = files.table()
    except OSError as error:
        raise FacesimError(f"{error.filename}: {error.strerror}") from error
    rows = rows_of(pairs, table)
    identities = effective_pair_identities(PairSet(rows, pairs.same), table.identities)
    return ScoredImages(table, rows, np.stack(identities, axis=1))
