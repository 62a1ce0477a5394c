"""Anomaly detection by reconstruction errors and latent distances."""

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.streaming import stream_if_large
from skae._input.units import measure_units, warn_if_other_units, without_unit_warnings
from skae._input.validation import resolve_seed
from skae._meta_estimator import WrappedAutoencoderMixin
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skae._typing import Auto, MatrixLike, RandomState
from skae.anomaly._calibration import (
    ROUNDING,
    cross_fit,
    error_scales,
    held_out_errors,
    mean_held_out_errors,
    tukey_threshold,
)
from skae.anomaly._latent_distances import fit_latent_metric, mean_squared_distances
from skae.anomaly._preprocessing import (
    autoencoder_input,
    fit_scaler,
    should_standardize,
    validate_rows,
    warn_unused_parameters,
)
from skae.anomaly._scores import evaluate, score_chunks, smoothing_kernels

__all__ = ["ReconstructionDetector"]

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

MAX_CROSS_FIT_ROWS = 5_000
"""Maximum number of samples with cross-fitting by default. With more, overfitting is small."""


class ReconstructionDetector(WrappedAutoencoderMixin, OutlierMixin, BaseEstimator):
    """Anomaly detector for tables and images, based on an autoencoder.

    Anomalies have a large reconstruction error [1]_, or a latent vector far from its neighbors
    [2]_. The score is a weighted sum of both, each relative to normal samples. Latent distances are
    measured in reconstruction space, so that scaling the latent vectors changes no score. Errors of
    images are smoothed, because slightly displaced edges are common in normal reconstructions.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Estimator with ``fit``, ``transform`` and ``inverse_transform``. A clone is fitted, except
        for a ``FrozenEstimator``, which is used as it is. None: a :class:`ConvAutoencoder` if X has
        more than two dimensions, a :class:`DenseAutoencoder` otherwise.
    contamination : float or "auto", default="auto"
        Proportion of anomalies in X, in (0, 0.5], which sets the threshold of `predict`. "auto":
        Tukey's fence of the log scores, the third quartile plus 1.5 times the interquartile range.
    n_neighbors : int, default=5
        Number of neighbors of each latent vector. A neighbor at distance zero is excluded, because
        it is assumed to be the sample itself.
    code_weight : float, default=1.5
        Weight of the latent distance, relative to the reconstruction error. With 0, the score is
        the reconstruction error.
    smoothing : float or "auto", default="auto"
        Standard deviation, in pixels, of the Gaussian filter of images' errors. "auto": 1/28 of the
        shorter side. Use 0 to detect single anomalous pixels. Tables are never smoothed.
    standardize : bool or "auto", default="auto"
        Whether to standardize each feature before the autoencoder. "auto": True for tables, so that
        units do not matter. False for a ``FrozenEstimator`` or an autoencoder of images.
    cross_fit : bool or "auto", default="auto"
        Whether to estimate normal errors by two-fold cross-fitting, which doubles the time of fit.
        The errors of each half of X are those of an autoencoder fitted on the other half. "auto":
        True for at most 5,000 samples.
    random_state : int, RandomState instance or None, default=None
        Seed of the two halves, of the sample for the neighbor search, and of an autoencoder with
        ``random_state=None``.

    Attributes
    ----------
    autoencoder_ : estimator
        Fitted autoencoder.
    offset_ : float
        Threshold of the scores. Samples with a lower score are anomalies.
    neighbors_ : NearestNeighbors
        Neighbor search, fitted on at most 10,000 latent vectors of X, multiplied by `code_metric_`.
    code_metric_ : ndarray of shape (n_components, n_components)
        Matrix that maps latent vectors to a space with distances of reconstructions. The decoder is
        approximated by the linear map that fits it best.
    code_spread_ : float
        Mean squared distance of the latent vectors of X to their neighbors. Distances in the
        scores are relative to it.
    error_scale_ : ndarray of shape (`n_features_in_`,)
        Normal squared error of each feature or smoothed pixel, in squared units of the
        autoencoder's input. Errors in `error_map` are relative to it.
    scaler_ : StandardScaler or None
        Fitted scaler of X. None if X is not standardized.
    n_features_in_ : int
        Number of values in a sample.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when `X` has feature names that are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : A fast detector for tables.
    sklearn.neighbors.LocalOutlierFactor : A detector by the density of neighbors.

    Notes
    -----
    X should be mostly normal in fit. With k neighbors, the score is
    ``-(mean_j(e_j**2 / error_scale_j) + code_weight * mean_k(|z - z_k|**2) / code_spread)
    / (1 + code_weight)``. Here e is the (smoothed) error of feature j, and z is the latent vector
    times `code_metric_`. Normal samples have a mean score of about -1.

    References
    ----------
    .. [1] N. Japkowicz, C. Myers and M. Gluck, "A novelty detection approach to classification",
       IJCAI 1995.
    .. [2] S. Ramaswamy, R. Rastogi and K. Shim, "Efficient algorithms for mining outliers from
       large data sets", SIGMOD 2000.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skae import ReconstructionDetector
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> benign = X[y == 1]
    >>> detector = ReconstructionDetector(random_state=0).fit(benign[:200])
    >>> bool((detector.predict(X[y == 0]) == -1).mean() > 0.5)
    True
    >>> bool((detector.predict(benign[200:]) == -1).mean() < 0.1)
    True
    """

    offset_: float
    neighbors_: "NearestNeighbors"
    code_metric_: NDArray[np.float64]
    code_spread_: float
    error_scale_: NDArray[np.float64]
    scaler_: StandardScaler | None

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "code_weight": [Interval(Real, 0, None, closed="left")],
        "smoothing": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean", StrOptions({"auto"})],
        "cross_fit": ["boolean", StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder: BaseEstimator | None = None,
        *,
        contamination: float | Auto = "auto",
        n_neighbors: int = 5,
        code_weight: float = 1.5,
        smoothing: float | Auto = "auto",
        standardize: bool | Auto = "auto",
        cross_fit: bool | Auto = "auto",
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.n_neighbors = n_neighbors
        self.code_weight = code_weight
        self.smoothing = smoothing
        self.standardize = standardize
        self.cross_fit = cross_fit
        self.random_state = random_state

    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit the autoencoder, the scales of errors and distances, and the threshold.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, with at least four samples and without missing values. Most samples
            should be normal.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X or a parameter is invalid.
        """
        with restore_state_on_error(self):
            seed = resolve_seed(self.random_state)
            unfitted = self._clone_autoencoder(X, seed)
            rows = self._fit_preprocessing(X, unfitted)
            warn_unused_parameters(self, rows, unfitted)
            self.autoencoder_ = clone(unfitted).fit(rows, None)
            # a half of X without the outliers of the other half has the units of X
            with without_unit_warnings(not isinstance(unfitted, FrozenEstimator)):
                self._calibrate(rows, unfitted, seed)
        return self

    def _calibrate(self, rows, unfitted, seed):
        """Fit scales, distances and the threshold on the autoencoder's input."""
        from sklearn.neighbors import NearestNeighbors  # slow to import

        self._code_weight = float(self.code_weight)
        self._kernels = smoothing_kernels(self.autoencoder_, rows.shape[1:], self.smoothing)
        self.code_metric_, codes, mean_squared_errors = fit_latent_metric(
            self.autoencoder_, rows, self._kernels, seed
        )
        # one more neighbor, because one may be the sample itself
        n_neighbors = min(self.n_neighbors + 1, len(codes))
        self.neighbors_ = NearestNeighbors(n_neighbors=n_neighbors).fit(codes)
        uses_cross_fit = self.cross_fit
        if isinstance(uses_cross_fit, str):
            uses_cross_fit = len(rows) <= MAX_CROSS_FIT_ROWS
        held_out_halves = []
        if uses_cross_fit:
            held_out_halves = cross_fit(unfitted, rows, seed)
            mean_squared_errors = mean_held_out_errors(held_out_halves, self._kernels)
        self._fit_scales(codes, mean_squared_errors)
        self.offset_ = self._compute_offset(rows, held_out_halves)

    def _fit_preprocessing(self, X, unfitted):
        """Validate X, fit the scaler, and return the autoencoder's input."""
        X = stream_if_large(X)
        standardize = self.standardize
        if isinstance(standardize, str):
            standardize = should_standardize(X, unfitted)
        rows = validate_rows(self, X, standardize=standardize, reset=True)
        self.n_features_in_ = math.prod(rows.shape[1:])
        self.scaler_ = None
        self._units = (0.0, 0.0)  # the autoencoder compares units of X that is not standardized
        if standardize:
            self.scaler_ = fit_scaler(rows)
            self._units = measure_units(rows)
        return autoencoder_input(X, rows, self.scaler_)

    def _fit_scales(self, codes, mean_squared_errors):
        """Fit the scales of errors and distances, which are at least rounding errors."""
        code_variance = codes.var(axis=0).sum()
        self.error_scale_ = error_scales(mean_squared_errors, code_variance)
        self._zero_distance = ROUNDING * code_variance
        distances = mean_squared_distances(self.neighbors_, codes, self._zero_distance)
        self.code_spread_ = max(float(distances.mean()), self._zero_distance)
        if self.code_spread_ == 0:
            self.code_spread_ = 1.0

    def _compute_offset(self, rows, held_out_halves):
        """Compute the threshold of the scores, from held-out errors if it is automatic."""
        errors, distances = self._score_parts(rows)
        if not isinstance(self.contamination, str):
            scores = -self._combine(errors, distances)
            return float(np.percentile(scores, 100 * self.contamination))
        for indices, squared_errors in held_out_errors(held_out_halves, self._kernels):
            errors[indices] = self._mean_scaled_errors(squared_errors)
        return -tukey_threshold(self._combine(errors, distances))

    @uses_default_torch_state
    def score_samples(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the score of each sample.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores of at most 0, float64. Lower is more anomalous, and normal samples have a mean of
            about -1.
        """
        return -self._combine(*self.score_parts(X))

    @uses_default_torch_state
    def score_parts(self, X: MatrixLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the reconstruction error and the latent distance of each sample.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            Mean of `error_map` over each sample, float64. Normal samples have a mean of about 1.
        distances : ndarray of shape (n_samples,)
            Mean squared distance of the latent vector to its neighbors, divided by `code_spread_`,
            float64.
        """
        check_is_fitted(self)
        rows = self._preprocess(X)
        with without_unit_warnings(self.scaler_ is not None):  # _preprocess has compared the units
            return self._score_parts(rows)

    @uses_default_torch_state
    def error_map(self, X: MatrixLike) -> NDArray[np.float32]:
        """Compute the squared error of each feature or pixel.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        errors : ndarray of the shape of X
            Squared errors, smoothed for images, divided by `error_scale_`, float32.
        """
        check_is_fitted(self)
        rows = self._preprocess(X)
        errors = np.empty((len(rows), self.n_features_in_), np.float32)
        with without_unit_warnings(self.scaler_ is not None):
            for chunk in score_chunks(rows):
                _, _, squared_errors = evaluate(self.autoencoder_, rows[chunk], self._kernels)
                errors[chunk] = squared_errors / self.error_scale_
        return errors.reshape(rows.shape)

    def decision_function(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the difference of each score from the threshold.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: negative for anomalies.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: MatrixLike) -> NDArray[np.int64]:
        """Classify samples as normal or anomalous.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal samples, -1 for anomalies.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _preprocess(self, X):
        """Validate X and return the autoencoder's input."""
        X = stream_if_large(X)
        rows = validate_rows(self, X, standardize=self.scaler_ is not None, reset=False)
        max_abs, small_share = self._units
        warn_if_other_units(rows, max_abs, small_share=small_share)
        return autoencoder_input(X, rows, self.scaler_)

    def _combine(self, errors, distances):
        """Compute the weighted mean of errors and distances."""
        return (errors + self._code_weight * distances) / (1 + self._code_weight)

    def _score_parts(self, rows):
        """Compute the scaled errors and distances of preprocessed rows."""
        errors = np.empty(len(rows))
        distances = np.empty(len(rows))
        for chunk in score_chunks(rows):
            codes, _, squared_errors = evaluate(self.autoencoder_, rows[chunk], self._kernels)
            errors[chunk] = self._mean_scaled_errors(squared_errors)
            codes = codes @ self.code_metric_
            squared_distances = mean_squared_distances(self.neighbors_, codes, self._zero_distance)
            distances[chunk] = squared_distances / self.code_spread_
        return errors, distances

    def _mean_scaled_errors(self, squared_errors):
        """Compute the mean over features of squared errors divided by their scale."""
        return (squared_errors / self.error_scale_).mean(axis=1)
