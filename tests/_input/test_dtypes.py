"""Dtypes: conversion to tensors, and the smallest and largest value of X."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skae import DenseAutoencoder
from skae._input import dtypes
from skae._input.dtypes import as_ndarray, as_supported, min_and_max, to_tensor
from skae._input.streaming import StreamedRows


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, torch.uint8),
        (np.int8, torch.int8),
        (np.int16, torch.int16),
        (np.uint16, torch.int64),
        (np.int32, torch.int64),
        (np.uint32, torch.int64),
        (np.uint64, torch.int64),
        (np.int64, torch.int64),
        (np.float32, torch.float32),
        (np.float64, torch.float64),
        (">f4", torch.float32),
        (">i8", torch.int64),
    ],
)
def test_values_are_unchanged(dtype, expected):
    """Every dtype is converted to a dtype of torch with the same values."""
    X = np.array([[1, 2], [3, 100]]).astype(dtype)
    tensor = to_tensor(as_supported(X))
    assert tensor.dtype == expected
    assert tensor.tolist() == [[1, 2], [3, 100]]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_huge_unsigned_integers_do_not_wrap(value):
    """Integers beyond int64 become the nearest float64, not negative values."""
    tensor = to_tensor(np.array([[value, 1]], dtype=np.uint64))
    assert tensor.double().tolist() == [[float(value), 1.0]]


def test_read_only_arrays_give_no_warning(recwarn):
    """A read-only array is copied without a warning, and the copy is writable."""
    X = np.ones((3, 2), dtype=np.float32)
    X.flags.writeable = False
    to_tensor(X).add_(1)
    assert not recwarn.list
    assert X.max() == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_extremes_of_all_chunks(convert, dtype, monkeypatch):
    """The smallest and the largest value may be in different chunks."""
    monkeypatch.setattr("skae._input.rows.CHUNK_BYTES", 64)
    X = np.full((40, 3), 7, dtype)
    X[3, 1] = 2
    X[38, 2] = 9
    assert min_and_max(convert(X)) == (2, 9)


def test_extremes_without_missing_values():
    """NaN is neither smallest nor largest; without any value the range is empty."""
    X = np.array([[np.nan, 3], [1, np.nan]])
    assert min_and_max(X) == (1, 3)
    assert min_and_max(np.full((2, 2), np.nan)) == (np.inf, -np.inf)


def test_tensors_become_arrays():
    """A tensor with a gradient becomes an array, and bfloat16 becomes float32."""
    tensor = torch.ones(2, 3, requires_grad=True)
    assert as_ndarray(tensor).dtype == np.float32
    assert as_ndarray(tensor.bfloat16()).dtype == np.float32
    assert as_ndarray(tensor, np.float64).dtype == np.float64


@pytest.mark.parametrize("kind", ["array", "tensor", "stream"])
def test_rounding_errors_beyond_bounds_are_clipped(kind):
    """Values out of bounds by rounding are clipped; the array of the user is unchanged."""
    X = np.linspace(0, 1, 10).reshape(5, 2)
    X[4, 1] += 1e-6
    X[0, 0] -= 2e-16
    X[2, 0] = np.nan
    before = X.copy()
    rows = {"array": X, "tensor": torch.tensor(X), "stream": StreamedRows(X)}[kind]
    clipped = dtypes.check_bounds(rows, (0.0, 1.0), "log_loss")
    assert_array_equal(np.asarray(clipped[0:5]), X.clip(0, 1))
    if kind == "stream":
        assert_array_equal(clipped.take(torch.tensor([0, 4])), X.clip(0, 1)[[0, 4]])
    assert_array_equal(X, before)


def test_rows_within_bounds_are_not_copied():
    """Rows within the bounds, and uint8, are returned unchanged."""
    for X in (np.ones((3, 2)), np.full((3, 2), 255, dtype=np.uint8)):
        assert dtypes.check_bounds(X, (0.0, 1.0), "log_loss") is X


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (1.0000011, (0, 1), r"between 0\.0 and 1\.0000011, but .*clip=True"),
        (-1.5e-6, (0, 1), r"between -1\.5e-06 and 0\.0"),
        (100.001, (0, 100), r"between 0\.0 and 100\.001"),
        (-1.1e-6, (0, np.inf), r"between -1\.1e-06 and 0\.0, but expected values in \[0, inf\]"),
    ],
)
def test_values_beyond_bounds_are_refused_with_all_digits(value, bounds, message):
    """The message has enough digits to see the difference, and a way out."""
    with pytest.raises(ValueError, match=message):
        dtypes.check_bounds(np.array([[0.0, value]]), bounds, "log_loss")


def test_the_margin_is_relative_to_the_bounds():
    """A range of 100 has a hundred times the margin, and an infinite one that of a range of 1."""
    for value, bounds, expected in [(100.00009, (0, 100), 100), (-9e-7, (0, np.inf), 0)]:
        clipped = dtypes.check_bounds(np.array([[0.0, value]]), bounds, "log_loss")
        assert clipped.tolist() == [[0, expected]]


@pytest.mark.parametrize("kind", ["array", "tensor", "stream"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_log_loss_after_min_max_scaling(kind, method, monkeypatch):
    """1 plus a rounding error is the same as 1 for log loss, also in X_val and streamed data."""
    monkeypatch.setattr("skae._input.streaming.STREAMED_BYTES", 0)
    X = np.random.default_rng(0).random((40, 4))
    X[0], X[1] = 0, 1
    above = np.where(X == 1, np.nextafter(1, 2), X)
    codes = []
    for data in (X, above):
        rows = {"array": data, "tensor": torch.tensor(data), "stream": Slices(data)}[kind]
        estimator = DenseAutoencoder(2, loss="log_loss", max_iter=1, random_state=0)
        keywords = {}
        if method == "fit":
            keywords["X_val"] = rows
        getattr(estimator, method)(rows, **keywords)
        codes.append(estimator.transform(X))
    assert_array_equal(*codes)


class Slices:
    """Rows that are read by slices."""

    def __init__(self, rows):
        self.rows = rows
        self.shape, self.dtype, self.ndim = rows.shape, rows.dtype, rows.ndim

    def __getitem__(self, rows):
        return self.rows[rows]
