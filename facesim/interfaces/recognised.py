"""What a dataset plugin recognises in a folder or a file that a person names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recognised:
    """How an experiment reads the images that a dataset plugin has recognised.

    The function that a dataset is registered with as ``suggest`` takes the path of a folder or a
    file, and returns this, or None for what is another's. It looks at names and a few entries, not
    at all images. For what would be the plugin's but for something that is missing or wrong it
    raises DataError, which a person reads if nobody else recognises the path.

    Attributes:
        what: was recognised, in words: ``one folder per person``.
        data: the datasets of the section ``data``, each a mapping with the ``name`` of a plugin and
            its parameters, which may be paths: ``train``, ``val`` and ``test``; or ``source``, one
            table of people, and beside it those of the three that exist apart from it.
        divided: whether the source has a column ``split`` that divides it.
        certain: whether it has names that no other data has, and so goes before layouts that much
            data has in common.
        notes: sentences that a person should know; they become comments of the file.
    """

    what: str
    data: Mapping[str, Mapping[str, Any]]
    divided: bool = False
    certain: bool = False
    notes: tuple[str, ...] = ()
