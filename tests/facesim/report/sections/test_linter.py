import base64
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facesim.data.linter.findings import Finding, LintReport
from facesim.data.linter.image_sizes import ImageSize, ImageSizes, SplitImages
from facesim.data.linter.mean_face import MeanFace
from facesim.data.preprocessing import Preprocessing
from facesim.evaluation.label_suspects import Suspect
from facesim.page import Code, Gallery, Table, Text
from facesim.report.face_pairs import LONGEST_SIDE, FacePairPresenter
from facesim.report.sections.linter import label_noise_section, linter_section
from facesim.runs.scored_pairs import NamedPairs, PairIdentities


def test_a_finding_is_a_message_with_its_rows_folded() -> None:
    finding = Finding(
        rule="duplicate_pair",
        severity="warning",
        message="2 pairs of test are listed twice",
        rows=("a.png b.png", "c.png d.png"),
    )
    message, rows = linter_section(LintReport(findings=(finding,)), faces=True).blocks
    assert message == Text("Duplicate pair: 2 pairs of test are listed twice.", "warning")
    assert rows == Code("Rows: duplicate pair", "a.png b.png\nc.png d.png", folded=True)


def test_a_finding_shows_its_images_where_faces_are_shown(tmp_path: Path) -> None:
    Image.new("RGB", (300, 400), "green").save(tmp_path / "a.png")
    finding = Finding(
        rule="wrong_labels",
        severity="warning",
        message="1 label of test looks wrong",
        rows=("a.png is labelled ann and looks like bob",),
        images=((str(tmp_path / "a.png"), str(tmp_path / "gone.png")),),
    )
    report = LintReport(findings=(finding,))
    *_, gallery = linter_section(report, faces=True).blocks
    assert isinstance(gallery, Gallery)
    (shown,) = gallery.pairs
    assert shown.facts == finding.rows
    assert [face.file for face in shown.faces] == ["a.png", "gone.png"]
    found, gone = (face.image for face in shown.faces)
    assert found is not None
    pixels = Image.open(io.BytesIO(base64.b64decode(found.partition(",")[2])))
    assert max(pixels.size) == LONGEST_SIDE
    assert gone is None
    assert not any(
        isinstance(block, Gallery) for block in linter_section(report, faces=False).blocks
    )


def test_sizes_and_mean_faces_are_shown_and_without_faces_only_their_numbers() -> None:
    size = ImageSize(width=100, height=80, images=60)
    sizes = ImageSizes(
        images=60,
        read=60,
        different=1,
        frequent=(size,),
        smallest=size,
        largest=size,
        size=(112, 92),
        fit="letterbox",
        magnified=0.92,
        often_magnified=0,
        squeezed=1,
        often_squeezed=0,
        black=0.18,
        cut=0,
    )
    face = MeanFace(images=60, shifted=0.02, turned=3, scaled=1.05, sharpness=0.7, webp="UklG")
    report = LintReport(images=(SplitImages(name="train", sizes=sizes, face=face),))
    nothing, images, means, _, gallery = linter_section(report, faces=True).blocks
    assert isinstance(nothing, Text)
    assert isinstance(images, Table)
    assert isinstance(means, Table)
    assert isinstance(gallery, Gallery)
    told = "0.92 times as large, black bars on 18%"
    assert images.rows == (("train", "60", "80 x 100 pixels (height x width)", told),)
    assert means.rows == (("train", "60", "2.0%", "3 degrees", "5%", "0.70"),)
    assert gallery.pairs[0].faces[0].image == "data:image/webp;base64,UklG"
    assert gallery.pairs[0].facts == ("sharpness 0.70",)
    blocks = linter_section(report, faces=False).blocks
    assert means in blocks
    assert not any(isinstance(block, Gallery) for block in blocks)


@pytest.mark.parametrize(
    ("report", "told"), [(None, "was not linted"), (LintReport(), "found nothing")]
)
def test_not_linted_is_not_the_same_as_nothing_found(report: LintReport | None, told: str) -> None:
    (block,) = linter_section(report, faces=True).blocks
    assert isinstance(block, Text)
    assert told in block.text


PEOPLE, IMAGES = 20, 8


def galleries(*, swapped: bool, turned: bool = False) -> list[Gallery | Text]:
    """All pairs of a table; optionally two images stand under each other's identity.

    Args:
        swapped: whether they do.
        turned: whether the pairs are listed from the last to the first.
    """
    labels = np.repeat(np.arange(PEOPLE), IMAGES)
    truth = labels.copy()
    if swapped:
        truth[[3, 100]] = truth[[100, 3]]
    rows = np.argwhere(np.triu(np.ones((len(labels), len(labels)), bool), k=1))
    alike = truth[rows[:, 0]] == truth[rows[:, 1]]
    scores = 4.0 * alike + np.random.default_rng(0).normal(size=len(rows))
    files = np.array([f"{number:03d}.png" for number in range(len(labels))], dtype=object)
    codes = labels[rows].astype(np.int64)
    if turned:
        rows, codes, scores = rows[::-1], codes[::-1], scores[::-1]
    pairs = NamedPairs(files[rows], codes[:, 0] == codes[:, 1], scores)
    names = np.array([f"person {number}" for number in range(PEOPLE)], dtype=object)
    presenter = FacePairPresenter(pairs, None, Preprocessing((16, 16)))
    _, *rest = label_noise_section(presenter, PairIdentities(codes, names)).blocks
    return [block for block in rest if isinstance(block, Gallery | Text)]


def test_suspects_are_named_as_in_the_table() -> None:
    first, *_ = galleries(swapped=True)
    assert isinstance(first, Gallery)
    told = [pair.facts[-1] for pair in first.pairs]
    assert [text.split(": ")[0] for text in told] == [
        "identities person 0 and person 12",
        "image 003.png",
        "image 100.png",
    ]
    assert told[1].endswith(": 3 of its 7 genuine pairs are outliers")


def test_suspects_do_not_depend_on_the_order_of_the_pairs() -> None:
    first, other = (galleries(swapped=True, turned=turned)[0] for turned in (False, True))
    assert isinstance(first, Gallery)
    assert isinstance(other, Gallery)
    assert [pair.facts[-1] for pair in first.pairs] == [pair.facts[-1] for pair in other.pairs]


def test_the_pair_that_shows_a_suspect_holds_it() -> None:
    first, *_ = galleries(swapped=True)
    assert isinstance(first, Gallery)
    for pair in first.pairs:
        if pair.facts[-1].startswith("image "):
            assert pair.facts[-1].split()[1].rstrip(":") in [face.file for face in pair.faces]


def test_each_gallery_counts_all_and_shows_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    suspect = Suspect("identity", (2,), 3, 7, worst=0)
    found = SimpleNamespace(gathered=[suspect] * 9, genuine=range(10), impostor=range(11))
    monkeypatch.setattr("facesim.report.sections.linter.find_label_suspects", lambda *_: found)
    shown = [block for block in galleries(swapped=False) if isinstance(block, Gallery)]
    assert [(gallery.title, len(gallery.pairs)) for gallery in shown] == [
        ("Outlier images and identities: 9 suspects", 8),
        ("Labelled as one person: 10 pairs", 8),
        ("Labelled as two people: 11 pairs", 8),
    ]
    told = "identity person 2: 3 of its 7 genuine pairs are outliers"
    assert {pair.facts[-1] for pair in shown[0].pairs} == {told}


def test_clean_labels_have_no_suspects() -> None:
    titles = [getattr(block, "title", "") for block in galleries(swapped=False)]
    assert not any(title.startswith("Outlier images") for title in titles)
