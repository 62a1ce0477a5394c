"""Explanation of the anomaly scores of a Pipeline, in the columns of its input."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skae._input.rows import chunk_slices
from skae.anomaly._detector import ReconstructionDetector
from skae.anomaly._explanation import (
    MAX_REPLACED_VALUES,
    N_CANDIDATES,
    Explanation,
    find_expected,
    quantile_candidates,
)

__all__ = ["explain_pipeline"]


def explain_pipeline(pipeline: BaseEstimator, X: Any, background: Any) -> Explanation:
    """Compute the contributions of the columns of X to the anomaly scores of a Pipeline.

    The columns are those before all steps of the Pipeline, such as scalers, encoders and a
    ``ColumnTransformer``. The contribution of a column is the decrease of the anomaly score if the
    column had its expected value. This is the value of the column in `background` with the lowest
    score, given the other columns of the sample. Values between those of `background` are tried for
    columns of floats.

    Parameters
    ----------
    pipeline : estimator
        Fitted Pipeline or detector with ``score_samples``, where lower is more anomalous.
    X : pandas.DataFrame, array-like or sparse matrix of shape (n_samples, n_columns)
        Samples to explain.
    background : pandas.DataFrame, array-like or sparse matrix of shape (n_background, n_columns)
        Normal samples, such as the training set.

    Returns
    -------
    explanation : Explanation
        Contributions, expected values and values in the columns of X. The contribution of a missing
        value is 0.

    Raises
    ------
    ValueError
        If the columns of X and `background` differ, or a column of `background` has no value.
    """
    check_is_fitted(pipeline)
    X, background = _align(X, background)
    n_samples, n_columns = X.shape
    names = [f"x{j}" for j in range(n_columns)]
    if hasattr(X, "columns"):
        names = [str(name) for name in X.columns]
    anomaly_scores = -np.asarray(pipeline.score_samples(X), dtype=np.float64)
    before = _anomaly_scores(pipeline, X)
    contributions = np.empty((n_samples, n_columns))
    values = np.empty((n_samples, n_columns), object)
    expected = np.empty((n_samples, n_columns), object)
    for j in range(n_columns):
        column = np.asarray(_column(X, j))
        normal = np.asarray(_column(background, j))
        is_float = _column(background, j).dtype.kind == "f"
        normal = normal[~_is_missing(normal)]
        if len(normal) == 0:
            raise ValueError(f"Got a background without a value in the column {names[j]!r}.")
        if is_float:
            candidates = quantile_candidates(normal.astype(np.float64))
        else:
            frequent = Counter(normal.tolist()).most_common(N_CANDIDATES)
            candidates = np.empty(len(frequent), object)
            candidates[:] = [value for value, _ in frequent]
        lowest, expected[:, j] = _replace(pipeline, X, j, candidates, is_float)
        decrease = np.maximum(before - lowest, 0)
        contributions[:, j] = np.where(_is_missing(column), 0, decrease)
        values[:, j] = column
    if all(np.asarray(_column(X, j)).dtype.kind in "biuf" for j in range(n_columns)):
        values = values.astype(np.float64)
        expected = expected.astype(np.float64)
    return Explanation(contributions, expected, values, names, anomaly_scores)


def _anomaly_scores(pipeline, X):
    """Return anomaly scores, of which training samples of a detector of skae count as new."""
    detector = pipeline
    if isinstance(pipeline, Pipeline):
        detector = pipeline[-1]
    if not isinstance(detector, ReconstructionDetector):
        return -np.asarray(pipeline.score_samples(X), dtype=np.float64)
    if detector is not pipeline:
        X = pipeline[:-1].transform(X)
    return -detector._score_as_new(*detector._preprocess(X))


def _replace(pipeline, X, j, candidates, is_float):
    """Return the lowest anomaly scores and the expected values of a column, in chunks."""
    n_rows = max(1, MAX_REPLACED_VALUES // (X.shape[1] * N_CANDIDATES))
    lowest, expected = [], []
    for chunk in chunk_slices(len(X), n_rows):
        samples = X.iloc[chunk] if hasattr(X, "iloc") else X[chunk]

        def replaced_scores(values, samples=samples):
            """Return the anomaly scores of the samples with other values of the column."""
            rows = np.repeat(np.arange(len(samples)), values.shape[1])
            replaced = _with_column(samples, rows, j, values.ravel())
            return _anomaly_scores(pipeline, replaced).reshape(values.shape)

        scores, found = find_expected(
            replaced_scores, len(samples), candidates, is_numeric=is_float
        )
        lowest.append(scores)
        expected.append(found)
    return np.concatenate(lowest), np.concatenate(expected)


def _column(X, j):
    """Return a column of an array or a DataFrame."""
    if hasattr(X, "iloc"):
        return X.iloc[:, j]
    return X[:, j]


def _is_missing(column) -> NDArray[np.bool_]:
    """Return a mask of NaN, None and missing values of pandas."""
    missing = {"NAType", "NaTType", "NoneType"}
    return np.array(
        [type(value).__name__ in missing or bool(value != value) for value in column], dtype=bool
    )


def _dense(table):
    """Return a sparse matrix as an array, and other tables unchanged."""
    if issparse(table):
        return table.toarray()
    return table


def _align(X, background):
    """Return X and the background as dense tables with equal columns and dtypes."""
    X, background = _dense(X), _dense(background)
    if not hasattr(X, "iloc"):
        X = np.asarray(X)
        background = np.asarray(background)
        if X.dtype.kind in "biuf" and background.dtype.kind in "biuf":
            X = X.astype(np.result_type(X, background))
    elif hasattr(background, "iloc") and set(X.columns) == set(background.columns):
        background = background[X.columns]
        is_float = [dtype.kind == "f" for dtype in background.dtypes]
        is_int = [dtype.kind in "iu" for dtype in X.dtypes]
        converted = [a and b for a, b in zip(is_float, is_int, strict=True)]
        X = X.astype(dict.fromkeys(X.columns[converted], np.float64))
    else:
        background = None
    if background is None or len(X.shape) != 2 or X.shape[1:] != background.shape[1:]:
        raise ValueError("Got X and a background of other columns, but expected equal columns.")
    return X, background


def _with_column(X, rows, j, values):
    """Return rows of X with other values in a column, of the dtype of the column."""
    if not hasattr(X, "iloc"):
        replaced = X[rows]
        replaced[:, j] = values.astype(X.dtype)
        return replaced
    import pandas as pd

    replaced = X.iloc[rows].reset_index(drop=True)
    replaced.isetitem(j, pd.Series(values.tolist()).astype(X.dtypes.iloc[j]))
    return replaced
