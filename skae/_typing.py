"""Type aliases of public signatures: inputs and string options.

Shapes, dtypes and ranges of values are documented in docstrings and validated at run time.
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
    """Array-like: NumPy arrays, tensors, pandas and polars tables, HDF5 and zarr arrays."""

    def __array__(self) -> np.ndarray:
        """Convert to a NumPy array."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return selected rows."""


class Slices(Protocol):
    """Array that is read in chunks: an object with slices of rows as arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, followed by the shape of one row."""

    @property
    def dtype(self) -> Any:
        """Data type of the values."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a slice of rows."""


ArrayLike: TypeAlias = Array | list[Any] | tuple[Any, ...]
"""One value for each sample (targets, weights), or one sample or latent vector."""

MatrixLike: TypeAlias = ArrayLike | Slices
"""Samples: rows of a table, or images."""

Numbers: TypeAlias = Sequence[float] | NDArray[Any]
"""Values of a curve, one for each epoch or component."""

RandomState: TypeAlias = int | np.random.RandomState | None

Auto: TypeAlias = Literal["auto"]

Activation: TypeAlias = Literal["gelu", "relu", "silu", "tanh", "identity"]

Bottleneck: TypeAlias = Literal["deterministic", "ordered", "variational", "quantized"]

Initial: TypeAlias = Literal["auto", "random"]

Loss: TypeAlias = Literal["squared_error", "absolute_error", "log_loss"]

Penalty: TypeAlias = Literal["sparsity", "contraction", "decorrelation", "rate"]

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

Level: TypeAlias = float | tuple[float, float]
"""Corruption level: a number, or a pair of bounds of a uniform distribution."""

CorruptionFunction: TypeAlias = Callable[[torch.Tensor, Any, torch.Generator], torch.Tensor]

Corruption: TypeAlias = (
    Literal["gaussian", "masking", "salt_and_pepper", "patches"] | CorruptionFunction
)

Damage: TypeAlias = (
    Literal["gaussian", "masking", "salt_and_pepper", "patches", "blur", "jpeg"]
    | CorruptionFunction
)

Solver: TypeAlias = (
    Literal["adamw", "adam", "rmsprop", "sgd"] | Callable[..., torch.optim.Optimizer]
)

Keywords: TypeAlias = dict[str, Any]
"""Keyword arguments of another library."""

Function = TypeVar("Function", bound=Callable[..., Any])
"""Callable with a signature that a decorator preserves."""
