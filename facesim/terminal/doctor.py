"""The state of an installation on the terminal."""

from collections.abc import Sequence

from rich.text import Text

from facesim.console import Console
from facesim.doctor import DistributionStatus, EnvironmentStatus, Extra
from facesim.host import HostStatus


def print_environment(console: Console, status: EnvironmentStatus) -> None:
    """Print a paragraph of the environment, a line for each part of it."""
    heading = "environment: " + ("all well" if status.ok else "the cache folder is not writable")
    console.print(Text(heading, style="bold" if status.ok else "bold red"), soft_wrap=True)
    lines = {
        "versions": ", ".join(f"{name} {version}" for name, version in status.versions.items()),
        "platform": status.platform,
        "devices": ", ".join(status.devices),
        **{f"engine {name}": why or "available" for name, why in status.engines.items()},
        **_of_several_processes(status.host),
        **{f"extra {extra.name}": _packages(extra) for extra in status.extras},
        "cache": f"{status.cache.path} ({status.cache.size_bytes / 1e6:,.1f} MB; "
        f"{status.cache.free_bytes / 1e9:,.1f} GB free on its disk)",
    }
    for label, text in lines.items():
        console.print(Text(f"  {label}: {text}"), soft_wrap=True)
    for problem in status.host.problems:
        console.print(Text(f"  {problem}", style="yellow"), soft_wrap=True)
    if status.cache.problem is not None:
        advice = f"{status.cache.problem}; name another folder in FACESIM_CACHE"
        console.print(Text(f"  {advice}", style="red"), soft_wrap=True)


def print_distributions(console: Console, statuses: Sequence[DistributionStatus]) -> None:
    """Print a paragraph for each distribution: what it brings, and what is wrong with it."""
    for status in statuses:
        style = "bold" if status.ok else "bold red"
        made_for = f"made for interface {status.interface}"
        console.print(
            Text(f"{status.origin} ({made_for}): {_summary(status)}", style=style), soft_wrap=True
        )
        for kind, names in status.plugins.items():
            console.print(Text(f"  {kind}: {', '.join(names)}"), soft_wrap=True)
        if not status.switched_off:
            for failure in status.failures:
                lines = failure.with_traceback().replace("\n", "\n  ")
                console.print(Text(f"  {lines}", style="red"), soft_wrap=True)


def _of_several_processes(host: HostStatus) -> dict[str, str]:
    if host.threads is None:
        threads = "1 thread each under torchrun (OMP_NUM_THREADS is not set)"
    else:
        threads = f"{host.threads} threads each (OMP_NUM_THREADS)"
    names = {"gloo binds to": host.gloo, "nccl chooses from": host.nccl}
    return {
        "processes": f"{host.cores} CPU cores; {threads}",
        "backends": ", ".join(host.backends) or "none, as this torch is without torch.distributed",
        "host": f"{host.name} ({', '.join(host.addresses) or 'no address'})",
        **{does: ", ".join(map(str, chosen)) for does, chosen in names.items() if chosen},
        "torchrun": ", ".join(f"{key}={value}" for key, value in host.torchrun.items())
        or "has not started this process",
    }


def _packages(extra: Extra) -> str:
    if extra.installed:
        return ", ".join(f"{name} {version}" for name, version in extra.packages.items())
    missing = [name for name, version in extra.packages.items() if version is None]
    return f"not installed ({', '.join(missing)} missing)"


def _summary(status: DistributionStatus) -> str:
    if status.switched_off:
        return "switched off by FACESIM_PLUGINS_DISABLE"
    return "all well" if status.ok else f"{len(status.failures)} not usable"
