"""Callbacks: hooks of training."""
