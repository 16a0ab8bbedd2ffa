"""The errors of an evaluation by the attributes of its images."""

from facesim.atomic import write_text
from facesim.evaluation.attribute_values import choose_attributes
from facesim.evaluation.pair_identities import effective_pair_identities
from facesim.evaluation.slice_result import Slices
from facesim.evaluation.slices import measure_slices
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.runs.protocols import EvaluationOutcome

FILE = "slices.json"


def write_slices(plan: EvaluationPlan, measured: EvaluationOutcome) -> None:
    """Measure the pairs of an evaluation by the values of attributes, and write ``slices.json``.

    No file is there afterwards if there is nothing to say: the experiment asks for no slices, the
    table has no attributes, there is no threshold, or all pairs were compared and none was kept.

    Args:
        plan: what is evaluated.
        measured: the trained system on test.

    Raises:
        FacesimError: an attribute that the experiment names is not in the table.
    """
    file = plan.folder / FILE
    slices = _measure(plan, measured)
    if slices is None:
        file.unlink(missing_ok=True)
    else:
        write_text(file, slices.to_json())


def _measure(plan: EvaluationPlan, measured: EvaluationOutcome) -> Slices | None:
    table, scored, result = measured.test.table, measured.scored, measured.result
    attributes, notes = choose_attributes(table.attributes, plan.experiment.evaluate.slices)
    if scored is None or result.threshold is None or not (attributes or notes):
        return None
    return measure_slices(
        attributes,
        scored.pairs.rows,
        scored.scores,
        scored.pairs.same,
        *effective_pair_identities(scored.pairs, table.identities),
        threshold=result.threshold,
        seed=result.seed,
        resamples=result.resamples,
        notes=notes,
    )
