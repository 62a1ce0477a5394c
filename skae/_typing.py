"""The words of signatures: what goes in, and which options there are.

They say what can be said of types. What numbers have to be like stands in the documentation, and is checked when the code runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import torch

__all__ = [
    "Activation",
    "ArrayLike",
    "Auto",
    "Bottleneck",
    "Corruption",
    "Function",
    "Initial",
    "Keywords",
    "Level",
    "Loss",
    "MatrixLike",
    "Penalty",
    "Precision",
    "RandomState",
    "Solver",
]


class SupportsArray(Protocol):
    """What NumPy can turn into an array: arrays, tensors, tables of pandas and polars, HDF5, zarr."""

    def __array__(self) -> np.ndarray:
        """Give an array."""


Row: TypeAlias = SupportsArray | Sequence[float]
Image: TypeAlias = Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]]

MatrixLike: TypeAlias = SupportsArray | Sequence[Row] | Sequence[Image]
"""Rows, or images: an array, a tensor, a table, or lists of rows, of images or of numbers."""

ArrayLike: TypeAlias = SupportsArray | Sequence[object]
"""One entry for each row, of any kind: targets, weights."""

RandomState: TypeAlias = int | np.random.RandomState | None

Auto: TypeAlias = Literal["auto"]
Activation: TypeAlias = Literal["gelu", "relu", "silu", "tanh", "identity"]
Bottleneck: TypeAlias = Literal["deterministic", "ordered", "variational", "quantized"]
Initial: TypeAlias = Literal["auto", "random"]
Loss: TypeAlias = Literal["squared_error", "absolute_error", "log_loss"]
Penalty: TypeAlias = Literal["sparsity", "contraction", "decorrelation", "rate"]
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

Level: TypeAlias = float | tuple[float, float]
"""How much damage is done: one number, or two to draw between."""

Corruption: TypeAlias = (
    Literal["gaussian", "masking", "salt_and_pepper", "patches"] | Callable[[torch.Tensor, Any, torch.Generator], torch.Tensor]
)
Solver: TypeAlias = Literal["adamw", "adam", "rmsprop", "sgd"] | Callable[..., torch.optim.Optimizer]

Keywords: TypeAlias = dict[str, Any]
"""Keywords for another library."""

Function = TypeVar("Function", bound=Callable[..., Any])
"""What a decorator gives back as it was."""
