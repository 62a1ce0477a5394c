"""Array-likes of every kind, described by plain values so that each can be built again."""

import collections
import decimal
import tempfile
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse
import torch
from PIL import Image

from .._input import test_array_likes as kinds

__all__ = ["CONTAINERS", "DTYPES", "PATTERNS", "SPECIAL", "Data"]

MAX_FINITE = 1e15
"""Finite input of at most this absolute value has finite results, or an error or a warning."""

PATTERNS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "counts": lambda rng, shape: rng.integers(0, 100, shape).astype(float),
    "unit": lambda rng, shape: rng.uniform(size=shape),
    "zeros": lambda rng, shape: np.zeros(shape),
    "constant": lambda rng, shape: np.full(shape, 3.7),
    "repeated": lambda rng, shape: np.zeros(shape) + rng.normal(size=shape[1:]),
    "binary": lambda rng, shape: rng.integers(0, 2, shape).astype(float),
    "offset": lambda rng, shape: 1e12 + rng.normal(size=shape),
    "small": lambda rng, shape: 1e-30 * rng.normal(size=shape),
    "subnormal": lambda rng, shape: 1e-310 * rng.normal(size=shape),
    "float32 subnormal": lambda rng, shape: 1e-42 * rng.normal(size=shape),
    "large": lambda rng, shape: 1e15 * rng.uniform(-1, 1, shape),
    "one large": lambda rng, shape: _with_one(rng.normal(size=shape), 1e15, rng),
    "scales": lambda rng, shape: rng.normal(size=shape) * 10.0 ** rng.integers(-15, 15, shape),
    "beyond float32": lambda rng, shape: 1e38 * rng.normal(size=shape),
    "huge": lambda rng, shape: 1e300 * rng.normal(size=shape),
    "NaN": lambda rng, shape: _with_one(rng.normal(size=shape), np.nan, rng),
    "all NaN": lambda rng, shape: np.full(shape, np.nan),
    "column of NaN": lambda rng, shape: _with_column_of_nan(rng.normal(size=shape)),
    "many NaN": lambda rng, shape: np.where(
        rng.random(shape) < 0.5, np.nan, rng.normal(size=shape)
    ),
    "infinity": lambda rng, shape: _with_one(rng.normal(size=shape), -np.inf, rng),
}
"""Functions of a generator and a shape that return float64 values."""

DTYPES = ["float64", "float32", "float16", "longdouble", ">f8", ">i2", "bool"]
DTYPES += ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["complex64", "object", "U", "S", "M8[s]", "m8[D]"]


def _with_one(values, other, rng):
    """Replace one value by another."""
    if values.size:
        values.flat[rng.integers(values.size)] = other
    return values


def _with_column_of_nan(values):
    """Replace the values of the last feature by NaN."""
    if values.size and values.ndim:
        values[..., -1] = np.nan
    return values


def _names(array):
    return [f"c{i}" for i in range(array.shape[1])]


def _doubled(a):
    """Return a sparse array that holds each value as two halves, in no order."""
    n, d = a.shape
    halves = np.hstack([a, a[:, ::-1]]) / 2
    if halves.dtype == np.float16:  # which SciPy does not support
        halves = halves.astype(np.float32)
    columns = np.tile(np.r_[np.arange(d), np.arange(d)[::-1]], n)
    return scipy.sparse.csr_array(
        (halves.ravel(), columns, np.arange(n + 1) * 2 * d), shape=a.shape
    )


def _with_large_indices(a):
    """Return a sparse matrix with indices of 64 bits."""
    matrix = scipy.sparse.csc_matrix(a)
    matrix.indices, matrix.indptr = matrix.indices.astype("i8"), matrix.indptr.astype("i8")
    return matrix


def _frame(array):
    return pd.DataFrame(array, columns=_names(array))


def _polars(array):
    return pl.DataFrame(dict(zip(_names(array), array.T, strict=True)))


