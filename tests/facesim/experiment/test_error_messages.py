"""Each wrong experiment file gets a message with its place and with what to write instead."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError
from tests.facesim.experiment.conftest import SOURCE, SPLITS


def messages(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ExperimentError) as caught:
        load_experiment(path, overrides)
    return str(caught.value).splitlines()


WRONG = [
    pytest.param(
        "contrastive",
        "contrastiv",
        "exp.yaml:10:9: loss.name: there is no loss 'contrastiv' (did you mean 'contrastive'?)"
        "; `facesim plugins losses` lists all",
        id="typo in a plugin's name",
    ),
    pytest.param(
        "margin",
        "margn",
        "exp.yaml:11:3: loss.margn: unknown key (did you mean 'margin'?)",
        id="typo in a plugin's key",
    ),
    pytest.param(
        "epochs",
        "epoch",
        "exp.yaml:13:9: train.epoch: unknown key (did you mean 'epochs'?)",
        id="typo in the engine's key",
    ),
    pytest.param(
        "name: whole\n",
        "name: whole\nepochs: 5\n",
        "exp.yaml:2:1: epochs: unknown key (did you mean 'train.epochs'?)",
        id="key of another section",
    ),
    pytest.param(
        "depth: 18",
        "depth: 18, colour: red",
        "exp.yaml:6:37: backbone.colour: unknown key (known here: name, depth, weights)",
        id="key like no other",
    ),
    pytest.param(
        "epochs: 10",
        "epochs: ten",
        "exp.yaml:13:17: train.epochs: must be a whole number >= 0 and <= 1000000, not 'ten'",
        id="wrong type",
    ),
    pytest.param(
        "epochs: 10",
        "epochs: 10.5",
        "exp.yaml:13:17: train.epochs: must be a whole number >= 0 and <= 1000000, not 10.5",
        id="fraction for a whole number",
    ),
    pytest.param(
        "margin: 2.0",
        "margin: '2.0'",
        "exp.yaml:11:11: loss.margin: must be a number > 0, not '2.0' (take the quotes away)",
        id="number in quotes",
    ),
    pytest.param(
        "margin: 2.0",
        'margin: "${MARGIN:-2.0}"',
        "exp.yaml:11:11: loss.margin: must be a number > 0, not '2.0' "
        "(a variable in quotes is text: write it without them, outside of { } and [ ])",
        id="number from a variable in quotes",
    ),
    pytest.param(
        "margin: 2.0",
        "margin: -1",
        "exp.yaml:11:11: loss.margin: must be a number > 0, not -1",
        id="value out of range",
    ),
    pytest.param(
        "margin: 2.0",
        "margin: .inf",
        "exp.yaml:11:11: loss.margin: must be a number > 0, not .inf (write a finite number)",
        id="infinite",
    ),
    pytest.param(
        "margin: 2.0",
        "margin:",
        "exp.yaml:11:10: loss.margin: must be a number > 0, not nothing",
        id="nothing after the colon",
    ),
    pytest.param(
        "margin: 2.0",
        "margin: {a: 1}",
        "exp.yaml:11:11: loss.margin: must be a number > 0, not a mapping",
        id="mapping for a number",
    ),
    pytest.param(
        "depth: 18",
        "depth: 19",
        "exp.yaml:6:33: backbone.depth: must be 18 or 50, not 19",
        id="none of the choices",
    ),
    pytest.param(
        "depth: 18",
        "weights: 5",
        "exp.yaml:6:35: backbone.weights: must be 'imagenet', 'none' or a path, not 5 "
        "(write it in quotes: '5')",
        id="union of choices and a path",
    ),
    pytest.param(
        "epochs: 10",
        "epochs: 10, precision: flaot32",
        "exp.yaml:13:32: train.precision: must be 'auto', 'float32' or 'bfloat16', "
        "not 'flaot32' (did you mean 'float32'?)",
        id="typo in a choice",
    ),
    pytest.param(
        "contrastive\n  margin: 2.0",
        "learned\n  symmetric: yes",
        "exp.yaml:11:14: loss.symmetric: must be true or false, not 'yes' (write true)",
        id="YAML 1.1 boolean",
    ),
    pytest.param(
        "contrastive\n  margin: 2.0",
        "learned\n  symmetric: maybe",
        "exp.yaml:11:14: loss.symmetric: must be true or false, not 'maybe'",
        id="neither true nor false",
    ),
    pytest.param(
        "margin: 2.0",
        "margin: yes",
        "exp.yaml:11:11: loss.margin: must be a number > 0, not 'yes'",
        id="a word that is a boolean elsewhere",
    ),
    pytest.param(
        "contrastive\n  margin: 2.0",
        "learned\n  hidden: 64",
        "exp.yaml:11:11: loss.hidden: must be a list, each a whole number > 0, not 64 (write [64])",
        id="one value for a list",
    ),
    pytest.param(
        "contrastive\n  margin: 2.0",
        "learned\n  hidden: [64, -1]",
        "exp.yaml:11:16: loss.hidden.1: must be a whole number > 0, not -1",
        id="item of a list",
    ),
    pytest.param(
        "name: whole\n",
        "name: whole\nimage: {size: [1]}\n",
        "exp.yaml:2:15: image.size: must be a list of 2, each a whole number > 0, not [1]",
        id="list too short",
    ),
    pytest.param(
        "name: whole\n",
        "name: whole\nimage: {size: [1, 2, 3]}\n",
        "exp.yaml:2:15: image.size: must be a list of 2, each a whole number > 0, not [1,2,3]",
        id="list too long",
    ),
    pytest.param(
        "name: whole\n",
        "name: 7\n",
        "(write it in quotes: '7')",
        id="number for text",
    ),
    pytest.param(
        "epochs: 10",
        "epochs: 10, checkpoint_name: last",
        "exp.yaml:13:38: train.checkpoint_name: must contain {step}, or one checkpoint "
        "overwrites another (it is 'last')",
        id="refused by a validator",
    ),
    pytest.param(
        "  val: {name: csv, table: val.csv}\n",
        "",
        "exp.yaml:2:1: data: the key `val` is missing; `facesim plugins datasets` lists what it may"
        " be. Where nobody has split the people yet, write them as `source:` in place of train, "
        "val and test, and beside it `split: {ratios: [0.7, 0.1, 0.2], seed: 0}`",
        id="missing split",
    ),
    pytest.param(
        SPLITS,
        SOURCE + "  train: {name: csv, table: train.csv}\n",
        "exp.yaml:3:3: data: both `source` and `train` say what is trained on; leave one of them "
        "out",
        id="source and train",
    ),
    pytest.param(
        "  test:",
        "  split: {}\n  test:",
        "exp.yaml:3:3: data: `split` divides a `source`, and there is none; take `split` out",
        id="split without source",
    ),
    pytest.param(
        SPLITS,
        SOURCE + "  split: {ratios: [0.7, 0.1, 0.1]}\n",
        "exp.yaml:4:19: data.split.ratios: the shares of train, val and test sum to 0.9, not to 1;"
        " write for instance [0.7, 0.1, 0.2]",
        id="ratios that do not sum to one",
    ),
    pytest.param(
        SPLITS,
        SOURCE.replace("csv", "cvs"),
        "exp.yaml:3:18: data.source.name: there is no dataset 'cvs' (did you mean 'csv'?)",
        id="unknown source",
    ),
    pytest.param(
        "head: mlp\n",
        "",
        "exp.yaml:1:1: the key `head` is missing; `facesim plugins heads` lists what it may be",
        id="missing plugin",
    ),
    pytest.param(
        "epochs: 10, ",
        "",
        "exp.yaml:13:1: train: the key `epochs` is missing (a whole number >= 0 and <= 1000000)",
        id="missing key",
    ),
    pytest.param(
        "name: random_pairs, pairs_per_image: 0.5",
        "name: random_pairs",
        "exp.yaml:8:1: sampler: the key `pairs_per_image` is missing (a number > 0)",
        id="missing parameter",
    ),
    pytest.param(
        "sampler: {name: random_pairs, pairs_per_image: 0.5}",
        "sampler: random_pairs",
        "exp.yaml:8:1: sampler: the key `pairs_per_image` is missing (a number > 0)",
        id="bare name of a plugin with a required parameter",
    ),
    pytest.param(
        "head: mlp",
        "head: {fc_dim: 4}",
        "exp.yaml:7:7: head: must be a head's name, or a mapping with `name:` (known: mlp)",
        id="plugin without a name",
    ),
    pytest.param(
        "name: whole\n",
        "name: whole\ntransforms: [flip, flop]\n",
        "exp.yaml:2:20: transforms.1: there is no transform 'flop' (did you mean 'flip'?); "
        "`facesim plugins transforms` lists all",
        id="unknown plugin in a list",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_a_wrong_value_is_one_line_that_says_what_to_write(
    whole: Callable[..., Path], old: str, new: str, message: str
) -> None:
    lines = messages(whole(old, new))
    assert len(lines) == 1
    assert message in lines[0]


def test_the_way_without_splits_is_told_once(whole: Callable[..., Path]) -> None:
    lines = messages(whole(SPLITS, "  workers: 0\n"))
    assert ["`train` is" in lines[0], "`val` is" in lines[1], "`test` is" in lines[2]] == [True] * 3
    assert ["source" in line for line in lines] == [True, False, False]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(
    whole: Callable[..., Path],
) -> None:
    path = whole("loss:\n  name: contrastive", "los: x\nloss:\n  nam: contrastive")
    text = path.read_text().replace("depth: 18", "depth: 3").replace("epochs: 10", "epochs: -1")
    path.write_text(text + "seed: ${NO_SUCH}\nname: again\n")
    places = [line.split(" ")[0] for line in messages(path)]
    assert places == [
        "exp.yaml:6:33:",
        "exp.yaml:9:1:",
        "exp.yaml:11:3:",
        "exp.yaml:14:17:",
        "exp.yaml:15:7:",
        "exp.yaml:16:1:",
    ]


def test_a_problem_of_a_base_file_names_the_base_file(
    whole: Callable[..., Path], write: Callable[..., Path]
) -> None:
    whole("margin: 2.0", "margin: -2.0", name="base.yaml")
    path = write("extends: base.yaml\nseed: x\n")
    assert [line.split(" ")[0] for line in messages(path)] == ["exp.yaml:2:7:", "base.yaml:11:11:"]


def test_a_long_value_is_cut(whole: Callable[..., Path]) -> None:
    (line,) = messages(whole("epochs: 10", "epochs: " + "9" * 300 + "x"))
    assert len(line) < 200


def test_very_many_problems_are_cut_with_their_number(whole: Callable[..., Path]) -> None:
    lines = messages(whole("", "".join(f"key{i}: 1\n" for i in range(70))))
    assert len(lines) == 51
    assert lines[-1] == "... and 20 more problems"


@pytest.mark.parametrize("length", [78, 79])
def test_a_value_is_shown_up_to_eighty_characters(tmp_path: Path, length: int) -> None:
    """With its quotes; longer ones end with dots."""
    file = tmp_path / "exp.yaml"
    file.write_text(f"seed: {'x' * length}\n")
    shown = repr("x" * length)
    expected = shown if length == 78 else f"{shown[:80]}..."
    (told,) = [line for line in messages(file) if ": seed: " in line]
    assert told.endswith(f"{expected}") or f"{expected};" in told or f"{expected}," in told
