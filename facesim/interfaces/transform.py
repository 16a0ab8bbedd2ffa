"""Random augmentations of one training image."""

from collections.abc import Callable

from torch import Tensor

Transform = Callable[[Tensor], Tensor]
"""A random augmentation of one image, uint8 [3, H, W] -> uint8 [3, H, W].

It draws from torch's global generator, which the engine seeds for each (seed, epoch, image). One
that either leaves an image as it is or mirrors it left to right may say so by an attribute
``only_mirrors = True``: the trunk cache then keeps the mirrored image as a second view.
"""
