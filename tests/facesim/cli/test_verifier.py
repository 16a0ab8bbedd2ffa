"""`facesim verify`, `enroll`, `search` and `gallery`: what is printed, and the exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.facesim.verifier.tiny_packs import write_faces, write_pack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verifier")
    write_pack(folder / "pack")
    write_pack(folder / "other", seed=1)
    write_faces(folder / "faces")
    return folder


def facesim(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command, in an interpreter that has no torch."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['pandas'] = None\n"
        "from facesim.cli import main\n"
        f"sys.argv = {['facesim', *arguments]!r}\n"
        "main()"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_the_same_person(folder: Path) -> None:
    status, printed = facesim(folder, "verify", "pack", "faces/p0/0.png", "faces/p0/1.png")
    assert status == 0
    first, second, third, fmr, fnmr = printed.splitlines()
    assert first.startswith("same person: score 0.94")
    assert first.endswith(">= threshold 0.3 (far=1e-2)")
    assert second.startswith("probability of the same person: 94.7%, where 50% of the pairs")
    assert third == "at this threshold, measured on test: 600 pairs of 40 identities"
    assert "FMR  1% (95% interval 0.5% to 2%, 3 of 300)" in fmr
    assert "FNMR 20% (95% interval 15% to 25%, 60 of 300)" in fnmr


def test_different_people(folder: Path) -> None:
    images = ("faces/p0/0.png", "faces/p1/0.png")
    status, printed = facesim(folder, "verify", "pack", *images, "--at", "eer", "--json")
    assert status == 1
    found = json.loads(printed)
    assert found["same"] is False
    assert found["score"] < found["threshold"] == 0.3
    assert found["operating_point"] == "eer"
    assert (found["fmr"]["low"], found["fnmr"]["high"]) == (0.005, 0.25)
    assert 0 < found["probability"] < 1


def test_nothing_can_be_said(folder: Path) -> None:
    status, printed = facesim(folder, "verify", "pack", "faces/p0/0.png", "nowhere.png")
    assert (status, printed) == (2, "nowhere.png: there is no such file\n")
    status, printed = facesim(folder, "verify", "pack", "faces/p0/0.png", "nowhere.png", "--json")
    assert status == 2
    assert json.loads(printed)["same"] is None
    assert "there is no such file" in json.loads(printed)["reason"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("faces/p0/0.png",),
        ("a", "b", "c"),
        ("a", "b", "--out", "out.csv"),
        ("a", "b", "--pairs", "pairs.csv", "--out", "out.csv"),
        ("--pairs", "pairs.csv"),
        ("--pairs", "pairs.csv", "--out", "out.csv", "--json"),
        ("a", "b", "--at", "far=1e-3"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, arguments: tuple[str, ...]) -> None:
    status, printed = facesim(folder, "verify", "pack", *arguments)
    assert status == 2
    assert len(printed.splitlines()) == 1 + ("--json" in arguments)  # where there is a document


def test_many_pairs(folder: Path) -> None:
    rows = ["p0/0.png,p0/1.png", "p0/0.png,p1/0.png", "p0/0.png,nowhere.png"]
    (folder / "pairs.csv").write_text("\n".join(["file1,file2", *rows, ""]))
    paths = ("--pairs", "pairs.csv", "--images", "faces", "--out", "out.csv")
    status, printed = facesim(folder, "verify", "pack", *paths, "--at", "far=1e-1")
    assert status == 0
    assert printed.startswith(
        "3 pairs: 1 of the same person, 1 of different people, 1 that cannot be judged\n"
    )
    lines = (folder / "out.csv").read_text().splitlines()
    assert lines[0] == "file1,file2,same,score,probability,reason,faces1,face1,faces2,face2"
    assert [line.split(",")[2] for line in lines[1:]] == ["1", "0", ""]
    beside = folder / "faces" / "pairs.csv"
    beside.write_bytes((folder / "pairs.csv").read_bytes())
    alone = ("--pairs", "faces/pairs.csv", "--out", "beside.csv")
    assert facesim(folder, "verify", "pack", *alone)[0] == 0
    assert (folder / "beside.csv").read_text() == (folder / "out.csv").read_text()


def test_decisions_never_replace_the_list_of_pairs(folder: Path) -> None:
    listed = folder / "listed.csv"
    listed.write_text("file1,file2\nfaces/p0/0.png,faces/p0/1.png\n")
    options = ("verify", "pack", "--pairs", "listed.csv", "--out")
    status, printed = facesim(folder, *options, "./listed.csv")
    assert (status, printed) == (
        2,
        "--out listed.csv: this is the list of pairs; name another file\n",
    )
    assert listed.read_text().startswith("file1,file2\n")
    status, printed = facesim(folder, *options, "nowhere/decisions.csv")
    assert status == 2
    assert printed == "--out nowhere/decisions.csv: there is no folder nowhere; create it\n"


def test_a_gallery(folder: Path) -> None:
    status, printed = facesim(folder, "enroll", "pack", "gallery", "faces")
    assert status == 0
    assert "enrolled 4, replaced 0, skipped 0" in printed
    assert "failure-to-enrol rate: 0% of 4 identities" in printed
    status, printed = facesim(folder, "search", "pack", "gallery", "faces/p2/1.png", "--top", "2")
    assert status == 0
    [first, second] = [line for line in printed.splitlines() if line.startswith("│")]
    assert "p2" in first
    assert "yes" in first
    assert "no" in second or "yes" in second
    assert "this search made 4" in printed
    assert "as high as 8% (FPIR <= N * FMR, ISO/IEC 19795-1, with the upper end of" in printed
    status, printed = facesim(
        folder, "search", "pack", "gallery", "faces/p2/1.png", "--json", "--at", "far=1e-2"
    )
    found = json.loads(printed)
    assert found["matches"][0]["identity"] == "p2"
    assert len(found["matches"]) == found["enrolled"] == 4
    assert found["fpir_at_most"] == pytest.approx(0.08)
    status, printed = facesim(folder, "search", "other", "gallery", "faces/p2/1.png")
    assert status == 2
    assert "made by another pack" in printed
    assert facesim(folder, "gallery", "remove", "gallery", "p1", "p2")[0] == 0
    status, printed = facesim(folder, "gallery", "list", "gallery")
    assert printed.splitlines()[:2] == ["p0\t3", "p3\t3"]
    status, printed = facesim(folder, "gallery", "remove", "gallery", "p1")
    assert (status, len(printed.splitlines())) == (2, 1)
    status, printed = facesim(folder, "enroll", "pack", "gallery", "faces", "--replace")
    assert "enrolled 2, replaced 2, skipped 0" in printed


def test_help_says_which_operating_point_is_the_default(folder: Path) -> None:
    _, printed = facesim(folder, "verify", "--help")
    words = " ".join(printed.replace("│", " ").split())
    assert "that of the largest FMR target up to 1e-3 that has a threshold, or else of the" in words


def test_nobody_is_found(folder: Path) -> None:
    for person in ("p0", "p1"):
        (folder / "few" / person).mkdir(parents=True)
        (folder / "few" / person / "0.png").write_bytes(
            (folder / "faces" / person / "0.png").read_bytes()
        )
    assert facesim(folder, "enroll", "pack", "small", "few")[0] == 0
    status, printed = facesim(folder, "search", "pack", "small", "faces/p3/0.png")
    assert status == 1
    assert "yes" not in printed


def test_who_cannot_be_enrolled_is_told(folder: Path) -> None:
    (folder / "bad" / "p0").mkdir(parents=True)
    (folder / "bad" / "p0" / "0.png").write_bytes(b"nothing")
    status, printed = facesim(folder, "enroll", "pack", "bad gallery", "bad")
    assert status == 2
    assert "not enrolled: p0: bad/p0/0.png: " in printed
    assert "failure-to-enrol rate: 100% of 1 identity" in printed


def test_faiss_finds_the_same(folder: Path) -> None:
    pytest.importorskip("faiss")
    assert facesim(folder, "enroll", "pack", "indexed", "faces")[0] == 0
    command = ("search", "pack", "indexed", "faces/p1/0.png", "--json")
    assert facesim(folder, *command, "--faiss") == facesim(folder, *command)


def test_a_bug_without_torch_is_one_line(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from facesim import cli\n"
        "from facesim.verifier import gallery\n"
        "def broken(folder): raise RuntimeError('broken')\n"
        "gallery.open_gallery = broken\n"
        "sys.argv = ['facesim', 'gallery', 'list', 'gallery']\n"
        "cli.main()"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 70
    assert ended.stderr.startswith("a bug of facesim: RuntimeError: broken")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["verify"], ["enroll"], ["search"], ["gallery", "list"]])
def test_help_needs_no_torch(folder: Path, command: list[str]) -> None:
    status, printed = facesim(folder, *command, "--help")
    assert status == 0
    assert "GALLERY" in printed or "PACK" in printed
