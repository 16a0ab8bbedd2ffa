"""The drawn data set: what a face and an image depend on, and how the files come about."""

import multiprocessing
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from facesim import FaceTable, datasets
from facesim_plugins.datasets import synthetic_faces as plugin
from facesim_plugins.datasets._face import face_of, view_of
from facesim_plugins.datasets._face_parts import face_parts
from facesim_plugins.datasets._face_rendering import _project, render_face
from facesim_plugins.datasets.synthetic_faces import synthetic_faces


def pixels(table: FaceTable, row: int) -> npt.NDArray[np.uint8]:
    with Image.open(table.path(row)) as image:
        return np.asarray(image)


def test_a_table_has_every_image_of_every_identity_once(tmp_path: Path) -> None:
    table = synthetic_faces(identities=3, images_per_identity=4, first_identity=7, root=tmp_path)
    assert len(table) == len(set(table.files)) == 12
    assert table.identities.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table.identities.dtype == np.int64
    assert table.labels.tolist() == ["7", "8", "9"]
    assert len(list(table.root.rglob("*.png"))) == 12


@pytest.mark.parametrize("size", [16, 64, 97])
def test_images_are_rgb_squares_of_the_asked_size(tmp_path: Path, size: int) -> None:
    table = synthetic_faces(identities=1, images_per_identity=1, size=size, root=tmp_path)
    image = pixels(table, 0)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8


def test_the_default_folder_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path))
    table = synthetic_faces(identities=1, images_per_identity=1)
    assert table.root.parent == tmp_path / "synthetic_faces"


def test_splits_with_meeting_ranges_show_the_same_people(tmp_path: Path) -> None:
    """An image is a function of (seed, identity, image), whatever else is in its table."""
    small = synthetic_faces(identities=1, images_per_identity=1, first_identity=5, root=tmp_path)
    large = synthetic_faces(
        identities=4, images_per_identity=3, first_identity=3, root=tmp_path / "elsewhere"
    )
    assert np.array_equal(pixels(small, 0), pixels(large, 2 * 3))


def test_identities_images_and_seeds_all_differ() -> None:
    images = [
        render_face(face_of(seed, identity), view_of(seed, identity, image), 32).tobytes()
        for seed in range(2)
        for identity in range(5)
        for image in range(3)
    ]
    assert len(set(images)) == len(images)


def test_images_of_one_identity_differ_in_pose_light_background_and_expression() -> None:
    views = [view_of(0, 3, image) for image in range(20)]
    for name in ("yaw", "pitch", "roll", "zoom", "smile", "eye_open", "ambient", "noise"):
        assert len({getattr(view, name) for view in views}) == len(views), name
    assert len({view.light.tobytes() for view in views}) == len(views)
    assert len({view.background.tobytes() for view in views}) == len(views)


def test_turning_the_head_moves_the_nose_sideways_more_than_the_ears() -> None:
    """The face is a solid, not a flat image."""
    view = replace(view_of(0, 0, 0), yaw=0.0)
    nose, ear = np.array([[0.0, 0.0, 0.8], [0.7, 0.0, 0.0]])
    shift = _project(np.stack([nose, ear]), replace(view, yaw=0.3))[:, 0]
    shift = shift - _project(np.stack([nose, ear]), view)[:, 0]
    assert shift[0] > 3 * abs(shift[1])


def test_attributes_tell_what_is_drawn(tmp_path: Path) -> None:
    table = synthetic_faces(identities=30, images_per_identity=2, root=tmp_path, size=16)
    assert len(table.attributes) == len(table)
    for row in (0, 1, 2, 59):
        face = face_of(0, int(table.identities[row]))
        assert table.attributes.loc[row].to_dict() == face.attributes
    assert {"glasses", "hair", "skin"} <= set(table.attributes.columns)
    assert table.attributes.groupby(table.identities).nunique().max(axis=None) == 1
    assert all(table.attributes.nunique() > 1)


