"""The built-in metrics, one idea per file."""
