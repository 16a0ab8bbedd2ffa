"""Results, plugins and stores as tables on the terminal."""
