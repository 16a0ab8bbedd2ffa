"""Random augmentations of one training image."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor


class Transform(ABC):
    """A random augmentation of one image.

    It draws from torch's global generator, which the engine seeds for each (seed, epoch, image). A
    factory may also return a plain callable, such as a transform of torchvision.

    Attributes:
        only_mirrors: True where every outcome is the image or its mirror image, left for right; the
            trunk cache then keeps the mirrored image as a second view.
    """

    only_mirrors: bool = False

    @abstractmethod
    def __call__(self, image: Tensor) -> Tensor:
        """Uint8 [3, H, W] -> uint8 [3, H, W]; the image that comes in stays as it is."""

    def __repr__(self) -> str:
        return type(self).__qualname__


class CallableTransform(Transform):
    """A plain callable as a transform."""

    def __init__(self, function: Callable[[Tensor], Tensor], *, only_mirrors: bool = False) -> None:
        self.function = function
        self.only_mirrors = only_mirrors

    def __call__(self, image: Tensor) -> Tensor:
        """What the callable makes of the image."""
        return self.function(image)

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", type(self.function).__qualname__)


def as_transform(built: Any) -> Any:
    """Make a :class:`Transform` of a plain callable, with its attribute ``only_mirrors`` if any."""
    if isinstance(built, Transform) or not callable(built):
        return built
    return CallableTransform(built, only_mirrors=bool(getattr(built, "only_mirrors", False)))
