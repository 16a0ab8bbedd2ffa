"""The protocol linter: what makes a verification figure worthless, found before training."""
