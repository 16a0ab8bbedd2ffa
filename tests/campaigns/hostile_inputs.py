"""Hostile inputs: whatever a file, name or argument holds, a command ends soon and says why."""

import csv
import io
import json
import os
import re
import shutil
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from facesim.atomic import MANIFEST
from facesim.discovery import load_installed_plugins
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import Ended, run_facesim

EXPERIMENT = """\
name: mine
seed: 3
data:
  train: {name: csv, images: images, table: train.csv}
  val: {name: csv, images: images, table: val.csv}
  test: {name: csv, images: images, table: test.csv}
  exclude: leaks.csv
  workers: 0
image: {size: [24, 24], crop: [0, 0, 20, 20]}
transforms: [horizontal_flip]
backbone: {name: small_cnn, width: 4, frozen_stages: 1}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0, same_fraction: 0.5}
loss: {name: contrastive, margin: 2.0}
optimizer: {name: adam, lr: 1e-3}
scheduler: {name: cosine}
trackers: [csv]
train: {epochs: 1, batch_size: 8, checkpoint_every: 2, checkpoint_name: "{name}-{step:04d}"}
evaluate: {test_pairs: pairs.csv, pairs_per_image: 0.5}
lint: {wrong_labels: "off", image_twice: "off"}
"""

TOKENS = [
    *("", "0", "-1", "1", "1e999", "-1e-999", ".nan", ".inf", "9" * 30, "9" * 500, "0x" + "f" * 40),
    *("null", "~", "true", "[]", "{}", "[[", "{", "}", "]", ":", "- ", "? ", ",", '"', "'", "\\"),
    *("&a", "*a", "&a [*a]", "!!python/object:os.system", "!!binary x", "!t", "<<: *a", "|", ">"),
    *("${X}", "${X:-1}", "${", "$${", "%YAML 9.9", "---", "...", "#", "\ufeff", "\t", "\n", "\r"),
    *(
        "\r\n",
        "\0",
        "\x1b]0;owned\x07",
        "\x1b[2J",
        "\x9b2J",
        "\x08\x08",
        "\x7f",
        "\u202eevil\u2066",
    ),
    *("\u2028", "\x85", "é", "名", "🙂", "\ufffe", "\x0b\x0c", "a" * 300, "a" * 5000, "[" * 3000),
    *("../", "../../etc/passwd", "/", "//", "./", "/dev/zero", "/dev/stdin", "/proc/self/mem", "."),
    *("..", "con", "NUL", "-", "--", "=1+1", "@x", "+1", "-x", "%s%n", "{0}", "{name}", "{step.a}"),
    *("{step:>999999999}", "name", "data", "train", "csv", "extends", "plugins", "search", "mlp"),
    *("1_000", "1:30", "017", "on", "yes", "2001-01-01", "1" + "0" * 18, "9223372036854775808"),
]
"""What parsers, terminals, file systems and spreadsheets trip over."""

SETTINGS = [
    *("name", "seed", "device", "data.workers", "data.exclude", "data.train", "data.train.table"),
    *("data.train.images", "data.test", "data.val.missing", "image.size", "image.size.0"),
    *("image.crop", "transforms", "transforms.0", "backbone", "backbone.width", "trunk_cache"),
    *("head", "head.fc_dim", "head.out_dim", "head.dropout", "sampler", "sampler.pairs_per_image"),
    *("sampler.same_fraction", "loss", "loss.margin", "optimizer", "optimizer.lr", "scheduler"),
    *("trackers", "train.epochs", "train.batch_size", "train.checkpoint_every", "train.best"),
    *("train.checkpoint_name", "train.keep_checkpoints", "train.log_every", "train.precision"),
    *("evaluate.seed", "evaluate.protocol", "evaluate.metrics", "evaluate.test_pairs", "lint"),
    *("evaluate.pairs_per_image", "evaluate.batch_size", "evaluate.resamples", "evaluate.slices"),
    *("evaluate.smallest_far", "lint.wrong_labels", "search", "search.space", "plugins", "extends"),
]

