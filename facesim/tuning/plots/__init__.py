"""The plots of a study's page."""
