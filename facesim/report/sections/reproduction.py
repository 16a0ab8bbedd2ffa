"""How to reproduce the result."""

import shlex
from pathlib import PurePath

from facesim.page import Block, Code, Section, Table, Text
from facesim.runs.environment import Start
from facesim.runs.run_files import RunFiles


def reproduction_section(files: RunFiles) -> Section:
    """The command, the environment, and the resolved experiment."""
    blocks: list[Block] = [
        Code("Run this in the run directory", "facesim run experiment.yaml\n"),
        *([_environment(files.starts)] if files.starts else []),
        Code("experiment.yaml, with every default written out", files.experiment.as_yaml(), True),
    ]
    if len(files.starts) > 1:
        blocks.insert(1, Text(f"The run was resumed; it was started {len(files.starts)} times."))
    return Section("reproduction", "Reproduction", tuple(blocks))


def _environment(starts: tuple[Start, ...]) -> Table:
    return Table(
        "Environment of each start of the run",
        ("Property", *(f"Start {number}" for number in range(1, len(starts) + 1))),
        tuple(
            (name, *(values.get(name, "") for values in map(_facts, starts)))
            for name in dict.fromkeys(name for start in starts for name in _facts(start))
        ),
        numeric=False,
    )


def _facts(start: Start) -> dict[str, str]:
    program, *arguments = start.command or ("",)
    versions = {name: version or "not installed" for name, version in start.packages.items()}
    return {
        "command": shlex.join([PurePath(program).name, *arguments]),
        "git commit": start.git_commit or "not in a repository",
        "device": start.device,
        "platform": start.platform,
        "python": start.python,
        **versions,
    }
