"""Contract of heads."""

from functools import partial

import torch
from torch import Tensor

from facesim.errors import count
from facesim.interfaces import Head
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import (
    REGISTER,
    difference,
    require_registered_tensors,
    through_a_file,
)
from facesim.testing.process_group import OWN_IMAGES, require_same_on_every_process

FEATURES = 24
MAP_SIZE = (5, 4)

HEAD: Contract[Head] = Contract("head", promises_of_every_kind())


@HEAD.promise(hint="return one float32 row per image, also for a single image")
def embeddings_are_one_row_per_image(spec: Spec[Head]) -> None:
    """Features [B, F] become embeddings float32 [B, D], for any B and always the same D.

    So do feature maps [B, F, h, w] if it pools them itself.
    """
    head = spec.build(FEATURES).eval()
    width = head(_features(head, 2)).shape[-1]
    for number in (1, 2, 7):
        embeddings = head(_features(head, number))
        observed = f"{count(number, 'image')} gave {embeddings.dtype} {list(embeddings.shape)}"
        require(embeddings.shape == (number, width) and embeddings.dtype == torch.float32, observed)


@HEAD.promise(hint="in eval() mode, let nothing depend on the other images of the batch")
def embedding_does_not_depend_on_the_batch(spec: Spec[Head]) -> None:
    """In use an image has the same embedding in any batch."""
    head = spec.build(FEATURES).eval()
    features = _features(head, 5)
    observed = difference(head(features), torch.cat([head(row[None]) for row in features]))
    require(not observed, f"alone and in a batch {observed}")


@HEAD.promise(hint="remove the parameter, or use it in forward")
def every_parameter_has_a_gradient(spec: Spec[Head]) -> None:
    """Every trainable parameter gets a gradient."""
    head = spec.build(FEATURES)
    embeddings = head(_features(head, 4))
    (embeddings * torch.randn(embeddings.shape)).sum().backward()
    idle = [name for name, p in head.named_parameters() if p.requires_grad and p.grad is None]
    require(not idle, f"no gradient for {', '.join(idle)}")


@HEAD.promise(hint="draw weights with torch's functions and no generator of your own")
def weights_follow_from_the_seed(spec: Spec[Head]) -> None:
    """Initial weights come from torch's global generator, so that a seed repeats them."""
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(spec.build(FEATURES).state_dict())
    first, second = states
    moved = [key for key in first if not torch.equal(first[key], second[key])]
    require(not moved, f"different under one seed: {', '.join(moved)}")


@HEAD.promise(hint=REGISTER)
def every_tensor_is_registered(spec: Spec[Head]) -> None:
    """Every tensor that it keeps is a parameter or a buffer, and so moves to a GPU with it."""
    require_registered_tensors(spec.build(FEATURES))


@HEAD.promise(hint=REGISTER)
def state_survives_a_checkpoint(spec: Spec[Head]) -> None:
    """A checkpoint holds all of it: once restored, it gives the same embeddings."""
    trained, fresh = spec.build(FEATURES), spec.build(FEATURES)
    trained(_features(trained, 8))  # changes the statistics of a BatchNorm
    fresh.load_state_dict(through_a_file(trained.state_dict()))
    features = _features(fresh, 3)
    same = torch.equal(trained.eval()(features), fresh.eval()(features))
    require(same, "restored from a checkpoint, it gives different embeddings")


@HEAD.promise(hint=OWN_IMAGES)
def every_process_computes_its_own_images(spec: Spec[Head]) -> None:
    """As one of several processes it trains on its images as it does alone."""
    require_same_on_every_process(partial(_after_a_step, spec), "4 images")


def _after_a_step(spec: Spec[Head]) -> dict[str, Tensor]:
    torch.manual_seed(0)
    head = spec.build(FEATURES)
    embeddings = head(_features(head, 4))
    embeddings.square().sum().backward()
    gradients = {f"the gradient of {name}": p.grad for name, p in head.named_parameters()}
    return {
        "the head's output": embeddings.detach(),
        **{name: gradient for name, gradient in gradients.items() if gradient is not None},
        **{f"{name}, after a step,": kept for name, kept in head.state_dict().items()},
    }


def _features(head: Head, number: int) -> Tensor:
    """Random features, or feature maps for a head that pools them."""
    shape = (number, FEATURES, *(MAP_SIZE if head.pools else ()))
    return torch.randn(shape, requires_grad=True)
