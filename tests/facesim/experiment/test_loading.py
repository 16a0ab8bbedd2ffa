"""From a file to an Experiment: plugins of its own, variables, overrides, and back to a file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facesim import DataError, losses, protocols, schedulers
from facesim.experiment.loading import (
    load_experiment,
    load_run_experiment,
    read_run_experiment,
)
from facesim.experiment.nodes import ExperimentError
from tests.facesim.experiment.test_sections import AllPairs

MINE = """
from typing import Annotated
from pydantic import Field
from facesim import losses

@losses("mine")
def mine(embedding_dim, num_identities, *, power: Annotated[int, Field(gt=0)] = 2): ...
"""
USES_MINE = ("loss:\n  name: contrastive\n  margin: 2.0\n", "loss: {name: mine, power: 3}\n")


def refused(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ExperimentError) as caught:
        load_experiment(path, overrides)
    return str(caught.value).splitlines()


def test_a_whole_file_is_an_experiment_with_its_defaults(whole: Callable[..., Path]) -> None:
    experiment = load_experiment(whole())
    assert experiment.name == "whole"
    assert experiment.head.arguments == {"fc_dim": 128}
    assert experiment.optimizer.arguments == {"lr": 5e-4}
    assert experiment.scheduler.name == "constant"
    assert experiment.data.dataset_of("train").arguments == {
        "table": Path("train.csv"),
        "columns": ("img", "ids"),
    }
    assert experiment.image.size == (218, 178)


def test_overrides_lie_over_variables_over_bases(
    whole: Callable[..., Path], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARGIN", "5")
    whole(name="base.yaml")
    path = write("extends: base.yaml\nseed: 3\nloss: {margin: '${MARGIN}'}\n")
    path.write_text(path.read_text().replace("'", ""))
    path.write_text(path.read_text().replace("{margin: ${MARGIN}}", "\n  margin: ${MARGIN}"))
    assert load_experiment(path).loss.arguments == {"margin": 5.0}
    overridden = load_experiment(path, ["loss.margin=6", "loss.margin=7", "train.epochs=1"])
    assert overridden.loss.arguments == {"margin": 7.0}
    assert (overridden.train.epochs, overridden.seed) == (1, 3)


def test_an_unset_variable_that_an_override_replaces_does_not_matter(
    whole: Callable[..., Path],
) -> None:
    path = whole("margin: 2.0", "margin: ${NO_SUCH}")
    assert len(refused(path)) == 1
    assert load_experiment(path, ["loss.margin=1"]).loss.arguments == {"margin": 1.0}


def test_every_bad_override_is_told_with_the_rest(whole: Callable[..., Path]) -> None:
    lines = refused(whole("margin", "margn"), "train.epochs", "head=[", "train.epoch=5")
    assert [": --set " in line for line in lines] == [True, True, False, True]


def test_a_file_that_an_experiment_names_brings_plugins(
    whole: Callable[..., Path], write: Callable[..., Path]
) -> None:
    write(MINE, "my_loss.py")
    path = whole(*USES_MINE)
    path.write_text(path.read_text() + "plugins: [./my_loss.py]\n")
    experiment = load_experiment(path)
    assert experiment.loss.arguments == {"power": 3}
    assert experiment.plugins == (str(Path("my_loss.py").absolute()),)
    path.write_text(path.read_text().replace("power: 3", "powr: 3"))
    assert refused(path) == ["exp.yaml:9:20: loss.powr: unknown key (did you mean 'power'?)"]


def test_code_beside_an_experiment_that_names_none_is_not_run(
    whole: Callable[..., Path], write: Callable[..., Path]
) -> None:
    write(MINE, "my_loss.py")
    write("1 / 0", "sitecustomize.py")
    assert "there is no loss 'mine'" in refused(whole(*USES_MINE))[0]


def test_a_plugin_file_is_relative_to_the_file_that_names_it(
    whole: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    write(MINE, "sub/my_loss.py")
    base = whole(*USES_MINE, name="sub/base.yaml")
    base.write_text(base.read_text() + "plugins: [my_loss.py]\n")
    experiment = load_experiment(write("extends: sub/base.yaml"))
    assert experiment.plugins == (str(tmp_path / "sub" / "my_loss.py"),)


def test_a_plugin_file_of_an_override_is_relative_to_the_working_directory(
    whole: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    write(MINE, "my_loss.py")
    path = whole(*USES_MINE, name="sub/exp.yaml")
    assert load_experiment(path, ["plugins=[./my_loss.py]"]).loss.name == "mine"


def test_a_plugin_that_fails_is_told_where_it_is_named_and_where_it_is_missed(
    whole: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    write(MINE + "\n1 / 0\n", "broken.py")
    path = whole(*USES_MINE)
    path.write_text(path.read_text() + "plugins: [./broken.py]\n")
    lines = refused(path)
    broken = f"{tmp_path / 'broken.py'} (named by the experiment) failed to import: "
    assert lines[0] == (
        f"exp.yaml:9:14: loss.name: the loss 'mine' cannot be used: {broken}"
        "ZeroDivisionError: division by zero"
    )
    assert lines[1] == f"exp.yaml:12:11: plugins.0: {broken}ZeroDivisionError: division by zero"
    assert lines[2] == f'      File "{tmp_path / "broken.py"}", line 9, in <module>'
    assert not any("Traceback" in line or "facesim/" in line for line in lines)
    assert "mine" not in losses.names()


def test_plugins_that_fail_hide_no_other_mistake_in_the_list(
    whole: Callable[..., Path], write: Callable[..., Path]
) -> None:
    write("1 / 0\n", "broken.py")
    path = whole()
    path.write_text(path.read_text() + "plugins: [./broken.py, 5, ./gone.py]\n")
    places = [line.split(": ")[:2] for line in refused(path) if line.startswith("exp.yaml")]
    assert places == [
        ["exp.yaml:14:11", "plugins.0"],
        ["exp.yaml:14:24", "plugins.1"],
        ["exp.yaml:14:27", "plugins.2"],
    ]


def test_a_plugin_with_a_taken_name_names_both_places(
    whole: Callable[..., Path], write: Callable[..., Path], tmp_path: Path
) -> None:
    write(MINE.replace('"mine"', '"contrastive"'), "my_loss.py")
    (line,) = refused(whole("", "plugins: [./my_loss.py]\n"))
    assert f"{tmp_path / 'my_loss.py'}:6: the loss 'contrastive' is registered already, by " in line
    assert "conftest.py:" in line
    assert line.endswith("; give one of the two another name")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "./my_lss.py",
            "plugins.0: there is no plugin file {here}/my_lss.py (did you mean 'my_loss.py'?)",
        ),
        ("./my_loss", "plugins.0: there is no module './my_loss'; for the file write ./my_loss.py"),
        ("my_loss", "plugins.0: there is no module 'my_loss'; for the file write ./my_loss.py"),
        ("no.such_module", "plugins.0: there is no module 'no.such_module'; install the package"),
        ("json.no_such", "plugins.0: there is no module 'json.no_such'; install the package"),
        ("..relative", "plugins.0: there is no module '..relative'; install the package"),
        ("''", "plugins.0: there is no module ''; install the package"),
        ("x" * 300 + ".py", "plugins.0: "),
        ("5", "plugins.0: must be text, not 5 (write it in quotes: '5')"),
        ("[a]", 'plugins.0: must be text, not ["a"]'),
        ("{a: b}", "plugins.0: must be text, not a mapping"),
        ("${NO_SUCH}", "plugins.0: the environment variable NO_SUCH is not set"),
    ],
)
def test_what_names_no_plugin_says_what_to_write(
    whole: Callable[..., Path], write: Callable[..., Path], tmp_path: Path, entry: str, message: str
) -> None:
    write(MINE, "my_loss.py")
    lines = refused(whole("", f"plugins:\n  - {entry}\n"))
    assert len(lines) == 1
    assert f"exp.yaml:15:5: {message.format(here=tmp_path)}" in lines[0]


def test_plugins_must_be_a_list(whole: Callable[..., Path]) -> None:
    (line,) = refused(whole("", "plugins: ./my_loss.py\n"))
    assert line.endswith("must be a list, each text, not './my_loss.py' (write [./my_loss.py])")


def test_the_resolved_file_is_the_same_experiment_anywhere(
    whole: Callable[..., Path],
    write: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(MINE, "my_loss.py")
    path = whole(*USES_MINE)
    path.write_text(path.read_text() + "plugins: [my_loss.py]\ntransforms: [flip]\n")
    experiment = load_experiment(path, ["backbone.weights=weights.pt", "image.crop=[1, 2, 3, 4]"])
    (tmp_path / "run").mkdir()
    experiment.save(tmp_path / "run" / "experiment.yaml")
    monkeypatch.chdir("/")
    again = load_experiment(tmp_path / "run" / "experiment.yaml")
    assert again.as_data() == experiment.as_data() | {
        key: again.as_data()[key] for key in ("data", "backbone")
    }
    assert again.data.dataset_of("train").arguments["table"] == tmp_path / "train.csv"
    assert again.backbone.arguments["weights"] == tmp_path / "weights.pt"
    assert again.as_yaml() == (tmp_path / "run" / "experiment.yaml").read_text(encoding="utf-8")


def test_a_choice_is_not_taken_for_a_path(whole: Callable[..., Path]) -> None:
    experiment = load_experiment(whole("depth: 18", "weights: none"))
    assert experiment.backbone.as_node() == {"name": "resnet", "depth": 18, "weights": "none"}


def test_the_working_directory_and_the_environment_are_left_alone(
    whole: Callable[..., Path],
) -> None:
    before = (Path.cwd(), dict(os.environ))
    load_experiment(whole())
    assert (Path.cwd(), dict(os.environ)) == before


def test_a_node_left_out_is_the_plugin_registered_as_the_default(
    whole: Callable[..., Path],
) -> None:
    schedulers._plugins = {}
    with pytest.raises(ExperimentError, match=r"must be a scheduler's name.*known: none"):
        load_experiment(whole())
    schedulers("flat", aliases=("level",), default=True)(lambda optimizer, steps: None)
    assert load_experiment(whole()).scheduler.name == "flat"
    named = load_experiment(whole("", "scheduler: level\n"))
    assert named.as_data()["scheduler"] == {"name": "flat"}


def protocol_that_raises(error: Exception) -> None:
    @protocols("broken")
    class Broken(AllPairs):
        def __init__(self) -> None:
            raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DataError("pairs.txt: there is no such file"), "pairs.txt: there is no such file"),
        (KeyError("margin"), "KeyError: 'margin'"),
    ],
)
def test_a_protocol_that_cannot_be_built_is_a_problem_among_others(
    whole: Callable[..., Path], error: Exception, told: str
) -> None:
    protocol_that_raises(error)
    path = whole(new="evaluate:\n  protocol: broken\n  batch_size: 0\n")
    problems = [line for line in refused(path) if "evaluate" in line]
    assert len(problems) == 2
    assert "the protocol 'broken'" in problems[0]
    assert told in problems[0]
    line = path.read_text().splitlines().index("  protocol: broken") + 1
    assert f":{line}:13" in problems[0]


def test_a_run_whose_protocol_cannot_be_built_any_more_is_read(whole: Callable[..., Path]) -> None:
    path = whole(new="evaluate: {protocol: broken, test_pairs: pairs.csv}\n")
    protocol_that_raises(DataError("pairs.txt: there is no such file"))
    assert read_run_experiment(path).evaluate.protocol.name == "broken"
    with pytest.raises(ExperimentError, match=r"pairs\.txt: there is no such file"):
        load_run_experiment(path)


@pytest.mark.parametrize("folds", [2, "5", 1001, True])
def test_the_folds_of_a_protocol_are_a_number(whole: Callable[..., Path], folds: Any) -> None:
    @protocols("odd")
    class Odd(AllPairs):
        def __init__(self) -> None:
            self.folds = folds

    (problem,) = refused(whole(new="evaluate: {protocol: odd}\n"))
    assert f"the protocol 'odd' has folds = {folds!r}; wanted is None or a number" in problem
