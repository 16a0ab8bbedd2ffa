"""What each kind of plugin must offer, one file per kind, and the registries that hold them."""

from facesim.alignment.aligner import aligners
from facesim.arrays import Int64Array
from facesim.errors import DataError
from facesim.interfaces.backbone import IMAGENET, Backbone, Normalization
from facesim.interfaces.callback import Callback, EmbeddedImages, StopTraining, TrainingView
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport, not_measurable_reason
from facesim.interfaces.head import Head, ModuleHead
from facesim.interfaces.kinds import (
    INTERFACE_VERSION,
    KINDS,
    REGISTRIES,
    Kind,
    ParameterGroups,
    backbones,
    callbacks,
    data_commands,
    datasets,
    find_kind,
    heads,
    losses,
    metrics,
    optimizers,
    protocols,
    report_sections,
    samplers,
    schedulers,
    trackers,
    transforms,
)
from facesim.interfaces.loss import Loss
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.protocol import (
    Comparisons,
    Evaluator,
    Measurement,
    Protocol,
    ProtocolReport,
    ScoredPairs,
    System,
)
from facesim.interfaces.rate_at_fmr import FnmrAtFmr, RateAtFmr
from facesim.interfaces.recognised import Recognised
from facesim.interfaces.report_section import ReportSection, RunRecord
from facesim.interfaces.result import CurvePoint, Estimate, EvaluationResult, rate_name
from facesim.interfaces.roc import Confusion, Roc
from facesim.interfaces.roc_block import KindCounts, PairWeights, RocBlock
from facesim.interfaces.roc_points import (
    FMR_TARGETS,
    equal_error_rate,
    equal_error_rates,
    tar_at_fmr,
    target_point,
    tars_at_fmr,
)
from facesim.interfaces.sampler import MiningSampler, PairBatch, Sampler, TableSampler
from facesim.interfaces.scores import LabelledScores
from facesim.interfaces.tables import FaceTable, PairSet
from facesim.interfaces.tracker import Tracker
from facesim.interfaces.transform import CallableTransform, Transform

__all__ = [
    "FMR_TARGETS",
    "IMAGENET",
    "INTERFACE_VERSION",
    "KINDS",
    "REGISTRIES",
    "Backbone",
    "CallableTransform",
    "Callback",
    "Comparisons",
    "Confusion",
    "CurvePoint",
    "DataError",
    "EmbeddedImages",
    "Estimate",
    "EvaluationResult",
    "Evaluator",
    "FaceTable",
    "FmrStatus",
    "FmrSupport",
    "FnmrAtFmr",
    "Head",
    "Int64Array",
    "Kind",
    "KindCounts",
    "LabelledScores",
    "Loss",
    "Measurement",
    "Metric",
    "MiningSampler",
    "ModuleHead",
    "Normalization",
    "PairBatch",
    "PairSet",
    "PairWeights",
    "ParameterGroups",
    "Protocol",
    "ProtocolReport",
    "Quantity",
    "RateAtFmr",
    "Recognised",
    "ReportSection",
    "Roc",
    "RocBlock",
    "RunRecord",
    "Sampler",
    "ScoredPairs",
    "StopTraining",
    "System",
    "TableSampler",
    "Tracker",
    "TrainingView",
    "Transform",
    "aligners",
    "backbones",
    "callbacks",
    "data_commands",
    "datasets",
    "equal_error_rate",
    "equal_error_rates",
    "find_kind",
    "heads",
    "losses",
    "metrics",
    "not_measurable_reason",
    "optimizers",
    "protocols",
    "rate_name",
    "report_sections",
    "samplers",
    "schedulers",
    "tar_at_fmr",
    "target_point",
    "tars_at_fmr",
    "trackers",
    "transforms",
]
