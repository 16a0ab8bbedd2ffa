"""The wheel holds what the folders hold, and works where nothing else of facesim is.

What is missing there is noticed only by people who install facesim without its sources.
"""

import email.message
import email.policy
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "facesim": "facesim",
    "plugins": "facesim_plugins",
    "experiments": "facesim/experiments",
}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = """
import sys
sys.path[:0] = {paths!r}
import {backend} as backend
print(backend.build_{kind}({out!r}))
"""
SMALLER = ["data.train.identities=40", "data.val.identities=20", "data.test.identities=20"]


def build(kind: str, sources: Path, out: Path) -> tuple[Path, str]:
    """What the sources' own build backend makes of them, and what it said on standard error."""
    settings = SETTINGS["build-system"]
    code = BUILD.format(
        paths=settings["backend-path"], backend=settings["build-backend"], kind=kind, out=str(out)
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sources,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000", "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return out / finished.stdout.splitlines()[-1], finished.stderr


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, in a folder that is called as the package is."""
    sources = tmp_path_factory.mktemp("parent") / "facesim"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in (*FOLDERS, ".ci", ".github"):
        shutil.copytree(ROOT / folder, sources / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, sources)
    return sources


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The wheel, and what was said while it was built."""
    return build("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, str]) -> set[str]:
    """Names of the files in the wheel."""
    return set(zipfile.ZipFile(built[0]).namelist())


def fresh_environment(folder: Path, wheel: Path) -> Path:
    """Python of a new environment in which a wheel is installed, beside what facesim needs."""
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:  # all that an installer does with pure Python
        archive.extractall(site)
    # Last, so that nothing of facesim is found there; torch and the others are.
    here = sysconfig.get_path("purelib")
    (site / "zz.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def python(built: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh_environment(tmp_path_factory.mktemp("environment") / "venv", built[0])


def call(python: Path, folder: Path, *arguments: str) -> str:
    """Standard output of Python in a folder, without the variables of these tests."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    finished = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={**environment, "FACESIM_CACHE": str(folder / "cache"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_in_the_wheel(folder: str, wheel: set[str]) -> None:
    files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
    expected = {
        f"{FOLDERS[folder]}/{path.relative_to(ROOT / folder).as_posix()}"
        for path in files
        if "__pycache__" not in path.parts and path.name != "README.md"
    }
    assert len(expected) > 10
    assert expected <= wheel, sorted(expected - wheel)


def test_nothing_else_is_in_the_wheel(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"facesim", "facesim_plugins"}


def test_nothing_is_warned_of_while_it_is_built(built: tuple[Path, str]) -> None:
    assert "arning" not in built[1]


def test_the_sources_make_the_same_wheel(
    sources: Path, built: tuple[Path, str], tmp_path: Path
) -> None:
    packed, said = build("sdist", sources, tmp_path)
    assert "arning" not in said
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / packed.name.removesuffix(".tar.gz")
    assert not (unpacked / "tests").exists()
    again, _ = build("wheel", unpacked, tmp_path)
    files, before = (zipfile.ZipFile(path) for path in (again, built[0]))
    assert files.namelist() == before.namelist()
    for name in files.namelist():
        assert files.read(name) == before.read(name), name
    assert again.read_bytes() == built[0].read_bytes()


def test_the_page_of_the_package_needs_no_other_file(built: tuple[Path, str]) -> None:
    archive = zipfile.ZipFile(built[0])
    (file,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    parser: BytesParser[email.message.EmailMessage] = BytesParser(policy=email.policy.default)
    metadata = parser.parsebytes(archive.read(file))
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = metadata.get_content()
    assert "facesim run quickstart" in page
    for link in re.findall(r"\]\(([^)\s]+)\)", page):
        assert link.startswith("https://"), link
    # nobody is named, and no address given, that there is not
    assert metadata["Author"] is None
    assert metadata["Author-email"] is None
    assert metadata["Project-URL"] is None


def test_it_runs_and_reports_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    where = call(python, tmp_path, "-c", "import facesim; print(facesim.__file__)")
    assert where.startswith(str(python.parents[1]))
    changes = [f"--set={each}" for each in (*SMALLER, "train.epochs=1")]
    text = call(python, tmp_path, "-m", "facesim", "run", "quickstart", *changes, "--json")
    run = json.loads(text)
    assert Path(run["report"]).stat().st_size > 100_000
    assert call(python, tmp_path, "-m", "facesim", "report", run["run_dir"], "--no-faces")
    assert f"facesim {SETTINGS['project']['version']}" in call(
        python, tmp_path, "-m", "facesim", "--version"
    )


def test_its_plugins_templates_and_experiments_are_there(python: Path, tmp_path: Path) -> None:
    listed = json.loads(call(python, tmp_path, "-m", "facesim", "plugins", "--json"))
    modules = [path.stem for path in (ROOT / "plugins" / "losses").glob("[a-z]*.py")]
    assert len([each for each in listed["plugins"] if each["kind"] == "loss"]) >= len(modules) > 5
    assert listed["failures"] == []
    call(python, tmp_path, "-m", "facesim", "new", "plugin", "loss", "mine")
    assert (tmp_path / "mine.py").is_file()
    (tmp_path / "mine.yaml").write_text("extends: facesim:celeba_lite0\nname: mine\n")
    load = "import facesim; print(facesim.load_experiment('mine.yaml').data.exclude.file)"
    assert Path(call(python, tmp_path, "-c", load).strip()).is_file()


@pytest.fixture(scope="module")
def editable(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment in which the checkout is installed as it lies there."""
    folder = tmp_path_factory.mktemp("editable")
    wheel, _ = build("editable", sources, folder)
    return fresh_environment(folder / "venv", wheel)


@pytest.mark.parametrize("where", ["parent", "checkout", "elsewhere"])
def test_an_editable_checkout_is_found_from_every_folder(
    where: str, editable: Path, sources: Path, tmp_path: Path
) -> None:
    folder = {"parent": sources.parent, "checkout": sources, "elsewhere": tmp_path}[where]
    show = "import facesim, facesim_plugins; print(facesim.__file__, facesim_plugins.__file__)"
    packages = (sources / "facesim" / "__init__.py", sources / "plugins" / "__init__.py")
    assert call(editable, folder, "-c", show).split() == list(map(str, packages))
    assert call(editable, folder, "-m", "facesim", "--version").startswith("facesim ")
    named = "from facesim.experiment.shipped import shipped_experiment as s; print(s('quickstart'))"
    found = call(editable, folder, "-c", named).strip()
    assert found == str(sources / "experiments" / "quickstart.yaml")


def test_the_parent_of_a_checkout_does_not_hide_an_installed_one(
    python: Path, sources: Path
) -> None:
    assert call(python, sources.parent, "-m", "facesim", "--version").startswith("facesim ")
