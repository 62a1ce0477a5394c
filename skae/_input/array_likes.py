"""Array-likes: conversion of X to a plain array or tensor that keeps its meaning, or an error."""

import os
from collections.abc import Iterator, Mapping, Set

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from skae._input.array_api import as_known_array
from skae._input.cells import check_no_units, fill_mask, numbers_of, type_name
from skae._input.dtypes import as_ndarray, dtype_name
from skae._input.tensors import plain_tensor

__all__ = ["as_numpy", "as_plain", "check_not_file_names", "is_sequence_of_arrays", "sample_array"]

SCALARS = frozenset({int, float, bool, np.float64, np.float32, np.int64, np.int32, np.bool_})
"""Types of numbers that lists usually hold."""

UNSIGNED_DTYPES = ("uint16", "uint32", "uint64")
"""Dtypes with few operations in torch, and all in NumPy."""

PALETTE_MODES = ("P", "PA")
"""Modes of PIL images whose pixels are indices of colors, and no intensities."""

CONTAINERS = (Iterator, Mapping, Set)
"""Containers without an order, or with one pass only."""


def as_plain(X, name="X"):
    """Convert any array-like to an array or tensor of real numbers.

    Parameters
    ----------
    X : object
        Array, tensor, list, or any object that NumPy converts to an array.
    name : str, default="X"
        Name of X in messages.

    Returns
    -------
    X : ndarray, torch.Tensor or the same object
        Data frames, sparse matrices and arrays with a real dtype are returned unchanged. Masked
        values are NaN. Lists and object arrays of images are stacked.

    Raises
    ------
    ValueError
        If X has units, text, dates or complex numbers, or samples of different shapes.
    TypeError
        If X is no array-like: a generator, a dict, a dataset of torch, or a file name.
    """
    if type(X) is np.ndarray and X.dtype.kind in "biuf":
        return X
    if isinstance(X, torch.Tensor):
        return plain_tensor(X, name)
    if isinstance(X, memoryview):
        X = np.asarray(X)
    if hasattr(X, "columns"):
        return _checked_table(X, name)
    check_not_file_names(X, name)
    if isinstance(X, (list, tuple)):
        return numbers_of(_stack(X, name), name)
    if isinstance(X, np.ndarray):
        return _plain_array(X, name)
    check_no_units(X, name)
    if hasattr(X, "toarray") or hasattr(X, "todense"):
        if str(X.dtype) == "float16":
            raise ValueError(
                f"Got {name} as a sparse matrix of dtype float16, which SciPy does not support, "
                "but expected float32 or float64. Create the matrix with dtype=numpy.float32."
            )
        if getattr(X, "ndim", 2) == 2:
            return X  # accepted or refused by the estimator
        raise TypeError(
            f"Got {name} as a sparse array of shape {X.shape}, but expected two dimensions. "
            "Reshape it to (n_samples, n_features), or pass X.toarray()."
        )
    return _plain_object(X, name)


def as_numpy(X, name="X"):
    """Convert an array-like as `as_plain` does, and tensors to arrays of their unsigned dtype."""
    plain = as_plain(X, name)
    if not isinstance(X, torch.Tensor):
        return plain
    dtype = None
    if dtype_name(X) in UNSIGNED_DTYPES:
        dtype = dtype_name(X)
    return as_ndarray(plain, dtype)


def _checked_table(X, name):
    """Return a data frame in memory; a DataFrame of dask is computed."""
    if type(X).__module__.startswith("dask."):
        return X.compute()
    if type(X).__name__ == "LazyFrame":
        raise TypeError(
            f"Got {name} as a LazyFrame, which has no data yet, but expected a DataFrame. Pass "
            "X.collect()."
        )
    return X


def check_not_file_names(X, name="X"):
    """Raise an error for file names in place of numbers, with the functions that read files."""
    file_name = X
    if isinstance(X, (list, tuple)) and X:
        file_name = X[0]
    if isinstance(file_name, (str, os.PathLike)):
        raise TypeError(
            f"Got {str(file_name)!r} as {name}, but expected numbers. Read a folder of images with "
            "skae.datasets.ImageFolder, and a .npy file with np.load(path, mmap_mode='r')."
        )


def is_sequence_of_arrays(X):
    """Return whether X is a list or a 1D array of objects, such as images."""
    if isinstance(X, (list, tuple)):
        return True
    return getattr(X, "ndim", 0) == 1 and str(X.dtype) == "object"


def _plain_array(X, name):
    """Convert an array of a subclass of ndarray, or with a dtype that is not real."""
    check_no_units(X, name)
    if isinstance(X, np.ma.MaskedArray):
        X = fill_mask(X)
    if X.dtype.kind == "O" and X.ndim == 1 and any(map(_is_array, X)):
        X = _stack(list(X), name)
    return numbers_of(X, name)