VALUES = [
    *(
        "100000000",
        "1000000000000000000",
        "1" + "0" * 30,
        "[1000000000, 1000000000]",
        "[4096, 4096]",
    ),
    *("0", "-5", "1e308", "5e-324", "{name: mlp, out_dim: 4096, fc_dim: 4096}", "pipe", "folder"),
    *("{name: linear, out_dim: 100000000}", "{name: csv, images: pipe, table: pipe}", "socket"),
    *("{name: synthetic_faces, identities: 1000000, images_per_identity: 10000}", "/dev/zero"),
    *("{name: synthetic_faces, seed: 99999999999999999999}", "{name: synthetic_faces, root: pipe}"),
    *("{name: insightface_bin, file: pipe}", "{name: insightface_bin, file: train.csv}"),
    *("{name: lfw, root: images, pairs: /dev/zero}", "{name: from_file, pairs: pipe}", "[./pipe]"),
    *("{name: resnet, weights: pipe}", "{name: resnet, depth: 18, weights: train.csv}", "[os]"),
    *("{name: small_cnn, width: 256}", "[antigravity_none]", "[./train.csv]", "[./broken.py]"),
    *(
        "{name: k_fold}",
        "[eer, eer]",
        "[{name: tar_at_far, far: 1e-300}]",
        "nothing.csv",
        "leaks.csv",
    ),
    *("{train: [a.png]}", "{anywhere: ['=1']}", "{file: pipe, train: [x]}", "{name: exhaustive}"),
    *(
        "{a: {int: [0, 9223372036854775807]}}",
        "{space: {seed: {int: [0, 5]}}}",
        "\ud800",
        "'${HOME}'",
    ),
]

CARRIED = [
    *(
        "=",
        "-",
        "+",
        "@",
        "'=",
        "''-",
        "'",
        '"',
        ",",
        ";",
        " ",
        "  ",
        "#",
        "%s",
        "{0}",
        "${X}",
        "$",
    ),
    *(
        "\u202e",
        "\u2028",
        "\x85",
        "\x9b2J",
        "\u00a0",
        "\ufeff",
        "\ufffd",
        "é",
        "e\u0301",
        "🙂",
        "名",
    ),
    *("[red]", "[/]", "<b>", "&amp;", "</script>", "`x`", "\\", "*", "NA", "nan", "1e5", "-1.5"),
]
"""What names may hold; a run carries it to its end."""

COMMANDS = """
run @|run experiment.yaml --out @|run experiment.yaml --resume @|run experiment.yaml --set @
check @|check experiment.yaml --out @|check experiment.yaml --set name=@|check --set @=1
lint @|lint experiment.yaml --write @|lint experiment.yaml --set data.exclude=@
eval @|eval RUN --name @|eval RUN --checkpoint @|eval RUN --plugin @|eval RUN --set @
report @|report RUN --name @|report RUN @|compare RUN @|compare @ @|compare RUN --against @
compare RUN RUN --name @|compare RUN RUN --out @|plugins @|plugins losses @|plugins --plugin @
schema --plugin @|cache @|cache prune --older-than @|cache prune --max-gb @|new plugin loss @
new plugin @ mine|new plugin loss mine --out @|new experiment @|new experiment new.yaml --faces @
new experiment new.yaml --loss @|new experiment new.yaml --root @ --faces folder
new experiment new.yaml --epochs @|new experiment new.yaml --backbone @|data @|data celeba @
optimize @|optimize experiment.yaml --trials @|optimize experiment.yaml --workers @
optimize experiment.yaml --storage @|@|@ @|--@|run experiment.yaml @|run @ @ @
"""
"""Commands with places for hostile words."""

STEERING = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"  # no terminal here: no colours either
)


