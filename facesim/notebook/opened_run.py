"""A run, open for use: its metrics and scores, and its network on images that are passed to it."""

import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from facesim.arrays import Float32Array
from facesim.data.images import Image, as_list, pixels_of
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError, count, did_you_mean
from facesim.evaluation.calibration import BEST_ACCURACY, Calibration, OperatingPoint
from facesim.experiment.decisions import AUTO, decided
from facesim.experiment.exclusion import SPLITS
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable
from facesim.model.devices import pick_device
from facesim.model.folded_engines import why_unavailable
from facesim.model.network import NetworkInput, SiameseNetwork, evaluating
from facesim.model.trunk_pass import TrunkPass, from_rows
from facesim.notebook.display import Metrics, Shown, Verification
from facesim.page import Table, Text
from facesim.runs.environment import read_decisions
from facesim.runs.evaluation import load_trained
from facesim.runs.evaluation_plan import OWN, plan_evaluation
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles
from facesim.runs.systems import calibration_of_the_run
from facesim.training.checkpoint import BEST
from facesim.training.make_inputs import cache_refusal_reason, caching_engine, embedding_recipe


class OpenedRun(Shown):
    """A run directory and one of its evaluations, open for use.

    Example:
        >>> trained = open_run(trained.path)
        >>> sorted(trained.metrics)[:2]
        ['accuracy', 'balanced_accuracy']
        >>> trained.scores.columns.tolist()[:4]
        ['file1', 'file2', 'identity1', 'identity2']
        >>> faces = trained.table("test")
        >>> trained.embed([faces.path(0), faces.path(1)]).shape
        (2, 4)

    Args:
        run: which run.
        evaluation: the name of the evaluation that metrics and scores are of.
    """

    def __init__(self, run: Run, evaluation: str = OWN) -> None:
        self.run = run
        self.evaluation = evaluation

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.run.path

    @property
    def experiment(self) -> Experiment:
        """The resolved experiment, with its plugins imported.

        Raises:
            UntrustedPluginsError: your own experiment did not name them when the run began.
        """
        return self.run.experiment

    def table(self, split: str = "test") -> FaceTable:
        """The images and identities of a split, without those that are excluded.

        Args:
            split: ``train``, ``val`` or ``test``; of an evaluation on other data, its own.

        Raises:
            FacesimError: the images are not there, or the table cannot be read.
        """
        if split not in SPLITS:
            raise FacesimError(f"there is no split {split!r}: {', '.join(SPLITS)}")
        own = self.evaluation == OWN
        return self.run.tables.read(split, self.experiment if own else self.files.evaluated).table

    @cached_property
    def files(self) -> RunFiles:
        """All that the directory holds about the run and the evaluation.

        Raises:
            FacesimError: there is no such evaluation, or a file cannot be read.
        """
        return self.run.read(self.evaluation)

    @property
    def metrics(self) -> Metrics:
        """The metrics of the evaluation, with intervals.

        Raises:
            FacesimError: the run was not evaluated yet.
        """
        result = self.files.result
        if result is None:
            raise FacesimError(f"{self.path} was not evaluated yet; train it to its end first")
        people = f"{count(result.pairs, 'pair')} of {count(result.identities, 'identity')}"
        title = f"{self.files.title}, {self.evaluation}: {people}"
        return Metrics(title, result, self.files.metrics, self.files.score_unit)

    @property
    def scores(self) -> pd.DataFrame:
        """The pairs of the evaluation with their scores, one row per pair.

        The columns are file1, file2, identity1, identity2, same, score and probability, without
        those that the run does not have. Of a run of folds, a score is less the threshold of its
        fold, which the column network says.

        Raises:
            FacesimError: the scores of single pairs were not kept.
        """
        pairs = self.files.pairs
        if pairs is None:
            raise FacesimError(f"the scores of single pairs of {self.files.title} were not kept")
        return pairs.as_frame()

    @cached_property
    def network(self) -> SiameseNetwork:
        """The trained network, with the weights of the best checkpoint.

        Its trunk is run by the run's engine; where that is not available, by eager, which is said.

        Raises:
            FacesimError: there is no such checkpoint, or the network cannot be built.
        """
        self.run.require_one_network(f"open one of them, as in open_run('{self.path}/folds/1')")
        experiment = decided(self.experiment, read_decisions(self.path))
        engine, device = experiment.backbone_engine, pick_device(experiment.device)
        reason = None if engine == AUTO else why_unavailable(engine, device)
        if reason is not None:
            told = f"the run's backbone_engine, {engine}, is not available here: {reason}"
            warnings.warn(f"{told}. By eager, embeddings differ in their last digits", stacklevel=2)
            experiment = experiment.model_copy(update={"backbone_engine": "eager"})
        return load_trained(self.run.directory, experiment, BEST)

    def embed(self, images: Image | Iterable[Image]) -> Float32Array:
        """The embeddings of images.

        They are preprocessed and rounded as in evaluation.

        Args:
            images: files, arrays uint8 [H, W, 3] or [H, W], or PIL images; one or several.

        Returns:
            float32 [N, D].

        Raises:
            DataError: an image cannot be used.
        """
        preprocessing = Preprocessing.of(self.experiment.image)
        listed, size = as_list(images), self.experiment.evaluate.batch_size
        embeddings = [torch.empty(0, self.network.embedding_dim)]
        with evaluating(self.network), torch.inference_mode():
            for start in range(0, len(listed), size):
                batch = [pixels_of(image, preprocessing) for image in listed[start : start + size]]
                pixels = torch.stack([torch.from_numpy(each).permute(2, 0, 1) for each in batch])
                inputs = self._input(pixels)
                embeddings.append(self.network(inputs.to(self.network.device)).embeddings.cpu())
        found: Float32Array = torch.cat(embeddings).numpy()
        return found

    def score(self, a: Image, b: Image) -> float:
        """How alike two images are, as the loss compares their embeddings: higher is more alike.

        Example:
            >>> faces = trained.table("test")
            >>> face, another = faces.path(0), faces.path(9)
            >>> trained.score(face, face) > trained.score(face, another)
            True

        Raises:
            DataError: an image cannot be used.
        """
        first, second = torch.from_numpy(self.embed([a, b])).to(self.network.device)
        with evaluating(self.network), torch.inference_mode():
            return float(self.network.loss.score(first[None], second[None]))

    def verify(self, a: Image, b: Image, *, at: str = BEST_ACCURACY) -> Verification:
        """Decide whether two images show one person, at a threshold that was chosen on val.

        Example:
            >>> faces = trained.table("test")
            >>> decision = trained.verify(faces.path(0), faces.path(0))
            >>> decision.same, decision.operating_point
            (True, 'best_accuracy')

        Args:
            a: an image.
            b: another.
            at: the operating point: ``best_accuracy``, ``eer``, ``far_1e-2`` and the like.

        Raises:
            DataError: an image cannot be used.
            FacesimError: there is no such operating point, or the run has no thresholds that apply
                to its network.
        """
        point = _operating_point(self._calibration, at)
        if point.threshold is None:
            raise FacesimError(f"there is no threshold for {at}: {point.reason}")
        score, found = self.score(a, b), self._calibration.probability
        probability = None if found is None else float(found.probability([score])[0])
        return Verification(score, point.threshold, at, probability, point.support)

    def blocks(self) -> Sequence[Table | Text]:
        """The metrics; or how far the run is."""
        if self.files.result is not None:
            return self.metrics.blocks()
        status = self.files.log.status if self.files.log else "not started"
        return [Text(f"{self.files.title}: {status}, not evaluated.")]

    @cached_property
    def _calibration(self) -> Calibration:
        plan = plan_evaluation(self.run.directory, self.experiment, checkpoint=BEST)
        return calibration_of_the_run(plan, self.network, warnings.warn)

    def _input(self, pixels: torch.Tensor) -> NetworkInput:
        """The trunk's output, rounded as the cache stores it, where evaluation uses the cache."""
        if cache_refusal_reason(self.experiment, self.network, ()) is not None:
            return NetworkInput(pixels, "pixels")
        recipe = embedding_recipe(self.experiment, self.network)
        trunk = TrunkPass(caching_engine(self.network), recipe)
        with trunk.pool() as pool:
            passes = [trunk.start(part, pool) for part in torch.split(pixels, trunk.block)]
            rows = torch.cat([each.rows() for each in passes])
        return NetworkInput(from_rows(rows), "trunk_output")


def _operating_point(calibration: Calibration, name: str) -> OperatingPoint:
    points = {point.name: point for point in calibration.operating_points}
    if name not in points:
        raise FacesimError(
            f"there is no operating point {name!r}{did_you_mean(name, list(points))}; "
            f"known are {', '.join(points)}"
        )
    return points[name]
