"""Files about the project say what is so: links, versions, workflows."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES = [ROOT / "README.md", ROOT / "plugins" / "README.md", *(ROOT / ".github").glob("*.md")]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read_workflow(path: Path) -> dict[Any, Any]:
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not anchor or anchor in headings(target), link


def test_the_changelog_has_a_section_for_the_version_and_one_for_what_comes() -> None:
    text = (ROOT / ".github" / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"(?m)^## (\S+)", text)
    assert sections[:1] == ["Unreleased"]
    assert PROJECT["version"] in sections


def test_every_python_that_is_promised_is_tested() -> None:
    matrix = read_workflow(ROOT / ".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]
    prefix = "Programming Language :: Python :: 3."
    promised = [name[-4:] for name in PROJECT["classifiers"] if name.startswith(prefix)]
    assert matrix["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"
    oldest = [job for job in matrix["matrix"]["include"] if job["dependencies"] == "oldest"]
    assert [job["python"] for job in oldest] == promised[:1]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_only_and_pins_the_major_version_of_its_actions(path: Path) -> None:
    workflow = read_workflow(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert "timeout-minutes" in job
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used), used


def test_the_container_has_a_python_that_is_promised_and_runs_a_shipped_experiment() -> None:
    text = (ROOT / ".github" / "Dockerfile").read_text(encoding="utf-8")
    images = set(re.findall(r"(?m)^FROM python:(\d+\.\d+)", text))
    prefix = "Programming Language :: Python :: "
    assert images
    assert images <= {name.removeprefix(prefix) for name in PROJECT["classifiers"]}
    (command,) = re.findall(r"(?m)^CMD (.+)$", text)
    assert yaml.safe_load(command) == ["run", "quickstart"]
    assert (ROOT / "experiments" / "quickstart.yaml").is_file()


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PROJECT["optional-dependencies"].values()
    named = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    unbound = [name for name in named if ">=" not in name and not name.startswith("facesim[")]
    assert unbound == []
