"""Anomaly detection by reconstruction errors and distances to normal samples."""

import math
from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler

from skae._devices import uses_default_torch_state
from skae._input.scaling import fit_scaler
from skae._input.streaming import dense_or_streamed
from skae._input.table_schema import EncodedTable
from skae._input.units import measure_units, without_unit_warnings
from skae._input.validation import resolve_seed
from skae._meta_estimator import WrappedAutoencoderMixin
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skae._typing import ArrayLike, Auto, MatrixLike, RandomState
from skae.anomaly._explanation import ExplanationMixin
from skae.anomaly._fitting import ScoreSettings, Window, fit_scores, update_scores
from skae.anomaly._preprocessing import (
    accepts_missing_values,
    autoencoder_input,
    drop_zero_weights,
    encode_if_table,
    fit_channel_scaler,
    fit_detector_table,
    has_missing_values,
    is_table,
    validate_rows,
    warn_unused_parameters,
)
from skae.anomaly._thresholds import ThresholdMixin
from skae.distributed._context import with_all_rows

__all__ = ["ReconstructionDetector"]


class ReconstructionDetector(
    ThresholdMixin, ExplanationMixin, WrappedAutoencoderMixin, OutlierMixin, BaseEstimator
):
    """Anomaly detector for tables and images, based on an autoencoder.

    Anomalies have a large reconstruction error [1]_, or they are far from their nearest neighbors
    in the training set [2]_. Both are converted to tail probabilities of normal samples, and the
    score is a weighted quadratic mean of their logarithms. Thresholds are calibrated by
    cross-fitting, so that the false alarm rate can be set.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Estimator with ``fit``, ``transform`` and ``inverse_transform``. A clone is fitted, except
        for a ``FrozenEstimator``, which is used as it is. None: a :class:`ConvAutoencoder` if X has
        more than two dimensions, a :class:`DenseAutoencoder` otherwise, with ``allow_nan=True`` if
        X contains missing values.
    contamination : float or "auto", default="auto"
        Proportion of anomalies in X, in (0, 0.5], which sets the threshold of `predict`. "auto": a
        false alarm rate of about 2 percent, extrapolated from the median and the third quartile of
        the scores. `set_threshold` sets the false alarm rate without this extrapolation.
    n_neighbors : int, default=5
        Number of neighbors of each sample. A neighbor at distance zero is excluded, because it is
        assumed to be the sample itself.
    neighbor_weight : float, default=2.0
        Weight of the neighbor distance, relative to the reconstruction error. With 0, the score
        depends on the reconstruction error only.
    smoothing : float or "auto", default="auto"
        Standard deviation, in pixels, of the Gaussian filter of images' errors. "auto": 1/28 of the
        shorter side. Use 0 to detect single anomalous pixels. Tables are never smoothed.
    standardize : bool or "auto", default="auto"
        Whether to standardize each feature before the autoencoder. "auto": True for tables, so that
        units do not matter. The channels of signals are standardized, and those of images if their
        standard deviations differ by a factor of at least 4. False for a ``FrozenEstimator``.
    cross_fit : bool or "auto", default="auto"
        Whether to estimate normal errors by two-fold cross-fitting, which doubles the time of fit.
        The errors of each half of X are those of an autoencoder fitted on the other half. "auto":
        True for at most 5,000 samples.
    trim : bool, default=True
        Whether to leave outliers of X out of the normal samples: samples far from most others,
        alone or in groups of up to a tenth of X. The autoencoder of a table is fitted without them.
    random_state : int, RandomState instance or None, default=None
        Seed of the two halves, of the sample for the neighbor search, and of an autoencoder with
        ``random_state=None``.

    Attributes
    ----------
    autoencoder_ : estimator
        Fitted autoencoder.
    offset_ : float
        Threshold of the scores. Samples with a lower score are anomalies.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Scores of at most 10,000 training samples in ascending order, float64. The errors are
        held-out errors if there was cross-fitting, and neighbors exclude the sample itself.
    error_scale_ : ndarray of shape (`n_features_in_`,)
        Normal squared error of each feature or smoothed pixel, in squared units of the
        autoencoder's input. Errors in `error_map` are relative to it.
    scaler_ : StandardScaler or None
        Fitted scaler of X, flattened. None if X is not standardized.
    n_outliers_ : int
        Number of training samples that are not used as normal samples.
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
    The score is ``-sqrt((a**2 + neighbor_weight * b**2) / (1 + neighbor_weight))``. Here a is
    ``-log(p)`` for the probability p that a normal sample has a larger reconstruction error,
    ``mean_j(e_j**2 / error_scale_j)``. b is the mean of the same value for the neighbor distances
    of each view.
    Tables have two views, standardized columns and normal scores of the columns, with Manhattan
    distances. Images have one view, smoothed images of at most 16 x 16 blocks of pixels, with
    Euclidean distances. Normal samples have a mean score of about -1.

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
    calibration_scores_: NDArray[np.float64]
    error_scale_: NDArray[np.float64]
    scaler_: StandardScaler | None
    n_outliers_: int

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "neighbor_weight": [Interval(Real, 0, None, closed="left")],
        "smoothing": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean", StrOptions({"auto"})],
        "cross_fit": ["boolean", StrOptions({"auto"})],
        "trim": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder: BaseEstimator | None = None,
        *,
        contamination: float | Auto = "auto",
        n_neighbors: int = 5,
        neighbor_weight: float = 2.0,
        smoothing: float | Auto = "auto",
        standardize: bool | Auto = "auto",
        cross_fit: bool | Auto = "auto",
        trim: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.n_neighbors = n_neighbors
        self.neighbor_weight = neighbor_weight
        self.smoothing = smoothing
        self.standardize = standardize
        self.cross_fit = cross_fit
        self.trim = trim
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Return the tags: sparse X, and missing values wherever the autoencoder accepts them."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = accepts_missing_values(self.autoencoder)
        tags.input_tags.sparse = True
        return tags

    @with_all_rows
    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the autoencoder, the reference samples, and the threshold.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, with at least four samples. Most samples should be normal.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, at least 0, in the tail probabilities and in the threshold. They
            are passed to the autoencoder if its fit accepts them. Samples of weight 0 are removed.

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
            if sample_weight is not None:
                X, weights = drop_zero_weights(dense_or_streamed(X), sample_weight)
            self._table = fit_detector_table(X, unfitted)
            allow_nan = accepts_missing_values(self.autoencoder)
            X = encode_if_table(self, X, allow_nan=allow_nan, reset=True)
            rows = self._fit_preprocessing(X, unfitted)
            if self.autoencoder is None and has_missing_values(rows):
                unfitted.set_params(allow_nan=True)
            if sample_weight is None:
                weights = None
            inputs = autoencoder_input(X, rows, self.scaler_)
            warn_unused_parameters(self, inputs, unfitted)
            settings = ScoreSettings(
                n_neighbors=self.n_neighbors,
                smoothing=self.smoothing,
                cross_fit=self.cross_fit,
                trim=self.trim,
                is_table=is_table(X, unfitted),
                seed=seed,
            )
            # a half of X without the outliers of the other half has the units of X
            with without_unit_warnings(not isinstance(unfitted, FrozenEstimator)):
                fitted = fit_scores(unfitted, rows, inputs, self.scaler_, weights, settings)
            self.autoencoder_ = fitted.scorer.autoencoder
            self.error_scale_ = fitted.scorer.error_scale
            self._kernels = fitted.scorer.kernels
            self._pooling = fitted.scorer.pooling
            self._neighbor_weight = float(self.neighbor_weight)
            self._window_size = len(fitted.weights)
            self._false_alarm_rate = None
            self._install_reference(fitted)
        return self

    @uses_default_torch_state
    def partial_fit(self, X: MatrixLike, y: object = None) -> Self:
        """Add samples to the normal samples, and drop the oldest, as a window over a stream.

        The autoencoder and the error scales are not changed. The number of samples remains that of
        fit, at most 10,000, and earlier outliers are dropped first. Outliers are trimmed again, and
        the threshold is computed again by the rule of `contamination`, or of the last call of
        `set_threshold`.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit. Without an earlier fit, `fit` is called.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The detector.
        """
        if not hasattr(self, "_reference"):
            return self.fit(X)
        with restore_state_on_error(self):
            points, errors = self._evaluate(X)
            self._install_reference(
                update_scores(
                    self._scorer(),
                    self._reference,
                    self._outliers,
                    Window(points, errors, errors, np.ones(len(points))),
                    n_neighbors=self.n_neighbors,
                    trim=self.trim,
                    max_samples=self._window_size,
                )
            )
        return self

    def _fit_preprocessing(self, X, unfitted):
        """Validate X, fit the scaler and the units, and return the validated rows."""
        X = dense_or_streamed(X)
        standardize = self.standardize
        if isinstance(X, EncodedTable):
            standardize = False  # columns are standardized already
        elif isinstance(standardize, str):
            standardize = is_table(X, unfitted) and not isinstance(unfitted, FrozenEstimator)
        rows = validate_rows(
            self,
            X,
            standardize=standardize,
            allow_nan=accepts_missing_values(self.autoencoder),
            reset=True,
        )
        if self._table is None:
            self.n_features_in_ = math.prod(rows.shape[1:])
        self.scaler_ = None
        self._standardizes_table = bool(standardize)
        if standardize:
            self.scaler_ = fit_scaler(rows)
        elif isinstance(self.standardize, str) and not isinstance(unfitted, FrozenEstimator):
            self.scaler_ = fit_channel_scaler(rows, unfitted)
        self._units = (0.0, 0.0)  # the autoencoder compares the units of its own input
        if standardize:
            self._units = measure_units(rows)
        return rows
