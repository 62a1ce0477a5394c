"""Conversion of arrays of other libraries with the array API, such as CuPy, and back."""

import numpy as np
import torch
from sklearn import get_config

from skae._sklearn_compat import get_namespace_and_device, move_to

__all__ = ["as_known_array", "like_array", "returns_own_arrays"]

CPU_DEVICE_TYPE = 1
"""Number of the CPU in the DLPack standard."""


def as_known_array(X):
    """Return an array of another library as a tensor or a NumPy array, and other objects unchanged.

    Arrays on a GPU share their memory with the tensor. Other arrays are converted if scikit-learn's
    ``array_api_dispatch`` is enabled; without it, NumPy reads them.

    Parameters
    ----------
    X : object
        Any input.

    Returns
    -------
    X : ndarray, torch.Tensor or the same object
        Same values and dtype.
    """
    if not returns_own_arrays(X):
        return X
    if _is_on_cpu(X):
        return move_to(X, xp=np, device="cpu")
    return torch.from_dlpack(X)


def returns_own_arrays(X):
    """Return whether results for X are arrays of the library of X, neither NumPy nor torch."""
    if isinstance(X, (np.ndarray, torch.Tensor)):
        return False
    if not hasattr(X, "__array_namespace__") or not hasattr(X, "__dlpack_device__"):
        return False
    return get_config()["array_api_dispatch"] or not _is_on_cpu(X)


def like_array(result, X):
    """Return a result as an array of the library of X, on the device of X.

    Parameters
    ----------
    result : ndarray or torch.Tensor
        Array of any shape.
    X : array
        Array of a library for which `returns_own_arrays` is true.
    """
    if get_config()["array_api_dispatch"]:
        xp, _, device = get_namespace_and_device(X)
        return move_to(result, xp=xp, device=device)
    return X.__array_namespace__().from_dlpack(result)


def _is_on_cpu(X):
    """Return whether an array is in the memory of the CPU."""
    return int(X.__dlpack_device__()[0]) == CPU_DEVICE_TYPE
