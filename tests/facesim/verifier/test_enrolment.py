"""Enrolment: folders of photographs become templates, and a second call goes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from facesim.errors import DataError
from facesim.reporters import Advance, SilentReporter
from facesim.verifier import enrolment
from facesim.verifier.enrolment import enroll, find_people, template_of
from facesim.verifier.gallery import open_gallery
from facesim.verifier.search import Comparison
from facesim.verifier.verifier import BATCH, Verifier, load_pack
from tests.facesim.verifier.tiny_packs import write_faces, write_pack


@pytest.fixture(params=["cosine", "euclidean", None])
def verifier(request: pytest.FixtureRequest, tmp_path: Path) -> Verifier:
    return load_pack(write_pack(tmp_path / "pack", request.param))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces")


def test_a_template_is_the_mean_of_an_identitys_embeddings(
    verifier: Verifier, faces: Path, tmp_path: Path
) -> None:
    done = enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    assert (done.enrolled, done.images, done.failed) == (4, 12, {})
    gallery = open_gallery(str(tmp_path / "gallery"))
    assert sorted(gallery.names) == ["p0", "p1", "p2", "p3"]
    assert gallery.images.tolist() == [3, 3, 3, 3]
    embeddings = verifier.embed(sorted((faces / "p2").iterdir()))
    if verifier.comparison == "cosine":
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        expected = unit.mean(0) / np.linalg.norm(unit.mean(0))
    else:
        expected = embeddings.mean(0)
    row = gallery.names.index("p2")
    found = np.concatenate([part.templates for part in gallery.parts])[row]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_person_is_found(verifier: Verifier, faces: Path, tmp_path: Path) -> None:
    enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    gallery = open_gallery(tmp_path / "gallery")
    for person in ("p0", "p3"):
        [matches] = verifier.search(gallery, faces / person / "1.png", top=2)
        assert matches[0].name == person or verifier.comparison is None
        embedding = verifier.embed(faces / person / "1.png")
        row = gallery.names.index(matches[0].name)
        template = np.concatenate([part.templates for part in gallery.parts])[row]
        assert matches[0].score == verifier.scores(embedding, template[None])[0]


def test_one_photograph_per_identity(verifier: Verifier, faces: Path, tmp_path: Path) -> None:
    for person in ("p0", "p1"):
        (faces / person / "0.png").rename(faces / f"{person} smith.png")
    (faces / "notes.txt").touch()
    (faces / ".hidden.png").touch()
    people = find_people(faces)
    assert [person.name for person in people] == ["p0", "p0 smith", "p1", "p1 smith", "p2", "p3"]
    assert enroll(verifier, tmp_path / "gallery", faces, SilentReporter()).enrolled == 6


def test_who_is_enrolled_is_skipped_or_replaced(
    verifier: Verifier, faces: Path, tmp_path: Path
) -> None:
    gallery = tmp_path / "gallery"
    enroll(verifier, gallery, faces, SilentReporter())
    before = [part.templates.tolist() for part in open_gallery(gallery).parts]
    (faces / "p1" / "2.png").unlink()
    again = enroll(verifier, gallery, faces, SilentReporter())
    assert (again.enrolled, again.skipped, again.images) == (0, 4, 0)
    assert [part.templates.tolist() for part in open_gallery(gallery).parts] == before
    replaced = enroll(verifier, gallery, faces, SilentReporter(), replace=True)
    assert (replaced.enrolled, replaced.replaced, replaced.skipped) == (0, 4, 0)
    found = open_gallery(gallery)
    assert dict(zip(found.names, found.images.tolist(), strict=True))["p1"] == 2


def test_what_cannot_be_used_is_told_and_the_rest_is_enrolled(
    verifier: Verifier, faces: Path, tmp_path: Path
) -> None:
    (faces / "p0" / "1.png").write_bytes(b"nothing")
    for path in (faces / "p1").iterdir():
        path.write_bytes(b"")
    (faces / "empty").mkdir()
    (faces / "p2.png").write_bytes((faces / "p3" / "0.png").read_bytes())
    done = enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    assert done.enrolled == 2
    assert sorted(done.failed) == ["empty", "p1", "p2"]
    assert "it is empty" in done.failed["p1"]
    assert "(and 2 more)" in done.failed["p1"]
    assert "more than once" in done.failed["p2"]
    assert len(done.unused) == 1
    assert "p0/1.png" in done.unused[0]
    assert sorted(open_gallery(tmp_path / "gallery").names) == ["p0", "p3"]


def test_links_are_not_followed(verifier: Verifier, faces: Path, tmp_path: Path) -> None:
    elsewhere = write_faces(tmp_path / "elsewhere", identities=1)
    (faces / "linked").symlink_to(elsewhere / "p0")
    (faces / "p9.png").symlink_to(elsewhere / "p0" / "0.png")
    (faces / "p3" / "9.png").symlink_to(elsewhere / "p0" / "0.png")
    os.mkfifo(faces / "pipe.png")
    done = enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    assert sorted(done.failed) == ["linked", "p3", "p9", "pipe"]
    assert done.enrolled == 3


@pytest.mark.parametrize("made", ["empty folder", "file", "nothing"])
def test_a_folder_without_photographs_makes_no_gallery(
    verifier: Verifier, tmp_path: Path, made: str
) -> None:
    folder = tmp_path / "folder"
    if made == "empty folder":
        folder.mkdir()
    elif made == "file":
        folder.touch()
    with pytest.raises(DataError, match="folder: "):
        enroll(verifier, tmp_path / "gallery", folder, SilentReporter())
    assert not (tmp_path / "gallery").exists()


class _Interrupting(SilentReporter):
    """Interrupts at the second batch."""

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        batches = []

        def advance(count: int = 1, note: str = "") -> None:
            batches.append(count)
            if len(batches) == 2:
                raise KeyboardInterrupt

        yield advance


def test_what_was_written_stays_where_an_enrolment_is_interrupted(
    verifier: Verifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "_SECONDS_BETWEEN_COMMITS", 0.0)
    faces = write_faces(tmp_path / "many", identities=20)
    with pytest.raises(KeyboardInterrupt):
        enroll(verifier, tmp_path / "gallery", faces, _Interrupting())
    there = len(open_gallery(tmp_path / "gallery"))
    assert there == 2 * BATCH // 3
    again = enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    assert (again.skipped, again.enrolled) == (there, 20 - there)


def test_opposite_embeddings_have_no_template(tmp_path: Path) -> None:
    verifier = load_pack(write_pack(tmp_path / "pack", "cosine"))
    one = np.random.default_rng(0).normal(size=(1, verifier.dimension)).astype(np.float32)
    with pytest.raises(DataError, match="no common direction"):
        template_of(verifier, np.concatenate((one, -one)))


@pytest.mark.parametrize("comparison", ["euclidean", None])
def test_lengths_count_where_the_score_depends_on_them(
    tmp_path: Path, comparison: Comparison | None
) -> None:
    verifier = load_pack(write_pack(tmp_path / "pack", comparison))
    rows = np.ones((2, verifier.dimension), dtype=np.float32) * [[1.0], [3.0]]
    np.testing.assert_allclose(template_of(verifier, rows.astype(np.float32)), 2.0)


def test_a_name_that_is_not_utf8_is_told(faces: Path, tmp_path: Path) -> None:
    verifier = load_pack(write_pack(tmp_path / "pack"))
    name = os.fsdecode(b"\xff.png")
    Image.new("RGB", (9, 9)).save(faces / "ok.png")
    (faces / "ok.png").rename(faces / name)
    done = enroll(verifier, tmp_path / "gallery", faces, SilentReporter())
    assert done.enrolled == 4
    assert list(done.failed.values()) == [f"{faces}: its name is not UTF-8"]
