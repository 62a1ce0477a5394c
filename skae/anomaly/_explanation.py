"""Explanation of anomaly scores: the contribution of each feature, and its expected value."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.rows import chunk_slices
from skae._input.table_schema import EncodedTable
from skae._typing import MatrixLike
from skae.anomaly._inference import InferenceMixin
from skae.anomaly._preprocessing import autoencoder_input
from skae.anomaly._scores import as_float64_rows, evaluate, score_chunks

__all__ = [
    "Explanation",
    "ExplanationMixin",
    "find_expected",
    "frequent_rows",
    "quantile_candidates",
]

MAX_REPLACED_VALUES = 2**22
"""Maximum number of values of the samples with replaced features: 32 MiB in float64."""

N_CANDIDATES = 24
"""Number of values of a feature, or of rows of a group, by which a value is replaced."""

N_REFINED = 8
"""Number of further values between the neighbors of the best value of a numeric feature."""


@dataclass
class Explanation:
    """Contributions of features to anomaly scores.

    Attributes
    ----------
    contributions : ndarray of shape (n_samples, n_features) or of the shape of images or signals
        Decrease of the anomaly score if the feature had its expected value, at least 0, float64.
        For signals (n_samples, time, n_channels), sums over axis 1 are those of the channels, and
        sums over axis 2 those of the time steps.
    expected : ndarray of the shape of `contributions`
        Expected value of each feature, given the other features of the sample.
    values : ndarray of the shape of `contributions`
        Value of each feature.
    feature_names : list of str
        Names of the features or groups of a table; empty for images and signals.
    anomaly_scores : ndarray of shape (n_samples,)
        Negative scores of the samples; higher is more anomalous, float64.
    """

    contributions: NDArray[np.float64]
    expected: NDArray[Any]
    values: NDArray[Any]
    feature_names: list[str]
    anomaly_scores: NDArray[np.float64]

    def to_frame(self, sample: int = 0) -> Any:
        """Return the features of one sample as a table, sorted by their contributions.

        Parameters
        ----------
        sample : int, default=0
            Index of the sample.

        Returns
        -------
        frame : pandas.DataFrame
            Columns "feature", "value", "expected" and "contribution".

        Raises
        ------
        ValueError
            For images, which have no feature names.
        ImportError
            If pandas is not installed.
        """
        import pandas as pd

        if not self.feature_names:
            raise ValueError("Got an explanation of images. Plot its contributions as an image.")
        frame = pd.DataFrame(
            {
                "feature": self.feature_names,
                "value": self.values[sample],
                "expected": self.expected[sample],
                "contribution": self.contributions[sample],
            }
        )
        return frame.sort_values("contribution", ascending=False, ignore_index=True)


@dataclass
class ExplainedFeature:
    """A feature of an explanation: a column, or columns that are replaced together.

    Attributes
    ----------
    name : str
        Name of the feature.
    columns : list of int
        Encoded columns.
    labels : ndarray of shape (n_columns,) or None
        Labels of the columns of a group or a category; None for a number.
    mean, scale : float
        Units of a number.
    is_integer : bool
        Whether the numbers are integers.
    """

    name: str
    columns: list[int]
    labels: NDArray[np.object_] | None = None
    mean: float = 0.0
    scale: float = 1.0
    is_integer: bool = False

    def to_units(self, values):
        """Convert standardized numbers to units of X."""
        if self.scale == 1 and self.mean == 0:
            return values
        values = values * self.scale + self.mean
        if self.is_integer:
            return np.rint(values)
        # a table is encoded as float32
        return np.round(values, 5 - math.floor(math.log10(self.scale)))


def quantile_candidates(column):
    """Return at most `N_CANDIDATES` different quantiles of a numeric column without NaN."""
    return np.unique(np.quantile(column, np.linspace(0, 1, N_CANDIDATES)))


def frequent_rows(rows):
    """Return the `N_CANDIDATES` most frequent different rows of shape (n_samples, n_columns)."""
    different, counts = np.unique(rows, axis=0, return_counts=True)
    return different[np.argsort(-counts, kind="stable")[:N_CANDIDATES]]


def find_expected(replaced_scores, n_samples, candidates, *, is_numeric):
    """Compute the values with the lowest anomaly score of each sample.

    Parameters
    ----------
    replaced_scores : callable
        Function of values of shape (n_samples, n_values, ...) that returns the anomaly scores, of
        shape (n_samples, n_values), of the samples with these values.
    n_samples : int
        Number of samples.
    candidates : ndarray of shape (n_candidates, ...)
        Values, in ascending order if they are numeric.
    is_numeric : bool
        Whether values between the candidates are tried as well.

    Returns
    -------
    lowest : ndarray of shape (n_samples,)
        Lowest anomaly scores.
    expected : ndarray of shape (n_samples, ...)
        The values with these scores.
    """
    rows = np.arange(n_samples)
    scores = replaced_scores(np.broadcast_to(candidates, (n_samples, *candidates.shape)))
    best = scores.argmin(axis=1)
    expected = candidates[best]
    lowest = scores[rows, best]
    if not is_numeric or len(candidates) == 1:
        return lowest, expected
    lower = candidates[np.maximum(best - 1, 0)]
    upper = candidates[np.minimum(best + 1, len(candidates) - 1)]
    fractions = np.linspace(0, 1, N_REFINED + 2)[1:-1]
    refined = lower[:, None] + (upper - lower)[:, None] * fractions
    scores = replaced_scores(refined)
    best = scores.argmin(axis=1)
    is_lower = scores[rows, best] < lowest
    expected = np.where(is_lower, refined[rows, best], expected)
    return np.minimum(lowest, scores[rows, best]), expected


class ExplanationMixin(InferenceMixin):
    """Mixin of a detector with the method `explain`."""

    @uses_default_torch_state
    def explain(
        self, X: MatrixLike, *, groups: Mapping[str, Sequence[int | str]] | None = None
    ) -> Explanation:
        """Compute the contribution of each feature to the anomaly scores.

        The contribution of a feature is the decrease of the anomaly score if the feature had its
        expected value: the value with the lowest score, given the other features of the sample.
        The method computes about 32 scores for each feature.

        For images and signals, the contribution of a value is the decrease of the score if its
        reconstruction error was 0, and the expected value is the reconstruction.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.
        groups : mapping of str to list of int or str, default=None
            Indices or names of columns that are replaced together, such as the columns of a one-hot
            encoded category. A group is one feature of the result, in place of its first column.
            Its values are names of the columns with the largest values, or None if all are 0.

        Returns
        -------
        explanation : Explanation
            Contributions, expected values and feature names. The contribution of a missing value
            is 0.

        Raises
        ------
        ValueError
            If a group is invalid, or if X contains images and `groups` is not None.
        """
        check_is_fitted(self)
        if not self._reference.is_table:
            if groups is not None:
                raise ValueError("Got groups with images, but images have no columns.")
            return self._explain_images(X)
        rows, _ = self._preprocess(X)
        table = as_float64_rows(rows[:])
        features = self._explained_features(groups)
        anomaly_scores = -self.score_samples(X)
        before = -self._score_as_new(table, self._named_inputs(table, X))
        contributions = np.empty((len(table), len(features)))
        has_labels = any(feature.labels is not None for feature in features)
        values, expected = np.empty((2, *contributions.shape), object if has_labels else np.float64)
        for i, feature in enumerate(features):
            columns = feature.columns
            if feature.labels is None:
                candidates = quantile_candidates(self._reference.points[:, columns[0]])
                best, found = self._replace(X, table, columns, candidates, is_numeric=True)
                values[:, i] = feature.to_units(table[:, columns[0]])
                expected[:, i] = feature.to_units(found)
            else:
                candidates = frequent_rows(self._reference.points[:, columns])
                best, found = self._replace(X, table, columns, candidates, is_numeric=False)
                values[:, i] = _largest_column(table[:, columns], feature.labels)
                expected[:, i] = _largest_column(found, feature.labels)
            is_missing = np.isnan(table[:, columns]).any(axis=1)
            contributions[:, i] = np.where(is_missing, 0, np.maximum(before - best, 0))
        names = [feature.name for feature in features]
        return Explanation(contributions, expected, values, names, anomaly_scores)

    def _explained_features(self, groups):
        """Return the features of an explanation: columns of X, groups, or columns of a table."""
        if self._table is None:
            names = [f"x{j}" for j in range(self.n_features_in_)]
            if hasattr(self, "feature_names_in_"):
                names = [str(name) for name in self.feature_names_in_]
            return _resolve_groups(groups, names)
        if groups is not None:
            raise ValueError(
                "Got groups with a table with categories, whose columns are explained as a whole. "
                "Pass groups=None."
            )
        features = []
        for column, encoded in zip(self._table.columns, self._table.slices, strict=True):
            columns = list(range(encoded.start, encoded.stop))
            name = str(column.label)
            if column.is_category:
                labels = np.empty(len(column.decoded), object)
                labels[:] = column.decoded
                features.append(ExplainedFeature(name, columns, labels))
            else:
                is_integer = "int" in column.dtype.lower()
                features.append(
                    ExplainedFeature(name, columns, None, column.mean, column.scale, is_integer)
                )
        return features

    def _replace(self, X, table, columns, candidates, *, is_numeric):
        """Return the lowest anomaly scores and the expected values of columns, in chunks."""
        n_rows = max(1, MAX_REPLACED_VALUES // (table.shape[1] * N_CANDIDATES))
        parts = []
        for chunk in chunk_slices(len(table), n_rows):
            samples = table[chunk]

            def replaced_scores(values, samples=samples):
                """Return the anomaly scores of the samples with other values of the columns."""
                replaced = np.repeat(samples, values.shape[1], axis=0)
                replaced[:, columns] = values.reshape(len(replaced), len(columns))
                inputs = self._named_inputs(replaced, X)
                return -self._score_as_new(replaced, inputs).reshape(values.shape[:2])

            parts.append(
                find_expected(replaced_scores, len(samples), candidates, is_numeric=is_numeric)
            )
        lowest, expected = zip(*parts, strict=True)
        return np.concatenate(lowest), np.concatenate(expected)

    def _named_inputs(self, table, X):
        """Return the autoencoder's input for replaced rows, with the column names of X if needed.

        Without a scaler, an autoencoder may be fitted on a table with column names.
        """
        if self._table is not None:
            return EncodedTable(table.astype(np.float32), self._table)
        if self.scaler_ is not None or not hasattr(X, "columns"):
            return autoencoder_input(table, table, self.scaler_)
        if hasattr(X, "iloc"):
            return type(X)(table, columns=X.columns)
        return type(X)(table, schema=list(X.columns))

    def _explain_images(self, X):
        """Attribute the reconstruction errors to pixels."""
        rows, inputs = self._preprocess(X)
        shape = rows.shape
        points, mean_errors = self._evaluate_rows(rows, inputs)
        errors, distances = self._reference.parts(points, mean_errors, as_new=True)
        error_map = np.nan_to_num(self.error_map(X)).reshape(len(rows), -1).astype(np.float64)
        n_observed = np.maximum((~np.isnan(as_float64_rows(rows[:]))).sum(axis=1), 1)
        without_pixel = mean_errors[:, None] - error_map / n_observed[:, None]
        tail = self._reference.error_tail
        better = self._combine(tail(np.maximum(without_pixel, 0)), distances[:, None])
        contributions = np.maximum(better - self._combine(errors, distances)[:, None], 0)
        reconstructions = np.concatenate(
            [evaluate(self.autoencoder_, inputs[chunk], None)[0] for chunk in score_chunks(inputs)]
        )
        if self.scaler_ is not None:
            reconstructions = self.scaler_.inverse_transform(reconstructions)
        return Explanation(
            contributions.reshape(shape),
            reconstructions.reshape(shape),
            as_float64_rows(rows[:]).reshape(shape),
            [],
            -self.score_samples(X),
        )


def _largest_column(rows, labels):
    """Return the label of the largest value of each row, or None if no value is positive."""
    rows = np.nan_to_num(rows)
    return np.where(rows.max(axis=1) > 0, labels[rows.argmax(axis=1)], None)


def _resolve_groups(groups, names):
    """Return the features of an explanation: groups, and columns that are in no group.

    Raises
    ------
    ValueError
        If a group is empty, has an unknown column, or shares a column with another group.
    """
    group_of = {}
    columns_of = {}
    if groups is not None and not isinstance(groups, Mapping):
        raise ValueError(f"Got groups={groups!r}, but expected a dict of lists of columns.")
    for group, members in (groups or {}).items():
        if isinstance(members, (str, Integral)):
            raise ValueError(f"Got the group {group!r} of {members!r}, but expected a list.")
        columns = []
        for member in members:
            column = member
            if isinstance(member, str) and member in names:
                column = names.index(member)
            is_index = isinstance(column, Integral) and not isinstance(column, bool)
            is_column = is_index and 0 <= column < len(names)
            if not is_column or column in group_of:
                raise ValueError(
                    f"Got the column {member!r} in the group {group!r}, but expected the index or "
                    f"the name of one of {len(names)} columns, each in at most one group."
                )
            group_of[column] = group
            columns.append(int(column))
        if not columns:
            raise ValueError(f"Got the group {group!r} without columns.")
        columns_of[group] = columns
    for group in columns_of:
        if group in names and names.index(group) not in group_of:
            raise ValueError(f"Got the group {group!r}, but a column outside has the same name.")
    features = []
    labels = np.array(names, object)
    for j, name in enumerate(names):
        if j not in group_of:
            features.append(ExplainedFeature(name, [j]))
        elif min(columns_of[group_of[j]]) == j:
            columns = columns_of[group_of[j]]
            features.append(ExplainedFeature(group_of[j], columns, labels[columns]))
    return features