def mutated(content: bytes, random: Random) -> bytes:
    """Content with a few random changes of every sort."""
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(content) + 1)
        to = min(len(content), at + random.choice((1, 1, 3, 10, 100)))
        token = random.choice(TOKENS).encode("utf-8", "surrogatepass")
        match random.randrange(7):
            case 0:
                content = content[:at]
            case 1:
                content = content[:at] + random.randbytes(to - at) + content[to:]
            case 2:
                content = content[:at] + content[to:]
            case 3:
                other = random.randrange(len(content) + 1)
                content = content[:at] + content[other : other + (to - at) * 5] + content[at:]
            case 4:
                content = content[:at] + token + content[to:]
            case 5:
                content = content[:at] + token + content[at:]
            case _:
                lines = content.split(b"\n")
                line = random.randrange(len(lines))
                lines[line:line] = [lines[random.randrange(len(lines))]]
                content = b"\n".join(lines)
    return content


def mutated_text(text: str, random: Random) -> str:
    """A text that can be an argument or a file's name."""
    changed = mutated(text.encode(), random).replace(b"\0", b"")
    return os.fsdecode(changed)[:2000]


def change_value(text: bytes, random: Random) -> bytes:
    """An experiment in which one value is another token."""
    places = list(re.finditer(rb"(?<=[:\[,] )[^\s,\[\]{}]+", text))
    place = random.choice(places)
    token = random.choice([*TOKENS, *VALUES]).encode("utf-8", "surrogatepass")
    return text[: place.start()] + token + text[place.end() :]


FORMULA = re.compile(r"(?![+-]?[0-9.]+(e[+-]?[0-9]+)?\Z)[=+\-@\t\r]")

