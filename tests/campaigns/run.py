"""All campaigns, or those named: attacks, and a table of the faults that they found.

Run: ``python tests/campaigns/run.py [NAME ...] [--long] [--seed N|random]``. Without ``--long``,
the short sample that the tests run. Exits with 1 if there is a fault. Needs Linux; campaigns that
need root or a database server say so and are left out where there is none.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import SystemRandom

# One thread per process, before torch is imported: processes fork, and two cores are enough.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pandas as pd  # noqa: F401  what commands import late is imported once, before they fork
import torch
import torchvision  # noqa: F401
from rich.console import Console
from rich.table import Table

import facesim.report.run_report
import facesim.runs.dry_run
import facesim.runs.run
import facesim.tuning.optimize  # noqa: F401
from tests.campaigns.campaign import Campaign, Fault, Outcome, run_campaign


def find_campaigns() -> list[Campaign]:
    """The campaigns of this folder's modules."""
    for path in Path(__file__).parent.glob("*.py"):
        if path != Path(__file__) and not path.name.startswith("test_"):
            import_module(f"tests.campaigns.{path.stem}")
    return sorted((kind() for kind in Campaign.__subclasses__()), key=lambda one: one.name)


def main() -> None:
    """Attack, print, exit."""
    campaigns = find_campaigns()
    names = [campaign.name for campaign in campaigns]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--long", action="store_true", help="hours instead of minutes")
    parser.add_argument("--seed", default="0", help="a number, or `random`")
    parser.add_argument("--count", type=int, help="so many attacks of each campaign")
    parser.add_argument("--only", type=int, help="the one attack of this number")
    parser.add_argument("--jobs", type=int, default=1, help="attacks at once")
    parser.add_argument("--keep", action="store_true", help="keep the files of faults")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    seed = SystemRandom().randrange(10**6) if arguments.seed == "random" else int(arguments.seed)
    torch.set_num_threads(1)
    print(f"seed {seed}", flush=True)
    table = Table("campaign", "attacks", "faults", "minutes")
    total = 0
    for campaign in campaigns:
        if arguments.names and campaign.name not in arguments.names:
            continue
        if why := campaign.unavailable():
            print(f"{campaign.name}: left out: {why}", flush=True)
            table.add_row(campaign.name, "left out")
            continue
        if arguments.only is not None:
            numbers: Sequence[int] = [arguments.only]
        else:
            count = campaign.long if arguments.long else campaign.sample
            numbers = range(count if arguments.count is None else arguments.count)
        began = time.monotonic()
        found: Counter[Fault] = Counter()
        for outcome in run_campaign(
            campaign, numbers, seed=seed, jobs=arguments.jobs, keep=arguments.keep
        ):
            print_findings(campaign, outcome, seed)
            found.update(finding.fault for finding in outcome.findings)
        minutes = (time.monotonic() - began) / 60
        faults = ", ".join(f"{count} {fault}" for fault, count in found.items()) or "0"
        table.add_row(campaign.name, str(len(numbers)), faults, f"{minutes:.1f}")
        total += found.total()
    Console().print(table)
    sys.exit(total > 0)


def print_findings(campaign: Campaign, outcome: Outcome, seed: int) -> None:
    """Print what an attack found, and the command that repeats it."""
    for finding in outcome.findings:
        print(f"{campaign.name} {outcome.number}: {finding.fault}: {finding.detail}")
    if outcome.findings:
        print(f"  again: {campaign.name} --seed {seed} --only {outcome.number}")
        if outcome.folder is not None:
            print(f"  files: {outcome.folder}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
