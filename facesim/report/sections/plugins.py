"""The sections that plugins add, from the run directory alone."""

import re
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from facesim.console import warn_once
from facesim.discovery import UntrustedPluginsError
from facesim.errors import FacesimError, PluginError
from facesim.experiment.loading import load_run_experiment
from facesim.experiment.nodes import ExperimentError
from facesim.interfaces import ReportSection, RunRecord
from facesim.interfaces.report_section import BLOCKS
from facesim.interrupts import is_ctrl_c
from facesim.page import Page, Plot, Section, Text
from facesim.plugin_failures import describe_failure, reason_of
from facesim.registry import Spec
from facesim.report.rendering import render
from facesim.runs.directory import RunDirectory, RunFile
from facesim.runs.run_files import RunFiles


def plugin_sections(files: RunFiles, *, trust: bool = False) -> list[Section]:
    """The sections of the experiment's ``report_sections``, in their order.

    One that cannot be made is a section that says why, which is logged as a warning as well.

    Args:
        files: of the run and of the evaluation.
        trust: whether plugin files of the run are imported that this user's own experiment did not
            name when the run began.
    """
    wanted = files.experiment.report_sections
    refusal = ""
    if any(spec.plugin.is_stand_in for spec in wanted):
        try:
            file = files.path / RunFile.EXPERIMENT
            loaded = load_run_experiment(file, trust=trust, all_there=False)
            wanted = loaded.report_sections
        except UntrustedPluginsError:
            refusal = (
                "it comes from a plugin file that the run names, which is code, and nothing "
                "records that you began the run with it. Read the file first; then `facesim report "
                "RUN_DIR --trust` makes the report with it"
            )
        except ExperimentError as error:  # of other plugins it says nothing that matters here
            own = [each for each in error.problems if each.path[:1] == ("plugins",)]
            refusal = "; ".join(str(each).partition("\n")[0] for each in own or error.problems)
        except FacesimError as error:
            refusal = str(error)
    sections = []
    for number, spec in enumerate(wanted, start=1):
        try:
            section = _section(spec, files, refusal)
            if section is not None:
                sections.append(_checked(section, number))
        except BaseException as error:  # third-party code may raise anything
            if is_ctrl_c(error):
                raise
            sections.append(_left_out(spec, number, error))
    return sections


def _section(spec: Spec[ReportSection], files: RunFiles, refusal: str) -> Section | None:
    """Raises PluginError, or whatever the plugin raises."""
    if spec.plugin.is_stand_in:
        raise PluginError(refusal or _why_missing(spec, files))
    return spec.build().section(_record(files))


def _why_missing(spec: Spec[ReportSection], files: RunFiles) -> str:
    """Why a section is not registered although the plugin files of the run are imported."""
    registry = spec.plugin.registry
    failed = registry.failed_to_register(spec.name)
    if failed:
        return f"{failed[0].origin}: {failed[0].reason}"
    sources = [start.plugins.get(f"{registry.kind} {spec.name}") for start in files.starts]
    source = next((each for each in reversed(sources) if each), None)
    if source is None:
        return "no plugin of this name is installed"
    distribution = re.search(r"\(([^()]*)\)$", source)
    return f"the run had it from {distribution[1] if distribution else source}, which is not here"


def _record(files: RunFiles) -> RunRecord:
    log = files.log
    logged = (log.train, log.val, log.callbacks) if log else ((), (), ())
    steps, epochs, callbacks = (tuple(map(MappingProxyType, each)) for each in logged)
    return RunRecord(
        path=files.path,
        title=files.title,
        evaluation=files.name,
        experiment=files.experiment.as_data(),
        status=files.status,
        stopped=log.stopped["reason"] if log and log.stopped else None,
        steps=steps,
        epochs=epochs,
        logged=callbacks,
        result=files.result,
        metrics=files.metrics,
        scores=None if files.pairs is None else files.pairs.as_frame(),
        files=RunDirectory(files.path).callback_files(),
        folds=tuple(map(_record, files.folds)),
    )


def _checked(section: object, number: int) -> Section:
    """A plugin's section, with names of its own on the page.

    Raises:
        PluginError: it is none, or has other parts than a page has.
        Exception: it cannot be rendered.
    """
    if not isinstance(section, Section):
        raise PluginError(f"section() returned {type(section).__name__}, not a facesim.Section")
    blocks: Sequence[object] = section.blocks
    wrong = [type(each).__name__ for each in blocks if not isinstance(each, BLOCKS)]
    if wrong:
        known = ", ".join(kind.__name__ for kind in BLOCKS)
        raise PluginError(f"its section holds {wrong[0]}, which is none of {known}")
    own = f"plugin-{number}"
    shown = tuple(
        replace(each, name=f"{own}-{at}-{re.sub('[^A-Za-z0-9-]', '-', each.name)}")
        if isinstance(each, Plot)
        else each
        for at, each in enumerate(section.blocks, start=1)
    )
    named = Section(own, str(section.title), shown)
    render(Page("", "", (named,)))
    return named


def _left_out(spec: Spec[ReportSection], number: int, error: BaseException) -> Section:
    told = None if isinstance(error, FacesimError) else describe_failure(error)
    if told is None:
        reason = str(error) if isinstance(error, FacesimError) else reason_of(error)
        told = f"the report section {spec.name!r} is left out: {reason}"
    warn_once(told)
    untrusted = spec.plugin.is_stand_in
    text = Text(told[:1].upper() + told[1:] + ".", "note" if untrusted else "error")
    return Section(f"plugin-{number}", spec.name.replace("_", " ").capitalize(), (text,))
