"""Commands on packs and galleries. They need no torch, unless the pack does."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesim.cli.application import app, gallery_app
from facesim.cli.options import AsJson, Trust
from facesim.console import Console, say
from facesim.errors import count
from facesim.terminal.streams import write_document

if TYPE_CHECKING:
    from facesim.verifier.verifier import Verifier

Pack = Annotated[Path, typer.Argument(metavar="PACK", help="A folder from `facesim pack`.")]
GalleryFolder = Annotated[Path, typer.Argument(metavar="GALLERY", help="A gallery's folder.")]
At = Annotated[
    str | None,
    typer.Option(
        metavar="POINT",
        help="The operating point: far=1e-3, eer, best_accuracy. By default that of the largest "
        "FMR target up to 1e-3 that has a threshold, or else of the smallest one that has.",
    ),
]


@app.command()
def verify(
    pack: Pack,
    photographs: Annotated[
        list[Path] | None, typer.Argument(metavar="[A B]", help="Two photographs.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Verify many pairs: file1,file2 in each row."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the files of --pairs are; by default beside it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Where the decisions on --pairs go.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Verify whether two photographs show the same person.

    Exits with 0 if they do, 1 if not, 2 if nothing can be said: no face, a damaged file. With
    --pairs, pairs that cannot be judged are rows with a reason, and the exit code is 0.
    """
    from facesim.errors import DataError, FacesimError
    from facesim.terminal.verifier import print_verdict, verdict_as_json
    from facesim.verifier.verifier import Unjudged, load_pack

    found = photographs or []
    if pairs is not None:
        if found or out is None or as_json:
            raise FacesimError("with --pairs, name --out FILE, and neither photographs nor --json")
        _verify_list(load_pack(pack, trust=trust), pairs, images or pairs.parent, out, at)
        return
    if len(found) != 2 or images is not None or out is not None:
        raise FacesimError("name two photographs: facesim verify PACK A B; or --pairs and --out")
    verifier = load_pack(pack, trust=trust)
    verifier.operating_point(at)
    try:
        verdict = verifier.verify(found[0], found[1], at)
    except DataError as error:
        if not as_json:
            raise
        write_document(verdict_as_json(verifier, Unjudged(str(error))))
        raise typer.Exit(2) from None
    if as_json:
        write_document(verdict_as_json(verifier, verdict))
    else:
        print_verdict(verifier, verdict)
    raise typer.Exit(0 if verdict.same else 1)


def _verify_list(
    verifier: "Verifier", pairs: Path, images: Path, out: Path, at: str | None
) -> None:
    from facesim.errors import FacesimError
    from facesim.reporters import reporter_for
    from facesim.terminal.verifier import print_list_summary, print_rates
    from facesim.verifier.pair_list import read_pairs, verify_list, write_verdicts

    if out.exists() and out.samefile(pairs):
        raise FacesimError(f"--out {out}: this is the list of pairs; name another file")
    if not out.parent.is_dir():
        raise FacesimError(f"--out {out}: there is no folder {out.parent}; create it")
    listed = read_pairs(pairs)
    point = verifier.operating_point(at)
    verdicts = verify_list(verifier, listed, images, reporter_for(Console()), point.name)
    write_verdicts(out, listed, verdicts)
    print_list_summary(verdicts)
    print_rates(verifier, point)
    say(f"written to {out}")


@app.command()
def enroll(
    pack: Pack,
    gallery: GalleryFolder,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="One folder per identity, or one photograph per identity."
        ),
    ],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace enrolled identities instead of skipping."),
    ] = False,
    trust: Trust = False,
) -> None:
    """Enroll people into a gallery; the same command goes on where it was interrupted.

    Exits with 2 if an identity could not be enrolled; the others are all the same.
    """
    from facesim.reporters import reporter_for
    from facesim.terminal.verifier import print_enrolment
    from facesim.verifier.enrolment import enroll as enroll_folder
    from facesim.verifier.gallery import open_gallery
    from facesim.verifier.verifier import load_pack

    reporter = reporter_for(Console())
    done = enroll_folder(load_pack(pack, trust=trust), gallery, folder, reporter, replace=replace)
    print_enrolment(done, open_gallery(gallery))
    raise typer.Exit(2 if done.failed else 0)


@app.command()
def search(
    pack: Pack,
    gallery: GalleryFolder,
    photograph: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photograph.")],
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many identities.")] = 5,
    at: At = None,
    as_json: AsJson = False,
    faiss: Annotated[
        bool, typer.Option("--faiss", help="Find candidates with faiss, which must be installed.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Search a gallery for the person in a photograph: the most similar identities.

    Exits with 0 if the first is above the threshold, 1 if none is, 2 if nothing can be said.
    """
    from facesim.terminal.verifier import matches_as_json, print_matches
    from facesim.verifier.faiss_index import FaissIndex
    from facesim.verifier.gallery import open_gallery
    from facesim.verifier.search import search as search_gallery
    from facesim.verifier.verifier import load_pack

    verifier = load_pack(pack, trust=trust)
    point = verifier.operating_point(at)
    opened = open_gallery(gallery)
    opened.require(verifier.embeddings)
    index = FaissIndex(opened, verifier.comparison) if faiss else None
    [probe] = verifier.look([photograph])
    [matches] = search_gallery(opened, probe.embedding[None], verifier, top, nearest=index)
    if as_json:
        write_document(matches_as_json(verifier, matches, point, len(opened), probe.face))
    else:
        print_matches(Console(), verifier, matches, point, len(opened), probe.face)
    found = bool(matches) and verifier.verdict(matches[0].score, point).same
    raise typer.Exit(0 if found else 1)


@gallery_app.command("list")
def gallery_list(gallery: GalleryFolder) -> None:
    """List the identities of a gallery, each with the number of its photographs."""
    from facesim.terminal.verifier import print_gallery
    from facesim.verifier.gallery import open_gallery

    print_gallery(open_gallery(gallery))


@gallery_app.command("remove")
def gallery_remove(
    gallery: GalleryFolder,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Identities.")],
) -> None:
    """Remove identities from a gallery: all that are named, or none."""
    from facesim.verifier.gallery_writer import GalleryWriter

    with GalleryWriter(gallery) as writer:
        writer.remove(names)
        left = len(writer.gallery)
    say(f"removed {len(set(names)):,}; {count(left, 'identity')} left in {gallery}")
