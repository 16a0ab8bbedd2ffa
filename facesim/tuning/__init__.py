"""The search for a better experiment, on top of Optuna."""
