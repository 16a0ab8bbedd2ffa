"""HTML reports of one run and of comparisons of runs."""
