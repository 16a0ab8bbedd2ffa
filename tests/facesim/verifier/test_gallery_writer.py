"""Galleries: what is put can be read, whole or not at all, by any number of readers."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from facesim.errors import DataError
from facesim.verifier import gallery_writer
from facesim.verifier.gallery import EmbeddingKind, Gallery, open_gallery
from facesim.verifier.gallery_writer import GalleryWriter, Template

KIND = EmbeddingKind(pack="mine", sha256="a" * 64, dimension=4, unit_length=False)


def template(name: str, value: float = 1.0, images: int = 1) -> Template:
    return Template(name, np.full(4, value, dtype=np.float32), images)


def content(gallery: Gallery) -> dict[str, tuple[list[float], int]]:
    rows = [row.tolist() for part in gallery.parts for row in part.templates]
    images = gallery.images.tolist()
    return {name: (rows[at], images[at]) for at, name in enumerate(gallery.names)}


def enrolled(folder: Path, names: Sequence[str]) -> Path:
    with GalleryWriter(folder, KIND) as writer:
        for at, name in enumerate(names):
            writer.put([template(name, at)])
    return folder


def test_what_is_put_is_read(tmp_path: Path) -> None:
    with GalleryWriter(tmp_path / "gallery", KIND) as writer:
        writer.put([template("b", 2.0, images=3), template("a", 1.0)])
        writer.put([template("c", 3.0)])
        expected = {"b": ([2.0] * 4, 3), "a": ([1.0] * 4, 1), "c": ([3.0] * 4, 1)}
        assert content(writer.gallery) == expected
    assert content(open_gallery(tmp_path / "gallery")) == expected


def test_an_identity_that_is_put_again_is_replaced(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["a", "b", "c"])
    with GalleryWriter(folder, KIND) as writer:
        writer.put([template("b", 7.0), template("d", 8.0)])
    found = content(open_gallery(folder))
    assert sorted(found) == ["a", "b", "c", "d"]
    assert found["b"] == ([7.0] * 4, 1)
    assert found["c"] == ([2.0] * 4, 1)


def test_removed_identities_are_gone_and_their_files_too(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["a", "b", "c"])
    with GalleryWriter(folder) as writer:
        writer.remove(["a", "c"])
        assert list(content(writer.gallery)) == ["b"]
        writer.remove(["b"])
    assert len(open_gallery(folder)) == 0
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "gallery.json"]


def test_an_unknown_identity_is_named_and_nothing_is_removed(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["anna", "bert"])
    with (
        GalleryWriter(folder) as writer,
        pytest.raises(DataError, match=r"no identity 'ana' \(did you mean 'anna'\?\)"),
    ):
        writer.remove(["bert", "ana"])
    assert len(open_gallery(folder)) == 2


def test_there_are_few_segments_however_often_is_put(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", [f"p{number}" for number in range(100)])
    gallery = open_gallery(folder)
    assert len(gallery) == 100
    assert len(gallery.parts) <= 7
    assert len(list(folder.glob("*.f32"))) == len(gallery.parts)
    assert content(gallery)["p57"] == ([57.0] * 4, 1)


def test_a_reader_keeps_what_it_has_opened(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["a", "b"])
    before = open_gallery(folder)
    with GalleryWriter(folder, KIND) as writer:
        writer.put([template(f"p{number}") for number in range(50)])
        writer.remove(["a", "b"])
    assert content(before) == {"a": ([0.0] * 4, 1), "b": ([1.0] * 4, 1)}


def test_a_reader_that_meets_a_commit_reads_what_comes_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesim.verifier import gallery

    folder = enrolled(tmp_path / "gallery", ["a"])
    read = gallery.read_segment

    def meanwhile(*arguments: object) -> object:
        monkeypatch.setattr(gallery, "read_segment", read)
        with GalleryWriter(folder, KIND) as writer:
            writer.put([template("b"), template("c")])
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(gallery, "read_segment", meanwhile)
    assert sorted(open_gallery(folder).names) == ["a", "b", "c"]


def test_there_is_one_writer(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["a"])
    with GalleryWriter(folder, KIND):
        assert len(open_gallery(folder)) == 1
        with pytest.raises(DataError, match="another process writes"), GalleryWriter(folder, KIND):
            pass
    with GalleryWriter(folder, KIND) as writer:
        writer.put([template("b")])


def test_embeddings_of_another_pack_are_refused(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["a"])
    other = KIND.model_copy(update={"sha256": "b" * 64, "pack": "other"})
    with pytest.raises(DataError, match="another pack \\('mine'\\)"), GalleryWriter(folder, other):
        pass
    with pytest.raises(DataError, match="cannot be compared with those of 'other'"):
        open_gallery(folder).require(other)


@pytest.mark.parametrize("name", ["", "a" * 256, "\udcff"])
def test_a_name_that_a_gallery_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with GalleryWriter(tmp_path / "gallery", KIND) as writer:
        with pytest.raises(DataError, match="name"):
            writer.put([template("fine"), template(name)])
        assert len(writer.gallery) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_template_that_is_not_finite_is_refused(tmp_path: Path, value: float) -> None:
    with (
        GalleryWriter(tmp_path / "gallery", KIND) as writer,
        pytest.raises(DataError, match="a: its template has length"),
    ):
        writer.put([template("a", value)])


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.png").touch()
    with (
        pytest.raises(DataError, match="holds something else"),
        GalleryWriter(tmp_path / "photographs", KIND),
    ):
        pass
    assert (tmp_path / "photographs" / "a.png").exists()


def test_nothing_is_made_where_something_is_to_be_removed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such gallery"):
        GalleryWriter(tmp_path / "gallery").__enter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", range(5))
def test_a_commit_that_fails_leaves_the_gallery_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Each of the files that a commit renames: as on a full disk, or at a kill."""
    folder = enrolled(tmp_path / "gallery", ["a", "b"])
    before = content(open_gallery(folder))
    replace = Path.replace
    calls = []

    def fails(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) > failing:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    with GalleryWriter(folder, KIND) as writer:
        monkeypatch.setattr(Path, "replace", fails)
        if failing < 3:
            with pytest.raises(OSError, match="No space"):
                writer.put([template("c"), template("a", 9.0)])
            assert content(open_gallery(folder)) == before
        else:
            writer.put([template("c"), template("a", 9.0)])
        monkeypatch.undo()
        writer.put([template("d")])
    assert "d" in content(open_gallery(folder))
    with GalleryWriter(folder, KIND):
        pass
    listed = json.loads((folder / "gallery.json").read_text())["segments"]
    assert len(list(folder.iterdir())) == 2 + 2 * len(listed)  # no leftovers


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(4))


