"""Commands that prepare data; those of plugins stand beside them."""

from pathlib import Path
from typing import Annotated

import typer

from facesim.cli.application import data_app
from facesim.cli.options import Plugins, Trust
from facesim.console import Console


@data_app.command()
def align(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photographs, at any depth.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for crops and lists.")],
    aligner: Annotated[
        str, typer.Option(metavar="NAME", help="What finds the faces: dlib, opencv_yunet, ...")
    ] = "dlib",
    template: Annotated[
        str, typer.Option(metavar="NAME", help="Where landmarks go: celeba, arcface or dlib.")
    ] = "arcface",
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="HEIGHT WIDTH", help="Of the crops; the template's own by default."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A key of an experiment's section `image`: aligner.upsample=2, "
            "several_faces=most_central.",
        ),
    ] = None,
    more: Plugins = None,
    trust: Trust = False,
) -> None:
    """Cut the faces out of a folder of photographs, with a list and a contact sheet of them.

    It can be interrupted at any moment, and goes on where it was.
    """
    from facesim.discovery import load_installed_plugins
    from facesim.experiment.loading import load_image, load_plugins_of
    from facesim.report.aligned_folder import align_folder
    from facesim.report.contact_sheet import write_contact_sheet
    from facesim.reporters import reporter_for
    from facesim.terminal.results import print_aligned

    load_installed_plugins()
    for named in more or ():
        load_plugins_of(named, trust=trust)
    chosen = [f"aligner={aligner}", f"template={template}"]
    if size is not None:
        chosen.append(f"size={list(size)}")
    image = load_image([*chosen, *(settings or ())])
    console = Console()
    aligned = align_folder(folder, out, image, reporter_for(console))
    print_aligned(console, aligned, write_contact_sheet(aligned))
