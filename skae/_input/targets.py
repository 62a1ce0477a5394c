"""Targets of supervised latents: classes and continuous columns of y, their encoding and loss."""

import math

import numpy as np
import torch
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target
from torch.nn import functional

from skae._input.array_api import as_known_array
from skae._input.dtypes import as_ndarray

__all__ = ["Targets", "known_values", "missing_mask", "resolve_targets"]

LABEL_SMOOTHING = 0.1
"""Probability that is spread evenly over all classes [1]_, the value of the paper.

Without it the prediction head becomes overconfident on training rows. That raises the validation
loss while the accuracy still improves, and early stopping selects too early an epoch.

.. [1] C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.
"""


def resolve_targets(estimator, y, n_samples, indices, *, resume):
    """Validate and encode y, if the estimator has a positive ``target_weight``.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Estimator to fit.
    y : array-like or None
        Targets as given by the user.
    n_samples : int
        Number of rows of X.
    indices : torch.Tensor or None
        Indices of the rows of positive weight; None for all rows.
    resume : bool
        Whether a fit is resumed with the classes and columns of the first call.

    Returns
    -------
    targets : Targets or None
        Encoding of y; None without targets.
    encoded : torch.Tensor of shape (n_indices, n_outputs) or None
        Output of `Targets.encode`.
    """
    if not estimator.target_weight:
        return None, None
    name = f"{type(estimator).__name__} with target_weight={estimator.target_weight!r}"
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    y = as_ndarray(as_known_array(y))
    check_consistent_length(y, np.empty((n_samples, 0)))
    if indices is not None:
        y = y[indices.numpy()]
    targets = estimator._spec.targets if resume else Targets(y)
    if targets is None:
        raise ValueError(
            f"{name} was first fitted with target_weight=0, and resuming a fit cannot add the "
            "prediction head. Set warm_start=False and call fit to start again."
        )
    return targets, targets.encode(y)


