"""Aligners: what finds the faces of a photograph and their landmarks."""
