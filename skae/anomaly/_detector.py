"""The detector: what is usual of errors and of distances between codes, and where anomalies begin."""

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skae import _validation as check
from skae._layout import as_array
from skae._state import unchanged_on_error
from skae._stored import Stored, stored
from skae._typing import Auto, MatrixLike, RandomState
from skae._validation import Interval, StrOptions, fit_context
from skae._wrapped import ShownMixin, check_methods, default_autoencoder, seeded_clone
from skae.anomaly._measures import Decoded, Standardised, as_numbers, kernels, measure, pieces, smoothed

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

__all__ = ["ReconstructionDetector"]

MOST_NEIGHBOURS = 10_000
"""Among the codes of so many rows neighbours are looked for: a random part of X where it has more."""

MOST_CROSSED = 5_000
"""Up to so many rows are learned by heart to a degree that matters, so that their errors are taken from fits without them."""

FLOOR = 0.2
"""The least that the usual squared error of a feature is taken to be, as a share of the mean over all features."""

EXACT = 1e-8
"""Squared errors and distances below this share of the variance are rounding, and no measure of what is usual."""


class ReconstructionDetector(ShownMixin, OutlierMixin, BaseEstimator):
    """Anomalies by an autoencoder: rows and images that are reconstructed badly, or whose codes have no neighbours.

    An autoencoder reconstructs what it has seen the like of [1]_. What it reconstructs well may still be unusual: then its code
    lies far from all others [2]_. The score adds both, each over what is usual. Codes count as far apart as their
    reconstructions are, to first order, so how an autoencoder scales its codes doesn't matter. Errors of images are smoothed
    first, since an edge that is a little out of place is usual, and what doesn't belong there is missed over an area.

    Parameters
    ----------
    autoencoder : estimator, default=None
        What has ``fit``, ``transform`` and ``inverse_transform``. A clone of it is fitted; one in a ``FrozenEstimator`` is used
        as it is. None: a :class:`ConvAutoencoder` if X has more than two dimensions, else a :class:`DenseAutoencoder`.
    contamination : float or "auto", default="auto"
        The share of X that `predict` takes as anomalies, in (0, 0.5]. "auto": what lies beyond Tukey's fence, which is the
        third quartile of the logarithms of the scores plus 1.5 times their interquartile range.
    n_neighbors : int, default=5
        How many neighbours of a code count. One at no distance does not: it is taken for the row itself.
    code_weight : float, default=1.5
        How much the distance of the code counts, compared with the error of the reconstruction. 0 leaves the error alone.
    smoothing : float or "auto", default="auto"
        Standard deviation, in pixels, of the Gaussian that smooths errors and reconstructions of images. "auto": 1/28 of the
        shorter side. 0 where single pixels may be odd. Tables are never smoothed.
    standardize : bool or "auto", default="auto"
        Whether the autoencoder sees each column less its mean, over its standard deviation. "auto": yes for tables, so that
        units don't matter; no for what a ``FrozenEstimator`` holds or an autoencoder of images takes.
    cross_fit : bool or "auto", default="auto"
        Whether what is usual is found on each half of X by an autoencoder fitted on the other half, which doubles the time of a
        fit. "auto": up to 5,000 rows.
    random_state : int, RandomState instance or None, default=None
        Where the halves, the codes to compare with, and the fits of an autoencoder whose own `random_state` is None come from.

    Attributes
    ----------
    autoencoder_ : estimator
        The fitted autoencoder.
    offset_ : float
        The score below which a row is an anomaly.
    neighbors_ : NearestNeighbors
        Fitted on codes of X, of at most 10,000 rows, times `code_metric_`.
    code_metric_ : ndarray of shape (n_components, n_components)
        What codes are multiplied by, so that they are as far apart as their reconstructions are in the linear map from codes to
        reconstructions that is nearest to the decoder.
    code_spread_ : float
        The usual mean squared distance of a code to its neighbours, which is 1 in the scores.
    error_scale_ : ndarray of shape (`n_features_in_`,)
        The usual squared error of each feature, or smoothed pixel, which is 1 in `error_map`, in squared units of what the
        autoencoder sees.
    scaler_ : StandardScaler or None
        What standardises X; None where the autoencoder sees it as it is.
    n_features_in_ : int
        Numbers in a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when `X` has feature names that are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : A fast detector for tables.
    sklearn.neighbors.LocalOutlierFactor : A detector by the density of neighbours.

    Notes
    -----
    Fit on rows that are mostly normal. With k neighbours and d features, where e is the (smoothed) error and z the code
    times `code_metric_`,
    ``score = -(mean_j(e_j**2 / error_scale_j) + code_weight * mean_k(|z - z_k|**2) / code_spread) / (1 + code_weight)``:
    -1 is usual.

    References
    ----------
    .. [1] N. Japkowicz, C. Myers and M. Gluck, "A novelty detection approach to classification", IJCAI 1995.
    .. [2] S. Ramaswamy, R. Rastogi and K. Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000.

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

    autoencoder_: BaseEstimator
    offset_: float
    neighbors_: "NearestNeighbors"
    code_metric_: NDArray[np.float64]
    code_spread_: float
    error_scale_: NDArray[np.float64]
    scaler_: StandardScaler | None
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints = {
        "autoencoder": "no_validation",  # looked at in fit, where the message can say what it lacks
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

    # ------------------------------------------------------------------------------------------------- learning

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit the autoencoder on X, and learn which errors and distances are usual.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            At least four rows, most of them normal, and without gaps.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        TypeError
            If the autoencoder lacks a method.
        ValueError
            If X or a parameter is not as described.
        """
        with unchanged_on_error(self):
            self._learn(X)
        return self

    def _learn(self, X):
        """Do what `fit` does; of a fit that fails its caller takes back what it left."""
        from sklearn.neighbors import NearestNeighbors  # slow to import, so only where it is needed

        seed = check.seeded(self.random_state)
        check_methods("autoencoder", self.autoencoder, ["fit", "transform", "inverse_transform"])
        original = seeded_clone(default_autoencoder(X) if self.autoencoder is None else self.autoencoder, seed)
        seen = self._look_at(X, original)
        n = len(seen)
        self.autoencoder_ = clone(original).fit(seen, None)
        self._code_weight = float(self.code_weight)
        self._kernels = kernels(self.autoencoder_, seen.shape[1:], self.smoothing)

        chosen = np.random.default_rng(seed).permutation(n) < MOST_NEIGHBOURS
        codes, squares, decoded = [], np.zeros(1), Decoded()
        for piece in pieces(seen):
            some, rebuilt, missed = measure(self.autoencoder_, seen[piece], self._kernels)
            codes.append(some[chosen[piece]])
            decoded.add(some, smoothed(rebuilt, self._kernels))
            squares = squares + missed.sum(axis=0) / n
        self.code_metric_ = decoded.metric()
        codes = np.concatenate(codes) @ self.code_metric_
        self.neighbors_ = NearestNeighbors(n_neighbors=min(self.n_neighbors + 1, len(codes))).fit(codes)

        outside = []  # an autoencoder, rows that it was not fitted on, their numbers
        if n <= MOST_CROSSED if isinstance(self.cross_fit, str) else self.cross_fit:
            *halves, first, second = train_test_split(seen[:], np.arange(n), test_size=0.5, random_state=seed)
            fits = [clone(original).fit(half, None) for half in halves]
            outside = [(fits[1], halves[0], first), (fits[0], halves[1], second)]
            parts = (measure(fit, rows[piece], self._kernels)[2] for fit, rows, _ in outside for piece in pieces(rows))
            squares = sum(part.sum(axis=0) for part in parts) / n

        spread = codes.var(axis=0).sum()
        squares = np.maximum(squares, EXACT * (spread + squares.sum()) / len(squares) or 1.0)
        scale = squares + FLOOR * squares.mean()
        self.error_scale_ = scale * (squares / scale).mean()
        self._itself = EXACT * spread
        self.code_spread_ = 1.0
        self.code_spread_ = max(float(self._distances(codes).mean()), EXACT * spread) or 1.0

        errors, distances = self._parts(seen)
        if not isinstance(self.contamination, str):
            self.offset_ = float(np.percentile(-self._combine(errors, distances), 100 * self.contamination))
            return
        for fit, rows, numbers in outside:
            for piece in pieces(rows):
                errors[numbers[piece]] = self._errors(measure(fit, rows[piece], self._kernels)[2])
        usual = np.log(np.maximum(self._combine(errors, distances), EXACT))
        low, high = np.quantile(usual, [0.25, 0.75])
        self.offset_ = float(-np.exp(high + 1.5 * (high - low)))

    # --------------------------------------------------------------------------------------------------- using

    def score_samples(self, X: MatrixLike) -> NDArray[np.float64]:
        """Say how normal rows are.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more normal, float64; -1 is the mean of normal rows, 0 the most.
        """
        return -self._combine(*self.score_parts(X))

    def score_parts(self, X: MatrixLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the two parts that a score is made of.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            Mean of `error_map` over each row, float64. 1 is usual.
        distances : ndarray of shape (n_samples,)
            Mean squared distance of the code to its neighbours, over the usual one, float64.
        """
        check_is_fitted(self)
        return self._parts(self._look_at(X))

    def error_map(self, X: MatrixLike) -> NDArray[np.float32]:
        """Show where rows are reconstructed badly.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit.

        Returns
        -------
        errors : ndarray of the shape of X
            Squared error of each feature or smoothed pixel, over its usual one, float32.
        """
        check_is_fitted(self)
        seen = self._look_at(X)
        found = np.empty((len(seen), self.n_features_in_), np.float32)
        for piece in pieces(seen):
            found[piece] = measure(self.autoencoder_, seen[piece], self._kernels)[2] / self.error_scale_
        return found.reshape(seen.shape)

    def decision_function(self, X: MatrixLike) -> NDArray[np.float64]:
        """Say by how much rows are more normal than the threshold.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: negative for anomalies.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: MatrixLike) -> NDArray[np.int64]:
        """Tell normal rows from anomalies.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal rows, -1 for anomalies.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    # ------------------------------------------------------------------------------------------------- the parts

    def _look_at(self, X, original=None):
        """Check X and give what the autoencoder sees of it; with the unfitted autoencoder, learn how it sees it."""
        X = as_array(stored(X))
        images = getattr(X, "ndim", 2) > 2
        fitting = original is not None
        standardize = self.standardize if fitting else self.scaler_ is not None
        if isinstance(standardize, str):
            frozen = original is self.autoencoder  # a FrozenEstimator is its own clone
            standardize = not (images or frozen or get_tags(original).input_tags.three_d_array)
        rows = X if images and not standardize else check.check_rows(self, X, reset=fitting)
        least = 4 if fitting else 1
        if len(rows) < least:
            raise ValueError(f"Got X of {len(rows)} sample(s), but expected at least {least}.")
        if fitting:
            self.n_features_in_ = math.prod(rows.shape[1:])
            self.scaler_ = None
            if standardize:
                self.scaler_ = StandardScaler().set_output(transform="default")
                for piece in pieces(rows):
                    self.scaler_.partial_fit(as_numbers(rows[piece]))
        if not standardize:
            return X if hasattr(X, "columns") else rows
        seen = Standardised(rows, self.scaler_)
        return seen if isinstance(rows, Stored) else seen[:]

    def _combine(self, errors, distances):
        """Weigh the two parts against each other."""
        return (errors + self._code_weight * distances) / (1 + self._code_weight)

    def _parts(self, seen):
        """Give errors and distances, each over the usual one."""
        errors, distances = np.empty((2, len(seen)))
        for piece in pieces(seen):
            codes, _, squares = measure(self.autoencoder_, seen[piece], self._kernels)
            errors[piece], distances[piece] = self._errors(squares), self._distances(codes @ self.code_metric_)
        return errors, distances

    def _errors(self, squares):
        """Mean over the features of squared errors, each over its usual one."""
        return (squares / self.error_scale_).mean(axis=1)

    def _distances(self, codes):
        """Mean squared distance of each code to its neighbours, over the usual one."""
        squares = np.square(self.neighbors_.kneighbors(codes)[0])
        itself = squares[:, 0] <= self._itself
        return np.where(itself, squares[:, 1:].mean(axis=1), squares[:, :-1].mean(axis=1)) / self.code_spread_