def _memmap(array):
    """Return an array in a file that is already removed."""
    with tempfile.NamedTemporaryFile() as file:
        mapped = np.memmap(file.name, array.dtype, "w+", shape=array.shape)
        mapped[...] = array
        return mapped


def _objects(array):
    rows = np.empty(len(array), dtype=object)
    for i, row in enumerate(array):
        rows[i] = row
    return rows


def _ragged(array):
    rows = array.tolist()
    rows[-1] = rows[-1][:-1]
    return rows


def _with_cell(array, value):
    rows = array.astype(object)
    rows.flat[rows.size // 2] = value
    return rows


def _masked(array, share):
    rng = np.random.default_rng(0)
    return np.ma.MaskedArray(array, rng.random(array.shape) < share)


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def _pictures(array):
    return [Image.fromarray(np.asarray(image).astype(np.uint8)) for image in array]


CONTAINERS = {
    "array": lambda a: a,
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1],
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "unaligned": lambda a: (
        np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape)
    ),
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": _read_only,
    "memmap": _memmap,
    "matrix": lambda a: a.view(np.matrix),
    "record": lambda a: a.view(np.recarray),
    "lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())),
    "list of arrays": list,
    "list of tensors": lambda a: [torch.tensor(row) for row in a],
    "deque": lambda a: collections.deque(a.tolist()),
    "objects": lambda a: a.astype(object),
    "array of rows": _objects,
    "ragged": _ragged,
    "None inside": lambda a: _with_cell(a, None),
    "text inside": lambda a: _with_cell(a, "Rome").tolist(),
    "decimal inside": lambda a: _with_cell(a, decimal.Decimal("NaN")),
    "huge int inside": lambda a: _with_cell(a, 10**400).tolist(),
    "large int inside": lambda a: _with_cell(a, 2**64).tolist(),
    "array inside": lambda a: _with_cell(a, np.ones(2)),
    "masked": lambda a: _masked(a, 0.2),
    "masked nothing": lambda a: _masked(a, 0),
    "masked all": lambda a: _masked(a, 2),
    "tensor": lambda a: torch.tensor(a),
    "tensor of float32": lambda a: torch.tensor(a).float(),
    "bfloat16": lambda a: torch.tensor(a).bfloat16(),
    "float8": lambda a: torch.tensor(a).to(torch.float8_e4m3fn),
    "uint16 tensor": lambda a: torch.tensor(a).to(torch.uint16),
    "with gradients": lambda a: torch.tensor(a).double().requires_grad_(),
    "sparse tensor": lambda a: torch.tensor(a).to_sparse(),
    "meta tensor": lambda a: torch.tensor(a).to("meta"),
    "transposed tensor": lambda a: torch.tensor(a.T.copy()).T if a.ndim == 2 else torch.tensor(a),
    "pandas": _frame,
    "pandas with numbers": pd.DataFrame,
    "pandas with one name": lambda a: pd.DataFrame(a, columns=["a"] * a.shape[1]),
    "pandas in another order": lambda a: _frame(a).iloc[:, ::-1],
    "pandas nullable": lambda a: _frame(a).convert_dtypes(dtype_backend="numpy_nullable"),
    "pandas Float32": lambda a: _frame(a).astype("Float32"),
    "pandas Sparse": lambda a: _frame(a).astype("Sparse[float]"),
    "pandas categories": lambda a: _frame(a).astype("category"),
    "pandas text": lambda a: _frame(a).assign(c0="x"),
    "pandas dates": lambda a: _frame(a).assign(c0=pd.Timestamp("2020")),
    "pandas levels": lambda a: pd.DataFrame(
        a, columns=pd.MultiIndex.from_product([["a"], _names(a)])
    ),
    "Series": lambda a: pd.Series(list(a)),
    "polars": _polars,
    "polars lazy": lambda a: _polars(a).lazy(),
    "polars text": lambda a: _polars(a).with_columns(pl.lit("x").alias("c0")),
    "polars Series": lambda a: pl.Series(a.ravel()),
    "csr": scipy.sparse.csr_matrix,
    "coo array": lambda a: scipy.sparse.coo_array(a),
    "lil": scipy.sparse.lil_matrix,
    "csr with duplicates": _doubled,
    "csc of large indices": _with_large_indices,
    "generator": lambda a: (row for row in a),
    "dict": lambda a: dict(enumerate(a)),
    "set": lambda a: set(a.ravel().tolist()),
    "bytes": lambda a: a.tobytes(),
    "memoryview": memoryview,
    "quantity": lambda a: a.view(kinds.Quantity),
    "only __array__": kinds.OnlyArray,
    "wrapped": kinds.Wrapped,
    "pictures": _pictures,
    "structured": lambda a: np.zeros(len(a), [("a", float), ("b", int)]),
}
"""Functions of an array that return an array-like. Those that can't hold the array are skipped."""

