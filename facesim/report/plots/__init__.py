"""One figure a file: what it shows, in a plot, in words and as a table."""
