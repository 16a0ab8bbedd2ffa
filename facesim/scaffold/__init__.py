"""Files to begin with: a plugin with its test, a distribution, an experiment."""
