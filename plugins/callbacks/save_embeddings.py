"""Embeddings of a split, saved during training."""

import io
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from facesim import Callback, TrainingView, callbacks


@callbacks("save_embeddings")
class SaveEmbeddings(Callback):
    """Save the embeddings of a split's images every few epochs, for maps and clusterings.

    Files ``SPLIT-epoch-0003.npz`` in the run directory's ``callbacks/save_embeddings`` hold the
    arrays ``files``, ``labels`` and ``embeddings`` (float32, one row per image).
    """

    def __init__(
        self,
        *,
        split: Annotated[
            Literal["train", "val"], Field(description="whose images; test is not looked at")
        ] = "val",
        every_epochs: Annotated[int, Field(gt=0, description="epochs between two files")] = 1,
        images: Annotated[
            int,
            Field(gt=0, le=10**6, description="at most so many, evenly spaced over the table"),
        ] = 10_000,
        keep: Annotated[int, Field(gt=0, description="how many of the newest files are kept")] = 3,
    ) -> None:
        self.split = split
        self.every_epochs = every_epochs
        self.images = images
        self.keep = keep

    def on_epoch_end(self, view: TrainingView) -> None:
        """Save the embeddings of the epoch, and remove the oldest file."""
        if view.epoch % self.every_epochs:
            return
        embedded = view.embed(self.split, at_most=self.images)
        content = io.BytesIO()
        np.savez(
            content,
            files=embedded.files,
            labels=embedded.labels,
            embeddings=embedded.embeddings,
        )
        # Padded, so that names sort by epoch.
        view.save(f"{self.split}-epoch-{view.epoch:04d}.npz", content.getvalue())
        # Later ones are there where a run goes on from an earlier checkpoint; it will replace them.
        epochs = {
            int(path.stem.rpartition("-")[2]): path
            for path in view.folder.glob(f"{self.split}-epoch-*.npz")
        }
        for epoch in sorted(epoch for epoch in epochs if epoch <= view.epoch)[: -self.keep]:
            epochs[epoch].unlink()
