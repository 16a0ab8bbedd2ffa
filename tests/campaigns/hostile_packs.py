"""Hostile packs, galleries and photographs: exit 2, one line, nothing run, nothing written."""

import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import run_facesim
from tests.campaigns.hostile_inputs import STEERING, state_of

try:
    import onnx

    import_module("onnxruntime")  # here, and not in each of the processes

    from facesim.verifier.gallery_writer import GalleryWriter, Template
    from facesim.verifier.pack_folder import open_pack
    from facesim.verifier.verifier import embedding_kind
    from tests.facesim.verifier import tiny_networks as tiny
    from tests.facesim.verifier.tiny_packs import described, write_faces, write_pack

    MISSING = ""
except ImportError as missing:
    MISSING = f"{missing.name} is not installed"


@dataclass(frozen=True)
class Place:
    """The folders of an attack.

    Attributes:
        folder: of all, the current one of the command.
        pack: a valid one, until it is attacked.
        gallery: likewise.
        photo: likewise.
        victim: a file of the user's outside of all of them.
    """

    folder: Path
    pack: Path
    gallery: Path
    photo: Path
    victim: Path

    def change(self, **changes: Any) -> None:
        """Change keys of ``pack.json``."""
        path = self.pack / "pack.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def packed(self) -> Any:
        """The content of ``pack.json``."""
        return json.loads((self.pack / "pack.json").read_text())

    def put(self, name: str, content: bytes) -> None:
        """Write a file of the pack, with its digest."""
        (self.pack / name).write_bytes(content)
        self.change(files=self.packed()["files"] | {name: described(content)})

    def change_network(self, change: Callable[["onnx.ModelProto"], Any]) -> None:
        """Change the network, with its digest."""
        model = onnx.ModelProto.FromString((self.pack / "network.onnx").read_bytes())
        change(model)
        self.put("network.onnx", model.SerializeToString())

    def change_index(self, change: Callable[[Any], Any]) -> None:
        """Change ``gallery.json``."""
        path = self.gallery / "gallery.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def put_segment(self, name: str, content: bytes) -> None:
        """Write a file of the gallery's segment, with its digest."""
        (self.gallery / name).write_bytes(content)
        key = "templates_sha256" if name.endswith("f32") else "identities_sha256"
        digest = described(content)["sha256"]
        self.change_index(lambda index: index["segments"][0].update({key: digest}))


Attack = Callable[[Place], Any]


class _Runs:
    """A pickle that runs a command."""

    def __reduce__(self) -> Any:
        return (os.system, ("touch owned",))


def _link(path: Path, target: Path | str) -> None:
    path.unlink()
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _sparse(path: Path, size: int) -> None:
    path.unlink()
    with path.open("wb") as file:
        file.truncate(size)


def _outside(path: Path, place: Place) -> None:
    """The file itself, but outside of the folder."""
    path.rename(place.folder / "elsewhere")
    path.symlink_to(place.folder / "elsewhere")


def _external(tensor: "onnx.TensorProto", location: str) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    tensor.ClearField("raw_data")


def _entry(number: int, content: bytes, *, hidden: bool = False) -> bytes:
    """A field of a protocol buffer; the tag of a hidden one has a bit that parsers drop."""
    tag = number << 3 | 2 | (1 << 32 if hidden else 0)
    return _varint(tag) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


def _append(place: Place, content: bytes) -> None:
    """Append fields to the network, with its digest."""
    place.put("network.onnx", (place.pack / "network.onnx").read_bytes() + content)


def _hidden_location() -> bytes:
    """A tensor in another file, by fields with long tags."""
    tensor = onnx.TensorProto(name="hidden", data_type=1, dims=[1])
    location = _entry(1, b"location") + _entry(2, b"victim")
    elsewhere = _entry(13, location, hidden=True) + _varint(14 << 3 | 1 << 32) + b"\1"
    return _entry(7, _entry(5, tensor.SerializeToString() + elsewhere))


