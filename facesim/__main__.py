"""``python -m facesim`` is ``facesim``."""

from facesim.cli import main

if __name__ == "__main__":
    main()
