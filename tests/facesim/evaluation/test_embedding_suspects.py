"""Suspected labels and twins, found in embeddings of people whose labels a test spoils."""

from pathlib import Path

import numpy as np
import pytest

from facesim.data.linter.findings import Finding, Findings
from facesim.evaluation.embedded_splits import EmbeddedSplit, similarities
from facesim.evaluation.embedding_suspects import find_embedding_suspects
from facesim.experiment.sections import Rule
from facesim.interfaces import FaceTable

PEOPLE = {"train": 60, "val": 40, "test": 40}
IMAGES, DIMENSIONS, NUISANCES = 18, 48, 6


def embeddings(split: str, skill: float = 1.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """People as points, images around them; most of the spread lies in a few directions."""
    generator = np.random.default_rng(sum(map(ord, split)))
    people = generator.normal(size=(PEOPLE[split], DIMENSIONS)) * skill
    images = np.repeat(people, IMAGES, axis=0)
    images += generator.normal(size=images.shape) * 0.7
    nuisance = np.random.default_rng(0).normal(size=(NUISANCES, DIMENSIONS))
    return np.asarray(images + generator.normal(size=(len(images), NUISANCES)) @ nuisance)


class Data:
    """Three splits, which a test spoils."""

    def __init__(self, skill: float = 1.0) -> None:
        self.images = {split: embeddings(split, skill) for split in PEOPLE}
        self.labels = {
            split: np.repeat([f"{split}{person:02d}" for person in range(people)], IMAGES)
            for split, people in PEOPLE.items()
        }

    def look(self) -> dict[Rule, list[Finding]]:
        splits = []
        for name, labels in self.labels.items():
            names, identities = np.unique(labels, return_inverse=True)
            files = np.array([f"{name}{number}.jpg" for number in range(len(labels))])
            table = FaceTable(Path("faces"), files, identities, names)
            splits.append(EmbeddedSplit(name, table, np.arange(len(labels)), self.images[name]))
        findings = Findings({})
        self.asked = find_embedding_suspects(splits, findings)
        found: dict[Rule, list[Finding]] = {}
        for finding in findings.report().findings:
            found.setdefault(finding.rule, []).append(finding)
        return found

    def mislabel(self, split: str, share: float) -> list[str]:
        """Give some images the label of anybody; their files."""
        generator, labels = np.random.default_rng(1), self.labels[split]
        wrong = generator.choice(len(labels), round(share * len(labels)), replace=False)
        labels[wrong] = generator.choice(labels, len(wrong))
        return [f"{split}{number}.jpg" for number in wrong]


def test_right_labels_are_not_suspected() -> None:
    data = Data()
    assert data.look() == {}
    assert data.asked


@pytest.mark.parametrize("split", PEOPLE)
def test_images_with_wrong_labels_are_listed(split: str) -> None:
    data = Data()
    wrong = data.mislabel(split, 0.1)
    (finding,) = data.look()["wrong_labels"]
    assert split in finding.message
    listed = [row.split()[0] for row in finding.rows if row[0] != "."]
    assert len(listed) == 10
    assert sum(file in wrong for file in listed) >= 0.9 * len(listed)
    assert finding.severity == "warning"
    assert all(3 <= len(group) <= 5 for group in finding.images)


@pytest.mark.parametrize(("split", "wrong"), [("val", 54), ("test", 36), ("test", 48)])
def test_so_few_wrong_labels_that_chance_may_explain_them_are_listed_and_not_estimated(
    split: str, wrong: int
) -> None:
    """Of 720 images: the estimate is 5% and more, but surely not half of that."""
    data = Data()
    data.mislabel(split, wrong / 720)
    (finding,) = data.look()["wrong_labels"]
    assert f"of 720 images of {split} are more like another identity" in finding.message


@pytest.mark.parametrize("share", [0.1, 0.2, 0.4])
def test_the_share_of_wrong_labels_is_estimated(share: float) -> None:
    data = Data()
    data.mislabel("train", share)
    (finding,) = data.look()["wrong_labels"]
    told = float(finding.message.split("about ")[1].split("%")[0]) / 100
    assert 0.6 * share <= told <= 1.5 * share
    assert "of the labels of train look wrong" in finding.message


@pytest.mark.parametrize("split", PEOPLE)
def test_shuffled_labels_are_told_from_noise(split: str) -> None:
    data = Data()
    np.random.default_rng(2).shuffle(data.labels[split])
    (finding,) = data.look()["wrong_labels"]
    assert "shuffled rows or a shifted column" in finding.message
    assert f"of {split} look wrong" in finding.message


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_person_under_two_labels_within_a_split(split: str) -> None:
    data = Data()
    person = data.labels[split] == f"{split}06"
    data.labels[split][np.flatnonzero(person)[::2]] = "alias"
    (finding,) = data.look()["one_person_two_labels"]
    assert f"1 couple of identities of {split} may be one person: their" in finding.message
    assert finding.rows[0].startswith(f"alias and {split}06: ")
    assert len(finding.images[0]) == 6


def test_identities_are_not_compared_in_a_space_of_few_images() -> None:
    data = Data()
    for split in ("val", "test"):
        data.images[split], data.labels[split] = data.images[split][:180], data.labels[split][:180]
    person = np.flatnonzero(data.labels["train"] == "train06")
    data.labels["train"][person[::2]] = "alias"
    assert data.look() == {}
    assert data.asked


def test_identities_are_not_compared_among_many_wrong_labels() -> None:
    data = Data()
    data.mislabel("train", 0.5)
    assert set(data.look()) == {"wrong_labels"}


def test_one_person_under_two_labels_in_two_splits() -> None:
    data = Data()
    person = np.flatnonzero(data.labels["train"] == "train07")
    data.images["test"] = np.concatenate([data.images["test"], data.images["train"][person[::2]]])
    data.labels["test"] = np.concatenate([data.labels["test"], ["alias"] * 9])
    kept = np.setdiff1d(np.arange(len(data.labels["train"])), person[::2])
    for columns in (data.images, data.labels):
        columns["train"] = columns["train"][kept]
    (finding,) = data.look()["one_person_two_labels"]
    assert "train and test may share 1 identity under two labels" in finding.message
    assert finding.rows[0].startswith("train07 in train and alias in test: ")


def test_twins_of_training_images_in_test() -> None:
    data = Data()
    noise = np.random.default_rng(3).normal(size=(3, DIMENSIONS)) * 0.1
    data.images["test"][[10, 100, 200]] = data.images["train"][[5, 55, 305]] + noise
    (finding,) = data.look()["twin_images"]
    assert finding.message.startswith("train and test share 3 images")
    assert set(finding.rows) == {
        "train5.jpg - test10.jpg",
        "train55.jpg - test100.jpg",
        "train305.jpg - test200.jpg",
    }


def test_of_many_twins_the_first_are_shown_and_the_rest_counted() -> None:
    data = Data()
    copied = np.arange(5, 24 * IMAGES, 2 * IMAGES)
    data.images["test"][copied] = data.images["train"][copied]
    (finding,) = data.look()["twin_images"]
    assert finding.message.startswith("train and test share 12 images")
    assert len(finding.images) == 10
    assert finding.rows[-1] == "... and 2 more"


def test_of_few_identities_nobody_is_said_to_look_like_another() -> None:
    data = Data()
    data.images["test"], data.labels["test"] = data.images["test"][:126], data.labels["test"][:126]
    data.mislabel("test", 0.1)
    assert data.look() == {}
    assert data.asked


def test_embeddings_that_tell_nobody_apart_are_not_asked() -> None:
    data = Data(skill=0.05)
    data.mislabel("test", 0.5)
    assert data.look() == {}
    assert not data.asked


def test_an_image_is_compared_with_the_other_images_of_each_identity() -> None:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(6, 4))
    people = np.array([0, 1, 1, 2, 2, 2])
    to_each, to_own = similarities(images, people)
    for image, person in enumerate(people):
        for other in range(3):
            mean = (images[people == other] @ images[image]).mean()
            assert to_each[image, other] == pytest.approx(mean)
        own = [i for i in np.flatnonzero(people == person) if i != image]
        if own:
            assert to_own[image] == pytest.approx((images[own] @ images[image]).mean())
        else:
            assert np.isnan(to_own[image])
