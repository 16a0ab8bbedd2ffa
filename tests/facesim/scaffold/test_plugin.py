"""``facesim new plugin``: files that work as they are written."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facesim import FacesimError, discovery
from facesim.interfaces import REGISTRIES
from facesim.registry import Registry
from facesim.scaffold.plugin import write_package, write_plugin
from facesim.testing import check_plugin
from facesim.version import installed_version

EVERY_KIND = pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)

EXPERIMENT = """\
name: tiny
data:
  train: {name: synthetic_faces, identities: 8, images_per_identity: 4, size: 24, root: faces}
  val: {name: synthetic_faces, identities: 4, first_identity: 8, size: 24, root: faces}
  test: {name: synthetic_faces, identities: 4, first_identity: 12, size: 24, root: faces}
  workers: 0
image: {size: [24, 24]}
backbone: {name: small_cnn, width: 4}
head: linear
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: {name: focal_contrastive, margin: 0.5}
optimizer: adam
train: {epochs: 1, batch_size: 8}
"""

COMMANDS = """\
import sys
from facesim.cli.program import app
for command in sys.argv[1:]:
    app(command.split(), standalone_mode=False)
"""


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    discovery.load_installed_plugins()
    with ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(registry.isolated())
        yield


@EVERY_KIND
def test_a_plugin_of_each_kind_keeps_its_promises(registry: Registry[Any], tmp_path: Path) -> None:
    source, test = write_plugin(registry.kind, "my_own", tmp_path)
    assert (source.name, test.name) == ("my_own.py", "test_my_own.py")
    parameters = {}
    if registry.kind == "dataset":
        Image.new("RGB", (20, 20)).save(tmp_path / "ann_1.jpg")
        parameters = {"root": tmp_path}
    discovery.load_named_plugin(source.name, tmp_path)
    check_plugin(registry.spec("my_own", **parameters))


@EVERY_KIND
def test_a_distribution_of_each_kind_is_complete(registry: Registry[Any], tmp_path: Path) -> None:
    written = write_package(registry.plural, "my_own", tmp_path)
    root = tmp_path / "facesim-my-own"
    assert [str(path.relative_to(root)) for path in written] == [
        "pyproject.toml",
        "README.md",
        "src/facesim_my_own/__init__.py",
        "src/facesim_my_own/my_own.py",
        "tests/test_my_own.py",
    ]
    project = tomllib.loads(written[0].read_text())["project"]
    assert project["entry-points"] == {"facesim.plugins": {"my_own": "facesim_my_own"}}
    for path in written[2:]:
        compile(path.read_text(), path, "exec")


@pytest.mark.parametrize(
    ("kind", "usage"),
    [
        ("dataset", "data:\n  train: {name: my_own, root: faces/train}"),
        ("loss", "loss: my_own"),
        ("tracker", "trackers: [my_own]"),
        ("callback", "callbacks: [my_own]"),
        ("report_section", "report_sections: [my_own]"),
    ],
)
def test_a_distribution_says_how_an_experiment_names_it(
    kind: str, usage: str, tmp_path: Path
) -> None:
    readme = write_package(kind, "my_own", tmp_path)[1].read_text()
    assert f"```yaml\n{usage}\n```" in readme


def test_the_tests_that_are_written_pass(tmp_path: Path) -> None:
    write_plugin("loss", "my_own", tmp_path)
    write_plugin("dataset", "my_faces", tmp_path)
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    finished = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "test_my_own.py").write_text("mine")
    with pytest.raises(FacesimError, match=r"test_my_own\.py exists already; remove it, or choose"):
        write_plugin("loss", "my_own", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_my_own.py"]
    assert (tmp_path / "test_my_own.py").read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../escape",
        "a/b",
        "Upper",
        "1st",
        "a-b",
        "a__b",
        "a_",
        "a.b",
        "a b",
        "ä",
        "x" * 61,
        "$a",
    ],
)
@pytest.mark.parametrize("write", [write_plugin, write_package])
def test_what_cannot_be_a_name_is_refused(write: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="cannot name a plugin's file; write small letters"):
        write("loss", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "torch", "lambda", "nn", "losses", "facesim"])
def test_a_name_that_would_hide_another_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="is a word or a module of Python"):
        write_plugin("head", name, tmp_path)


def test_a_taken_name_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"the loss 'contrastive' is there already, in .*:\d+$"):
        write_plugin("loss", "contrastive", tmp_path)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"no kind of plugin 'los' \(did you mean 'losses'\?\)"):
        write_plugin("los", "mine", tmp_path)


@pytest.mark.skipif(
    # Not find_spec("pip"), which takes distutils from what is compiled in this process later.
    installed_version("pip") is None or installed_version("setuptools") is None,
    reason="installing a distribution without a network needs pip and setuptools here",
)
def test_a_distribution_is_installed_tested_run_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package("loss", "focal_contrastive", tmp_path)
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT)
    venv.create(tmp_path / "venv", with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(tmp_path / "venv")}))
    # What these tests run with (torch, facesim, pip, ...) is seen from there, whether it comes from
    # one environment, from one on top of another, or from PYTHONPATH.
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    seen = [each for each in sys.path if Path(each).is_dir() and each not in standard]
    lines = [f"import site; site.addsitedir({str(Path(each).absolute())!r})\n" for each in seen]
    (site / "here.pth").write_text("".join(lines), encoding="utf-8")
    # Whoever runs these tests may have told pip or Python otherwise.
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    told = ("PIP_", "PYTHON", "PYTEST_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    environment["PIP_CONFIG_FILE"] = os.devnull  # no file of the user's or the machine's, either

    def python(*arguments: str, folder: Path = tmp_path) -> tuple[int, str]:
        finished = subprocess.run(
            [tmp_path / "venv" / "bin" / "python", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return finished.returncode, finished.stdout + finished.stderr

    def facesim(*commands: str) -> tuple[int, str]:
        return python("-c", COMMANDS, *commands)

    root = tmp_path / "facesim-focal-contrastive"
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet")
    code, said = python("-m", "pip", "install", *offline, "-e", str(root))
    assert code == 0, said
    code, said = python("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=root)
    assert code == 0, said
    code, said = facesim("plugins losses focal_contrastive", "run tiny.yaml")
    assert code == 0, said
    assert "distance that impostors keep" in said
    assert "run directory: " in said

    code, said = python("-m", "pip", "uninstall", "-y", "--quiet", "facesim-focal-contrastive")
    assert code == 0, said
    code, said = facesim("check tiny.yaml")
    assert code == 1
    assert "tiny.yaml:11:14: loss.name: there is no loss 'focal_contrastive'" in said
