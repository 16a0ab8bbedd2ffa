"""Preprocessing of a pack: its aligner finds the face, and nothing leads out of the pack."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from facesim.alignment.aligner import Aligner, Face, Photograph, aligners
from facesim.alignment.fit import Fit
from facesim.data.decoding import decode_image
from facesim.errors import DataError, FacesimError
from facesim.reporters import SilentReporter
from facesim.terminal.verifier import verdict_as_json
from facesim.verifier.enrolment import enroll
from facesim.verifier.pair_list import write_verdicts
from facesim.verifier.verifier import Verdict, load_pack
from tests.facesim.verifier import tiny_networks as tiny
from tests.facesim.verifier.tiny_packs import described, write_pack


@pytest.fixture(autouse=True)
def drawn_faces() -> Iterator[None]:
    """The aligner ``drawn``, which takes the bright part of a photograph for a face."""
    before = dict(aligners._plugins)

    @aligners("drawn")
    class Drawn(Aligner):
        def __init__(self, *, file: Path | None = None, least: int = 100, copies: int = 0) -> None:
            self.fingerprint = "" if file is None else file.read_text()
            self.content_only = least >= 0
            self.least = least
            self.copies = copies

        def find(self, photograph: Photograph) -> Sequence[Face]:
            rows, columns = np.nonzero(photograph.pixels.mean(2) > self.least)
            if not len(rows):
                return []
            left, right = float(columns.min()), float(columns.max())
            top, bottom = float(rows.min()), float(rows.max())
            width, height = right - left, bottom - top
            places = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
            landmarks = np.array([(left + x * width, top + y * height) for x, y in places])
            small = Face((0.0, 0.0, 9.0, 9.0), landmarks / 10, 1.0)
            return [*[small] * self.copies, Face((left, top, right, bottom), landmarks, 1.0)]

    yield
    aligners._plugins.clear()
    aligners._plugins.update(before)


def aligned(node: Any, **changes: Any) -> dict[str, Any]:
    """The key ``image`` of a pack with an aligner."""
    settings = {
        "aligner": node,
        "template": "celeba",
        "no_face": "centre_crop",
        "several_faces": "largest",
        "min_confidence": None,
        "fingerprint": "",
    }
    return {"size": list(tiny.SIZE), "crop": None, "alignment": settings | changes}


def photograph(path: Path, at: tuple[int, int] | None, seed: int = 0) -> Path:
    """A dark photograph with a bright face, twice as large as the network's input, or with none."""
    pixels = np.zeros((90, 110, 3), dtype=np.uint8)
    if at is not None:
        face = np.random.default_rng(seed).integers(110, 256, (6, 5, 3), dtype=np.uint8)
        large = np.asarray(Image.fromarray(face).resize((50, 60)))
        pixels[at[1] : at[1] + 60, at[0] : at[0] + 50] = large
    Image.fromarray(pixels).save(path)
    return path


def test_the_face_is_found_wherever_it_is(tmp_path: Path) -> None:
    verifier = load_pack(write_pack(tmp_path / "pack", image=aligned("drawn")))
    here = photograph(tmp_path / "a.png", (5, 8))
    there = photograph(tmp_path / "b.png", (52, 23))
    other = photograph(tmp_path / "c.png", (30, 10), seed=1)
    assert verifier.verify(here, there).score > 0.99
    assert verifier.verify(here, other).score < verifier.verify(here, there).score
    plain = load_pack(write_pack(tmp_path / "plain"))
    assert plain.verify(here, there).score < 0.9


