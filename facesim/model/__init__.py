"""The Siamese network and what it remembers."""
