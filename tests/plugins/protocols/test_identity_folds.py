"""What an experiment with folds may say, and what is one fold of it."""

from pathlib import Path

import pytest

from facesim.experiment.differences import differences
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError
from facesim.experiment.schema import Experiment
from facesim.interfaces import protocols

FOLDS = """
name: few
data: {{source: {{name: synthetic_faces, identities: 12}}{data}}}
backbone: small_cnn
head: linear
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 1, batch_size: 8}}
evaluate: {{protocol: {protocol}{evaluate}}}
"""


def of_folds(
    folder: Path, data: str = "", protocol: str = "identity_folds", evaluate: str = ""
) -> Experiment:
    file = folder / "few.yaml"
    file.write_text(FOLDS.format(data=data, protocol=protocol, evaluate=evaluate))
    return load_experiment(file)


def test_the_protocol_says_how_many_folds_the_people_are_divided_into(tmp_path: Path) -> None:
    experiment = of_folds(tmp_path, ", split: {seed: 7}", "{name: identity_folds, folds: 4}")
    assert experiment.folds == 4
    assert experiment.as_data()["data"]["split"] == {"seed": 7, "stratify": [], "folds": 4}
    assert of_folds(tmp_path).folds == 5
    file = tmp_path / "resolved.yaml"
    experiment.save(file)
    assert load_experiment(file) == experiment


def test_the_experiment_of_one_fold_trains_one_network(tmp_path: Path) -> None:
    experiment = of_folds(tmp_path)
    third = experiment.of_fold(3)
    assert third.folds is None
    changed = differences(experiment.as_data(), third.as_data())
    assert changed == {"data.split.fold": "nothing -> 3"}
    file = tmp_path / "third.yaml"
    third.save(file)
    assert load_experiment(file) == third


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"data": ", split: {ratios: [0.6, 0.2, 0.2]}"}, "leave `ratios` out"),
        ({"data": ", split: {folds: 4}"}, "leave data.split.folds out"),
        ({"data": ", split: {fold: 1}"}, "`fold` is one of `folds`"),
        ({"data": ", split: {folds: 5, fold: 6}"}, "no fold 6 of 5"),
        ({"data": ", test: {name: synthetic_faces}"}, "leave `val` and `test` out"),
        ({"data": ", exclude: {train: [a.png]}"}, "list them under `anywhere`"),
        ({"evaluate": ", test_pairs: pairs.csv"}, "evaluate.test_pairs out"),
    ],
)
def test_what_does_not_go_with_folds_is_refused(
    tmp_path: Path, parts: dict[str, str], told: str
) -> None:
    with pytest.raises(ExperimentError) as error:
        of_folds(tmp_path, parts.get("data", ""), evaluate=parts.get("evaluate", ""))
    assert told in str(error.value)


def test_folds_need_a_protocol_that_pools_them(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="identity_folds, folds: 4"):
        of_folds(tmp_path, ", split: {folds: 4}", "pairs")
    assert of_folds(tmp_path, ", split: {folds: 4, fold: 1}", "pairs").folds is None


def test_folds_need_a_source_of_people(tmp_path: Path) -> None:
    file = tmp_path / "few.yaml"
    text = FOLDS.format(data="", protocol="identity_folds", evaluate="")
    splits = ", ".join(f"{name}: synthetic_faces" for name in ("train", "val", "test"))
    file.write_text(text.replace("source: {name: synthetic_faces, identities: 12}", splits))
    with pytest.raises(ExperimentError, match=r"write them as `data: \{source"):
        load_experiment(file)


@pytest.mark.parametrize(("people", "folds"), [(6, 3), (11, 3), (12, 4), (15, 5), (29, 5)])
def test_it_is_suggested_for_few_people_with_three_in_a_fold(people: int, folds: int) -> None:
    suggest = protocols.get("identity_folds").suggest
    assert suggest is not None
    assert suggest(people) == f"{{name: identity_folds, folds: {folds}}}"
    assert suggest(5) is suggest(30) is None
