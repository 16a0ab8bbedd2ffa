"""The built-in report sections, one file each."""
