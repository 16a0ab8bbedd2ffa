"""Embedder: a pack as a transformer of scikit-learn, which need not be installed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from facesim.arrays import Float32Array
from facesim.data.images import Image
from facesim.verifier.verifier import Verifier, load_pack


class Embedder:
    """Images -> embeddings, in the protocol of scikit-learn: a step of a ``Pipeline``.

    There is nothing to fit: the pack's network is trained.

    Args:
        pack: its folder, or a loaded pack.

    Example:
        >>> people = make_pipeline(facesim.Embedder("packs/celeba"), LogisticRegression())
        >>> people.fit(["anna_1.jpg", "bert_1.jpg"], ["anna", "bert"])
    """

    def __init__(self, pack: str | Path | Verifier) -> None:
        self.pack = pack
        self._loaded: Verifier | None = None

    def fit(self, images: Any = None, labels: Any = None) -> Self:  # noqa: ARG002  the protocol's
        """Load the pack; whatever else is passed is not looked at."""
        self._verifier()
        return self

    def transform(self, images: Iterable[Image]) -> Float32Array:
        """Embeddings float32 [N, D] of N images.

        Raises:
            DataError: an image cannot be used, or the pack cannot.
        """
        return self._verifier().embed(images)

    def fit_transform(self, images: Iterable[Image], labels: Any = None) -> Float32Array:
        """As :meth:`transform`."""
        return self.fit(images, labels).transform(images)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """The arguments that it was made with; scikit-learn clones it by them."""
        return {"pack": self.pack}

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments.

        Raises:
            ValueError: there is no such argument.
        """
        unknown = set(parameters) - {"pack"}
        if unknown:
            raise ValueError(f"Embedder has no parameter {min(unknown)!r}; it has: pack")
        self.pack = parameters.get("pack", self.pack)
        self._loaded = None
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(two_d_array=False, string=True, three_d_array=True),
            requires_fit=False,
        )

    def _verifier(self) -> Verifier:
        if self._loaded is None:
            self._loaded = self.pack if isinstance(self.pack, Verifier) else load_pack(self.pack)
        return self._loaded
