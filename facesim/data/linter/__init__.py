"""The protocol linter: flaws that invalidate a verification result, found before training."""