SCRATCH = ("runs", "studies", "written.csv", "new.yaml", "mine.py", "test_mine.py")
"""What commands of the attacks may write."""


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file that no command may change."""
    found = {}
    for root, folders, names in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name not in SCRATCH]
        for name in names:
            status = os.lstat(os.path.join(root, name))  # noqa: PTH118  any name
            if name not in SCRATCH:
                found[os.path.join(root, name)] = (status.st_size, status.st_mtime_ns)  # noqa: PTH118
    return found


class HostileInputs(Campaign):
    """Mutated and hand-made experiments, tables, lists, images, names, runs and arguments."""

    sample = 12
    long = 1000

    def prepare(self, folder: Path) -> None:
        """Make the valid inputs, and a finished run of them."""
        load_installed_plugins()  # once, for all commands
        self._valid = folder
        generator = np.random.default_rng(0)
        (folder / "images").mkdir()
        rows: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for person in range(12):
            split = ("train", "val", "test")[person % 3]
            face = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            for image in range(4):
                noise = generator.integers(0, 40, (24, 24, 3), dtype=np.uint8)
                pixels = np.asarray(Image.fromarray(face).resize((24, 24))) // 2 + noise
                name = f"{person}_{image}.{('png', 'jpg', 'bmp', 'webp')[image]}"
                Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / name)
                rows[split].append(f"{name},p{person},{image * 3 - 4},{'ab'[image % 2]}")
        for split, lines in rows.items():
            (folder / f"{split}.csv").write_text("\n".join(["img,ids,age,kind", *lines, ""]))
        people = range(2, 12, 3)
        pairs = [f"{p}_0.png,{p}_1.jpg,1\n{p}_2.bmp,{p}_3.webp,1\n" for p in people]
        pairs += [f"{p}_0.png,{q}_1.jpg,0\n" for p in people for q in people if p < q]
        (folder / "pairs.csv").write_text("file1,file2,same\n" + "".join(pairs))
        (folder / "leaks.csv").write_text("split,file,reason\ntrain,0_0.png,twice\n,1_0.png,x\n")
        (folder / "broken.py").write_text("raise RuntimeError('\\x1b]0;owned\\x07')\n")
        (folder / "experiment.yaml").write_text(EXPERIMENT)
        ended = run_facesim("run", "experiment.yaml", folder=folder)
        assert ended.status == 0, ended.output
        [self._run] = (folder / "runs" / "mine").iterdir()
        os.mkfifo(folder / "pipe")
        (folder / "folder").mkdir()

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Give a command something hostile."""
        for path in self._valid.iterdir():
            if path.name == "pipe":
                os.mkfifo(folder / "pipe")
            elif path.name not in ("runs", "images"):
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                copy(path, folder / path.name)
        shutil.copytree(self._valid / "images", folder / "images")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.relpath(folder / "socket"))
        try:
            yield from self._attack(number, random, folder)
        finally:  # what cannot be copied, where the files of a fault are kept
            for path in folder.rglob("*"):
                if not (path.is_file() or path.is_dir()):
                    path.unlink()

    def _attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        attacks = (
            self._experiment,
            self._setting,
            self._table,
            self._list,
            self._image,
            self._name,
            self._arguments,
            self._damaged_run,
        )
        yield from attacks[number % len(attacks)](random, folder)

    def _command(
        self, *arguments: str, folder: Path, expected: tuple[int, ...] = (0, 2)
    ) -> Iterator[Finding]:
        before = state_of(folder), state_of(self._valid)
        ended = run_facesim(*arguments, folder=folder, limit=10)
        yield from faults_of(ended, expected)
        yield from self._faults_of_output(ended, arguments)
        for place, was in zip((folder, self._valid), before, strict=True):
            now = state_of(place)
            asked_for = {str(folder / word) for word in arguments}  # a file to write, or to replace
            changed = [path for path in was if now.get(path) != was[path] and path not in asked_for]
            if changed:
                yield Finding(Fault.LOST, f"{arguments} changed {sorted(changed)[:5]}")

    @staticmethod
    def _faults_of_output(ended: Ended, arguments: tuple[str, ...]) -> Iterator[Finding]:
        found = STEERING.search(ended.output)
        if found:
            around = ended.output[max(found.start() - 100, 0) : found.end() + 50]
            yield Finding(Fault.MESSAGE, f"{arguments} sends a control character: {around!r}")
        if ended.status == 2 and len(ended.output) > 30_000:
            yield Finding(Fault.MESSAGE, f"{arguments}: an error of {len(ended.output):,} bytes")
        if ended.status == 2 and not ended.output.strip():
            yield Finding(Fault.MESSAGE, f"{arguments}: an error without a text")

    def _experiment(self, random: Random, folder: Path) -> Iterator[Finding]:
        change = random.choice((mutated, mutated, change_value))
        path = folder / "experiment.yaml"
        path.write_bytes(change(path.read_bytes(), random))
        yield from self._command("check", "experiment.yaml", folder=folder)

    def _setting(self, random: Random, folder: Path) -> Iterator[Finding]:
        sets = []
        for _ in range(random.choice((1, 1, 2))):
            value = random.choice([*VALUES, *VALUES, *TOKENS]).replace("\0", "")
            sets.append(f"--set={random.choice(SETTINGS)}={value}".replace("\ud800", "\udcff"))
        yield from self._command("check", "experiment.yaml", *sets, folder=folder)

    def _table(self, random: Random, folder: Path) -> Iterator[Finding]:
        path = folder / f"{random.choice(('train', 'val', 'test'))}.csv"
        content = path.read_bytes()
        match random.randrange(8):
            case 0:
                content = content.replace(b"\n", b"," + b"x," * random.choice((10, 50_000)) + b"\n")
            case 1:
                content = content.replace(b",p", random.choice(TOKENS).encode() + b",p")
            case 2:
                cell = random.choice(TOKENS).encode("utf-8", "surrogatepass")
                content = content.replace(b",a\n", b"," + cell + b"\n")
            case 3:
                content = content.decode().encode(random.choice(("utf-16", "utf-32", "cp500")))
            case _:
                content = mutated(content, random)
        path.write_bytes(content)
        command = random.choice(("check", "lint"))
        expected = (0, 1, 2) if command == "lint" else (0, 2)
        yield from self._command(command, "experiment.yaml", folder=folder, expected=expected)

    def _list(self, random: Random, folder: Path) -> Iterator[Finding]:
        path = folder / random.choice(("pairs.csv", "leaks.csv"))
        path.write_bytes(mutated(path.read_bytes(), random))
        yield from self._command("check", "experiment.yaml", folder=folder)

    def _image(self, random: Random, folder: Path) -> Iterator[Finding]:
        paths = sorted((folder / "images").iterdir())
        for path in random.sample(paths, random.choice((1, 5))):
            content = path.read_bytes()
            if random.random() < 0.3:
                head = bytearray(content)
                for _ in range(random.choice((1, 3, 10))):
                    head[random.randrange(min(60, len(head)))] = random.randrange(256)
                content = bytes(head)
            elif random.random() < 0.2:
                mode, kind = random.choice(
                    (("P", "PNG"), ("CMYK", "JPEG"), ("F", "TIFF"), ("1", "PPM"))
                )
                file = io.BytesIO()
                Image.open(io.BytesIO(content)).convert("L").convert(mode).save(file, kind)
                content = file.getvalue()
            else:
                content = mutated(content, random)
            path.write_bytes(content)
        if random.random() < 0.1:
            path.unlink()
            replace: Callable[[Path], object] = random.choice(
                (os.mkfifo, os.mkdir, lambda link: Path(link).symlink_to("/dev/zero"))
            )
            replace(path)
        yield from self._command("check", "experiment.yaml", folder=folder)

    def _name(self, random: Random, folder: Path) -> Iterator[Finding]:
        """Names of images and people that a whole run must carry, unless its start refuses them."""
        people = {}
        refused = random.random() < 0.5
        for split in ("train", "val", "test"):
            for person in range(3):
                label = f"{split}{person}"
                if random.random() < 0.5:
                    label = random.choice(CARRIED) + label + random.choice(CARRIED)
                if refused and random.random() < 0.2:
                    label = mutated_text(label, random).replace("/", "")[:60] + str(person)
                for image in range(4):
                    name = f"{image}.png"
                    if random.random() < 0.5:
                        name = random.choice(CARRIED) + name
                    if refused and random.random() < 0.1:
                        name = mutated_text(name, random).replace("/", "")[:60] + ".png"
                    people[folder / split / label / name] = split
        source = sorted((folder / "images").glob("*.png"))
        for number, path in enumerate(people):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source[number % len(source)], path)
                with path.open("ab") as file:  # of other bytes
                    file.write(str(number).encode())
            except OSError:  # no file system takes this name
                continue
        rules = ["image_in_two_splits", "near_image_in_two_splits", "image_under_two_labels"]
        sets = [f"--set=data.{s}={{name: folder, root: {s}}}" for s in ("train", "val", "test")]
        sets += [f"--set=lint.{rule}=off" for rule in rules]
        sets += ["--set=data.exclude=null", "--set=evaluate.test_pairs=null"]
        sets += ["--set=train.epochs=1"]
        yield from self._command("run", "experiment.yaml", *sets, folder=folder)
        for path in folder.glob("runs/mine/*"):
            if not (path / "report.html").exists():
                yield Finding(Fault.LOST, f"{path.name} was begun and has no report")
                continue
            yield from self._command("report", str(path), folder=folder)
            page = (path / "report.html").read_text(encoding="utf-8")
            if STEERING.search(re.sub("<script>.*?</script>", "", page, flags=re.DOTALL)):
                yield Finding(Fault.MESSAGE, "report.html holds raw control characters")
            for table in path.rglob("*.csv"):
                with table.open(encoding="utf-8", newline="") as opened:
                    cells = [cell for row in csv.reader(opened) for cell in row]
                formulas = [cell for cell in cells if FORMULA.match(cell)]
                if formulas:
                    yield Finding(Fault.MESSAGE, f"{table.name} holds formulas: {formulas[:3]}")

    def _arguments(self, random: Random, folder: Path) -> Iterator[Finding]:
        run = folder / "runs" / "mine" / "RUN"
        shutil.copytree(self._run, run)
        template = random.choice(COMMANDS.strip().replace("\n", "|").split("|")).split()
        places = {"RUN": str(run.relative_to(folder))}
        command = [places.get(word, word) for word in template]
        for at, word in enumerate(command):
            hostile = random.choice([*TOKENS, *TOKENS, *VALUES, "pipe", "socket", "folder", "runs"])
            if random.random() < 0.3:
                hostile = mutated_text(random.choice(["experiment.yaml", "runs/mine/RUN"]), random)
            hostile = os.fsdecode(hostile.encode("utf-8", "surrogatepass").replace(b"\0", b""))
            command[at] = word.replace("@", hostile)
        yield from self._command(*command, folder=folder, expected=(0, 1, 2))

    def _damaged_run(self, random: Random, folder: Path) -> Iterator[Finding]:
        """A run of before, which has no digests of its files, with a file of something else."""
        run = folder / "runs" / "mine" / "RUN"
        shutil.copytree(self._run, run)
        (run / MANIFEST).unlink()
        files = [
            path for path in sorted(run.rglob("*")) if path.is_file() and path.suffix != ".html"
        ]
        path = random.choice([file for file in files if not file.name.startswith(".")])
        path.write_bytes(_something_else(path, random))
        commands = (
            ["report", str(run)],
            ["compare", str(run), str(run)],
            ["eval", str(run), f"--checkpoint={random.choice(('best', 'last', path.stem))}"],
            ["eval", str(run), "--name=again", "--recalibrate"],
            ["run", "experiment.yaml", "--resume", str(run)],
            ["run", "experiment.yaml", "--resume=auto"],
        )
        yield from self._command(*random.choice(commands), folder=folder)


