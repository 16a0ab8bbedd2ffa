"""One pytest class per kind, with one test for each promise of its contract.

Example:
    >>> class TestFocal(LossContract):
    ...     name = "focal"
    ...     parameters = {"gamma": 2.0}
"""

from typing import Any, ClassVar

import pytest

from facesim.discovery import load_installed_plugins
from facesim.interfaces import find_kind
from facesim.registry import Spec
from facesim.testing import CONTRACTS, Promise


class _PluginContract:
    """The tests of one plugin.

    Attributes:
        kind: of plugin, in the singular.
        name: the plugin's.
        parameters: what an experiment file would give it.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    parameters: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def spec(self) -> Spec[Any]:
        """The plugin with its parameters; override it to test several."""
        load_installed_plugins()
        return find_kind(self.kind).registry.spec(self.name, **self.parameters)

    def test_promise(self, spec: Spec[Any], promise: Promise) -> None:
        """The plugin keeps one promise of its kind."""
        promise.require(spec)

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Make a test of every promise, also of those that a newer facesim adds."""
        if "promise" in metafunc.fixturenames:
            promises = CONTRACTS[cls.kind].promises
            metafunc.parametrize("promise", promises, ids=lambda promise: promise.name)


class DatasetContract(_PluginContract):
    """The tests of a dataset; give it parameters that lead to a small one."""

    kind = "dataset"


class TransformContract(_PluginContract):
    """The tests of a transform."""

    kind = "transform"


class AlignerContract(_PluginContract):
    """The tests of an aligner, on noise and on black photographs."""

    kind = "aligner"


class BackboneContract(_PluginContract):
    """The tests of a backbone, on images of 50 x 42 pixels, or of the only size that it takes."""

    kind = "backbone"


class HeadContract(_PluginContract):
    """The tests of a head."""

    kind = "head"


class SamplerContract(_PluginContract):
    """The tests of a sampler, with a batch size of 16."""

    kind = "sampler"


class LossContract(_PluginContract):
    """The tests of a loss."""

    kind = "loss"


class OptimizerContract(_PluginContract):
    """The tests of an optimizer."""

    kind = "optimizer"


class SchedulerContract(_PluginContract):
    """The tests of a scheduler."""

    kind = "scheduler"


class MetricContract(_PluginContract):
    """The tests of a metric."""

    kind = "metric"


class ProtocolContract(_PluginContract):
    """The tests of a protocol, on six people in pairs that come in three folds."""

    kind = "protocol"


class TrackerContract(_PluginContract):
    """The tests of a tracker."""

    kind = "tracker"


class CallbackContract(_PluginContract):
    """The tests of a callback, in a training of three epochs that is only told."""

    kind = "callback"


class ReportSectionContract(_PluginContract):
    """The tests of a report section, on runs of different completeness."""

    kind = "report_section"
