"""The model of ``pack.json``, which says what a pack holds and what it was measured to do.

A pack is a folder that verifies faces without the run that it was made from: the network, the score
that compares two embeddings, how images become pixels, thresholds with their measured error rates.
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, JsonValue, NonNegativeInt, model_validator

from facesim.evaluation.probabilities import ProbabilityMap
from facesim.json_files import JsonModel

FORMAT: Literal[1] = 1
"""Of the packs that this version writes."""

PACK_FILE = "pack.json"
EXPERIMENT_FILE = "experiment.yaml"
"""Of a pack whose network is not ONNX: what builds the network."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
"""Of a file in the pack's own folder: it cannot lead elsewhere."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, le=8192)]


class PackedFile(JsonModel):
    """What a file of the pack must be.

    Attributes:
        bytes: its size.
        sha256: of its content.
    """

    bytes: NonNegativeInt
    sha256: Sha256


class PackedNetwork(JsonModel):
    """The network: pixels -> embeddings.

    As ONNX it has one input, ``pixels``, uint8 [N, 3, height, width] in RGB, and one output,
    ``embeddings``, float32 [N, D]; it normalises the pixels itself.

    Attributes:
        file: ``network.onnx``, or ``network.safetensors`` with the weights of the network that the
            pack's ``experiment.yaml`` names.
        format: which of the two.
        quantization: of its weights and activations; None for float32.
        image_size: height and width in pixels of its input.
        embedding_dim: D.
    """

    file: FileName
    format: Literal["onnx", "torch"]
    quantization: Literal["int8", "float16"] | None = None
    image_size: tuple[Side, Side]
    embedding_dim: Annotated[int, Field(ge=1, le=65536)]


class PackedScore(JsonModel):
    """The score that compares two embeddings: higher is more alike.

    Attributes:
        file: ONNX with the inputs ``a`` and ``b``, float32 [P, D] each, and the output ``scores``,
            float32 [P].
        comparison: ``cosine`` if the score never decreases where the inner product of the
            embeddings at unit length increases, ``euclidean`` if it never increases with their
            Euclidean distance, so that the best matches are found by a matrix product; None where
            it is neither, as of a learned score.
    """

    file: FileName
    comparison: Literal["cosine", "euclidean"] | None = None


class ChosenOn(JsonModel):
    """The comparisons on which a threshold was chosen.

    Attributes:
        split: ``val``.
        pairs: their number.
        genuine: the genuine ones among them.
        identities: distinct people in them; None in runs that did not count.
    """

    split: str
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    identities: NonNegativeInt | None = None


class MeasuredRate(JsonModel):
    """An error rate that was measured, with its interval over people.

    Attributes:
        value: None where it does not exist; ``reason`` says why.
        low: lower end of the interval; None where there is none.
        high: upper end.
        interval: the method and level of the interval, as in ``identity_jackknife_95``.
        errors: how many of the comparisons were decided wrongly.
        comparisons: their number, impostor ones for the FMR and genuine ones for the FNMR.
        reason: why there is no value or no interval.
        procedure: the interval if other people had been drawn for the choice of the threshold, too;
            this is the one in which a target FMR is to be sought. None where it is not known.
    """

    value: Share | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    errors: NonNegativeInt | None = None
    comparisons: NonNegativeInt
    reason: str | None = None
    procedure: tuple[FiniteFloat, FiniteFloat] | None = None


class PackedPoint(JsonModel):
    """An operating point: a threshold, what chose it, and the error rates that it was measured at.

    Attributes:
        name: ``best_accuracy``, ``eer``, ``far_1e-3`` and the like.
        rule: by which the threshold was chosen, in words.
        target_fmr: for which it was chosen; None for a point without a target.
        threshold: accept a pair iff its score is at least this; None where the comparisons of the
            choice supported none, for the ``reason``.
        reason: why there is no threshold.
        chosen_on: the comparisons of the choice.
        fmr: false match rate on the split of ``measured_on``, by the packed files.
        fnmr: false non-match rate there.
    """

    name: str
    rule: str
    target_fmr: Share | None = None
    threshold: FiniteFloat | None
    reason: str | None = None
    chosen_on: ChosenOn
    fmr: MeasuredRate
    fnmr: MeasuredRate


class PackedProbability(ProbabilityMap):
    """The probabilities of a run's calibration."""

    genuine_share: Share


class TrainedOn(JsonModel):
    """What the network learned from.

    Attributes:
        dataset: the plugin that read it.
        images: their number.
        identities: people in them.
        epochs: passes over the sampler's pairs.
        steps: batches in all.
        seed: of the training.
    """

    dataset: str
    images: NonNegativeInt
    identities: NonNegativeInt
    epochs: NonNegativeInt
    steps: NonNegativeInt
    seed: int