def _bomb(operator: str, size: list[int]) -> bytes:
    """A network of a few hundred bytes that asks for much memory."""
    helper = onnx.helper
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node(operator, ["zeros"], ["much"]),
        helper.make_node("ReduceSum", ["much"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["pixels"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Add", ["numbers", "sum"], ["embeddings"]),
    ]
    shape = ["N", 3, *tiny.SIZE]
    return tiny.serialized(
        nodes,
        [("pixels", onnx.TensorProto.UINT8, shape)],
        ("embeddings", onnx.TensorProto.FLOAT, shape),
        size=np.array(size, dtype=np.int64),
    )


def _aligned(node: Any) -> dict[str, Any]:
    settings = {
        "aligner": node,
        "template": "arcface",
        "no_face": "error",
        "several_faces": "largest",
    }
    return {"size": list(tiny.SIZE), "crop": None, "alignment": settings}


def _torch_pack(place: Place, weights: bytes) -> None:
    (place.pack / "evil.py").write_text("open('owned', 'w')\n")
    place.put("experiment.yaml", b"name: x\nplugins: [./evil.py]\nbackbone: evil\n")
    place.put("network.safetensors", weights)
    network = place.packed()["network"] | {"format": "torch", "file": "network.safetensors"}
    place.change(network=network)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def _replace_name(place: Place, name: str) -> None:
    files = place.packed()["files"]
    files[name] = files.pop("network.onnx")
    place.change(files=files, network=place.packed()["network"] | {"file": name})


PACKS: dict[str, Attack] = {
    "no folder": lambda at: at.pack.rename(at.folder / "gone"),
    "no pack.json": lambda at: (at.pack / "pack.json").unlink(),
    "pack.json outside": lambda at: _outside(at.pack / "pack.json", at),
    "pack.json a pipe": lambda at: _pipe(at.pack / "pack.json"),
    "pack.json endless": lambda at: _link(at.pack / "pack.json", "/dev/zero"),
    "pack.json huge": lambda at: _sparse(at.pack / "pack.json", 2**33),
    "pack.json empty": lambda at: (at.pack / "pack.json").write_bytes(b""),
    "pack.json deep": lambda at: (at.pack / "pack.json").write_bytes(b"[" * 200_000),
    "pack.json binary": lambda at: (at.pack / "pack.json").write_bytes(bytes(range(256)) * 9),
    "a newer format": lambda at: at.change(format=2),
    "an unknown key": lambda at: at.change(**{"\x1b[2J\u202e" + "x" * 10_000: 1}),
    "a threshold of NaN": lambda at: (at.pack / "pack.json").write_text(
        (at.pack / "pack.json").read_text().replace('"threshold": 0.3', '"threshold": NaN')
    ),
    "a threshold of infinity": lambda at: (at.pack / "pack.json").write_text(
        (at.pack / "pack.json").read_text().replace('"threshold": 0.3', '"threshold": 1e999')
    ),
    "a name above": lambda at: _replace_name(at, "../victim"),
    "an absolute name": lambda at: _replace_name(at, str(at.victim)),
    "a name with a zero byte": lambda at: _replace_name(at, "network.onnx\0"),
    "no digest of the network": lambda at: at.change(files={}),
    "a size of 2**62": lambda at: at.change(
        files=at.packed()["files"] | {"network.onnx": {"bytes": 2**62, "sha256": "0" * 64}}
    ),
    "network outside": lambda at: _outside(at.pack / "network.onnx", at),
    "network a pipe": lambda at: _pipe(at.pack / "network.onnx"),
    "network endless": lambda at: _link(at.pack / "network.onnx", "/dev/zero"),
    "network flipped": lambda at: (at.pack / "network.onnx").write_bytes(
        (at.pack / "network.onnx").read_bytes()[:-1] + b"\x55"
    ),
    "network longer": lambda at: (at.pack / "network.onnx").open("ab").write(b"x"),
    "network sparse": lambda at: _sparse(at.pack / "network.onnx", 2**40),
    "network a pickle": lambda at: at.put("network.onnx", pickle.dumps(_Runs())),
    "network of another runtime": lambda at: at.put("network.onnx", b"\x18\0\0\0ORTM" + bytes(99)),
    "network noise": lambda at: at.put("network.onnx", np.random.default_rng(0).bytes(10_000)),
    "external data": lambda at: at.change_network(
        lambda model: _external(model.graph.initializer[0], "../victim")
    ),
    "external data, absolute": lambda at: at.change_network(
        lambda model: _external(model.graph.initializer[2], "/etc/passwd")
    ),
    "external data of an attribute": lambda at: at.change_network(
        lambda model: _external(model.graph.node[0].attribute.add(name="v", type=4).t, "../victim")
    ),
    "a custom operator": lambda at: at.change_network(
        lambda model: setattr(model.graph.node[1], "domain", "evil")
    ),
    "a loop": lambda at: at.change_network(
        lambda model: setattr(model.graph.node[1], "op_type", "Loop")
    ),
    "a function": lambda at: at.change_network(
        lambda model: model.functions.add(name="f", domain="d")
    ),
    "external data by long tags": lambda at: _append(at, _hidden_location()),
    "a function by a long tag": lambda at: _append(at, _entry(25, b"", hidden=True)),
    "training by a long tag": lambda at: _append(at, _entry(20, b"", hidden=True)),
    "a loop by a long tag": lambda at: _append(
        at, _entry(7, _entry(1, _entry(5, _entry(6, b"", hidden=True)) + _entry(4, b"Add")))
    ),
    "64 GiB": lambda at: at.put("network.onnx", _bomb("Identity", [2**34])),
    "64 GiB in two": lambda at: at.put("network.onnx", _bomb("Exp", [2**17, 2**17])),
    "a tensor without its data": lambda at: at.change_network(
        lambda model: model.graph.initializer[2].dims.__setitem__(0, 2**40)
    ),
    "embeddings of NaN": lambda at: at.put("network.onnx", tiny.network(scale=1e38)),
    "a score of something else": lambda at: at.put("score.onnx", tiny.euclidean_score()),
    "a score that is a network": lambda at: at.put("score.onnx", tiny.network()),
    "another dimension": lambda at: at.change(
        network=at.packed()["network"] | {"embedding_dim": 65536}
    ),
    "another size": lambda at: at.change(image={"size": [4096, 4096], "crop": None}),
    "a size without end": lambda at: at.change(image={"size": [2**40, 2**40], "crop": None}),
    "an unknown aligner": lambda at: at.change(image=_aligned("os.system")),
    "an aligner's file outside": lambda at: at.change(
        image=_aligned({"name": "opencv_yunet", "file": str(at.victim)})
    ),
    "an aligner's file of the current folder": lambda at: at.change(
        image=_aligned({"name": "opencv_yunet", "file": at.victim.name})
    ),
    "an aligner that reads tables": lambda at: at.change(
        image=_aligned({"name": "landmarks", "file": "../victim"})
    ),
    "weights that are a pickle": lambda at: _torch_pack(at, pickle.dumps(_Runs())),
    "plugins of a pack": lambda at: _torch_pack(at, b"\x08\0\0\0\0\0\0\0{}      "),
    "a deep manifest": lambda at: (at.pack / "facesim-manifest.json").write_bytes(b"[" * 99_999),
    "a manifest outside": lambda at: (at.pack / "facesim-manifest.json").symlink_to(at.victim),
}

GALLERIES: dict[str, Attack] = {
    "no gallery.json": lambda at: (at.gallery / "gallery.json").unlink(),
    "gallery.json outside": lambda at: _outside(at.gallery / "gallery.json", at),
    "gallery.json deep": lambda at: (at.gallery / "gallery.json").write_bytes(b'{"a":' * 99_999),
    "rows without end": lambda at: at.change_index(
        lambda index: index["segments"][0].update(rows=2**23)
    ),
    "a segment twice": lambda at: at.change_index(
        lambda index: index["segments"].append(index["segments"][0])
    ),
    "templates outside": lambda at: _outside(at.gallery / "templates-1.f32", at),
    "templates cut": lambda at: os.truncate(at.gallery / "templates-1.f32", 64),
    "templates of NaN": lambda at: at.put_segment(
        "templates-1.f32", np.full((3, 16), np.nan, dtype="<f4").tobytes()
    ),
    "templates too long": lambda at: at.put_segment(
        "templates-1.f32", np.full((3, 16), 1e20, dtype="<f4").tobytes()
    ),
    "a name twice": lambda at: at.put_segment(
        "identities-1.json", b'{"names":["a","a","b"],"images":[1,1,1]}'
    ),
    "a name without end": lambda at: at.put_segment(
        "identities-1.json", b'{"names":["a","b","' + b"c" * 9000 + b'"],"images":[1,1,1]}'
    ),
    "too few names": lambda at: at.put_segment(
        "identities-1.json", b'{"names":["a","b"],"images":[1,1]}'
    ),
    "another pack": lambda at: at.change_index(
        lambda index: index["embeddings"].update(sha256="1" * 64, pack="\x1b]0;owned\x07")
    ),
}

WRITTEN: dict[str, Attack] = {
    "a lock outside": lambda at: _link(at.gallery / ".lock", at.victim),
    "a gallery outside": lambda at: _outside(at.gallery / "gallery.json", at),
    "somebody's folder": lambda at: (at.gallery / "gallery.json").unlink(),
    "people outside": lambda at: (at.folder / "faces" / "p9").symlink_to(at.folder / "other"),
    "a photograph outside": lambda at: _outside(at.folder / "faces" / "p0" / "0.png", at),
    "a photograph that waits": lambda at: _pipe(at.folder / "faces" / "p0" / "0.png"),
}
"""Attacks on who enrolls."""

PHOTOGRAPHS: dict[str, Attack] = {
    "a bomb": lambda at: at.photo.write_bytes(_png(60_000, 60_000)),
    "a wide bomb": lambda at: at.photo.write_bytes(_png(2**31 - 1, 1)),
    "a photograph cut": lambda at: os.truncate(at.photo, 200),
    "a photograph that waits": lambda at: _pipe(at.photo),
    "a photograph without end": lambda at: _link(at.photo, "/dev/zero"),
    "a sparse photograph": lambda at: _sparse(at.photo, 2**40),
    "an animation": lambda at: Image.new("RGB", (9, 9)).save(
        at.photo, "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")]
    ),
    "a script": lambda at: at.photo.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(owned) (w) file closefile\n"
    ),
    "a drawing": lambda at: at.photo.write_bytes(b'<svg><image href="file:///etc/passwd"/></svg>'),
    "a folder": lambda at: _folder(at.photo),
    "noise": lambda at: at.photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40),
}