class Targets:
    """Targets of supervised latents: the classes and columns of y in fit, and their encoding.

    Continuous targets are standardized. All other targets are classes. NaN and None are missing
    values: the autoencoder is trained on such rows, the prediction head is not.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Numbers, strings or booleans, with missing values.

    Attributes
    ----------
    classes : list of ndarray or None
        Sorted classes of each column; None for continuous columns.
    means, scales : list of float
        Means and standard deviations of continuous columns; 0 and 1 for classes.
    share : float
        Fraction of targets that are not missing.
    """

    def __init__(self, y):
        columns, missing = _columns_and_missing(y)
        if missing.all(1).any():
            place = ""
            if len(columns) > 1:
                place = f" in column {int(missing.all(1).argmax())}"
            raise ValueError(
                f"Got only missing values{place} of y, but expected some targets with a positive "
                "target_weight. Set target_weight=0 to fit without y."
            )
        self.classes, self.means, self.scales = [], [], []
        for column, is_missing in zip(columns, missing, strict=True):
            self._fit_column(known_values(column[~is_missing]))
        self.share = float((~missing).mean())

    def _fit_column(self, known):
        """Append classes, mean and scale of one column, given its known values."""
        if type_of_target(known, input_name="y") != "continuous":
            self.classes.append(np.unique(known))
            self.means.append(0.0)
            self.scales.append(1.0)
            return
        scale = float(known.std())
        if scale == 0:
            scale = 1.0
        self.classes.append(None)
        self.means.append(float(known.mean()))
        self.scales.append(scale)

    @property
    def widths(self):
        """Outputs of the head for each column: 1 if continuous, else the number of classes."""
        return [1 if classes is None else len(classes) for classes in self.classes]

    def encode(self, y):
        """Encode y as numbers for the loss.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets with the columns and classes of fit.

        Returns
        -------
        targets : torch.Tensor of shape (n_samples, n_outputs)
            Standardized numbers, or class indices, float32; NaN for missing values.
        """
        columns, missing = _columns_and_missing(y)
        if len(columns) != len(self.classes):
            raise ValueError(
                f"Got y with {len(columns)} columns, but expected {len(self.classes)} as in the "
                "first call."
            )
        encoded = np.full((columns.shape[1], len(columns)), np.nan, np.float32)
        for i, (column, is_missing) in enumerate(zip(columns, missing, strict=True)):
            known = known_values(column[~is_missing])
            encoded[~is_missing, i] = self._encode_column(known, i)
        return torch.from_numpy(encoded)

    def _encode_column(self, known, i):
        """Encode the known values of column `i`."""
        classes = self.classes[i]
        if classes is None:
            return (known.astype(np.float64) - self.means[i]) / self.scales[i]
        unknown = known[~np.isin(known, classes)]
        if len(unknown):
            raise ValueError(
                f"Got the class {unknown[:1].tolist()[0]!r} in y, but expected one of "
                f"{classes.tolist()} as in fit."
            )
        return np.searchsorted(classes, known)

    def loss(self, predictions, targets):
        """Compute the supervised loss of each row.

        The loss is the mean over the columns, divided by the fraction of known targets. Missing
        targets contribute 0.

        ==========  ================================================  ==========================
        column      loss                                              equals 1 for
        ==========  ================================================  ==========================
        continuous  squared error of the standardized target          a prediction of the mean
        classes     Kullback-Leibler divergence from the smoothed     equal probabilities
                    class, relative to that of equal probabilities
        ==========  ================================================  ==========================

        Parameters
        ----------
        predictions : torch.Tensor of shape (b, sum of `widths`)
            Standardized numbers, or logits of classes.
        targets : torch.Tensor of shape (b, n_outputs)
            Output of `encode`.

        Returns
        -------
        loss : torch.Tensor of shape (b,)
            Loss of each row.
        """
        total = 0.0
        for outputs, target in zip(predictions.split(self.widths, 1), targets.T, strict=True):
            known = ~target.isnan()
            target = torch.where(known, target, 0.0)
            if outputs.shape[1] == 1:
                losses = (outputs[:, 0] - target).square()
            else:
                losses = _relative_divergence(outputs, target.long())
            total = total + torch.where(known, losses, 0.0)
        return total / (len(self.widths) * self.share)


def _relative_divergence(logits, labels):
    """Compute the divergence from smoothed classes, relative to that of equal probabilities."""
    n_classes = logits.shape[1]
    p_other = LABEL_SMOOTHING / n_classes
    p_label = 1 - LABEL_SMOOTHING + p_other
    entropy = -p_label * math.log(p_label) - (n_classes - 1) * p_other * math.log(p_other)
    cross_entropy = functional.cross_entropy(
        logits, labels, reduction="none", label_smoothing=LABEL_SMOOTHING
    )
    return (cross_entropy - entropy) / (math.log(n_classes) - entropy)


def _columns_and_missing(y):
    """Return y as columns (n_outputs, n_samples), and the mask of its missing values."""
    y = np.asarray(y)
    columns = y.T
    if y.ndim < 2 or y.shape[1] == 1:
        columns = column_or_1d(y, warn=y.ndim == 2)[None]
    if columns.ndim > 2 or not len(columns):
        raise ValueError(
            f"Got y of shape {y.shape}, but expected (n_samples,) or (n_samples, n_outputs)."
        )
    return columns, missing_mask(columns)


def missing_mask(y):
    """Return the mask of missing values of an array: NaN, None, NaT and NA."""
    if y.dtype == object:
        return np.vectorize(_is_missing, otypes=[bool])(y)
    return y != y  # NaN is unequal to itself


def _is_missing(value):
    """Return whether a value is None, NaN, NaT or NA; ``NA == NA`` is not a bool."""
    is_equal = value == value
    return value is None or not isinstance(is_equal, (bool, np.bool_)) or not is_equal


def known_values(known):
    """Convert known values of dtype object to their own dtype, and check that they are finite."""
    if known.dtype == object:
        known = np.array(known.tolist())
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError(
            "Got infinity in y, but expected finite numbers, or NaN for missing targets."
        )
    return known
