"""Type aliases of public signatures: inputs and string options.

Shapes, dtypes and ranges of values are documented in docstrings and validated at run time.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = [
    "Activation",
    "ArrayLike",
    "Auto",
    "Function",
    "Initial",
    "Keywords",
    "MatrixLike",
    "Numbers",
    "OutputDtype",
    "PathLike",
    "Precision",
    "RandomState",
    "Schedule",
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
"""Samples: rows of a table, also of a sparse matrix, or images."""

PathLike: TypeAlias = str | os.PathLike[str]
"""Path of a file or a folder."""

Numbers: TypeAlias = Sequence[float] | NDArray[Any]
"""Values of a curve, one for each epoch or component."""

RandomState: TypeAlias = int | np.random.RandomState | None

Auto: TypeAlias = Literal["auto"]

Activation: TypeAlias = Literal["gelu", "relu", "silu", "tanh", "identity"] | type[torch.nn.Module]

Initial: TypeAlias = Literal["auto", "random"]

OutputDtype: TypeAlias = Literal["auto", "input"]

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

Schedule: TypeAlias = Literal["auto", "constant", "cosine"] | Callable[..., Any]
"""Schedule of the learning rate: a word, or a function of an optimizer."""

Solver: TypeAlias = (
    Literal["adamw", "adam", "rmsprop", "sgd"] | Callable[..., torch.optim.Optimizer]
)

Keywords: TypeAlias = dict[str, Any]
"""Keyword arguments of another library."""

Function = TypeVar("Function", bound=Callable[..., Any])
"""Callable with a signature that a decorator preserves."""
