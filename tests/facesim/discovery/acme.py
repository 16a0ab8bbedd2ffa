"""Plugins that the tests of discovery install, and what discovery makes of them."""

from facesim import discovery
from facesim.errors import PluginFailure
from facesim.plugin_info import failed_plugins

LOSS = """
from facesim import losses

@losses("{name}")
def {name}(embedding_dim, num_identities, *, margin: float = {margin}): ...
"""


def loss(name: str, margin: float = 1.0) -> str:
    return LOSS.format(name=name, margin=margin)


def discover() -> list[PluginFailure]:
    discovery.load_installed_plugins.__wrapped__()
    return list(failed_plugins())
