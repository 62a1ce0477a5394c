"""Augmentations: random changes of training samples that give samples of the same kind.

An augmentation changes input and target of a reconstruction, a corruption the input alone. The
parameter `augmentation` of :class:`~skae.ConvAutoencoder` is a word, an object, or a function. The
same classes make the views of :class:`~skae.penalties.Spread`. Random numbers are drawn on the CPU,
so that they are the same for every device.
"""

from collections.abc import Callable
from numbers import Real
from typing import ClassVar, Literal, TypeAlias

import torch
from torch.nn import functional

from skae._options import Option, resolve_option
from skae._sklearn_compat import Interval
from skae.corruptions._base import corrupt
from skae.networks.layers import to_device

__all__ = ["Augmentation", "ColumnSwap", "Crop", "FunctionAugmentation", "Mirror"]


class Augmentation(Option):
    """Base class of augmentations.

    A subclass implements ``__call__``.

    Attributes
    ----------
    images_only : bool
        Whether samples must be images.
    allows_missing : bool
        Whether samples may have missing values, NaN.
    checks_result : bool
        Whether shape, dtype and values of every result are validated.
    couples_samples : bool
        Whether the result for a sample depends on the other samples of a batch.
    """

    images_only: ClassVar[bool] = False
    allows_missing: ClassVar[bool] = True
    checks_result: ClassVar[bool] = True
    couples_samples: ClassVar[bool] = False

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return augmented samples.

        Parameters
        ----------
        x : torch.Tensor of shape (b, d), or (b, C, H, W) for images
            Samples, float32, minus the mean over all samples and features, and divided by the
            overall standard deviation.
        generator : torch.Generator
            Random number generator on the CPU.

        Returns
        -------
        augmented : torch.Tensor of the shape of x
            A new tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__.")


class FunctionAugmentation(Augmentation):
    """Augmentation that is a function of samples.

    ``augmentation=function`` is the same as ``augmentation=FunctionAugmentation(function)``.

    Parameters
    ----------
    function : callable
        ``(x, generator) -> augmented x``, as ``__call__`` of `Augmentation`.
    """

    def __init__(self, function: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> None:
        self.function = function

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return augmented samples."""
        return self.function(x, generator)


class Mirror(Augmentation):
    """Images are mirrored: left and right are exchanged in a share of them.

    Signals are reversed in time. The word is "mirror".

    Parameters
    ----------
    probability : float, default=0.5
        Probability that an image is mirrored, from 0 to 1.
    """

    _parameter_constraints = {"probability": [Interval(Real, 0, 1, closed="both")]}
    images_only = True
    checks_result = False

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return augmented images."""
        is_mirrored = torch.rand(len(x), generator=generator) < self.probability
        is_mirrored = to_device(is_mirrored, x.device)[:, None, None, None]
        return torch.where(is_mirrored, x.flip(-1), x)


class Crop(Augmentation):
    """A random rectangle of each image is resized to the size of the image [1]_.

    The rectangle has the aspect ratio of the image, and pixels are interpolated linearly. Half the
    images are mirrored as well. The word is "crop".

    Parameters
    ----------
    min_area : float, default=0.3
        Smallest area of the rectangle, as a fraction of the image, from 0 (excluded) to 1. The area
        is drawn uniformly between this bound and 1.
    mirror : float, default=0.5
        Probability that an image is mirrored.

    References
    ----------
    .. [1] C. Szegedy et al., "Going deeper with convolutions", CVPR 2015.
    """

    _parameter_constraints = {
        "min_area": [Interval(Real, 0, 1, closed="right")],
        "mirror": [Interval(Real, 0, 1, closed="both")],
    }
    images_only = True
    allows_missing = False
    checks_result = False

    def __init__(self, min_area: float = 0.3, mirror: float = 0.5) -> None:
        self.min_area = min_area
        self.mirror = mirror

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return augmented images."""
        b = len(x)
        uniform = torch.rand(b, 4, generator=generator)
        side = (self.min_area + (1 - self.min_area) * uniform[:, 0]).sqrt()  # (b,)
        # coordinates reach from -1 to 1; the center is drawn so that the rectangle fits
        center = (2 * uniform[:, 1:3] - 1) * (1 - side)[:, None]  # (b, 2)
        sign = torch.where(uniform[:, 3] < self.mirror, -1.0, 1.0)
        zeros = torch.zeros(b)
        across = torch.stack([side * sign, zeros, center[:, 0]], 1)  # (b, 3)
        down = torch.stack([zeros, side, center[:, 1]], 1)
        maps = to_device(torch.stack([across, down], 1), x.device)  # (b, 2, 3)
        places = functional.affine_grid(maps.to(x.dtype), list(x.shape), align_corners=False)
        return functional.grid_sample(x, places, padding_mode="border", align_corners=False)


class ColumnSwap(Augmentation):
    """Random values are replaced by those of the same column in another sample of the batch [1]_.

    It is a view of :class:`~skae.penalties.Spread`, with the word "column_swap".

    Parameters
    ----------
    probability : float, default=0.3
        Probability that a value is replaced, from 0 to 1.

    References
    ----------
    .. [1] D. Bahri, H. Jiang, Y. Tay and D. Metzler, "SCARF: Self-supervised contrastive learning
       using random feature corruption", ICLR 2022.
    """

    _parameter_constraints = {"probability": [Interval(Real, 0, 1, closed="both")]}
    checks_result = False
    couples_samples = True

    def __init__(self, probability: float = 0.3) -> None:
        self.probability = probability

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return augmented samples."""
        flat = x.flatten(1)  # (b, d)
        sources = torch.randint(len(flat), flat.shape, generator=generator)
        is_replaced = torch.rand(flat.shape, generator=generator) < self.probability
        others = flat.gather(0, to_device(sources, x.device))
        return torch.where(to_device(is_replaced, x.device), others, flat).reshape(x.shape)


AUGMENTATIONS: dict[str, type[Augmentation]] = {"mirror": Mirror, "crop": Crop}
"""The class of each word of the parameter `augmentation`."""

AugmentationFunction: TypeAlias = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

ExplicitAugmentation: TypeAlias = (
    Literal["mirror", "crop"] | Augmentation | AugmentationFunction | None
)

AugmentationOption: TypeAlias = Literal["auto"] | ExplicitAugmentation


def resolve_augmentation(augmentation):
    """Return a word, an object or a function as an `Augmentation`; None and "auto" stay."""
    if augmentation is None or (isinstance(augmentation, str) and augmentation == "auto"):
        return augmentation
    if callable(augmentation) and not isinstance(augmentation, (Option, type)):
        return FunctionAugmentation(augmentation)
    return resolve_option(augmentation, Augmentation, AUGMENTATIONS, "augmentation")


def augment(augmentation, allow_nan, x, generator):
    """Return samples augmented, after validating the result."""
    return corrupt(augmentation, allow_nan, x, generator, "an augmentation")
