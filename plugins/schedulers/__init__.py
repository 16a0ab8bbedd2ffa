"""The built-in schedulers, one file each."""
