"""The report of one run."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from facesim.atomic import write_text
from facesim.errors import DataError, FacesimError
from facesim.interfaces.result import EvaluationResult
from facesim.json_files import write_json
from facesim.report.run_report import write_report
from facesim.runs.run import Run

SECTIONS = [
    "result",
    "setup",
    "training",
    "scores",
    "operating-points",
    "slices",
    "errors",
    "label-noise",
    "linter",
    "reproduction",
]
FIGURES = [
    "baselines",
    "loss",
    "validation",
    "score-quantiles",
    "health",
    "score-histogram",
    "roc",
    "det",
    "slice-errors",
]


class Reader(HTMLParser):
    """Gathers what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(run: Run, *, faces: bool = True) -> tuple[str, Reader]:
    text = write_report(run.read(), faces=faces).read_text(encoding="utf-8")
    return text, Reader(text)


def test_a_finished_run_has_every_section_and_figure(
    build_run: Callable[..., Run],
) -> None:
    text, page = report(build_run())
    assert [section["id"] for section in page.all("section")] == SECTIONS
    plots = [figure["id"] for figure in page.all("figure") if figure.get("id")]
    assert plots == FIGURES
    assert len(text.encode()) < 400_000


def test_nothing_is_loaded_from_anywhere(build_run: Callable[..., Run]) -> None:
    _, page = report(build_run())
    sources = [attributes.get("src") or attributes.get("href") or "" for _, attributes in page.tags]
    assert all(source.startswith(("#", "data:")) for source in sources if source)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256-" in policy


def test_every_figure_says_in_words_and_numbers_what_it_shows(
    build_run: Callable[..., Run],
) -> None:
    text, page = report(build_run())
    identifiers = {attributes.get("id") for _, attributes in page.tags}
    plots = [div for div in page.all("div") if div.get("class") == "plot"]
    assert len(plots) == len(FIGURES)
    for plot in plots:
        assert plot["role"] == "img"
        assert {plot["aria-labelledby"], plot["aria-describedby"]} <= identifiers
    assert text.count("<caption>") == text.count("<table")


def test_headings_skip_no_level(build_run: Callable[..., Run]) -> None:
    _, page = report(build_run())
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_from_data_cannot_become_markup(build_run: Callable[..., Run]) -> None:
    run = build_run()
    evil = "</script><script>alert(1)</script>"
    for file in ("lint.json", "eval/test/slices.json", "eval/test/baselines.json"):
        path = run.path / file
        text = path.read_text()
        for name in ("identity 8", "freckles", "chance"):
            text = text.replace(f'"{name}"', f'"{evil}"')
        write_text(path, text)
    clean, _ = report(build_run("clean"))
    text, _ = report(run)
    assert evil not in text
    assert text.count("<script") == clean.count("<script")
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text


def test_faces_are_embedded_unless_left_out(build_run: Callable[..., Run]) -> None:
    run = build_run()
    with_faces, _ = report(run)
    without, _ = report(run, faces=False)
    assert "data:image/jpeg;base64," in with_faces
    assert "data:image/jpeg" not in without
    assert ".png</figcaption>" in without


@pytest.mark.parametrize(
    "missing",
    [
        ("eval/test/baselines.json",),
        ("eval/test/slices.json",),
        ("eval/test/scores.csv",),
        ("calibration.json",),
        ("lint.json",),
        ("metrics.jsonl",),
        ("environment.json",),
        ("eval/test/metrics.json",),
        (
            "calibration.json",
            "lint.json",
            "metrics.jsonl",
            "environment.json",
            "eval/test/metrics.json",
            "eval/test/scores.csv",
        ),
    ],
    ids=lambda files: files[-1] if len(files) == 1 else "all",
)
def test_a_part_that_is_not_there_is_left_out(
    build_run: Callable[..., Run], missing: tuple[str, ...]
) -> None:
    run = build_run()
    for file in missing:
        (run.path / file).unlink()
    _, page = report(run)
    assert {"result", "setup", "reproduction"} <= {s["id"] for s in page.all("section")}


def test_a_collapse_that_training_warned_of_is_shown(
    build_run: Callable[..., Run],
) -> None:
    run = build_run()
    log = run.path / "metrics.jsonl"
    log.write_text(log.read_text().replace('"warnings": []', '"warnings": ["all faces are one"]'))
    assert "Epoch 3: all faces are one" in report(run)[0]


def test_a_k_fold_protocol_shows_its_folds(build_run: Callable[..., Run]) -> None:
    run = build_run()
    path = run.directory.evaluation("test") / "metrics.json"
    found = EvaluationResult.model_validate_json(path.read_bytes())
    folds = [
        {"fold": k, "pairs": 24, "threshold": 0.5, "accuracy": 0.8 + k / 100} for k in range(3)
    ]
    details = {"folds": folds, "mean_accuracy": 0.81, "standard_error": 0.0058}
    write_json(path, found.model_copy(update={"details": details}))
    experiment = run.path / "experiment.yaml"
    write_text(experiment, experiment.read_text().replace("name: pairs\n", "name: k_fold\n"))
    text, page = report(Run.open(run.path))
    assert "folds" in [section["id"] for section in page.all("section")]
    assert "standard error 0.58%" in text


def test_scores_that_were_too_many_to_keep_leave_the_rates(
    build_run: Callable[..., Run],
) -> None:
    run = build_run()
    (run.directory.evaluation("test") / "scores.csv").unlink()
    _, page = report(run)
    assert "tar-at-far" in [figure.get("id") for figure in page.all("figure")]


def test_images_that_have_gone_are_said_to_have(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = build_run()
    scores = run.directory.evaluation("test") / "scores.csv"
    write_text(scores, scores.read_text().replace(".png", ".jpg"))
    text, page = report(run)
    assert (
        "Faces and filters by attribute are left out, since the evaluated images cannot be read: "
        in text
    )
    assert "are not in the table any more" in text
    assert "label-noise" in [section["id"] for section in page.all("section")]


def test_identities_of_format_1_have_gone_with_the_images(build_run: Callable[..., Run]) -> None:
    run = build_run()
    scores = run.directory.evaluation("test") / "scores.csv"
    table = pd.read_csv(scores).drop(columns=["identity1", "identity2"])
    write_text(scores, table.replace(r"\.png$", ".jpg", regex=True).to_csv(index=False))
    text, page = report(run)
    left_out = "Faces, filters by attribute, intervals of curves and suspected labels are left out"
    assert f"{left_out}, since " in text
    assert "label-noise" not in [section["id"] for section in page.all("section")]


def test_a_damaged_file_is_named(build_run: Callable[..., Run]) -> None:
    run = build_run()
    (run.directory.evaluation("test") / "metrics.json").write_text('{"pairs": "many"}')
    with pytest.raises(DataError, match=r"metrics\.json"):
        write_report(run.read())


def test_an_evaluation_on_other_data_gets_a_file_of_its_own(
    build_run: Callable[..., Run],
) -> None:
    run = build_run()
    run.directory.evaluation("test").rename(run.directory.evaluation("lfw"))
    assert write_report(run.read("lfw")) == run.path / "report-lfw.html"
    assert not (run.path / "report.html").exists()


def test_an_evaluation_that_was_never_made_is_refused(
    build_run: Callable[..., Run],
) -> None:
    with pytest.raises(FacesimError, match=r"no evaluation 'tset' \(did you mean 'test'\?\)"):
        build_run().read("tset")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="is not a run directory"):
        Run.open(tmp_path).read()
