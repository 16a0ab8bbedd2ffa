"""Registers every built-in plugin, so that the contract suites can be parametrised over them."""

from importlib import import_module
from pkgutil import walk_packages

import facesim_plugins

for _module in walk_packages(facesim_plugins.__path__, "facesim_plugins."):
    import_module(_module.name)
