"""Packing a trained run: export, quantisation, measurement of the packed files, model card."""
