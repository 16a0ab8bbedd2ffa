"""Candidates of a search from an index of faiss, for galleries beyond a matrix product."""

from importlib import import_module
from typing import Any

import numpy as np

from facesim.arrays import Float32Array, FloatArray, Int64Array
from facesim.errors import FacesimError
from facesim.verifier.gallery import Gallery
from facesim.verifier.search import Comparison


class FaissIndex:
    """All templates of a gallery in a flat index, which is exact; pass it to searches.

    Args:
        gallery: of the templates, which are copied into memory.
        comparison: of the score.

    Raises:
        FacesimError: faiss is not installed, or the score allows no index.
    """

    def __init__(self, gallery: Gallery, comparison: Comparison | None) -> None:
        if comparison is None:
            raise FacesimError(
                "the pack's score is neither of directions nor of distances, so that no index "
                "finds candidates for it; search without faiss"
            )
        faiss = _faiss()
        kind = faiss.IndexFlatIP if comparison == "cosine" else faiss.IndexFlatL2
        self._sign = 1.0 if comparison == "cosine" else -1.0
        self._index = kind(gallery.embeddings.dimension)
        for part in gallery.parts:
            self._index.add(np.ascontiguousarray(part.templates, dtype=np.float32))

    def __call__(self, probes: Float32Array, count: int) -> tuple[FloatArray, Int64Array]:
        """The ``count`` nearest rows of each probe; see :data:`facesim.verifier.search.Nearest`."""
        found, rows = self._index.search(np.ascontiguousarray(probes), count)
        return self._sign * found.astype(np.float64), rows


def _faiss() -> Any:
    try:
        return import_module("faiss")
    except ImportError as error:
        raise FacesimError(
            f"faiss cannot be imported ({error}); pip install 'facesim[faiss]'"
        ) from error
