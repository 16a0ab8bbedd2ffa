"""State of an installation: its environment and the distributions that bring plugins."""
