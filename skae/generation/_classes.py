"""Class labels of a sampler: validation, indices, and latent vectors of small classes."""

from collections.abc import Hashable
from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from skae._input.dtypes import as_ndarray
from skae._input.targets import known_values, missing_mask

__all__ = [
    "MAX_COUNT",
    "check_count",
    "complete_class",
    "draw_classes",
    "encode_labels",
    "find_classes",
]

MAX_COUNT = 2**31 - 1
"""The most samples of one call: densities of scikit-learn count in 32 bits on some systems."""

CLASS_TARGETS = ("binary", "multiclass")
"""Results of scikit-learn's ``type_of_target`` that are class labels."""

MAX_SHOWN_CLASSES = 20
"""Maximum number of classes in a message."""


def encode_labels(y, X):
    """Validate the class labels of a fit.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Strings, booleans, or whole numbers.
    X : array-like of shape (n_samples, ...)
        Samples, for their number.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted class labels.
    indices : ndarray of shape (n_samples,)
        Index of the class of each sample.

    Raises
    ------
    ValueError
        If labels are missing, continuous, mixed or two-dimensional, or not one per sample.
    """
    y = _as_column(y)
    check_consistent_length(X, y)
    n_missing = int(missing_mask(y).sum())
    if n_missing:
        raise ValueError(
            f"Got {n_missing} missing values in y, but expected a class label of each sample. Fit "
            "without these samples, or without y."
        )
    if y.dtype == object:
        kinds = {isinstance(label, str) for label in y}
        if len(kinds) > 1:
            raise ValueError(
                "Got strings and numbers in y, but expected labels of one type. Convert y to "
                "strings."
            )
    y = known_values(y)
    kind = type_of_target(y, input_name="y")
    if kind not in CLASS_TARGETS:
        raise ValueError(
            f"Got y of type {kind!r}, but expected class labels: a sampler has one density per "
            "class. For a numeric target, divide it into classes, or fit without y on a table "
            "that contains the target as a column."
        )
    return np.unique(y, return_inverse=True)


def _as_column(y):
    """Convert labels to a 1D array. NumPy would convert numbers in a list of strings to strings."""
    if isinstance(y, (list, tuple)):
        y = np.asarray(y, dtype=object)
    return column_or_1d(as_ndarray(y), warn=True)


def find_classes(y, labels, n_samples=None):
    """Return the index of the class of each sample.

    Parameters
    ----------
    y : label or array-like of shape (n_samples,)
        Class of all samples, or one label per sample.
    labels : ndarray of shape (n_classes,)
        Classes of fit.
    n_samples : int, default=None
        Number of samples. None: the number of labels in `y`.

    Returns
    -------
    classes : ndarray of shape (n_samples,)
        Indices of `labels`.

    Raises
    ------
    ValueError
        If a label is none of the classes, or the number of labels is not `n_samples`.
    """
    if np.ndim(y) == 0:
        return np.repeat(_find_labels([y], labels), n_samples)
    classes = _find_labels(y, labels)
    if len(classes) == 0:
        raise ValueError("Got y without labels, but expected at least one label.")
    if n_samples not in (None, len(classes)):
        raise ValueError(
            f"Got {len(classes)} labels in y for {n_samples} samples, but expected one label, or "
            "one label per sample."
        )
    return classes


def _find_labels(y, labels):
    """Return the index of each label; raise an error for other labels."""
    index_of = {label: index for index, label in enumerate(labels.tolist())}
    y = _as_column(y).tolist()
    for label in y:
        if not isinstance(label, Hashable) or label not in index_of:
            shown = ", ".join(repr(known) for known in labels[:MAX_SHOWN_CLASSES].tolist())
            if len(labels) > MAX_SHOWN_CLASSES:
                shown += ", ..."
            raise ValueError(f"Got the class {label!r} in y, but expected one of [{shown}].")
    return np.array([index_of[label] for label in y], dtype=np.intp)


def draw_classes(n_samples, y, labels, prior, seed):
    """Return the index of the class of each sample to be drawn.

    Parameters
    ----------
    n_samples : int or None
        Number of samples. None: 1, or the number of labels in `y`.
    y : label, array-like of shape (n_samples,) or None
        Class of all samples, one label per sample, or None for random classes.
    labels, prior : ndarray of shape (n_classes,) or None
        Classes of fit and their frequencies. None: fitted without y.
    seed : int
        Seed of random classes.

    Returns
    -------
    classes : ndarray of shape (n_samples,)
        Indices of `labels`; zeros for a fit without y.
    """
    if n_samples is None and (y is None or np.ndim(y) == 0):
        n_samples = 1
    if n_samples is not None:
        check_count("n_samples", n_samples, 1)
    if y is not None:
        return find_classes(y, labels, n_samples)
    if labels is None:
        return np.zeros(n_samples, dtype=np.intp)
    return np.random.default_rng(seed).choice(len(labels), size=n_samples, p=prior)


def check_count(name, value, minimum):
    """Raise an error if a value is not an int or is below the minimum."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"Got {name}={value!r}, but expected an int >= {minimum}.")
    if value > MAX_COUNT:
        raise ValueError(f"Got {name}={value!r}, but expected an int <= {MAX_COUNT}.")


def complete_class(codes, indices, index, rng):
    """Return the latent vectors of one class, completed by those of other classes if too few.

    The covariance matrix of k latent dimensions is singular for k or fewer samples. A class with
    fewer than ``2 * (k + 1)`` samples is completed to this number: a sample of any class, minus
    the mean of its class, is added to the mean of the small class. The covariance matrix is then a
    weighted mean of the matrix of the class and the matrix within all classes [1]_.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Latent vectors of all classes.
    indices : ndarray of shape (n_samples,)
        Index of the class of each sample.
    index : int
        Index of the class.
    rng : numpy.random.Generator
        Random number generator, which is used for small classes.

    Returns
    -------
    class_codes : ndarray of shape (n_class_samples, n_components)
        Latent vectors.

    References
    ----------
    .. [1] J. H. Friedman, "Regularized discriminant analysis", Journal of the American Statistical
       Association 84(405), 1989.
    """
    class_codes = codes[indices == index]
    n_borrowed = 2 * (codes.shape[1] + 1) - len(class_codes)
    if n_borrowed <= 0:
        return class_codes
    deviations = codes.copy()
    for other in np.unique(indices):
        deviations[indices == other] -= codes[indices == other].mean(axis=0)
    chosen = rng.permutation(len(codes))[:n_borrowed]
    return np.vstack([class_codes, class_codes.mean(axis=0) + deviations[chosen]])
