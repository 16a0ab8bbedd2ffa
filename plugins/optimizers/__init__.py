"""The built-in optimizers, one file each."""