def _something_else(path: Path, random: Random) -> bytes:
    """What may be found in the place of a file of a run."""
    if path.suffix == ".pt" and random.random() < 0.7:
        return _other_checkpoint(path, random)
    if path.suffix == ".json" and random.random() < 0.6:
        return _other_json(json.loads(path.read_bytes()), random)
    nonsense = (b"", b"null", b"[]", b"{}", b"NaN", b"\0" * 100, b"[" * 100_000, b"text", b"[NaN]")
    return random.choice(nonsense) if random.random() < 0.4 else mutated(path.read_bytes(), random)


def _other_json(value: Any, random: Random) -> bytes:
    """JSON with another value somewhere."""
    odd: list[Any] = [
        None,
        [],
        {},
        "",
        "\x1b[2J",
        -1,
        10**30,
        float("nan"),
        float("inf"),
        True,
        [[]],
    ]

    def changed(value: Any) -> Any:
        if isinstance(value, dict) and value and random.random() < 0.85:
            key = random.choice(list(value))
            if random.random() < 0.1:
                return {other: value[other] for other in value if other != key}
            return {**value, key: changed(value[key])}
        if isinstance(value, list) and value and random.random() < 0.85:
            at = random.randrange(len(value))
            return [*value[:at], changed(value[at]), *value[at + 1 :]]
        return random.choice(odd)

    return json.dumps(changed(value)).encode()


