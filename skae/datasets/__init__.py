"""Data sets: image folders and PyTorch data sets as lazy arrays, and files in the IDX format."""

from skae.datasets._idx import load_idx
from skae.datasets._images import ImageFolder
from skae.datasets._torch import from_torch

__all__ = ["ImageFolder", "from_torch", "load_idx"]