def link(path: Path) -> None:
    elsewhere = path.parent.parent / f"elsewhere-{path.name}"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [flip, cut, append, link, pipe, Path.unlink])
@pytest.mark.parametrize("name", ["gallery.json", "templates-3.f32", "identities-3.json"])
def test_damage_is_told(tmp_path: Path, damage: Callable[[Path], None], name: str) -> None:
    folder = enrolled(tmp_path / "gallery", ["a", "b", "c"])
    damage(folder / name)
    with pytest.raises(DataError) as refused:
        open_gallery(folder)
    assert "gallery" in str(refused.value)
    assert "\n" not in str(refused.value)


SEGMENT = {"number": 1, "rows": 1} | dict.fromkeys(
    ("templates_sha256", "identities_sha256"), "0" * 64
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"segments": [{"number": 1, "rows": 2**40}]}, "rows"),
        ({"format": 2}, "format"),
        ({"extra": 1}, "extra"),
        ({"embeddings": None}, "embeddings"),
        ({"segments": [SEGMENT | {"rows": 2**24}, SEGMENT]}, "more than 16,777,216 templates"),
        (
            {
                "segments": [SEGMENT | {"rows": 2**20 + 1}],
                "embeddings": {
                    "pack": "",
                    "sha256": "0" * 64,
                    "dimension": 2**14,
                    "unit_length": True,
                },
            },
            "more than 68,719,476,736 bytes",
        ),
    ],
)
def test_a_list_of_segments_is_checked(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    folder = enrolled(tmp_path / "gallery", ["a"])
    index = json.loads((folder / "gallery.json").read_text())
    (folder / "gallery.json").write_text(json.dumps(index | change))
    with pytest.raises(DataError, match=said):
        open_gallery(folder)


def test_files_of_identities_are_bounded_together(tmp_path: Path) -> None:
    """Each alone may be held in memory."""
    folder = enrolled(tmp_path / "gallery", ["a"])
    index = json.loads((folder / "gallery.json").read_text())
    [segment] = index["segments"]
    index["segments"] = [segment | {"number": number, "rows": 2**20} for number in (1, 2)]
    (folder / "gallery.json").write_text(json.dumps(index))
    for number in (1, 2):
        with (folder / f"identities-{number}.json").open("wb") as file:
            file.truncate(2**30 + 1)
    with pytest.raises(DataError, match="have more than 2,147,483,648 bytes"):
        open_gallery(folder)


def test_a_gallery_that_could_not_be_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = enrolled(tmp_path / "gallery", ["a"])
    monkeypatch.setattr("facesim.verifier.gallery.MOST_TEMPLATES", 1)
    with GalleryWriter(folder, KIND) as writer, pytest.raises(DataError, match="more than 1 temp"):
        writer.put([template("b")])
    assert open_gallery(folder).names == ("a",)


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    folder = enrolled(tmp_path / "gallery", ["a"])
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (folder / ".lock").unlink()
    (folder / ".lock").symlink_to(mine)
    with pytest.raises(DataError, match="it is a symbolic link"), GalleryWriter(folder, KIND):
        pass
    assert mine.read_text() == "mine"


def test_templates_are_written_as_the_format_says(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    vector = np.array([1.5, -2.0, 0.0, 3.25], dtype=np.float32)
    with GalleryWriter(folder, KIND) as writer:
        writer.put([Template("é", vector)])
    assert (folder / "templates-1.f32").read_bytes() == vector.astype("<f4").tobytes()
    assert json.loads((folder / "identities-1.json").read_text(encoding="utf-8")) == {
        "names": ["é"],
        "images": [1],
    }


def test_a_merge_reads_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_writer, "_BLOCK_ROWS", 3)
    folder = enrolled(tmp_path / "gallery", [f"p{number}" for number in range(20)])
    assert content(open_gallery(folder)) == {f"p{at}": ([float(at)] * 4, 1) for at in range(20)}