class PackedMetric(JsonModel):
    """A metric that was measured, with its interval over people.

    Attributes:
        label: for display.
        unit: for display; ``percent`` for a share that is shown as one.
        value: None where it does not exist.
        low: lower end of the interval; None where there is none.
        high: upper end.
    """

    label: str
    unit: str = ""
    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class MeasuredOn(JsonModel):
    """The comparisons on which the packed files were measured.

    Attributes:
        split: ``test``.
        dataset: the plugin that read it.
        protocol: the plugin that planned the comparisons.
        pairs: their number.
        genuine: of one person.
        impostor: of two.
        identities: distinct people in them.
        metrics: by name.
        failure_to_acquire: the share of photographs in which the aligner found no face (ISO/IEC
            19795-1); None without an aligner.
        left_out: whether those are in no comparison; if not, their centres are, although the pack
            refuses such photographs. None without an aligner, and in packs that do not say it.
    """

    split: str
    dataset: str
    protocol: str
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    impostor: NonNegativeInt
    identities: NonNegativeInt
    metrics: dict[str, PackedMetric]
    failure_to_acquire: MeasuredRate | None = None
    left_out: bool | None = None

    @property
    def includes_centres(self) -> bool:
        """Whether centres of photographs without a face are in the comparisons."""
        return self.left_out is False and bool(
            self.failure_to_acquire and self.failure_to_acquire.value
        )


class Agreement(JsonModel):
    """How far the packed files agree with the original on the comparisons of one split.

    Attributes:
        split: ``val`` or ``test``.
        reference: ``network``, the trained network in float32 on the same pixels; or ``recorded``,
            the scores that the run kept of its evaluation, which cached features may have rounded.
        pairs: their number.
        largest_difference: of two scores.
        largest_relative_difference: the same divided by the spread of the scores of the reference:
            their standard deviation or, where they hardly vary, a hundredth of the largest.
        decisions: how many differ, by operating point.
    """

    split: str
    reference: Literal["network", "recorded"]
    pairs: NonNegativeInt
    largest_difference: Size
    largest_relative_difference: Size
    decisions: dict[str, NonNegativeInt]


class PairedDifference(JsonModel):
    """By how much a metric of the packed files exceeds that of the original, on the same pairs.

    Attributes:
        metric: its name.
        difference: None where the metric does not exist in both.
        low: lower end of the interval over people.
        high: upper end.
        interval: the method and level of the interval.
        reason: why the difference or its interval does not exist.
    """

    metric: str
    difference: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    reason: str | None = None


class Remeasurement(JsonModel):
    """The packed files, measured by what runs them.

    Attributes:
        runtime: its name and version, as in ``onnxruntime 1.22.0``.
        most_decisions: the share of the decisions of an operating point that was allowed to differ.
        most_difference: the relative difference of scores that was allowed; None for no limit, as
            of a quantised network.
        agreements: with the original, by split and reference.
        differences: of metrics on the test pairs, where decisions may differ.
    """

    runtime: str
    most_decisions: Share
    most_difference: Size | None
    agreements: tuple[Agreement, ...]
    differences: tuple[PairedDifference, ...] = ()


class PackFile(JsonModel):
    """The model of ``pack.json``.

    Attributes:
        format: of the pack.
        facesim: the version that wrote it.
        name: of the experiment.
        run: the id of the run that it was made from.
        checkpoint: the one that was packed.
        network: pixels -> embeddings.
        score: two embeddings -> score.
        image: the settings of ``facesim.data.preprocessing.Preprocessing``, as its provenance has
            them.
        operating_points: the thresholds.
        probability: None if none could be fitted; ``probability_reason`` says why.
        probability_reason: why there is none.
        trained_on: what the network learned from.
        measured_on: what the error rates are of.
        remeasurement: how far the packed files agree with the original.
        requirements: the lowest versions, by distribution, of what runs the pack.
        files: every other file of the pack, by name.
    """

    format: Literal[1] = FORMAT
    facesim: str
    name: str
    run: str
    checkpoint: str
    network: PackedNetwork
    score: PackedScore
    image: dict[str, JsonValue]
    operating_points: tuple[PackedPoint, ...]
    probability: PackedProbability | None = None
    probability_reason: str | None = None
    trained_on: TrainedOn
    measured_on: MeasuredOn
    remeasurement: Remeasurement
    requirements: dict[str, str]
    files: dict[FileName, PackedFile]

    @model_validator(mode="after")
    def _complete(self) -> "PackFile":
        more = () if self.network.format == "onnx" else (EXPERIMENT_FILE,)
        for file in (self.network.file, self.score.file, *more):
            if file not in self.files:
                raise ValueError(f"files lacks {file!r}, which the pack is read from")
        if PACK_FILE in self.files:
            raise ValueError(f"files holds {PACK_FILE!r}, which cannot hold its own digest")
        names = [point.name for point in self.operating_points]
        if len(set(names)) < len(names):
            raise ValueError("two operating points have one name")
        return self