def _plain_object(X, name):
    """Convert an object that is no array, tensor, table or list."""
    known = as_known_array(X)
    if known is not X:
        return as_plain(known, name)
    if isinstance(X, (Dataset, DataLoader)) and not hasattr(X, "shape"):
        raise TypeError(
            f"Got {name} as a torch {type(X).__name__}, but expected an array, or an object with "
            "shape, dtype and slices. Wrap a dataset with skae.datasets.from_torch(dataset)."
        )
    if isinstance(X, CONTAINERS):
        raise TypeError(
            f"Got {name} as a {type_name(X)}, but expected an array, a table or a list. X is read "
            "several times and by index: pass np.stack(list(X)) for a generator of samples, and "
            "pandas.DataFrame(X) for a dict of columns."
        )
    if hasattr(X, "getbands"):
        raise ValueError(
            f"Got {name} as one image of PIL, but expected several samples. Pass a list of images."
        )
    has_dtype = isinstance(getattr(X, "dtype", None), np.dtype)
    if has_dtype and X.dtype.kind in "biuf" and hasattr(X, "shape"):
        return X  # on disk, or of another package
    if has_dtype or hasattr(X, "to_numpy") or not hasattr(X, "ndim"):
        values = np.asarray(X)
        if values.dtype.kind == "O" and values.ndim == 0:
            raise TypeError(
                f"Got {name} of type {type_name(X)}, but expected an array, a table or a list."
            )
        if values.dtype.kind not in "biuf":
            return _plain_array(values, name)
        if not hasattr(X, "ndim"):
            return values
    return X


def _stack(samples, name):
    """Convert a list of numbers, lists, arrays, tensors or images to an array.

    Returns
    -------
    X : ndarray
        Masked values are NaN. Objects that are not numbers remain objects.
    """
    types = set(map(type, samples))
    if types <= SCALARS:
        return np.asarray(samples)
    if types <= {list, tuple}:
        inner_types = set().union(*(set(map(type, sample)) for sample in samples))
        if inner_types <= SCALARS:
            _check_equal_shapes([(len(sample),) for sample in samples], name)
            return np.asarray(samples)
    if not any(map(_is_array, samples)):
        return _array_of_cells(samples)
    arrays = [sample_array(sample, name, index) for index, sample in enumerate(samples)]
    _check_equal_shapes([array.shape for array in arrays], name)
    return np.stack(arrays)


def _is_array(sample):
    """Return whether an element of a list has a dimension: a list, an array or an image."""
    if isinstance(sample, (list, tuple)) or _is_image(sample):
        return True
    return len(getattr(sample, "shape", ())) > 0


def _is_image(sample):
    """Return whether a sample is an image of PIL."""
    return hasattr(sample, "getbands")


def _array_of_cells(cells):
    """Convert cells to an array of objects, or of their dtype if all are numbers of NumPy."""
    if all(isinstance(cell, (int, float, np.number, np.bool_)) for cell in cells):
        values = np.asarray(cells)
        if values.dtype.kind in "biuf":
            return values
    values = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        if isinstance(cell, torch.Tensor):
            cell = plain_tensor(cell).item()
        values[i] = cell
    return values


def sample_array(sample, name, index):
    """Convert one element of a list, such as an image, to an array.

    Parameters
    ----------
    sample : object
        List, array, tensor or image of PIL.
    name : str
        Name of X in messages.
    index : int
        Index of the element, for messages.

    Returns
    -------
    array : ndarray
        Any shape and dtype. Masked values are NaN.
    """
    place = f" at index {index}"
    if isinstance(sample, (list, tuple)):
        return _stack(sample, name)
    if isinstance(sample, torch.Tensor):
        return as_numpy(sample, name)
    if not isinstance(sample, np.ndarray) or type(sample) is not np.ndarray:
        check_no_units(sample, name, place)
    if _is_image(sample) and sample.mode in PALETTE_MODES:
        raise ValueError(
            f"Got an image of mode {sample.mode!r}{place} of {name}, whose pixels are indices of a "
            "palette, but expected intensities. Convert it with image.convert('RGB')."
        )
    if isinstance(sample, np.ma.MaskedArray):
        return fill_mask(sample)
    if type(sample).__module__.startswith("polars"):  # NumPy lacks its integers of 128 bits
        sample = np.array(sample.to_list(), dtype=object)
    return np.asarray(sample)


def _check_equal_shapes(shapes, name):
    """Raise an error if samples of a list differ in shape."""
    first = shapes[0]
    other = next((i for i, shape in enumerate(shapes) if shape != first), None)
    if other is None:
        return
    if max(len(first), len(shapes[other])) < 2:
        raise ValueError(
            f"Got samples of shapes {first} and {shapes[other]} in {name}, at index 0 and {other}, "
            "but expected samples with the same number of values. Pad sequences of different "
            "lengths with skae.datasets.pad_sequences, and set allow_nan=True."
        )
    raise ValueError(
        f"Got images of shapes {first} and {shapes[other]} in {name}, at index 0 and {other}, but "
        "expected images of one shape. Resize or crop them, or read them from a folder with "
        "skae.datasets.ImageFolder(folder, size=...). Pad signals of different lengths with "
        "skae.datasets.pad_sequences, and set allow_nan=True."
    )
