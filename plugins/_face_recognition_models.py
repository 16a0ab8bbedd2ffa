"""The files of the package ``face_recognition_models``, which holds dlib's networks."""

from importlib.util import find_spec
from pathlib import Path

from facesim import PluginError


def model_file(name: str, plugin: str) -> Path:
    """The path of one of the package's files; the package is not imported.

    Its ``__init__`` imports ``pkg_resources``, which recent versions of setuptools do not have.

    Args:
        name: of the file.
        plugin: kind and name of the plugin that needs it, for errors.

    Raises:
        PluginError: the package is not installed, or lacks the file.
    """
    package = find_spec("face_recognition_models")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder) / "models" / name
        if file.is_file():
            return file
    state = "which lacks it" if package else "which is not installed"
    raise PluginError(
        f"{plugin} needs {name} of the package face_recognition_models, {state}: "
        'pip install "facesim[dlib]"'
    )
