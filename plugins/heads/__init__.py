"""The built-in heads, one file each."""
