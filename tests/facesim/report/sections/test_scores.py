from collections.abc import Callable

import numpy as np
import pytest

from facesim.interfaces.result import EvaluationResult
from facesim.page import Plot, Table, Text
from facesim.report.formatting import NOTHING, RATE, VAL_AGAIN, complement, estimate
from facesim.report.sections.scores import operating_points_section, scores_section
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import NamedPairs, PairIdentities
from tests.facesim.report.small_result import METRICS, small_result


@pytest.fixture
def files(build_run: Callable[..., Run]) -> RunFiles:
    return build_run().read()


def tables(files: RunFiles) -> tuple[EvaluationResult, Table, Table]:
    assert files.result is not None
    _, at_targets, achieved, *_ = operating_points_section(files.result, files.metrics).blocks
    assert isinstance(at_targets, Table)
    assert isinstance(achieved, Table)
    return files.result, at_targets, achieved


def test_every_target_has_its_value_or_the_reason(files: RunFiles) -> None:
    result, at_targets, _ = tables(files)
    rows = {row[0]: row for row in at_targets.rows}
    unstable = result.metrics["tar_at_far_1e-1"]
    assert unstable.support is not None
    assert rows["TAR at FAR 1e-1"][1] == f"{unstable.value:.2%}"
    assert rows["TAR at FAR 1e-1"][4] == (
        f"unstable: 18 false matches of {unstable.support.identities} identities"
    )
    assert len(rows["TAR at FAR 1e-1"]) == len(at_targets.columns)
    assert rows["TAR at FAR 1e-6"][1].startswith("not measurable with ")


def test_thresholds_from_val_have_both_error_rates(files: RunFiles) -> None:
    result, _, achieved = tables(files)
    columns = ("Chosen for", "Threshold", "Support where chosen", "FMR", "FNMR", "Accuracy")
    assert achieved.columns == columns
    assert [row[0] for row in achieved.rows[:3]] == [
        "best accuracy",
        "equal error rate",
        "FMR 1e-1",
    ]
    best = result.operating_points[0]
    assert achieved.rows[0][2:] == (
        NOTHING,
        estimate(RATE, best.fmr),
        estimate(RATE, complement(best.tar)),
        estimate(RATE, best.accuracy),
    )
    assert achieved.rows[2][2].startswith("unstable: 18 false matches of ")
    assert len(achieved.rows[-1]) == 2  # the reason spans the rest


def test_the_threshold_from_val_is_told_to_be_held_fixed_and_as_a_choice(files: RunFiles) -> None:
    assert files.result is not None
    *_, note, again = operating_points_section(files.result, files.metrics).blocks
    assert isinstance(note, Text)
    assert "hold the threshold fixed" in note.text
    assert VAL_AGAIN in note.text
    assert isinstance(again, Table)
    assert {row[0] for row in again.rows} >= {"Accuracy", "FMR at the threshold"}
    assert all(row[2] != row[3] for row in again.rows)
    metrics = {
        name: found.model_copy(update={"procedure": None})
        for name, found in files.result.metrics.items()
    }
    earlier = files.result.model_copy(update={"metrics": metrics})
    last = operating_points_section(earlier, files.metrics).blocks[-1]
    assert isinstance(last, Text)
    assert "how far it depends on the people in val is not in them" in last.text


def test_the_section_on_operating_points_is_exact() -> None:
    result = small_result(genuine=100, impostor=300, larger_class_share=0.75)
    section = operating_points_section(result, METRICS)
    told, at_targets, achieved, note = section.blocks
    assert (section.name, section.title) == ("operating-points", "Operating points")
    assert isinstance(told, Text)
    assert (
        "lets 30 false matches or more pass, unstable below that, and not measurable below 3"
        in (told.text)
    )
    assert isinstance(at_targets, Table)
    assert at_targets.rows == (
        (
            *("TAR at FAR 1e-1", "75.00%", "62.50% to 81.25%", "9.00%"),
            *("measured: 30 false matches of 7 identities", "0.75"),
        ),
        (
            *("TAR at FAR 1e-2", "50.00%", "25.00% to 62.50%", "0.90%"),
            *("unstable: 29 false matches of 7 identities", "0.75"),
        ),
        ("TAR at FAR 1e-3", "not measurable"),
    )
    assert isinstance(achieved, Table)
    assert achieved.caption == "Thresholds from 100 pairs of val, and what they achieve here"
    assert achieved.rows == (
        ("accuracy", "0.5", "-", "12.50%", "25.00%", "81.25%"),
        ('always "different"', "-", "-", "0.00%", "100.00%", "75.00%"),
    )
    assert isinstance(note, Text)


def test_always_answering_same_accepts_every_impostor() -> None:
    result = small_result(genuine=300, impostor=100, larger_class_share=0.75)
    achieved = operating_points_section(result, METRICS).blocks[2]
    assert isinstance(achieved, Table)
    assert achieved.rows[-1] == ('always "same"', "-", "-", "100.00%", "0.00%", "75.00%")


NAMED = NamedPairs(
    np.array([["a", "b"], ["c", "d"], ["e", "f"]], dtype=object),
    np.array([True, True, False]),
    np.array([0.9, 0.8, 0.1]),
)


def blocks(result: EvaluationResult, pairs: NamedPairs | None) -> list[str | Text]:
    """The names of the plots, and the notes."""
    section = scores_section(result, pairs, None, METRICS, ())
    assert (section.name, section.title) == ("scores", "Scores")
    return [block.name if isinstance(block, Plot) else block for block in section.blocks]  # type: ignore[misc]


def test_what_is_drawn_of_the_scores_depends_on_what_was_kept() -> None:
    assert blocks(small_result(), NAMED) == ["score-histogram", "roc", "det"]
    assert blocks(small_result(), None) == ["tar-at-far"]
    none = Text("The scores of single pairs were not kept.", "note")
    assert blocks(small_result(metrics={}), None) == [none]
    assert blocks(small_result(), NAMED.taken([])) == [Text("There are no pairs.", "note")]
    one_kind = Text("The curves need genuine and impostor pairs.", "note")
    for missing in ("genuine", "impostor"):
        assert blocks(small_result(**{missing: 0}), NAMED) == ["score-histogram", one_kind]


@pytest.mark.parametrize(("impostor", "has_band"), [(3, False), (4, True)])
def test_a_band_needs_more_impostors_than_the_rule_of_3(impostor: int, *, has_band: bool) -> None:
    rng = np.random.default_rng(0)
    same = np.arange(40 + impostor) < 40
    people = np.stack([np.arange(40 + impostor) % 20] * 2, axis=1).astype(np.int64)
    people[~same, 1] += 1
    files = np.array([[f"{it}a", f"{it}b"] for it in range(len(same))], dtype=object)
    pairs = NamedPairs(files, same, same + rng.normal(size=len(same)))
    identities = PairIdentities(people, np.arange(30).astype(object))
    plot = scores_section(small_result(), pairs, identities, METRICS, ()).blocks[1]
    assert isinstance(plot, Plot)
    assert ("95% interval" in [series.name for series in plot.panels[0].series]) == has_band


def test_thresholds_are_said_to_be_in_the_unit_of_the_scores() -> None:
    told = operating_points_section(small_result(), METRICS, "logit").blocks[0]
    assert isinstance(told, Text)
    assert told.text.endswith("at most 3 / N. Thresholds are in the unit of the scores: logit.")
    assert "unit" not in operating_points_section(small_result(), METRICS).blocks[0].text  # type: ignore[union-attr]
