"""Model card of a pack: Markdown with the metadata block of the model hubs.

Mitchell et al., "Model cards for model reporting", 2019; the block is the hub's ``model-index``,
from which its libraries read evaluation results.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from facesim.errors import count
from facesim.report.formatting import NOTHING, VAL_AGAIN, number, percent
from facesim.verifier.pack_file import (
    Agreement,
    MeasuredOn,
    MeasuredRate,
    PackedMetric,
    PackedPoint,
    PackFile,
)

_TASK = {"type": "face-verification", "name": "Face verification"}


def model_card(pack: PackFile) -> str:
    """The text of ``README.md``."""
    block = yaml.safe_dump(_metadata(pack), sort_keys=False, allow_unicode=True)
    sections = (
        f"---\n{block}---\n\n# {pack.name}\n\n{_summary(pack)}",
        f"## Use\n\n{_use(pack)}",
        f"## Operating points\n\n{_operating_points(pack)}",
        f"## Metrics\n\n{_metrics(pack)}",
        f"## Data\n\n{_data(pack)}",
        f"## The packed files against the original\n\n{_remeasurement(pack)}",
        f"## Limits\n\n{_LIMITS}",
    )
    return "\n\n".join(sections) + "\n"


def _metadata(pack: PackFile) -> dict[str, Any]:
    measured = pack.measured_on
    results = [
        {"type": name, "name": each.label, "value": round(each.value, 6)}
        for name, each in measured.metrics.items()
        if each.value is not None
    ]
    for point in pack.operating_points:
        for rate in ("fmr", "fnmr"):
            value = getattr(point, rate).value
            if value is not None:
                name = f"{rate.upper()} at the operating point {point.name}"
                results.append({"type": rate, "name": name, "value": round(value, 6)})
    return {
        "library_name": "facesim",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["face-verification", "face-recognition", "biometrics", pack.network.format],
        "metrics": [name for name, each in measured.metrics.items() if each.value is not None],
        "model-index": [
            {
                "name": pack.name,
                "results": [
                    {
                        "task": _TASK,
                        "dataset": {
                            "type": measured.dataset,
                            "name": measured.dataset,
                            "split": measured.split,
                        },
                        "metrics": results,
                    }
                ],
            }
        ],
    }


def _summary(pack: PackFile) -> str:
    network = pack.network
    kind = {"onnx": "ONNX", "torch": "safetensors"}[network.format]
    numbers = {None: "float32", "float16": "float16", "int8": "int8, quantised after training"}
    height, width = network.image_size
    return (
        f"Verifies whether two face images show one person. The network ({kind}, "
        f"{numbers[network.quantization]}) makes {count(network.embedding_dim, 'number')} of an "
        f"RGB image of {height} x {width} pixels (height x width); a score compares two "
        f"embeddings, and the threshold of an operating point decides. Packed by facesim "
        f"{pack.facesim} from checkpoint `{pack.checkpoint}` of run `{pack.run}`."
    )


def _use(pack: PackFile) -> str:
    if pack.network.format == "onnx":
        needs = "`requirements.txt` lists what runs it; torch is not among it."
    else:
        needs = (
            "`requirements.txt` lists what runs it. `experiment.yaml` names the plugins that build "
            "the network: they are code, and must be installed."
        )
    return (
        "```sh\nfacesim verify PACK a.jpg b.jpg\n```\n\n"
        '```python\nimport facesim\n\nverifier = facesim.load_pack("PACK")\n'
        'verifier.verify("a.jpg", "b.jpg")\n```\n\n'
        f"{needs} {_preparation(pack)} The digests of all files are in `pack.json`."
    )


_FITTED = {
    "letterbox": ", between black bars if they have another aspect ratio",
    "crop": ", without what exceeds the middle if they have another aspect ratio",
    "stretch": "",
}


def _preparation(pack: PackFile) -> str:
    """What images must be before they are passed to the pack."""
    alignment = pack.image.get("alignment")
    if not isinstance(alignment, dict):
        cut = f", cut to {crop} (left, top, width, height)" if (crop := pack.image["crop"]) else ""
        height, width = pack.network.image_size
        fit = str(pack.image.get("fit", "stretch"))
        return (
            "Images must be cropped and aligned as those of the measurement were; they are read "
            f"as they are{cut} and resized to {height} x {width} (height x width){_FITTED[fit]}."
        )
    aligner: Any = alignment["aligner"]
    template = alignment["template"]
    by = f"template `{template}`" if isinstance(template, str) else "five points of its own"
    return (
        f"Photographs need no preparation: the aligner `{aligner['name']}` finds the face, which "
        f"is cut out by the {by}."
    )


def _operating_points(pack: PackFile) -> str:
    rows = [
        (
            f"`{point.name}`",
            point.rule,
            number(point.threshold),
            _rate(point.fmr),
            _rate(point.fnmr),
        )
        for point in pack.operating_points
        if point.threshold is not None
    ]
    missing = "".join(
        f" `{point.name}` has no threshold: {point.reason}."
        for point in pack.operating_points
        if point.threshold is None
    )
    chosen = {_chosen(point) for point in pack.operating_points}
    measured = pack.measured_on
    notes = (
        f"Thresholds were chosen on {'; '.join(sorted(chosen))}. Error rates were measured by the "
        f"packed files on {count(measured.pairs, 'pair')} of {measured.split} "
        f"({measured.genuine:,} genuine, {measured.impostor:,} impostor, "
        f"{count(measured.identities, 'identity')}), with 95% intervals over people: of this very "
        f"threshold, and {VAL_AGAIN} and the threshold chosen again."
    )
    if pack.probability is None:
        probability = (
            f"There are no probabilities: {pack.probability_reason or 'none were fitted'}."
        )
    else:
        probability = (
            f"Probabilities assume that {percent(pack.probability.genuine_share)} of the pairs "
            "are genuine, as on the pairs of the fit."
        )
    table = _table(("point", "rule", "threshold", "FMR", "FNMR"), rows)
    return f"{table}\n\n{notes}{missing} {probability}"


def _chosen(point: PackedPoint) -> str:
    on = point.chosen_on
    people = "" if on.identities is None else f" of {count(on.identities, 'identity')}"
    return f"{count(on.pairs, 'pair')}{people} of {on.split}"


def _rate(rate: MeasuredRate) -> str:
    if rate.value is None:
        return rate.reason or NOTHING
    between = ""
    if rate.low is not None and rate.high is not None:
        between = f" ({percent(rate.low)} to {percent(rate.high)}"
        if rate.procedure is not None:
            low, high = rate.procedure
            between += f"; {VAL_AGAIN} {percent(low)} to {percent(high)}"
        between += ")"
    return f"{percent(rate.value)}{between}, {rate.errors:,} of {rate.comparisons:,}"


def _metrics(pack: PackFile) -> str:
    rows = [
        (each.label, _value(each, each.value), _between(each))
        for each in pack.measured_on.metrics.values()
        if each.value is not None
    ]
    return _table(("metric", "value", "95% interval over people"), rows)


def _value(metric: PackedMetric, value: float | None) -> str:
    return percent(value) if metric.unit == "percent" else number(value)


def _between(metric: PackedMetric) -> str:
    if metric.low is None or metric.high is None:
        return NOTHING
    return f"{_value(metric, metric.low)} to {_value(metric, metric.high)}"


def _data(pack: PackFile) -> str:
    trained, measured = pack.trained_on, pack.measured_on
    return (
        f"Trained on {count(trained.images, 'image')} of {count(trained.identities, 'identity')} "
        f"(dataset `{trained.dataset}`) for {count(trained.epochs, 'epoch')}, "
        f"{count(trained.steps, 'step')}, seed {trained.seed}. Measured on `{measured.dataset}`, "
        f"split {measured.split}, protocol `{measured.protocol}`.{_acquisition(measured)}"
    )


def _acquisition(measured: MeasuredOn) -> str:
    if measured.failure_to_acquire is None:
        return ""
    failed = (
        f" Failure to acquire (ISO/IEC 19795-1): {_rate(measured.failure_to_acquire)} photographs "
        "in which no face was found"
    )
    if measured.includes_centres:
        return (
            f"{failed}. The error rates include these, of which the centre was used; the pack "
            "refuses such photographs."
        )
    held = "" if measured.left_out is None else "; the error rates hold for the others"
    return f"{failed}{held}."


def _remeasurement(pack: PackFile) -> str:
    found = pack.remeasurement
    rows = [
        (
            each.split,
            _REFERENCES[each.reference],
            f"{each.pairs:,}",
            _most_different(each),
            f"{each.largest_difference:.2g}",
        )
        for each in found.agreements
    ]
    headings = ("split", "compared with", "pairs", "decisions that differ, at most", "largest")
    allowed = (
        f"Allowed were {percent(found.most_decisions)} of the decisions of each operating point"
        + (
            ""
            if found.most_difference is None
            else f", and a difference of {found.most_difference:g} of the spread of the scores"
        )
    )
    lines = [
        f"The files of this pack were run by {found.runtime}. {allowed}.",
        _table(headings, rows),
    ]
    if found.differences:
        differences = [
            (
                each.metric,
                NOTHING if each.difference is None else f"{each.difference:+.4g}",
                each.reason or NOTHING
                if each.low is None or each.high is None
                else f"{each.low:+.4g} to {each.high:+.4g}",
            )
            for each in found.differences
        ]
        lines += [
            "Metrics of the pack minus those of the original, paired on the same comparisons:",
            _table(("metric", "difference", "95% interval over people"), differences),
        ]
    return "\n\n".join(lines)


_REFERENCES = {
    "network": "the network in float32",
    "recorded": "the scores that the run recorded",
}


def _most_different(found: Agreement) -> str:
    name, most = max(found.decisions.items(), key=lambda each: each[1], default=("", 0))
    return f"{most} (`{name}`)" if most else "0"


_LIMITS = (
    "Error rates hold for images and people like those of the measurement. Other cameras, poses, "
    "ages and groups of people have other rates: measure them before you rely on a threshold, with "
    "`facesim eval` of the run on data of your own. No rate of a group of people is in this card "
    "unless you add it. Whoever publishes a pack also adds the licence, which the licences of the "
    "training data and of pretrained weights limit."
)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
