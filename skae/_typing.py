"""The words of signatures: what goes in, and which options there are.

They say what can be said of types. What numbers have to be like stands in the documentation, and is checked when the code runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = [
    "Activation",
    "ArrayLike",
    "Auto",
    "Bottleneck",
    "Corruption",
    "Damage",
    "Function",
    "Initial",
    "Keywords",
    "Level",
    "Loss",
    "MatrixLike",
    "Numbers",
    "Penalty",
    "Precision",
    "RandomState",
    "Solver",
]


class Array(Protocol):
    """What NumPy can turn into an array: arrays, tensors, tables of pandas and polars, HDF5, zarr."""

    def __array__(self) -> np.ndarray:
        """Give an array."""

    def __len__(self) -> int:
        """Count the rows."""

    def __getitem__(self, index: Any, /) -> Any:
        """Give some of them."""


class Slices(Protocol):
    """What is read piece by piece: anything that gives slices of its rows as arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the number of rows, and the shape of one."""

    @property
    def dtype(self) -> Any:
        """Give the type of the numbers."""

    def __getitem__(self, index: Any, /) -> Any:
        """Give some rows."""


ArrayLike: TypeAlias = Array | list[Any] | tuple[Any, ...]
"""One entry for each row: targets, weights; or one row, or code."""

MatrixLike: TypeAlias = ArrayLike | Slices
"""Rows, or images."""

Numbers: TypeAlias = Sequence[float] | NDArray[Any]
"""A curve."""

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

Damages: TypeAlias = Callable[[torch.Tensor, Any, torch.Generator], torch.Tensor]
Corruption: TypeAlias = Literal["gaussian", "masking", "salt_and_pepper", "patches"] | Damages
Damage: TypeAlias = Literal["gaussian", "masking", "salt_and_pepper", "patches", "blur", "jpeg"] | Damages
Solver: TypeAlias = Literal["adamw", "adam", "rmsprop", "sgd"] | Callable[..., torch.optim.Optimizer]

Keywords: TypeAlias = dict[str, Any]
"""Keywords for another library."""

Function = TypeVar("Function", bound=Callable[..., Any])
"""What a decorator gives back as it was."""