_COMMANDS: list[tuple[str, dict[str, Attack], tuple[str, ...]]] = [
    ("pack", PACKS, ("verify", "pack", "photo.png", "photo.png")),
    ("gallery", GALLERIES, ("search", "pack", "gallery", "photo.png")),
    ("enroll", WRITTEN, ("enroll", "pack", "gallery", "faces")),
    ("photograph", PHOTOGRAPHS, ("verify", "pack", "other/p0/0.png", "photo.png")),
]

ATTACKS = [
    (f"{what}: {name}", attack, command)
    for what, attacks, command in _COMMANDS
    for name, attack in attacks.items()
]
"""What is attacked and how, and the command that meets it."""

_STEP = 37
"""Coprime to the number of attacks: a sample has some of each sort."""

SEVERAL_LINES = ("enroll: people outside", "enroll: a photograph")
"""What is told besides the summary of an enrolment that went on."""


class HostilePacks(Campaign):
    """Packs, galleries and photographs of somebody who means harm, one by one."""

    sample = 20
    long = len(ATTACKS)

    def unavailable(self) -> str:
        """Why it cannot run on this machine."""
        return MISSING

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Let a command meet something hostile."""
        name, attack, command = ATTACKS[number * _STEP % len(ATTACKS)]
        place = Place(
            folder, folder / "pack", folder / "gallery", folder / "photo.png", folder / "victim"
        )
        _prepare(place)
        attack(place)
        place.victim.write_text("mine")
        before = state_of(folder)
        ended = run_facesim(*command, folder=folder, prepare=_bounded, limit=20)
        for found in faults_of(ended, (2,)):
            yield Finding(found.fault, f"{name}: {found.detail}")
        lines = ended.output.strip().splitlines()
        if not lines or (len(lines) > 1 and not name.startswith(SEVERAL_LINES)):
            yield Finding(Fault.MESSAGE, f"{name}: {len(lines)} lines: {ended.output[:500]}")
        if STEERING.search(ended.output) or len(ended.output) > 3000:
            yield Finding(Fault.MESSAGE, f"{name}: {ended.output[:300]!r}")
        if (folder / "owned").exists() or (folder / "pack" / "owned").exists():
            yield Finding(Fault.CODE, name)
        now = state_of(folder)
        inside = str(folder / "gallery") + os.sep
        changed = [path for path in before.keys() | now if before.get(path) != now.get(path)]
        if place.victim.read_text() != "mine":
            yield Finding(Fault.LOST, f"{name}: wrote outside")
        if command[0] != "enroll":
            inside = "nothing"
        for path in changed:
            if not path.startswith(inside):
                yield Finding(Fault.LOST, f"{name}: changed {path}")


def _prepare(place: Place) -> None:
    write_pack(place.pack)
    write_faces(place.folder / "faces", identities=2, images=1)
    write_faces(place.folder / "other", identities=1, images=1)
    place.photo.write_bytes((place.folder / "other" / "p0" / "0.png").read_bytes())
    place.victim.write_text("mine")
    kind = embedding_kind(open_pack(place.pack).file)
    random = np.random.default_rng(0)
    with GalleryWriter(place.gallery, kind) as writer:
        rows = random.normal(size=(3, kind.dimension))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        writer.put([Template(f"g{at}", row.astype(np.float32)) for at, row in enumerate(rows)])


def _bounded() -> None:
    """No attack may take 12 GiB."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
