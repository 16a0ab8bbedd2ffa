"""Templates: a plugin with its test, a distribution, an experiment."""
