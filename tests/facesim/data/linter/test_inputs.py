"""The linter warns of magnified, squeezed and unaligned images."""

from pathlib import Path

import pytest

from facesim.data.linter.findings import Finding, Findings, LintReport
from facesim.data.linter.inputs import lint_inputs
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.sections import Rule, Severity
from facesim.interfaces import FaceTable
from facesim.processes import Processes
from tests.facesim.data.linter.test_image_sizes import table
from tests.facesim.data.linter.test_mean_face import MOVES, split


def linted(
    images: FaceTable, preprocessing: Preprocessing, lint: dict[Rule, Severity] | None = None
) -> LintReport:
    findings = Findings(lint or {})
    lint_inputs({"train": images}, preprocessing, findings, Processes())
    return findings.report()


def only(report: LintReport) -> Finding:
    (finding,) = report.findings
    assert finding.severity == "warning"
    return finding


def test_most_images_magnified_twice_are_a_warning(tmp_path: Path) -> None:
    images = table(tmp_path, *[(46, 56)] * 6, *[(92, 112)] * 4)
    finding = only(linted(images, Preprocessing((112, 92), fit="letterbox")))
    assert finding.rule == "magnified"
    assert "most images of train are magnified 2 times or more to the 112 x 92 pixels (height" in (
        finding.message
    )
    assert finding.rows == ("train: 60% of the images; the median one 2 times",)
    few = table(tmp_path, *[(46, 56)] * 5, *[(92, 112)] * 5)
    assert linted(few, Preprocessing((112, 92))).findings == ()


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_most_images_squeezed_by_a_tenth_are_a_warning(tmp_path: Path, fit: str) -> None:
    images = table(tmp_path, *[(100, 100)] * 6, *[(92, 112)] * 4)
    report = linted(images, Preprocessing((112, 92), fit=fit))  # type: ignore[arg-type]
    if fit != "stretch":
        assert report.findings == ()
        return
    assert only(report).rule == "squeezed"
    assert "most images of train are squeezed by more than 10%" in only(report).message
    assert only(report).rows == ("train: 60% of the images; the median one by 18%",)
    slightly = table(tmp_path, *[(100, 112)] * 9)
    assert linted(slightly, Preprocessing((112, 92))).findings == ()


def test_unaligned_faces_are_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    anywhere = split(tmp_path / "anywhere", MOVES["shifted"])
    report = linted(anywhere, Preprocessing((48, 40)))
    assert only(report).rule == "unaligned"
    assert "`facesim data align`" in only(report).message
    assert "`image.aligner`" in only(report).message
    assert "half of the faces lie" in only(report).rows[0]
    assert report.images[0].face is not None
    off = linted(anywhere, Preprocessing((48, 40)), {"unaligned": "off"})
    assert off.findings == ()
    assert off.images[0].face is None
    assert off.images[0].sizes == report.images[0].sizes
    in_place = linted(split(tmp_path / "in place"), Preprocessing((48, 40)))
    assert in_place.findings == ()
    assert in_place.images[0].face is not None


def test_what_images_look_like_is_kept_and_may_be_missing(tmp_path: Path) -> None:
    report = linted(table(tmp_path, (10, 10)), Preprocessing((10, 10)))
    assert LintReport.model_validate_json(report.model_dump_json()) == report
    assert str(report.images[0]) == "train: 10 x 10 pixels (height x width); at the input as large"
    assert LintReport.model_validate_json('{"findings": []}').images == ()
