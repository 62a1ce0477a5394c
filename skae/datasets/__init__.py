"""Data that is not an array yet: folders of images, torch's datasets, and the files of MNIST and its relatives."""

from skae.datasets._idx import load_idx
from skae.datasets._images import ImageFolder
from skae.datasets._torch import from_torch

__all__ = ["ImageFolder", "from_torch", "load_idx"]
