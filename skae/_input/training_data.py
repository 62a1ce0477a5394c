"""Training data: X, sample weights, targets and validation samples of one fit, checked once."""

from dataclasses import dataclass
from typing import Any

import torch

from skae._input.dtypes import check_dtype_units, check_unit_interval
from skae._input.rows import RowSubset, take_rows
from skae._input.streaming import StreamedRows
from skae._input.targets import Targets, resolve_targets
from skae._input.validation import check_weights

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """The data of one fit, checked; samples with a weight of zero are left out.

    Attributes
    ----------
    rows : ndarray, torch.Tensor or StreamedRows of shape (n, d)
        X as flat rows, in its own dtype.
    weights : ndarray of shape (n,) or None
        Sample weights with a mean of 1. None: all samples have the same weight.
    targets : Targets or None
        Classes and scales of y.
    target_values : torch.Tensor of shape (n, n_outputs) or None
        y as numbers.
    validation_rows : ndarray, torch.Tensor or StreamedRows of shape (n_val, d), or None
        `X_val` as flat rows.
    """

    rows: Any
    weights: Any = None
    targets: Targets | None = None
    target_values: torch.Tensor | None = None
    validation_rows: Any = None

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
        rows = estimator._check_X(X, reset=not resume)
        weights = check_weights(sample_weight, rows)
        validation_rows = None
        if X_val is not None:
            validation_rows = estimator._check_X(X_val, reset=False)
        n_samples = len(rows)
        rows, weights, kept = drop_rows_without_weight(rows, weights)
        targets, target_values = resolve_targets(estimator, y, n_samples, kept, go_on=resume)
        _check_values(rows, validation_rows, bounded=estimator.loss == "log_loss")
        return cls(rows, weights, targets, target_values, validation_rows)

    def __len__(self):
        return len(self.rows)


def _check_values(rows, validation_rows, *, bounded):
    """Raise an error if values do not suit the loss, or validation samples have other units."""
    if bounded:
        check_unit_interval(rows)
    if validation_rows is not None:
        if bounded:
            check_unit_interval(validation_rows)
        check_dtype_units(validation_rows, rows.dtype, exact=bounded)


def drop_rows_without_weight(rows, weights):
    """Drop samples with a weight of zero.

    Returns
    -------
    rows, weights
        The samples that are left, and their weights.
    kept : torch.Tensor or None
        Their indices. None: all are left.
    """
    if weights is None or weights.all():
        return rows, weights, None
    kept = torch.from_numpy(weights > 0).nonzero()[:, 0]
    if len(kept) < 2:
        raise ValueError(
            f"Got a sample_weight with {len(kept)} positive value, but expected at least 2. "
            "Weights below 1e-15 times the largest count as zero."
        )
    if isinstance(rows, StreamedRows):
        rows = StreamedRows(RowSubset(rows, kept))
    else:
        rows = take_rows(rows, kept)
    return rows, weights[kept.numpy()], kept
