"""What a run keeps to be shown without its plugins."""

import pytest

from facesim.errors import FacesimError
from facesim.interfaces.roc import Roc
from facesim.runs.presentation import DescribedMetric, StoredMetric


def test_a_metric_is_described_without_its_plugin() -> None:
    stored = StoredMetric(
        label="Mine",
        unit="number",
        higher_is_better=False,
        is_rate=True,
        at_threshold=False,
        depends_on_shares=False,
        headline=True,
    )
    metric = DescribedMetric("mine", stored)
    assert (metric.name, metric.label, metric.unit) == ("mine", "Mine", "number")
    assert metric.better(0.1, than=0.2)
    with pytest.raises(FacesimError, match="the metric 'mine' cannot be measured"):
        metric.value(Roc.of_scores([0.1, 0.9], [False, True]), 0.5)
