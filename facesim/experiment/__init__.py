"""The schema of an experiment, and YAML in, errors out with file:line:column."""
