"""Corruptions of training samples: one class for each, and a base class for your own.

The parameter `corruption` of an autoencoder or a restorer is a word, an object, or a function. A
corrupted tensor has the shape, dtype and device of the original, which does not change. Random
numbers are drawn on the CPU, so that they are the same for every device.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch

from skae._options import Option, resolve_option
from skae.corruptions._base import Corruption, FunctionCorruption
from skae.corruptions._images import JPEG, Blur
from skae.corruptions._noise import Gaussian, Masking, Patches, SaltAndPepper

__all__ = [
    "JPEG",
    "Blur",
    "Corruption",
    "FunctionCorruption",
    "Gaussian",
    "Masking",
    "Patches",
    "SaltAndPepper",
]

for _class in (
    JPEG,
    Blur,
    Corruption,
    FunctionCorruption,
    Gaussian,
    Masking,
    Patches,
    SaltAndPepper,
):
    _class.__module__ = __name__  # messages and pickles name the public module

CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": Gaussian,
    "masking": Masking,
    "salt_and_pepper": SaltAndPepper,
    "patches": Patches,
}
"""The class of each word of autoencoders."""

IMAGE_CORRUPTIONS: dict[str, type[Corruption]] = {**CORRUPTIONS, "blur": Blur, "jpeg": JPEG}
"""The class of each word of restorers."""

CorruptionFunction: TypeAlias = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

CorruptionOption: TypeAlias = (
    Literal["gaussian", "masking", "salt_and_pepper", "patches"] | Corruption | CorruptionFunction
)

ImageCorruptionOption: TypeAlias = CorruptionOption | Literal["blur", "jpeg"]


def resolve_corruption(corruption, words=CORRUPTIONS):
    """Return a word, an object or a function as a `Corruption`; None stays None."""
    if corruption is None:
        return None
    if callable(corruption) and not isinstance(corruption, (Option, type)):
        return FunctionCorruption(corruption)
    return resolve_option(corruption, Corruption, words, "corruption")
