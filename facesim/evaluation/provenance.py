"""Provenance of scores: everything that thresholds chosen on them depend on."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import FiniteFloat, JsonValue

from facesim.experiment.differences import differences
from facesim.json_files import JsonModel


class PluginProvenance(JsonModel):
    """A plugin that takes part in making scores.

    Attributes:
        node: its name and parameters, every default written out.
        code: digest of its source; None where it has no source file.
        distribution: the version of the one that brought it, by its name; empty for a file.
        packages: the versions of the other ones that its results depend on.
    """

    node: dict[str, JsonValue]
    code: str | None
    distribution: dict[str, str]
    packages: dict[str, str]


class Provenance(JsonModel):
    """What scores were made with.

    Attributes:
        preprocessing: from image files to pixels, as JSON: crop and size.
        score: the loss, whose score compares two embeddings, as JSON: its name and parameters.
        checkpoint: digest of the weights; of the checkpoint's file in files of before.
        normalization: mean and standard deviation of the pixels of each channel.
        plugins: backbone, head and loss; None in files of before, which did not say.
    """

    preprocessing: str
    score: str
    checkpoint: str
    normalization: dict[str, tuple[FiniteFloat, ...]] | None = None
    plugins: dict[str, PluginProvenance] | None = None

    def changes(self, other: "Provenance") -> dict[str, str]:
        """What changes the scores, ``old -> new`` by what it is; what either lacks is left out."""
        before, after = _known(self), _known(other)
        both = [key for key in before if key in after]
        return differences(*({key: each[key] for key in both} for each in (before, after)))

    def notes(self, other: "Provenance") -> tuple[str, ...]:
        """What may have changed the scores unnoticed, or has changed and left them as they were."""
        if self.plugins is None or other.plugins is None:
            note = (
                "the thresholds were chosen by a facesim that did not record the code of plugins, "
                "the parameters of the head, the normalisation and versions: a change of these "
                "would go unnoticed"
            )
            return (note,)
        notes = [
            f"the {place} {plugin.node['name']!r} has no source file: a change of its code since "
            "the thresholds were chosen would go unnoticed"
            for place, plugin in other.plugins.items()
            if plugin.code is None
        ]
        before, after = (_distributions(each.plugins or {}) for each in (self, other))
        return (
            *notes,
            *(
                f"{name} {change} since the thresholds were chosen; the code of the plugins that "
                "make the scores is the same"
                for name, change in differences(before, after).items()
            ),
        )


def _known(provenance: Provenance) -> dict[str, Any]:
    """What decides about scores, as far as it is recorded, by what it is."""
    known: dict[str, Any] = {
        "preprocessing": _parsed(provenance.preprocessing),
        "loss": _parsed(provenance.score),
        "checkpoint": provenance.checkpoint[:16],
    }
    if provenance.normalization is not None:
        known["normalisation"] = {
            name: list(values) for name, values in provenance.normalization.items()
        }
    for place, plugin in (provenance.plugins or {}).items():
        known[place] = plugin.node
        if plugin.code is not None:
            known[f"code of the {place} {plugin.node['name']!r}"] = plugin.code[:16]
        for name, version in plugin.packages.items():
            known[f"version of {name}"] = version
    return known


def _distributions(plugins: Mapping[str, PluginProvenance]) -> dict[str, str]:
    return {name: each for p in plugins.values() for name, each in p.distribution.items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
