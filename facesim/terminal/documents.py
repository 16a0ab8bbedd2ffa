"""What ``--json`` prints: one document per command, with keys that scripts may rely on."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from facesim.errors import PluginFailure
from facesim.experiment.nodes import ExperimentError
from facesim.terminal.streams import awaits_document, write_document

if TYPE_CHECKING:
    from facesim.data.linter.findings import LintReport
    from facesim.doctor import DistributionStatus, EnvironmentStatus
    from facesim.model.cache_admin import StoreInfo
    from facesim.plugin_info import PluginInfo
    from facesim.runs.dry_run import CheckReport
    from facesim.runs.run_files import RunFiles

FORMAT = 1
"""Of the documents. Keys may be added; one that goes away, or means something else, raises it."""


def print_document(command: str, content: Mapping[str, Any]) -> None:
    """Print the document of a command: ASCII, one line, without NaN and infinity.

    Args:
        command: what was called.
        content: its own keys; paths, models and data classes are written as JSON has them.
    """
    _print({"format": FORMAT, "command": command, **content})


def print_error_document(message: str, exit_code: int, error: BaseException | None = None) -> None:
    """Print the document of a command that failed, if one is awaited.

    Of several processes, the main one does.
    """
    if not awaits_document() or os.environ.get("RANK", "0") != "0":
        return
    content: dict[str, Any] = {"message": message, "exit_code": exit_code}
    if isinstance(error, ExperimentError):
        content["problems"] = [
            {
                "file": problem.mark.file or None,
                "line": problem.mark.line or None,  # of the file as a whole
                "column": problem.mark.column or None,
                "key": ".".join(map(str, problem.path)),
                "message": problem.message,
            }
            for problem in error.problems
        ]
    _print({"format": FORMAT, "error": content})


def print_exit_document(exit_code: int) -> None:
    """Print the document of a command that ended without a result, if one is awaited."""
    if exit_code > 128:
        message = f"stopped by {signal.Signals(exit_code - 128).name}"
    else:
        message = "the command ended without a result; standard error says why"
    if exit_code:
        print_error_document(message, exit_code)


def evaluation_content(files: "RunFiles") -> dict[str, Any]:
    """Of ``run`` and ``eval``: where the run is, and what ``metrics.json`` holds.

    ``result`` is null where nothing was evaluated.
    """
    return {
        "experiment": files.experiment.name,
        "run_dir": files.path.absolute(),
        "evaluation": files.name,
        "result": files.result,
        "baselines": {each.name: each.result.metrics for each in files.baselines},
    }


def check_content(name: str, report: "CheckReport") -> dict[str, Any]:
    """Of ``check``; what cannot be run is an error instead."""
    return {
        "experiment": name,
        "numbers": report.numbers,
        "facts": dict(report.lines),
        "notes": report.notes,
    }


def lint_content(name: str, report: "LintReport", written: Path | None) -> dict[str, Any]:
    """Of ``lint``; ``written`` is the exclusion file, if there was need of one."""
    return {
        "experiment": name,
        "allows_run": report.allows_run,
        "findings": report.findings,
        "images": report.images,
        "written": None if written is None else written.absolute(),
    }


def plugins_content(
    plugins: Sequence["PluginInfo"], failures: Sequence[PluginFailure]
) -> dict[str, Any]:
    """Of ``plugins``: all that are asked for, and the modules that could not be imported."""
    return {
        "plugins": plugins,
        "failures": [
            {"module": each.module, "origin": each.origin, "reason": each.reason}
            for each in failures
        ],
    }


def stores_content(root: Path, stores: Sequence["StoreInfo"]) -> dict[str, Any]:
    """Of ``cache list``; a store whose metadata cannot be read has null for them."""
    return {
        "root": root,
        "stores": [
            {
                "key": store.folder.name,
                "folder": store.folder,
                "size_bytes": store.size_bytes,
                "compressed_bytes": store.compressed_bytes,
                "last_used": datetime.fromtimestamp(store.last_used, UTC).isoformat(),
                "description": store.description,
                "problem": store.problem or None,
            }
            for store in stores
        ],
    }


def doctor_content(
    environment: "EnvironmentStatus", distributions: Sequence["DistributionStatus"]
) -> dict[str, Any]:
    """Of ``doctor``."""
    return {
        "ok": environment.ok and all(each.ok for each in distributions),
        "environment": environment,
        "distributions": [
            {
                "origin": each.origin,
                "interface": each.interface,
                "ok": each.ok,
                "plugins": each.plugins,
                "failures": [str(failure) for failure in each.failures],
                "switched_off": each.switched_off,
            }
            for each in distributions
        ],
    }


def _print(content: Mapping[str, Any]) -> None:
    plain = to_jsonable_python(content, inf_nan_mode="null")
    text = json.dumps(plain, allow_nan=False)
    write_document(text.replace("\x7f", "\\u007f"))  # the only control character that JSON keeps
