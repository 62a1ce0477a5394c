"""What y says: which of its columns are classes and which are numbers, and how far a guess is from them."""

import math

import numpy as np
import torch
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target
from torch.nn import functional

__all__ = ["Targets", "find_targets"]

SMOOTHING = 0.1
"""How much of an even guess is mixed into a class (C. Szegedy et al., "Rethinking the Inception architecture for computer
vision", CVPR 2016). Without it a head becomes surer and surer of the rows that it has learned. That costs rows held out more
and more, though more of them are right, and the weights taken are those of too early an epoch."""


def find_targets(estimator, y, n_samples, kept, *, go_on):
    """Look at y, and turn it into numbers, if there is to be a head that guesses it.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Whose ``target_weight`` says whether.
    y : array-like or None
        As the user gave it.
    n_samples : int
        How many rows there are.
    kept : torch.Tensor or None
        The numbers of the rows that count, if not all do.
    go_on : bool
        Whether a fit goes on, with the targets that are known.

    Returns
    -------
    targets : Targets or None
        What y is about.
    numbers : torch.Tensor of shape (n_kept, n_outputs) or None
        What `Targets.encode` gives.
    """
    if not estimator.target_weight:
        return None, None
    what = f"{type(estimator).__name__} with target_weight={estimator.target_weight!r}"
    if y is None:
        raise ValueError(f"{what} requires y to be passed, but the target y is None.")
    y = np.asarray(y)
    check_consistent_length(y, np.empty((n_samples, 0)))
    y = y if kept is None else y[kept.numpy()]
    targets = estimator._spec["targets"] if go_on else Targets(y)
    if targets is None:
        raise ValueError(
            f"{what} was first fitted with a weight of 0, but expected one above it already then: what shapes the network "
            "can't change when a fit goes on. Set warm_start=False and call fit to begin anew."
        )
    return targets, targets.encode(y)


class Targets:
    """Targets that a head on the codes learns to guess, column by column; found in fit, and known from then on.

    Continuous targets are standardised. All others are classes, whatever stands for them. NaN and None are gaps: such rows are
    learned from without their target.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Numbers, strings, booleans; with gaps.

    Attributes
    ----------
    classes : list of ndarray or None
        For each column its classes, or None for numbers.
    means, scales : list of float
        Of the columns of numbers.
    share : float
        Of the rows with a target.
    """

    def __init__(self, y):
        columns, gaps = _columns(y)
        if gaps.all(1).any():
            where = "" if len(columns) == 1 else f" in column {int(gaps.all(1).argmax())}"
            raise ValueError(
                f"Got a y of which every entry{where} is missing, but expected some targets, since target_weight is above 0."
            )
        self.classes, self.means, self.scales = [], [], []
        for column, gap in zip(columns, gaps, strict=True):
            there = _plain(column[~gap])
            numbers = type_of_target(there, input_name="y") == "continuous"
            self.classes.append(None if numbers else np.unique(there))
            self.means.append(float(there.mean()) if numbers else 0.0)
            self.scales.append((float(there.std()) if numbers else 0.0) or 1.0)
        self.share = float((~gaps).mean())

    @property
    def widths(self):
        """Outputs of the head for each column: one for numbers, one for each class."""
        return [1 if classes is None else len(classes) for classes in self.classes]

    def encode(self, y):
        """Turn y into numbers that a loss can be computed from.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Of the same kind as the first one.

        Returns
        -------
        targets : torch.Tensor of shape (n_samples, n_outputs)
            Standardised numbers, or the places of classes, float32; NaN where there is none.
        """
        columns, gaps = _columns(y)
        if len(columns) != len(self.classes):
            raise ValueError(f"Got a y with {len(columns)} columns, but expected {len(self.classes)}, as in the first call.")
        out = np.full((columns.shape[1], len(columns)), np.nan, np.float32)
        for i, (column, gap) in enumerate(zip(columns, gaps, strict=True)):
            there, classes = _plain(column[~gap]), self.classes[i]
            if classes is None:
                out[~gap, i] = (there.astype(np.float64) - self.means[i]) / self.scales[i]
                continue
            unknown = ~np.isin(there, classes)
            if unknown.any():
                raise ValueError(
                    f"Got the class {there[unknown][:1].tolist()[0]!r} in y, but expected one of {classes.tolist()}, as in fit."
                )
            out[~gap, i] = np.searchsorted(classes, there)
        return torch.from_numpy(out)

    def missed(self, guess, targets):
        """Compute how far guesses are from targets.

        Parameters
        ----------
        guess : torch.Tensor of shape (b, sum of `widths`)
            Numbers, or logits of classes.
        targets : torch.Tensor of shape (b, n_outputs)
            From `encode`.

        Returns
        -------
        missed : torch.Tensor of shape (b,)
            Of numbers the squared error: 1 for a guess of the mean. Of classes how far the guess diverges from the class, made
            unsure by `SMOOTHING`: 1 for an even guess, and 0 for one that is just as unsure. 0 where there is no target. The
            mean over the columns, divided by the share of rows that have one.
        """
        total = 0.0
        for part, target in zip(guess.split(self.widths, 1), targets.T, strict=True):
            known = ~target.isnan()
            target = torch.where(known, target, 0.0)
            loss = (part[:, 0] - target).square() if part.shape[1] == 1 else _divergence(part, target.long())
            total = total + torch.where(known, loss, 0.0)
        return total / (len(self.widths) * self.share)


def _divergence(logits, places):
    """Compute the Kullback-Leibler divergence of guesses from smoothed classes, in shares of that of an even guess."""
    n_classes = logits.shape[1]
    rest = SMOOTHING / n_classes
    sure = 1 - SMOOTHING + rest
    least = -sure * math.log(sure) - (n_classes - 1) * rest * math.log(rest)  # the entropy of a smoothed class
    loss = functional.cross_entropy(logits, places, reduction="none", label_smoothing=SMOOTHING)
    return (loss - least) / (math.log(n_classes) - least)


def _columns(y):
    """See y as columns (n_outputs, n_samples), and say where each has gaps."""
    y = np.asarray(y)
    y = column_or_1d(y, warn=y.ndim == 2)[None] if y.ndim < 2 or y.shape[1] == 1 else y.T
    if y.ndim > 2 or not len(y):
        raise ValueError(f"Got y of shape {y.T.shape}, but expected (n_samples,) or (n_samples, n_outputs).")
    if y.dtype == object:
        return y, np.array([[_is_gap(value) for value in column] for column in y], bool)
    return y, np.isnan(y) if y.dtype.kind == "f" else np.zeros(y.shape, bool)


def _is_gap(value):
    """Say whether this is None, NaN, NaT, or pandas' NA, of which it isn't known whether it equals itself."""
    same = value == value
    return value is None or not isinstance(same, (bool, np.bool_)) or not same


def _plain(values):
    """Give what is left of a column without its gaps the dtype that it would have had without them."""
    values = np.array(values.tolist()) if values.dtype == object else values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("Got infinity in y, but expected finite numbers, or NaN where there is no target.")
    return values
