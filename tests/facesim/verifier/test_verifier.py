"""Verification with a pack: decisions, their rates, and what cannot be judged."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import facesim
from facesim.data.images import look_at
from facesim.errors import DataError, FacesimError
from facesim.verifier.search import Comparison
from facesim.verifier.verifier import Unjudged, Verdict, Verifier, load_pack
from tests.facesim.verifier import tiny_networks as tiny
from tests.facesim.verifier.tiny_packs import THRESHOLDS, point, write_faces, write_pack


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(params=["cosine", "euclidean", None])
def verifier(request: pytest.FixtureRequest, tmp_path: Path) -> Verifier:
    return load_pack(write_pack(tmp_path / "pack", request.param))


def naive_score(comparison: Comparison | None, a: Path, b: Path) -> float:
    weights = np.random.default_rng(0).normal(size=(3 * 120, tiny.DIMENSION)) / 1000
    u, v = (
        (np.asarray(Image.open(path)).transpose(2, 0, 1).ravel() - 127.5) @ weights
        for path in (a, b)
    )
    if comparison == "cosine":
        return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    return -float(np.linalg.norm(u - v))


@pytest.mark.parametrize("comparison", ["cosine", "euclidean"])
@pytest.mark.parametrize(("a", "b"), [("p0/0.png", "p0/1.png"), ("p0/0.png", "p3/2.png")])
def test_a_decision_is_that_of_the_naive_score(
    tmp_path: Path, faces: Path, comparison: Comparison, a: str, b: str
) -> None:
    verdict = load_pack(write_pack(tmp_path / "pack", comparison)).verify(faces / a, faces / b)
    expected = naive_score(comparison, faces / a, faces / b)
    assert verdict.score == pytest.approx(expected, abs=1e-4)
    assert verdict.same == (expected >= THRESHOLDS[comparison])
    assert verdict.probability == pytest.approx(1 / (1 + math.exp(-(2 * expected + 1))), abs=1e-4)
    assert verdict.point.fmr.value == 0.01


def test_it_tells_faces_apart(verifier: Verifier, faces: Path) -> None:
    alike = verifier.verify(faces / "p1/0.png", faces / "p1/2.png")
    unlike = verifier.verify(faces / "p1/0.png", faces / "p2/2.png")
    assert alike.score > unlike.score or verifier.comparison is None


def test_a_score_at_the_threshold_is_accepted(tmp_path: Path, faces: Path) -> None:
    score = load_pack(write_pack(tmp_path / "a")).verify(faces / "p0/0.png", faces / "p1/0.png")
    points = [point("eer", score.score), point("far_1e-2", score.score + 1e-6, 0.01)]
    verifier = load_pack(write_pack(tmp_path / "b", operating_points=points))
    images = (faces / "p0/0.png", faces / "p1/0.png")
    assert verifier.verify(*images, at="eer").same
    assert not verifier.verify(*images, at="far=0.01").same


def test_files_arrays_and_images_are_the_same(verifier: Verifier, faces: Path) -> None:
    path = faces / "p0/0.png"
    image = Image.open(path)
    [from_path, from_text, from_image, from_array] = verifier.embed(
        [path, str(path), image, np.asarray(image)]
    )
    for other in (from_text, from_image, from_array):
        np.testing.assert_array_equal(from_path, other)


def test_many_pairs_are_judged_as_each_is(verifier: Verifier, faces: Path) -> None:
    paths = sorted(faces.rglob("*.png"))
    pairs = [(a, b) for a in paths for b in paths]
    together = list(verifier.verify_pairs(pairs))
    for at in (0, 5, 77, 143):
        alone = verifier.verify(*pairs[at])
        found = together[at]
        assert isinstance(found, Verdict)
        assert found.score == pytest.approx(alone.score, abs=1e-5)


def test_an_image_of_many_pairs_is_decoded_once(
    verifier: Verifier, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Any] = []

    def noted(image: Any, preprocessing: Any) -> Any:
        decoded.append(image)
        return look_at(image, preprocessing)

    monkeypatch.setattr("facesim.verifier.verifier.look_at", noted)
    paths = sorted(faces.rglob("*.png"))
    list(verifier.verify_pairs((a, b) for a in paths for b in paths for _ in range(3)))
    assert sorted(decoded) == paths


def test_a_pair_that_cannot_be_judged_does_not_end_the_others(
    verifier: Verifier, faces: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    good = faces / "p0/0.png"
    first, second, third = verifier.verify_pairs([(good, good), (good, broken), (good, good)])
    assert isinstance(first, Verdict)
    assert isinstance(second, Unjudged)
    assert str(broken) in second.reason
    assert third == first


def test_an_image_that_cannot_be_used_is_named(verifier: Verifier, faces: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jpg: there is no such file"):
        verifier.verify("nowhere.jpg", faces / "p0/0.png")
    with pytest.raises(DataError, match="image 1: an array float64"):
        verifier.embed([faces / "p0/0.png", np.zeros((3, 3))])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "at", ["far=1e-2", "far=0.01", "far_1e-2", "fmr=1e-02", "FAR=1%", "fmr=1.0%", None]
)
def test_an_operating_point_is_found_however_it_is_written(
    verifier: Verifier, at: str | None
) -> None:
    assert verifier.operating_point(at).name == "far_1e-2"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("far=1e-3", r"no threshold for far=1e-3 \(too few impostor pairs\); it has them for"),
        ("best_acuracy", "did you mean 'best_accuracy'"),
        ("far=2", "no operating point 'far=2'"),
    ],
)
def test_an_operating_point_without_a_threshold_is_told(
    verifier: Verifier, at: str, said: str
) -> None:
    with pytest.raises(FacesimError, match=said):
        verifier.operating_point(at)


def test_without_an_operating_point_nothing_is_decided(tmp_path: Path, faces: Path) -> None:
    points = [point("eer", None), point("far_1e-2", None, 0.01)]
    verifier = load_pack(write_pack(tmp_path / "pack", operating_points=points))
    with pytest.raises(FacesimError, match="no operating point of the pack has a threshold"):
        verifier.verify(faces / "p0/0.png", faces / "p0/1.png")


def test_the_default_is_the_strictest_of_the_usual_ones(tmp_path: Path) -> None:
    points = [point("eer", 0.1)]
    points += [point(f"far_1e-{power}", 0.1 * power, 10.0**-power) for power in (2, 3, 4)]
    verifier = load_pack(write_pack(tmp_path / "pack", operating_points=points))
    assert verifier.operating_point().name == "far_1e-3"


@pytest.mark.parametrize("comparison", ["cosine", "euclidean"])
def test_a_score_of_another_kind_than_it_says_is_refused(
    tmp_path: Path, comparison: Comparison
) -> None:
    other = tiny.SCORES[{"cosine": "euclidean", "euclidean": "cosine"}[comparison]]()
    with pytest.raises(DataError, match=f"score.comparison is {comparison!r}"):
        load_pack(write_pack(tmp_path / "pack", comparison, score=other))


def test_galleries_outlive_new_thresholds_and_no_new_network(tmp_path: Path) -> None:
    kind = load_pack(write_pack(tmp_path / "a")).embeddings
    points = [point("eer", 0.9)]
    assert load_pack(write_pack(tmp_path / "b", operating_points=points)).embeddings == kind
    assert load_pack(write_pack(tmp_path / "c", seed=1)).embeddings.sha256 != kind.sha256
    image = {"size": list(tiny.SIZE), "crop": [0, 0, 5, 5]}
    assert load_pack(write_pack(tmp_path / "d", image=image)).embeddings.sha256 != kind.sha256


def test_three_lines(tmp_path: Path, faces: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    verifier = facesim.load_pack(pack)
    assert verifier.verify(str(faces / "p0/0.png"), str(faces / "p0/1.png")).same


def test_no_torch_is_needed(tmp_path: Path, faces: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    code = (
        "import sys; sys.modules['torch'] = sys.modules['pandas'] = None\n"
        "import facesim\n"
        f"verifier = facesim.load_pack({str(pack)!r})\n"
        f"print(verifier.verify({str(faces / 'p0/0.png')!r}, {str(faces / 'p0/1.png')!r}).same)\n"
        f"print(facesim.Embedder({str(pack)!r}).transform([{str(faces / 'p0/0.png')!r}]).shape)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.stdout.split("\n")[:2] == ["True", "(1, 16)"], ended.stderr