def test_glasses_are_seen_in_the_pixels() -> None:
    view = view_of(0, 0, 0)
    without = replace(face_of(0, 0), glasses="none", glasses_color=np.full(3, 255.0))
    bare, worn = (
        np.asarray(render_face(face, view, 64), int)
        for face in (without, replace(without, glasses="square"))
    )
    changed = np.argwhere(np.abs(bare - worn).max(axis=2) > 40)
    assert len(changed) > 30
    assert changed[:, 0].min() > 16
    assert changed[:, 0].max() < 44


def test_a_complete_data_set_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic_faces(identities=2, images_per_identity=2, root=tmp_path)
    monkeypatch.delattr(plugin, "render_face")
    synthetic_faces(identities=2, images_per_identity=2, root=tmp_path)


def test_a_larger_data_set_draws_only_what_it_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = synthetic_faces(identities=2, images_per_identity=2, root=tmp_path)
    before = [first.path(row).stat().st_mtime_ns for row in range(4)]
    synthetic_faces(identities=3, images_per_identity=3, root=tmp_path)
    assert [first.path(row).stat().st_mtime_ns for row in range(4)] == before


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_an_incomplete_data_set_is_repaired(tmp_path: Path, damage: str) -> None:
    table = synthetic_faces(identities=2, images_per_identity=2, root=tmp_path)
    whole = table.path(3).read_bytes()
    table.path(3).unlink() if damage == "missing" else table.path(3).write_bytes(b"")
    synthetic_faces(identities=2, images_per_identity=2, root=tmp_path)
    assert table.path(3).read_bytes() == whole


def test_an_interrupted_write_leaves_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_half(self: Image.Image, path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"\x89PNG")
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Image.Image, "save", save_half)
        with pytest.raises(KeyboardInterrupt):
            synthetic_faces(identities=1, images_per_identity=1, root=tmp_path)
    assert not list(tmp_path.rglob("*.png"))
    table = synthetic_faces(identities=1, images_per_identity=1, root=tmp_path)
    assert pixels(table, 0).shape == (64, 64, 3)


