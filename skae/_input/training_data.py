"""Training data: X, sample weights, targets and validation samples of one fit, checked once."""

from dataclasses import dataclass
from typing import Any

import torch

from skae._input.dtypes import ClippedRows, check_bounds, check_dtype_units, dtype_name
from skae._input.rows import RowSubset, take_rows
from skae._input.sparse_rows import SparseRows
from skae._input.streaming import StreamedRows
from skae._input.targets import Targets, resolve_targets
from skae._input.units import measure_units, warn_if_other_units
from skae._input.validation import check_weights
from skae.losses import resolve_loss

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """The data of one fit, checked; samples with a weight of zero are left out.

    Attributes
    ----------
    rows : ndarray, torch.Tensor, SparseRows or StreamedRows of shape (n, d)
        X as flat rows, in its own dtype.
    weights : ndarray of shape (n,) or None
        Sample weights with a mean of 1. None: all samples have the same weight.
    targets : Targets or None
        Classes and scales of y.
    target_values : torch.Tensor of shape (n, n_outputs) or None
        y as numbers.
    validation_rows : ndarray, torch.Tensor, SparseRows, StreamedRows or None
        `X_val` as flat rows (n_val, d).
    max_abs, small_share : float
        Units of X, by `measure_units`.
    """

    rows: Any
    weights: Any = None
    targets: Targets | None = None
    target_values: torch.Tensor | None = None
    validation_rows: Any = None
    max_abs: float = 0.0
    small_share: float = 0.0

    @classmethod
    def check(cls, estimator, X, y=None, sample_weight=None, X_val=None, *, resume):
        """Check everything that `fit` was given.

        Parameters
        ----------
        estimator : BaseAutoencoder
            With valid parameters. Its `_check_X` checks and flattens X.
        X, y, sample_weight, X_val
            As the user passed them.
        resume : bool
            Whether the fit continues an earlier one, with the same features and targets.

        Returns
        -------
        data : TrainingData
            The checked data.
        """
        rows = estimator._check_X(X, reset=not resume, sample_weight=sample_weight)
        weights = check_weights(sample_weight, rows)
        validation_rows = None
        if X_val is not None:
            validation_rows = estimator._check_X(X_val, reset=False)
        n_samples = len(rows)
        rows, weights, indices = _drop_rows_without_weight(rows, weights)
        targets, target_values = resolve_targets(estimator, y, n_samples, indices, resume=resume)
        rows, validation_rows = _check_values(rows, validation_rows, estimator.loss)
        max_abs, small_share = measure_units(rows)
        if resume:
            spec = estimator._spec
            warn_if_other_units(rows, spec.max_abs, small_share=spec.small_share, dtype=spec.dtype)
        if validation_rows is not None:
            warn_if_other_units(
                validation_rows, max_abs, small_share=small_share, dtype=dtype_name(rows)
            )
        return cls(rows, weights, targets, target_values, validation_rows, max_abs, small_share)

    def __len__(self):
        return len(self.rows)


def _check_values(rows, validation_rows, loss):
    """Check values against the bounds of the loss, and the units of validation samples.

    Returns
    -------
    rows, validation_rows
        The same rows, or clipped ones if they exceed the bounds by rounding errors.
    """
    bounds = resolve_loss(loss).bounds
    if bounds is not None:
        rows = _within_bounds(rows, bounds, loss)
    if validation_rows is not None and bounds is not None:
        validation_rows = _within_bounds(validation_rows, bounds, loss)
        check_dtype_units(validation_rows, dtype_name(rows))
    return rows, validation_rows


def _within_bounds(rows, bounds, loss):
    """Clip rounding errors; streamed rows remain streamed, and keep the chunks of their source."""
    clipped = check_bounds(rows, bounds, loss)
    if isinstance(clipped, ClippedRows):
        return StreamedRows(clipped)
    return clipped


def _drop_rows_without_weight(rows, weights):
    """Drop samples with a weight of zero.

    Returns
    -------
    rows, weights
        The samples of positive weight, and their weights.
    indices : torch.Tensor or None
        Their indices. None for all samples.
    """
    if weights is None or weights.all():
        return rows, weights, None
    indices = torch.from_numpy(weights > 0).nonzero()[:, 0]
    if len(indices) < 2:
        raise ValueError(
            f"Got a sample_weight with {len(indices)} positive value, but expected at least 2. "
            "Weights below 1e-15 times the largest count as zero."
        )
    if isinstance(rows, StreamedRows):
        rows = StreamedRows(RowSubset(rows, indices))
    elif isinstance(rows, SparseRows):
        rows = rows.subset(indices)
    else:
        rows = take_rows(rows, indices)
    return rows, weights[indices.numpy()], indices
