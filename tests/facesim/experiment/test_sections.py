"""Rules of the sections of an experiment file, beyond the types of their keys."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facesim import Aligner, Face, Photograph, interfaces
from facesim.experiment.schema import Experiment
from facesim.experiment.sections import Evaluate, Image, Train
from tests.facesim.experiment.conftest import Pairs


class AllPairs(Pairs):
    """Compare all pairs."""

    lists_pairs = False


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("step-{stp}", "cannot be filled in: {stp} is not like .*; known: name, epoch, step"),
        ("step-{step", "cannot be filled in"),
        ("{}", "cannot be filled in"),
        ("{step.no}", "cannot be filled in"),
        ("{epoch}", "must contain {step}, or one checkpoint overwrites another"),
        ("a/{step}", "must be a plain file name"),
        (r"a\\{step}", "must be a plain file name"),
        (".{step}", "must be a plain file name"),
        ("{step:>1000000000}", "cannot be filled in: {step} is not like {step}, {step:08d}"),
        ("{step:{step}}", "cannot be filled in"),
        ("{step!r}", "cannot be filled in"),
        ("{name.__class__}-{step}", "cannot be filled in"),
        ("a\r{step}", "must not hold a control character"),
        ("{step:\t>9}", "must not hold a control character"),
        ("a" * 230 + "{step}", "may become 243 bytes long with a long `name`; 230 are"),
        ("{name}-{name}-{name}-{step}", "bytes long"),
        ("\u540d" * 80 + "{step}", "bytes long"),
    ],
)
def test_a_template_of_checkpoints_gives_each_its_own_plain_name(
    template: str, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        Train(epochs=1, batch_size=1, checkpoint_name=template)


def test_a_template_of_checkpoints_may_hold_name_epoch_and_step() -> None:
    train = Train(epochs=1, batch_size=1, checkpoint_name="{name}-{epoch}-{step:04d}")
    assert train.checkpoint_name == "{name}-{epoch}-{step:04d}"


SIGNS = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
    "minItems": "items >=",
    "maxItems": "items <=",
    "maxLength": "characters <=",
}

KEYS = {
    "Experiment": {
        "name": "characters <= 100",
        "seed": "0; >= 0; < 4294967296",
        "device": '"auto"',
        "trunk_cache": '"float16"; float16, float16_compressed, float32 or off',
        "backbone_engine": '"auto"; auto, eager, compiled or onnxruntime',
    },
    "Data": {"workers": "2; >= 0; <= 256"},
    "IdentitySplit": {
        "ratios": "[0.7, 0.1, 0.2]; items >= 3; items <= 3; > 0; < 1",
        "seed": "0; >= 0; < 4294967296",
        "stratify": "[]",
    },
    "Image": {
        "size": "[218, 178]; items >= 2; items <= 2; > 0",
        "crop": "null; items >= 4; items <= 4; >= 0; <= 1048576; > 0",
    },
    "Train": {
        "epochs": ">= 0; <= 1000000",
        "batch_size": "> 0; <= 1000000",
        "checkpoint_every": "null; > 0; <= 1000000000",
        "keep_checkpoints": "3; >= 0; <= 1000000",
        "checkpoint_name": '"step-{step:08d}"',
        "log_every": "10; > 0; <= 1000000000",
        "precision": '"auto"; auto, float32 or bfloat16',
        "compile": "false",
        "deterministic": "true",
        "shards": "1; >= 1; <= 4096",
        "reduce": '"ordered"; ordered or fast',
        "threads": "null; >= 1; <= 4096",
    },
    "Evaluate": {
        "seed": "0; >= 0; < 4294967296",
        "val_pairs": "null",
        "test_pairs": "null",
        "pairs_per_image": "1.0; > 0; <= 10000",
        "same_fraction": "0.5; > 0; < 1",
        "batch_size": "64; > 0; <= 1000000",
        "smallest_far": "0.01; > 0; <= 1",
        "resamples": "1000; >= 1000; <= 1000000",
        "baselines": "true",
        "slices": "true",
    },
    "Search": {
        "trials": "100; > 0; <= 1000000",
        "metric": "items >= 1",
        "sampler": '"tpe"',
        "pruner": '"median"',
        "winner_seeds": "3; >= 3; <= 1000",
        "threads": "null; > 0",
    },
}


def limits(schema: dict[str, Any]) -> list[str]:
    """What a key may be, and each of its parts."""
    own = [f"{sign} {schema[name]}" for name, sign in SIGNS.items() if name in schema]
    if choices := schema.get("enum"):
        own.append(f"{', '.join(choices[:-1])} or {choices[-1]}")
    items = schema.get("items")
    parts = [*schema.get("anyOf", ()), *schema.get("prefixItems", ()), *([items] if items else ())]
    return list(dict.fromkeys([*own, *(told for part in parts for told in limits(part))]))


@pytest.mark.parametrize("section", KEYS)
def test_keys_have_their_defaults_and_their_limits(section: str) -> None:
    whole = Experiment.model_json_schema()
    properties = {**whole.pop("$defs"), "Experiment": whole}[section]["properties"]
    told = {}
    for key in KEYS[section]:
        default = [json.dumps(properties[key]["default"])] if "default" in properties[key] else []
        told[key] = "; ".join([*default, *limits(properties[key])])
    assert told == KEYS[section]


@pytest.mark.parametrize("size", [(4097, 1), (1, 5000)])
def test_an_image_has_at_most_4096_pixels_per_side(size: tuple[int, int]) -> None:
    assert Image(size=(4096, 1)).size == (4096, 1)
    with pytest.raises(ValidationError, match="at most 4096 pixels per side"):
        Image(size=size)


def test_a_protocol_that_lists_no_pairs_takes_none() -> None:
    interfaces.protocols("all")(AllPairs)
    protocol = interfaces.protocols.spec("all")
    assert Evaluate(protocol=protocol).test_pairs is None
    with pytest.raises(ValidationError, match="the protocol all does not compare a list of pairs"):
        Evaluate(protocol=protocol, test_pairs=Path("pairs.csv"))


def test_paths_of_pairs_are_absolute_in_data() -> None:
    data = Evaluate(val_pairs=Path("val.csv")).model_dump(mode="json")
    assert data["val_pairs"] == str(Path("val.csv").absolute())
    assert data["test_pairs"] is None


def test_values_do_not_change_and_unknown_keys_are_errors() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Image().size = (1, 1)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Image.model_validate({"sise": (1, 1)})


POINTS = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]


@pytest.fixture
def finder() -> Iterator[None]:
    with interfaces.aligners.isolated():

        @interfaces.aligners("finder")
        class Finder(Aligner):
            def find(self, photograph: Photograph) -> Sequence[Face]:
                raise NotImplementedError

        yield


@pytest.mark.usefixtures("finder")
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"aligner": "finder"}, "needs a `template`: celeba, arcface, dlib or five points"),
        ({"aligner": "finder", "template": POINTS[:4]}, "has five points, not 4"),
        ({"aligner": "finder", "template": [[1, 2]] * 5}, "eyes of a template are at different"),
        (
            {"aligner": "finder", "template": [[1e9, 0], *POINTS[1:]]},
            "pixels away",
        ),
        ({"aligner": "finder", "template": "arc"}, "template"),
        ({"aligner": "finder", "template": "dlib", "crop": [0, 0, 8, 8]}, "leave `crop` out"),
        ({"aligner": "finder", "template": "dlib", "fit": "crop"}, "leave `fit` out"),
        ({"aligner": "finder", "template": "dlib", "fit": "stretch"}, "leave `fit` out"),
        ({"fit": "squeeze"}, "'letterbox', 'crop' or 'stretch'"),
        ({"template": "celeba"}, "template needs an `aligner`"),
        ({"no_face": "skip"}, "no_face needs an `aligner`"),
        ({"several_faces": "error"}, "several_faces needs an `aligner`"),
        ({"min_confidence": 0}, "min_confidence needs an `aligner`"),
    ],
)
def test_settings_of_the_alignment_that_do_not_go_together(
    image: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        Image.model_validate(image)


@pytest.mark.usefixtures("finder")
def test_an_aligned_experiment_reads_back_as_it_was_written() -> None:
    for template in ("celeba", POINTS):
        written = {"aligner": "finder", "template": template, "min_confidence": 0.5}
        image = Image.model_validate(written)
        assert Image.model_validate_json(image.model_dump_json()) == image
    plain = Image()
    assert Image.model_validate_json(plain.model_dump_json()) == plain