def test_two_processes_at_once_end_with_one_whole_data_set(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    arguments = {"identities": 8, "images_per_identity": 4, "size": 16, "root": tmp_path}
    processes = [context.Process(target=synthetic_faces, kwargs=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(tmp_path.rglob("*.png"))) == 32
    assert not list(tmp_path.rglob("*.partial"))


def test_processes_draw_what_one_process_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = synthetic_faces(identities=8, images_per_identity=4, size=16, root=tmp_path / "here")
    monkeypatch.setattr(plugin, "_FEW_IMAGES", 1)
    monkeypatch.setattr(plugin, "_IMAGES_PER_TASK", 5)
    there = synthetic_faces(identities=8, images_per_identity=4, size=16, root=tmp_path / "there")
    assert [there.path(row).read_bytes() for row in range(32)] == [
        here.path(row).read_bytes() for row in range(32)
    ]
    assert not list(tmp_path.rglob("*.partial"))


def test_seeds_and_sizes_have_folders_of_their_own(tmp_path: Path) -> None:
    roots = {
        synthetic_faces(
            identities=1, images_per_identity=1, seed=seed, size=size, root=tmp_path
        ).root
        for seed in (0, 1)
        for size in (16, 32)
    }
    assert len(roots) == 4


def test_pixels_alone_hardly_tell_who_it_is() -> None:
    """Recognising these faces takes more than comparing pixels."""
    people, views = 60, 3
    flat = np.array(
        [
            np.asarray(render_face(face_of(0, person), view_of(0, person, image), 32)).ravel()
            for person in range(people)
            for image in range(views)
        ],
        np.float64,
    )
    flat -= flat.mean(axis=0)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    who = np.repeat(np.arange(people), views)
    cosine = flat @ flat.T
    genuine = cosine[(who[:, None] == who) & ~np.eye(len(who), dtype=bool)]
    impostor = cosine[who[:, None] != who]
    best = max(
        (np.mean(genuine >= threshold) + np.mean(impostor < threshold)) / 2
        for threshold in np.linspace(-1, 1, 201)
    )
    assert 0.52 < best < 0.75


@pytest.mark.parametrize(
    "wrong", [{"identities": 0}, {"size": 8}, {"seed": -1}, {"first_identity": -1}, {"faces": 3}]
)
def test_wrong_parameters_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        datasets.spec("synthetic_faces", **wrong)


def test_colours_are_colours_and_lips_are_redder_than_the_skin() -> None:
    for identity in range(50):
        face = face_of(0, identity)
        for colour in (face.skin_color, face.hair_color, face.eye_color, face.lip_color):
            assert colour.shape == (3,)
            assert colour.min() >= 0
            assert colour.max() <= 255
        of_skin, of_lips = face.skin_color, face.lip_color
        assert of_lips[0] - of_lips[1] > of_skin[0] - of_skin[1]


class TestTheDrawingStaysAsItWas:
    """Another drawing is another data set, whose results are not comparable with those of before.

    The people from 0 to 27 have every look there is. Where a change is meant, say so in the
    changelog and record the new numbers.
    """

    people = tuple(face_of(0, identity) for identity in range(28))
    views = tuple(view_of(0, identity, identity % 3) for identity in range(28))

    def test_of_the_people(self) -> None:
        assert numbers_say(map(vars, self.people)) == pytest.approx(253.7277629561479, abs=1e-6)
        looks = pd.DataFrame([face.attributes for face in self.people])
        assert {name: Counter(looks[name]) for name in looks} == {
            "skin": {"dark": 6, "light": 5, "brown": 5, "tan": 9, "pale": 3},
            "hair": {
                "curly": 7,
                "side_part": 4,
                "bob": 6,
                "receding": 1,
                "long": 5,
                "fringe": 1,
                "cropped": 3,
                "bald": 1,
            },
            "hair_color": {"blond": 8, "red": 6, "grey": 6, "black": 6, "none": 1, "brown": 1},
            "eye_color": {"green": 5, "hazel": 7, "blue": 3, "grey": 10, "brown": 3},
            "beard": {"none": 12, "stubble": 6, "full": 3, "goatee": 4, "moustache": 3},
            "glasses": {"none": 14, "round": 5, "square": 9},
            "freckles": {False: 25, True: 3},
        }

    def test_of_the_views(self) -> None:
        assert self.views[0].noise_seed == 1718055398
        views = (vars(replace(view, noise_seed=0)) for view in self.views)
        assert numbers_say(views) == pytest.approx(1397.977271561721, abs=1e-6)

    def test_of_every_part_of_a_face(self) -> None:
        faces = zip(self.people, self.views, strict=True)
        parts = [part for face, view in faces for part in face_parts(face, view)]
        assert len(parts) == 1092
        assert numbers_say(map(vars, parts)) == pytest.approx(-12.902734646886008, abs=1e-6)

    def test_of_where_the_camera_sees_it(self) -> None:
        points = np.random.default_rng(0).uniform(-1, 1, (9, 3))
        places = [{"places": _project(points, view)} for view in self.views]
        assert numbers_say(places) == pytest.approx(-1.6402096737308218, abs=1e-6)

    def test_of_light_and_shade(self) -> None:
        """The mean colours of the quarters of three images."""
        images = [render_face(self.people[at], self.views[at], 32) for at in (0, 9, 18)]
        colors = [np.asarray(image.reduce(16)).ravel().tolist() for image in images]
        recorded = [
            [88, 96, 63, 110, 92, 71, 75, 63, 42, 98, 84, 62],
            [120, 124, 112, 152, 158, 139, 67, 49, 39, 69, 55, 58],
            [189, 207, 169, 93, 107, 87, 142, 140, 113, 84, 80, 60],
        ]
        np.testing.assert_allclose(colors, recorded, atol=2)


def numbers_say(records: Iterable[dict[str, Any]]) -> float:
    """One number that depends on each number of the records, and on its place."""
    values = [
        np.ravel(value).astype(float)
        for record in records
        for value in record.values()
        if not isinstance(value, str)
    ]
    numbers = np.concatenate(values)
    return float(numbers @ np.cos(np.arange(len(numbers))))
