"""The loop, checkpoints, the run directory."""