def _other_checkpoint(path: Path, random: Random) -> bytes:
    """A zip of something else, or a checkpoint with other keys, shapes and types."""
    file = io.BytesIO()
    if random.random() < 0.15:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.txt", "text")
        return file.getvalue()
    content = torch.load(path, map_location="cpu", weights_only=True)
    for _ in range(random.choice((1, 1, 3))):
        content = _other_value(content, random)
    torch.save(content, file)
    return file.getvalue()


def _other_value(value: Any, random: Random) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        if random.random() < 0.15:
            return {other: value[other] for other in value if other != key}
        return {**value, key: _other_value(value[key], random)}
    if isinstance(value, torch.Tensor) and random.random() < 0.8:
        changes: list[Callable[[torch.Tensor], torch.Tensor]] = [
            lambda it: it.to(torch.float64),
            lambda it: it.to(torch.int32),
            lambda it: it.to(torch.complex64),
            lambda it: it.reshape(-1)[:-1],
            lambda it: it.unsqueeze(0),
            lambda it: torch.full_like(it, float("nan")) if it.is_floating_point() else it,
            lambda it: it.to_sparse() if it.ndim else it,
        ]
        return random.choice(changes)(value)
    return random.choice(
        [None, [], {}, "x", -1, 10**30, 1.5, float("nan"), torch.zeros(3), {"a": 1}]
    )
