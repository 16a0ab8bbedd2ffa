"""``presentation.json``: how metrics are called and what the protocol shows, as data.

A report and a comparison import no plugin file of a run. What the files define of labels, units,
directions and sections is kept beside the results for them.
"""

import re
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from facesim.errors import FacesimError, PluginError
from facesim.experiment.measured_metrics import measured_metrics, quantity_named
from facesim.experiment.schema import Experiment
from facesim.interfaces.kinds import built_metrics
from facesim.interfaces.metric import MeanLoss, Metric, Quantity
from facesim.interfaces.protocol import ProtocolReport
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.json_files import JsonModel
from facesim.page import (
    Block,
    Card,
    Cards,
    Code,
    Gallery,
    Links,
    Plot,
    Records,
    Section,
    Table,
    Text,
)

NOT_IMPORTED = "the plugin file that defines it is not imported here"


class StoredMetric(JsonModel):
    """What tables and plots need to know of a metric."""

    label: str
    unit: Literal["percent", "number"]
    higher_is_better: bool
    is_rate: bool
    at_threshold: bool
    depends_on_shares: bool
    headline: bool


class _StoredText(JsonModel):
    kind: Literal["text"] = "text"
    text: str
    tone: Literal["plain", "note", "warning", "error"] = "plain"


class _StoredTable(JsonModel):
    kind: Literal["table"] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool


class _StoredCode(JsonModel):
    kind: Literal["code"] = "code"
    caption: str
    text: str
    folded: bool


class _StoredCard(JsonModel):
    label: str
    value: str
    detail: str


class _StoredCards(JsonModel):
    kind: Literal["cards"] = "cards"
    cards: tuple[_StoredCard, ...]


_StoredBlock = Annotated[
    _StoredText | _StoredTable | _StoredCode | _StoredCards, Field(discriminator="kind")
]


class _StoredSection(JsonModel):
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    title: str
    blocks: tuple[_StoredBlock, ...]


class Presentation(JsonModel):
    """The content of the file.

    Attributes:
        metrics: what is measured, by name.
        cards: those that the protocol adds to the headline metrics.
        sections: those that the protocol adds to the report; of a plot its numbers.
        score_unit: of the run's loss, in the presentation of training.
    """

    metrics: dict[str, StoredMetric] = Field(default_factory=dict)
    cards: tuple[_StoredCard, ...] = ()
    sections: tuple[_StoredSection, ...] = ()
    score_unit: str = ""

    @classmethod
    def of(cls, experiment: Experiment, result: EvaluationResult | None = None) -> "Presentation":
        """That of an experiment whose plugins are imported, and of a result of its protocol."""
        metrics = {
            name: StoredMetric(
                **{field: getattr(metric, field) for field in StoredMetric.model_fields}
            )
            for name, metric in measured_metrics(experiment).items()
        }
        if result is None:
            return cls(metrics=metrics)
        report = experiment.evaluate.protocol.build().report(result)
        return cls(
            metrics=metrics,
            cards=tuple(_StoredCard(**asdict(card)) for card in report.cards),
            sections=tuple(_stored_section(section) for section in report.sections),
        )

    def protocol_report(self) -> ProtocolReport:
        """What the protocol adds."""
        sections = (
            Section(each.name, each.title, tuple(map(_shown, each.blocks)))
            for each in self.sections
        )
        return ProtocolReport(tuple(map(_card, self.cards)), tuple(sections))


class DescribedMetric(Metric):
    """A metric that can be shown, but not measured.

    Args:
        name: its name.
        stored: what is known of it.
    """

    is_rate = False

    def __init__(self, name: str, stored: StoredMetric) -> None:
        self.name = name
        vars(self).update(stored.model_dump())

    def value(self, roc: Roc, threshold: float) -> float:  # noqa: ARG002
        """Raises a FacesimError."""
        raise FacesimError(f"the metric {self.name!r} cannot be measured: {NOT_IMPORTED}")


def shown_metrics(experiment: Experiment, stored: Presentation) -> dict[str, Metric]:
    """The metrics that an experiment measures, by name.

    Args:
        experiment: read with its plugins or without.
        stored: describes the metrics of those that are missing.
    """
    try:
        return measured_metrics(experiment)
    except PluginError:
        specs = experiment.evaluate.metrics
        found = built_metrics(spec for spec in specs if not spec.plugin.is_stand_in)
        described = {name: DescribedMetric(name, each) for name, each in stored.metrics.items()}
        return {**described, **found}


def best_of_training(experiment: Experiment, stored: Presentation) -> Quantity | None:
    """The quantity that the best checkpoint is kept by; None where nothing describes it."""
    name = experiment.train.best
    if name == MeanLoss.name:
        return MeanLoss()
    try:
        return shown_metrics(experiment, stored).get(name) or quantity_named(experiment, name)
    except PluginError:
        return None


def _stored_section(section: Section) -> _StoredSection:
    blocks = tuple(stored for block in section.blocks for stored in _stored(block))
    name = re.sub(r"[^A-Za-z0-9-]", "-", section.name)
    name = name if name[:1].isalpha() else f"section-{name}"
    return _StoredSection(name=name, title=section.title, blocks=blocks)


def _stored(block: Block) -> tuple[_StoredBlock, ...]:
    if isinstance(block, Plot):
        return (_StoredText(text=block.description), _StoredTable(**asdict(block.numbers)))
    if isinstance(block, Gallery):
        return (_StoredText(text=f"{block.title}: faces are not kept.", tone="note"),)
    if isinstance(block, Records):
        block = block.first_rows
    if isinstance(block, Links):
        return (_StoredText(text=f"{block.caption}: {', '.join(map(str, dict(block.links)))}."),)
    fields = asdict(block)
    if isinstance(block, Text):
        return (_StoredText(**fields),)
    if isinstance(block, Table):
        return (_StoredTable(**fields),)
    return (_StoredCode(**fields) if isinstance(block, Code) else _StoredCards(**fields),)


def _shown(block: _StoredBlock) -> Block:
    if isinstance(block, _StoredCards):
        return Cards(tuple(map(_card, block.cards)))
    kinds = {"text": Text, "table": Table, "code": Code}
    shown: Block = kinds[block.kind](**block.model_dump(exclude={"kind"}))
    return shown


def _card(card: _StoredCard) -> Card:
    return Card(card.label, card.value, card.detail)
