"""Data sets: image folders, PyTorch data sets, IDX files, sliding windows and padded sequences."""

from skae.datasets._idx import load_idx
from skae.datasets._images import ImageFolder
from skae.datasets._sequences import pad_sequences, unpad_sequences
from skae.datasets._torch import from_torch
from skae.datasets._windows import average_windows, sliding_windows

__all__ = [
    "ImageFolder",
    "average_windows",
    "from_torch",
    "load_idx",
    "pad_sequences",
    "sliding_windows",
    "unpad_sequences",
]