SPECIAL = {
    "None": lambda: None,
    "int": lambda: 3,
    "float": lambda: float("nan"),
    "text": lambda: "data.csv",
    "empty text": lambda: "",
    "bytes": lambda: b"\x00\x01",
    "type": lambda: np.ndarray,
    "function": lambda: len,
    "object": object,
    "empty list": list,
    "nested empty list": lambda: [[], []],
    "0-d array": lambda: np.array(1.0),
    "0-d tensor": lambda: torch.tensor(1.0),
    "list of None": lambda: [None, None],
    "list of text": lambda: ["a", "b"],
    "list of dicts": lambda: [{"a": 1}, {"a": 2}],
    "range": lambda: range(4),
    "Ellipsis": lambda: ...,
    "empty frame": pd.DataFrame,
    "empty polars": pl.DataFrame,
    "slice": lambda: slice(None),
}
"""Values that are no array, or an empty one."""

TABLES = {
    **kinds.EQUAL,
    **kinds.MISSING,
    **{name: make for name, (make, _) in kinds.REFUSED.items()},
}
STACKS = {**kinds.STACKS, **{name: make for name, (make, _) in kinds.REFUSED_STACKS.items()}}


@dataclass(frozen=True)
class Data:
    """An array-like as plain values.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array.
    pattern : str
        Key of `PATTERNS`.
    dtype : str
        Dtype of NumPy.
    container : str
        Key of `CONTAINERS`.
    special : str
        Key of `SPECIAL`, of `TABLES` or of `STACKS`, which replaces all of the above; may be empty.
    seed : int
        Seed of the values.
    """

    shape: tuple = ()
    pattern: str = "normal"
    dtype: str = "float64"
    container: str = "array"
    special: str = ""
    seed: int = 0

    def array(self):
        """Return the values as an array of the dtype."""
        values = np.asarray(PATTERNS[self.pattern](np.random.default_rng(self.seed), self.shape))
        with np.errstate(all="ignore"):
            if self.dtype.startswith(("M8", "m8")):
                return np.nan_to_num(values).clip(-1e6, 1e6).astype(np.int64).astype(self.dtype)
            return np.asarray(values, dtype=self.dtype)

    def build(self):
        """Return the array-like, and whether its values are finite and at most `MAX_FINITE`."""
        for group in (SPECIAL, TABLES, STACKS):
            if self.special in group:
                return group[self.special](), group is not SPECIAL
        array = self.array()
        try:
            built = CONTAINERS[self.container](array)
        except Exception:  # an array that this container can't hold
            built = array
        is_finite = False
        if array.dtype.kind in "biuf":
            with np.errstate(all="ignore"):
                is_finite = bool((np.abs(array.astype(float)) <= MAX_FINITE).all())
        if "masked" in self.container and self.container != "masked nothing":
            is_finite = False
        if "inside" in self.container or self.container in ("float8", "uint16 tensor"):
            is_finite = False
        return built, is_finite

    def simplified(self):
        """Return simpler data, for reports."""
        return replace(self, seed=0)
