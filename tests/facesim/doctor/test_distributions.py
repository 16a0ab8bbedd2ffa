"""Which installed distribution brought what; tests/facesim/test_installed_distributions.py has
distributions of other people, in an environment of their own.
"""

import pytest

from facesim import __version__
from facesim.doctor.distributions import DistributionStatus, examine_distributions
from facesim.errors import PluginFailure

FAILURE = PluginFailure("acme", "acme 1.2", "no such module")


def test_facesim_comes_first_with_its_own_plugins() -> None:
    ours = examine_distributions()[0]

    assert ours.origin == f"facesim {__version__}"
    assert ours.ok
    assert "contrastive" in ours.plugins["losses"]
    assert "small_cnn" in ours.plugins["backbones"]


@pytest.mark.parametrize(
    ("failures", "switched_off", "ok"),
    [((), False, True), ((FAILURE,), False, False), ((FAILURE,), True, True)],
)
def test_a_failure_matters_where_the_plugins_are_meant_to_be_used(
    failures: tuple[PluginFailure, ...], switched_off: bool, ok: bool
) -> None:
    status = DistributionStatus("acme 1.2", 1, {}, failures, switched_off)
    assert status.ok is ok
