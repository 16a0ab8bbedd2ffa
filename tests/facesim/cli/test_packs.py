"""``facesim pack``, as it is typed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.cli import main
from facesim.runs.run import Run
from tests.facesim.packing.small_run import small_experiment

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    run = Run.begin(small_experiment(folder), folder / "runs")
    run.complete()
    return run.path


@pytest.fixture
def facesim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types a command: its exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["facesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return command


def test_a_pack_goes_into_its_run_and_its_rates_are_shown(facesim: Command, run_dir: Path) -> None:
    code, shown, _ = facesim("pack", run_dir)
    assert code == 0
    pack = json.loads((run_dir / "pack/pack.json").read_text())
    assert f"written to {run_dir / 'pack'}" in shown
    assert "small, packed: test, " in shown
    assert "without a threshold, for lack of pairs of val: far_1e-2, far_1e-3" in shown
    agreed = [line for line in shown.splitlines() if "0 of " in line and "decisions differ" in line]
    assert len(agreed) == len(pack["remeasurement"]["agreements"]) == 3
    assert "minus original" not in shown
    eer = next(point for point in pack["operating_points"] if point["name"] == "eer")
    row = next(line for line in shown.splitlines() if line.startswith("│ eer"))
    for rate in ("fmr", "fnmr"):
        low, high = (f"{100 * eer[rate][end]:.2f}%" for end in ("low", "high"))
        assert f"({low} to {high})" in row


def test_a_quantised_pack_shows_the_paired_difference_with_its_interval(
    facesim: Command, run_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small int8"
    code, shown, _ = facesim(
        "pack", run_dir, "--out", out, "--quantize", "int8", "--most-decisions", "1"
    )
    assert code == 0
    assert json.loads((out / "pack.json").read_text())["network"]["quantization"] == "int8"
    [line] = [line for line in shown.splitlines() if line.startswith("Accuracy, pack minus")]
    assert line.endswith(", paired, 95% over people)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "torch", "--quantize", "int8"), "--quantize needs --format onnx"),
        (("--checkpoint", "none"), "there is no checkpoint"),
        (("--out", "{file}"), "is not a folder; choose another --out"),
        (("--out", "{folder}"), "is not a pack, and is not empty"),
    ],
)
def test_what_cannot_be_packed_is_an_error_of_one_line(
    facesim: Command, run_dir: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").write_text("")
    places = {"file": tmp_path / "file", "folder": tmp_path}
    code, _, error = facesim("pack", run_dir, *(each.format(**places) for each in arguments))
    assert code == 2
    assert said in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_no_run_is_told(facesim: Command, tmp_path: Path) -> None:
    code, _, error = facesim("pack", tmp_path)
    assert code == 2
    assert "is not a run directory" in error
