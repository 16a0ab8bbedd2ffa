"""An opened run: metrics and scores as they were written, and its network on new images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesim import DataError, FacesimError, OpenedRun, evaluate, load_experiment, open_run, run
from facesim.notebook import opened_run
from facesim.runs.run import Run


def faces_of(trained: OpenedRun) -> list[Path]:
    table = trained.table()
    return [table.path(row) for row in range(len(table))]


@pytest.fixture(scope="module")
def cached(workplace: Path) -> OpenedRun:
    """A run whose frozen trunk goes through the cache, in float16."""
    file = workplace / "experiments" / "quickstart.yaml"
    frozen = {"name": "small_cnn", "width": 4, "frozen_stages": 2}
    changes = {"train.epochs": 1, "backbone": frozen, "transforms": []}
    return run(load_experiment(file, changes), workplace / "frozen", progress=False)


def test_metrics_are_those_of_the_evaluation(trained: OpenedRun) -> None:
    result = trained.run.read().result
    assert result is not None
    assert dict(trained.metrics) == result.metrics
    assert trained.metrics.result == result
    assert len(trained.metrics) == len(result.metrics) > 5


def test_scores_are_the_pairs_with_their_scores(trained: OpenedRun) -> None:
    scores = trained.scores
    written = (trained.path / "eval" / "test" / "scores.csv").read_text().splitlines()
    assert len(scores) == len(written) - 1
    assert written[0].split(",") == [*scores.columns]
    assert (scores["same"] == (scores["identity1"] == scores["identity2"])).all()


def test_a_table_is_that_of_a_split_of_the_evaluation(trained: OpenedRun) -> None:
    of_val = trained.experiment.data.dataset_of("val").build()
    assert trained.table("val").files.tolist() == of_val.files.tolist()
    assert {*trained.table().labels} & {*trained.table("train").labels} == set()
    other = evaluate(trained, {"data.test.identities": 3}, name="three")
    assert (len(other.table().labels), len(other.table("val"))) == (3, len(of_val))
    with pytest.raises(FacesimError, match="there is no split 'tset': train, val, test"):
        trained.table("tset")


@pytest.mark.parametrize("which", ["trained", "cached"])
def test_a_pair_scores_as_in_the_evaluation(which: str, request: pytest.FixtureRequest) -> None:
    opened: OpenedRun = request.getfixturevalue(which)
    root = opened.experiment.data.dataset_of("test").build().root
    columns = (opened.scores[name].tolist()[:5] for name in ("file1", "file2", "score"))
    for first, second, score in zip(*columns, strict=True):
        assert opened.score(root / first, root / second) == pytest.approx(score, rel=1e-5)


def test_features_are_rounded_as_in_the_cache(
    cached: OpenedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = faces_of(cached)[0]
    rounded = cached.embed(file)
    monkeypatch.setattr(opened_run, "cache_refusal_reason", lambda *_: "it is switched off")
    exact = cached.embed(file)
    assert np.allclose(rounded, exact, rtol=1e-2)
    assert not np.array_equal(rounded, exact)


def test_files_arrays_and_pil_images_are_embedded_alike(trained: OpenedRun) -> None:
    file = faces_of(trained)[0]
    with Image.open(file) as opened:
        array = np.asarray(opened.convert("RGB"))
        embeddings = trained.embed([file, str(file), opened, array])
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (4, 4)
    assert (embeddings == embeddings[0]).all()


def test_one_image_is_a_row_and_none_is_no_row(trained: OpenedRun) -> None:
    file = faces_of(trained)[0]
    assert trained.embed(file).shape == trained.embed(str(file)).shape == (1, 4)
    assert trained.embed(np.zeros((30, 20, 3), np.uint8)).shape == (1, 4)
    assert trained.embed([]).shape == (0, 4)
    assert trained.embed(np.zeros((2, 30, 20, 3), np.uint8)).shape == (2, 4)


def test_more_images_than_a_batch_are_embedded_in_order(trained: OpenedRun) -> None:
    files = faces_of(trained)
    assert len(files) < trained.experiment.evaluate.batch_size
    many = files * 9
    embeddings = trained.embed(many)
    assert len(embeddings) > trained.experiment.evaluate.batch_size
    expected = np.tile(trained.embed(files), (9, 1))
    assert np.allclose(embeddings, expected, rtol=1e-4, atol=1e-6)


def test_embedding_leaves_the_mode_of_the_network(trained: OpenedRun) -> None:
    trained.network.train()
    trained.embed(faces_of(trained)[0])
    assert trained.network.training


def test_a_decision_is_the_score_at_the_threshold(trained: OpenedRun) -> None:
    first, second = faces_of(trained)[:2]
    decision = trained.verify(first, second)
    assert decision.score == trained.score(first, second)
    assert decision.threshold == trained.metrics.result.threshold
    assert decision.same is (decision.score >= decision.threshold)
    strict = trained.verify(first, second, at="eer")
    assert strict.operating_point == "eer"
    assert "<table>" in decision._repr_html_()


def test_an_operating_point_that_is_not_there_names_those_that_are(trained: OpenedRun) -> None:
    file = faces_of(trained)[0]
    with pytest.raises(FacesimError, match=r"'err' \(did you mean 'eer'\?\); known are best_acc"):
        trained.verify(file, file, at="err")
    with pytest.raises(FacesimError, match=r"no threshold for far_1e-4: .*impostor"):
        trained.verify(file, file, at="far_1e-4")


def test_an_image_that_cannot_be_used_is_named(trained: OpenedRun, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        trained.embed(tmp_path / "broken.png")


def test_another_evaluation_has_metrics_of_its_own(trained: OpenedRun) -> None:
    small = evaluate(trained, {"evaluate.pairs_per_image": 0.5}, name="small")
    assert small.evaluation == "small"
    assert small.metrics.result.pairs < trained.metrics.result.pairs
    assert len(open_run(trained.path, "small").scores) == small.metrics.result.pairs
    with pytest.raises(FacesimError, match="has no evaluation 'smal' "):
        _ = open_run(trained.path, "smal").metrics


def test_a_run_that_was_not_evaluated_says_so(workplace: Path, tmp_path: Path) -> None:
    experiment = load_experiment(workplace / "experiments" / "quickstart.yaml")
    begun = OpenedRun(Run.begin(experiment, tmp_path))
    assert repr(begun).endswith(": not started, not evaluated.")
    with pytest.raises(FacesimError, match="was not evaluated yet"):
        _ = begun.metrics


def test_scores_that_were_not_kept_are_missed(trained: OpenedRun) -> None:
    every = evaluate(trained, {"evaluate.protocol": "exhaustive"}, name="every")
    with pytest.raises(FacesimError, match=r"scores of single pairs of .* were not kept"):
        _ = every.scores
