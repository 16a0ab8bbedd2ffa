"""A pack as a step of scikit-learn."""

import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from facesim.verifier.embedder import Embedder
from facesim.verifier.verifier import load_pack
from tests.facesim.verifier import tiny_networks as tiny
from tests.facesim.verifier.tiny_packs import write_faces, write_pack


def test_it_is_a_step_of_a_pipeline(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    pack = write_pack(tmp_path / "pack")
    paths = [str(path) for path in sorted(write_faces(tmp_path / "faces").rglob("*.png"))]
    labels = [Path(path).parent.name for path in paths]
    people = make_pipeline(Embedder(pack), LogisticRegression(C=100))
    assert people.fit(paths, labels).score(paths, labels) == 1.0
    assert clone(people).steps[0][1].pack == pack
    search = GridSearchCV(people, {"logisticregression__C": [0.1, 10]}, cv=2)
    assert search.fit(paths, labels).best_score_ > 0.5


def test_it_needs_no_fit_and_takes_a_loaded_pack(tmp_path: Path) -> None:
    verifier = load_pack(write_pack(tmp_path / "pack"))
    paths = sorted(write_faces(tmp_path / "faces").rglob("*.png"))
    found = Embedder(verifier).transform(paths)
    assert found.shape == (12, tiny.DIMENSION)
    np.testing.assert_array_equal(found, Embedder(tmp_path / "pack").fit_transform(paths))
    assert Embedder(verifier).transform([]).shape == (0, tiny.DIMENSION)


def test_its_parameters_are_its_arguments(tmp_path: Path) -> None:
    other = write_pack(tmp_path / "other", seed=1)
    embedder = Embedder(write_pack(tmp_path / "pack"))
    face = next(write_faces(tmp_path / "faces").rglob("*.png"))
    before = embedder.transform([face])
    assert embedder.set_params(pack=other).get_params() == {"pack": other}
    assert not np.array_equal(before, embedder.transform([face]))
    with pytest.raises(ValueError, match="has no parameter 'dimension'"):
        embedder.set_params(dimension=3)


def test_with_a_loaded_pack_it_is_cloned_and_pickled(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    embedder = Embedder(load_pack(write_pack(tmp_path / "pack")))
    names = np.array([str(path) for path in write_faces(tmp_path / "faces").rglob("*.png")])
    expected = embedder.transform(names)
    for copied in (clone(embedder), pickle.loads(pickle.dumps(embedder))):
        np.testing.assert_array_equal(copied.transform(names.tolist()), expected)
