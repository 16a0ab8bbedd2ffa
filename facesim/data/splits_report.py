"""What the division of a data set wrote and what it left out, for people."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SplitFile:
    """One CSV file that was written, and what it holds."""

    path: Path
    images: int
    identities: int
    single: int


@dataclass(frozen=True)
class SplitsReport:
    """What was written and what was left out. ``str()`` is for people.

    Attributes:
        images: the folder that the column ``img`` is relative to.
        rule: how the identities were divided.
        files: train, val, test.
        left_out: what is not in them and why, counted, one sentence each.
        advice: how to get what is missing, or an empty string.
    """

    images: Path
    rule: str
    files: tuple[SplitFile, ...]
    left_out: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        lines = [f"CelebA, no identity in two splits, {self.rule}:"]
        for file in self.files:
            alone = f" ({file.single:,} with one image only)" if file.single else ""
            counts = f"{file.images:>9,} images {file.identities:>7,} identities"
            lines.append(f"{counts}{alone}  {file.path}")
        lines.append(f"The column img is relative to {self.images}")
        lines += ["Left out:", *(f"- {sentence}" for sentence in self.left_out or ["nothing"])]
        return "\n".join([*lines, self.advice] if self.advice else lines)
