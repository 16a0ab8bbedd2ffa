"""Tables, image decoding and loading, evaluation pairs, the protocol linter."""
