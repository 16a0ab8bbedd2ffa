"""A distribution whose loss has the name of a built-in one."""

from facesim import Loss, losses


@losses("contrastive")
def contrastive(embedding_dim: int, num_identities: int) -> Loss:
    """A name that is taken."""
    raise NotImplementedError
