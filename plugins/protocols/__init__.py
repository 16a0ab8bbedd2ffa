"""The built-in evaluation protocols, one file each."""
