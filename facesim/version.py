"""Versions of installed distributions, facesim's own among them."""

from importlib.metadata import PackageNotFoundError, version


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


# Stated in pyproject.toml only. A source folder that was never installed does not know it.
__version__ = installed_version("facesim") or "0+unknown"
