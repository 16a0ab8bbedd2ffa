"""Verification with a pack: its files, read and run without torch."""
