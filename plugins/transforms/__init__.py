"""The built-in transforms, one file each."""
