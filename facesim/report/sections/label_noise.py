"""Labels that deserve a look."""

from facesim.page import Gallery, Section, Text
from facesim.report.evaluated_images import EvaluatedImages
from facesim.report.face_pairs import FacePairPresenter
from facesim.report.formatting import count
from facesim.report.label_suspects import RULE, Suspect, find_label_suspects

_SHOWN = 8


def label_noise_section(shower: FacePairPresenter, images: EvaluatedImages) -> Section:
    """What the rule lists, each with its oddest pair."""
    pairs = shower.pairs
    found = find_label_suspects(images.rows, images.identities, pairs.same, pairs.scores)
    galleries = (
        Gallery(
            f"Odd too often: {count(len(found.gathered), 'suspect')}",
            tuple(
                shower.show(suspect.worst, _told(suspect, images))
                for suspect in found.gathered[:_SHOWN]
            ),
        ),
        Gallery(
            f"Said to be one person: {count(len(found.genuine), 'pair')}",
            tuple(shower.show(position) for position in found.genuine[:_SHOWN]),
        ),
        Gallery(
            f"Said to be two people: {count(len(found.impostor), 'pair')}",
            tuple(shower.show(position) for position in found.impostor[:_SHOWN]),
        ),
    )
    shown = tuple(gallery for gallery in galleries if gallery.pairs)
    none = () if shown else (Text("The rule lists nothing."),)
    return Section("label-noise", "Suspected labels", (Text(RULE), *none, *shown))


def _told(suspect: Suspect, images: EvaluatedImages) -> str:
    labels = images.table.labels
    share = f"{suspect.odd} of its {suspect.pairs} genuine pairs are odd"
    if suspect.kind == "image":
        return f"image {images.table.files[suspect.subject[0]]}: {share}"
    if suspect.kind == "identity":
        return f"identity {labels[suspect.subject[0]]}: {share}"
    first, second = suspect.subject
    return (
        f"identities {labels[first]} and {labels[second]}: {suspect.odd} of the {suspect.pairs} "
        "impostor pairs between them are odd"
    )
