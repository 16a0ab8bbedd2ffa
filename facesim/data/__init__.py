"""Tables, decoding, the loader, pair sets."""
