"""Run: the run directory, its files and models, and the life of a run."""