def test_of_several_faces_it_is_said_which_was_taken(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", image=aligned({"name": "drawn", "copies": 2}))
    verifier = load_pack(pack)
    a, b = photograph(tmp_path / "a.png", (5, 8)), photograph(tmp_path / "b.png", (52, 23), seed=1)
    faces = verifier.verify(a, b).faces
    assert [face.found for face in faces if face] == [3, 3]
    assert [face.box for face in faces if face] == [(5, 8, 54, 67), (52, 23, 101, 82)]
    assert str(faces[0]) == (
        "3 faces were found, the largest one was taken (left 5, top 8, right 54, bottom 67)"
    )
    [verdict] = verifier.verify_pairs([(a, b)])
    assert isinstance(verdict, Verdict)
    assert verdict.faces == faces
    write_verdicts(tmp_path / "out.csv", [("a.png", "b.png")], [verdict])
    assert (
        (tmp_path / "out.csv").read_text().splitlines()[1].endswith(",3,5 8 54 67,3,52 23 101 82")
    )
    document = json.loads(verdict_as_json(verifier, verdict))
    assert document["faces"][0] == {"found": 3, "rule": "largest", "box": [5, 8, 54, 67]}
    people = tmp_path / "people"
    people.mkdir()
    a.rename(people / "ann.png")
    done = enroll(verifier, tmp_path / "gallery", people, SilentReporter())
    assert done.several == [f"{people / 'ann.png'}: {faces[0]}"]
    plain = load_pack(write_pack(tmp_path / "plain"))
    assert plain.verify(b, b).faces == (None, None)


def test_an_image_of_another_shape_is_fitted_as_in_training(tmp_path: Path) -> None:
    """A pack of before says nothing, and stretches."""
    size = {"size": list(tiny.SIZE), "crop": None}
    path = tmp_path / "wide.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    embedded = []
    fits: tuple[Fit, ...] = ("stretch", "letterbox", "crop")
    for fit in fits:
        said = {} if fit == "stretch" else {"fit": fit}
        verifier = load_pack(write_pack(tmp_path / fit, image=size | said))
        fitted = tmp_path / f"{fit}.png"
        Image.fromarray(decode_image(path, tiny.SIZE, None, fit)).save(fitted)
        embedded.append(verifier.embed([path])[0].tobytes())
        assert verifier.embed([fitted])[0].tobytes() == embedded[-1]
    assert len(set(embedded)) == 3


def test_without_a_face_nothing_is_said_whatever_training_did(tmp_path: Path) -> None:
    verifier = load_pack(write_pack(tmp_path / "pack", image=aligned("drawn")))
    face = photograph(tmp_path / "a.png", (5, 8))
    dark = photograph(tmp_path / "dark.png", None)
    with pytest.raises(DataError, match=r"dark\.png: no face was found"):
        verifier.verify(face, dark)


def test_a_file_of_the_pack_is_a_parameter(tmp_path: Path) -> None:
    image = aligned({"name": "drawn", "file": "model.bin"}, fingerprint="trained")
    pack = write_pack(tmp_path / "pack")
    (pack / "model.bin").write_text("trained")
    files = {
        path.name: described(path.read_bytes())
        for path in pack.iterdir()
        if path.name != "pack.json"
    }
    write_pack(pack, image=image, files=files)
    face = photograph(tmp_path / "a.png", (5, 8))
    assert load_pack(pack).verify(face, face).same


@pytest.mark.parametrize(
    "node",
    [
        {"name": "drawn", "file": "/etc/hostname"},
        {"name": "drawn", "file": "../a.png"},
        {"name": "drawn", "file": "a/b"},
        {"name": "drawn", "file": ".."},
        {"name": "drawn", "file": "C:\\a"},
        {"name": "drawn", "file": ["/etc/hostname"]},
        {"name": "drawn", "file": "here.txt"},
    ],
)
def test_a_parameter_that_leads_out_of_the_pack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Any
) -> None:
    (tmp_path / "here.txt").write_text("of the current folder, and not of the pack")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"pack\.json: .*(is a path|is no (number|file of))"):
        load_pack(write_pack(tmp_path / "pack", image=aligned(node)))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (aligned("drawn", fingerprint="other"), "measured with other files of the aligner"),
        (aligned({"name": "drawn", "least": -1}), "by the names of files"),
        (aligned({"name": "drawn", "most": 1}), "image.alignment.aligner.most"),
        (aligned({"least": 1}), "it has no name"),
        (aligned("drawn", template="mine"), "'mine' is none of celeba, arcface, dlib"),
        (aligned("drawn", no_face="invent"), "image.alignment.no_face"),
        (aligned("drawn", template=[[0, 0]] * 4), "image.alignment.template"),
        ({"size": list(tiny.SIZE), "crop": None, "sharpen": 2}, "image.sharpen"),
        ({"size": [20, 20], "crop": None}, "is not the image_size of the network"),
        ({"size": list(tiny.SIZE), "crop": [0, 0, 0, 4]}, "image.crop"),
        ({"size": list(tiny.SIZE), "crop": None, "fit": "squeeze"}, "image.fit"),
        (aligned("drawn") | {"fit": "crop"}, "image.fit: an aligner cuts the face out"),
    ],
)
def test_settings_of_another_kind_are_refused(tmp_path: Path, image: Any, said: str) -> None:
    with pytest.raises(FacesimError, match=said):
        load_pack(write_pack(tmp_path / "pack", image=image))


def test_an_unknown_aligner_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="dranw"):
        load_pack(write_pack(tmp_path / "pack", image=aligned("dranw")))


@pytest.mark.parametrize("name", ["dlib", "opencv_yunet"])
def test_facesims_own_aligners_are_found_without_torch_and_pandas(name: str) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['pandas'] = None\n"
        "from facesim.alignment.aligner import aligners\n"
        "from facesim.verifier.packed_image import _import_aligners\n"
        f"_import_aligners({name!r})\n"
        f"print({name!r} in aligners.names())\n"
        "try: _import_aligners('dibl')\n"
        "except Exception as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = ended.stdout.splitlines()
    assert first == "True"
    assert "the pack's aligner 'dibl' is none that is found here" in second
