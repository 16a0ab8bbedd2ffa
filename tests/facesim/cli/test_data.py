"""`facesim data align`: what it prints, and its errors."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facesim.cli import main
from facesim.experiment.loading import load_image
from facesim.experiment.nodes import ExperimentError
from facesim.interfaces import aligners
from tests.facesim.model.bright_face import BrightFace, save_photograph

FACE = (60, 20, 40, 40)
Command = Callable[..., tuple[int, list[str]]]


@pytest.fixture(autouse=True)
def _bright() -> Iterator[None]:
    with aligners.isolated():
        aligners("bright")(BrightFace)
        yield


@pytest.fixture
def align(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types `facesim data align`; returns its exit code, and the lines of its output."""

    def command(*arguments: object) -> tuple[int, list[str]]:
        words = ["facesim", "data", "align", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), (captured.out + captured.err).splitlines()

    return command


def test_it_says_what_was_found_and_where_it_is(tmp_path: Path, align: Command) -> None:
    folder, out = tmp_path / "photographs", tmp_path / "aligned"
    save_photograph(folder / "1.png", FACE)
    save_photograph(folder / "2.png", seed=1)
    options = ("--aligner", "bright", "--template", "dlib", "--size", 80, 60)
    code, lines = align(folder, out, *options, "--set", "aligner.by_name=true")
    assert code == 0
    assert lines == [
        f"1 of 2 photographs have a crop in {out / 'images'}",
        "        1  one face",
        "        0  several faces",
        "        0  only faces of low confidence",
        "        1  no face",
        "        0  unusable",
        f"boxes and landmarks: {out / 'faces.csv'}",
        f"contact sheet: {out / 'faces.html'}",
    ]
    settings = (out / "aligned.json").read_text()
    assert r"\"size\":[80,60]" in settings
    assert r"\"by_name\":true" in settings.replace(" ", "")
    assert r"\"template\":\"dlib\"" in settings
    _, again = align(folder, out, *options, "--set", "aligner.by_name=true")
    assert again[0] == f"{lines[0]} (1 of them were there already)"


def test_what_is_wrong_in_a_setting_is_named(tmp_path: Path, align: Command) -> None:
    save_photograph(tmp_path / "photographs" / "1.png", FACE)
    for word, message in (
        (
            "aligner.by_nam=true",
            "--set aligner.by_nam=true: aligner.by_nam: unknown key (did you mean 'by_name'",
        ),
        ("template=arcfac", "--set template=arcfac: template: must be "),
        ("no_face=none", "--set no_face=none: no_face: must be "),
    ):
        options = ("--aligner", "bright", "--set", word)
        code, lines = align(tmp_path / "photographs", tmp_path / "out", *options)
        assert code == 2
        assert lines[0].startswith(message)
    assert not (tmp_path / "out").exists()


def test_assignments_make_a_section_and_all_their_errors_are_told() -> None:
    image = load_image(["aligner=bright", "template=dlib", "size=[64, 48]", "template=arcface"])
    assert (image.template, image.size) == ("arcface", (64, 48))
    with pytest.raises(ExperimentError) as raised:
        load_image(["aligner=bright", "template=dlib", "size=[64]", "several_faces=all", "x"])
    assert len(raised.value.problems) == 3
