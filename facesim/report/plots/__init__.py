"""The plots of the report, one per file, each with its description and its numbers as a table."""
