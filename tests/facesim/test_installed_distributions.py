"""Distributions of other people in an environment of their own: found, examined, switched off."""

import json
import os
import re
import subprocess
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import facesim

DISTRIBUTIONS = Path(__file__).parents[1] / "distributions"
FACESIM = "import sys; from facesim.cli import main; sys.argv[0] = 'facesim'; main()"

WHAT = ("faces", "hooks", "newer", "taken", "unimportable")

Command = Callable[..., tuple[int, str]]


def write_wheel(source: Path, folder: Path) -> Path:
    """A wheel of a distribution of one module, as a build backend would make it."""
    text = (source / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    module = project["name"].replace("-", "_")
    info = f"{module}-{project['version']}.dist-info"
    groups = project["entry-points"].items()
    offered = [
        f"[{group}]\n{name} = {value}\n" for group, of in groups for name, value in of.items()
    ]
    files = {
        f"{module}.py": (source / f"{module}.py").read_text(encoding="utf-8"),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\n"
        f"Version: {project['version']}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": "".join(offered),
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    wheel = folder / f"{module}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, content)
    return wheel


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs facesim in a fresh environment with the distributions."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    # What these tests run with (torch, facesim, ...) is seen from there; what is there is not here.
    here = sysconfig.get_path("purelib")
    (site / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    for source in sorted(DISTRIBUTIONS.iterdir()):
        with zipfile.ZipFile(write_wheel(source, folder)) as wheel:
            wheel.extractall(site)  # which is what an installer does with a wheel of pure Python

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        finished = subprocess.run(
            [folder / "venv" / "bin" / "python", "-c", FACESIM, *arguments],
            env={**os.environ, "COLUMNS": "200", **environment},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return finished.returncode, finished.stdout + finished.stderr

    return run


@pytest.fixture(scope="module")
def examined(command: Command) -> tuple[int, dict[str, str]]:
    """Exit code of the doctor, and what it says of each distribution."""
    code, shown = command("doctor")
    paragraphs = re.split(r"(?m)^(?=\S)", shown)
    return code, {text.partition(" (made")[0]: text for text in paragraphs if text}


def test_every_distribution_is_examined(examined: tuple[int, dict[str, str]]) -> None:
    code, of_each = examined
    environment, ours, *others = of_each
    assert environment.startswith("environment: all well\n")
    assert ours == f"facesim {facesim.__version__}"
    assert others == [f"acme-{what} 1.2" for what in WHAT]
    assert code == 1


def test_one_that_works_is_found_by_its_entry_point(examined: tuple[int, dict[str, str]]) -> None:
    assert examined[1]["acme-faces 1.2"].splitlines() == [
        "acme-faces 1.2 (made for interface 1): all well",
        "  heads: acme_linear",
        "  losses: acme_squared",
    ]


def test_one_that_cannot_be_imported_says_why(examined: tuple[int, dict[str, str]]) -> None:
    shown = examined[1]["acme-unimportable 1.2"]
    assert "1 not usable" in shown
    assert "ModuleNotFoundError: No module named 'a_package_that_is_not_installed'" in shown
    assert re.search(r'acme_unimportable\.py", line 3', shown)


def test_one_with_a_taken_name_names_both_places(examined: tuple[int, dict[str, str]]) -> None:
    shown = examined[1]["acme-taken 1.2"]
    assert re.search(
        r"acme_taken\.py:6: the loss 'contrastive' is registered already, by \S+contrastive\.py",
        shown,
    )


def test_one_for_a_newer_interface_is_not_imported(examined: tuple[int, dict[str, str]]) -> None:
    shown = examined[1]["acme-newer 1.2"]
    assert "(made for interface 99): 1 not usable" in shown
    assert "acme_newer (acme-newer 1.2) was not imported: it is made for version 99" in shown
    assert "this was imported" not in shown


def test_facesim_itself_stays_well(examined: tuple[int, dict[str, str]]) -> None:
    shown = examined[1][f"facesim {facesim.__version__}"]
    assert shown.splitlines()[0].endswith(": all well")
    assert re.search(r"losses: .*\bcontrastive\b", shown)


def test_a_plugin_of_another_distribution_is_explained_with_its_origin(command: Command) -> None:
    code, shown = command("plugins", "losses", "acme_squared")
    assert code == 0
    assert "squared distance of impostors" in shown
    assert "(acme-faces 1.2)" in shown


def test_all_but_the_built_ins_can_be_switched_off(command: Command) -> None:
    code, shown = command("plugins", "doctor", FACESIM_PLUGINS_DISABLE="1")
    assert code == 0
    assert shown.count("switched off by FACESIM_PLUGINS_DISABLE") == len(WHAT)
    assert "losses: arcface, bce_distance, " in shown


DRAWN = """
name: hooked
data:
  train: {name: synthetic_faces, identities: 8, images_per_identity: 6, size: 24}
  val: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 8, size: 24}
  test: {name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 12, size: 24}
  workers: 0
image: {size: [24, 24]}
backbone: {name: small_cnn, width: 4}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: contrastive
optimizer: adam
train: {epochs: 5, batch_size: 8}
evaluate: {metrics: [accuracy, roc_auc, acme_gap], baselines: false}
callbacks: [acme_spread]
report_sections: [acme_spreads]
lint: {too_few_impostors: "off"}
"""


def test_a_callback_a_section_and_a_metric_of_another_distribution_work_in_a_run(
    command: Command, tmp_path: Path
) -> None:
    file, out = tmp_path / "hooked.yaml", tmp_path / "runs"
    file.write_text(DRAWN, encoding="utf-8")
    code, shown = command("run", str(file), f"--out={out}")
    assert code == 0, shown
    assert "training ends with epoch 2: acme_spread: 2 epochs are enough for acme" in shown
    (run_dir,) = (out / "hooked").iterdir()
    (spreads,) = run_dir.glob("callbacks/acme_spread/*")
    assert len(json.loads(spreads.read_text())) == 2
    assert "acme_gap" in json.loads((run_dir / "eval/test/metrics.json").read_text())["metrics"]
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    assert "Spread of &lt;embeddings&gt;" in page
    assert "Training ended: acme_spread: 2 epochs are enough for acme." in page
    assert "Acme gap" in page
    (run_dir / "report.html").unlink()
    assert command("report", str(run_dir))[0] == 0
    assert "Spread of &lt;embeddings&gt;" in (run_dir / "report.html").read_text(encoding="utf-8")
    code, shown = command("plugins", "callbacks")
    assert code == 0
    assert "acme_spread" in shown
    assert "early_stopping" in shown
