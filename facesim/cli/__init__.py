"""The command line: parse, call, print. Slow packages are imported where they are used."""

import sys


def main() -> None:
    """Run the command line; its own help page without importing what commands need."""
    if sys.argv[1:] == ["--help"]:
        from facesim.cli.front_page import print_front_page

        if print_front_page():
            sys.exit()
    from facesim.cli.program import main as run_program

    run_program()
