"""Generative model that samples latent vectors from densities and decodes them."""

import math
from typing import Literal, Self, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.array_likes import as_plain
from skae._input.dask_rows import DaskMixin
from skae._input.dtypes import as_ndarray
from skae._input.validation import resolve_seed
from skae._meta_estimator import WrappedAutoencoderMixin
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, StrOptions, fit_context
from skae._typing import ArrayLike, MatrixLike, RandomState
from skae.distributed._context import with_all_rows
from skae.generation._class_densities import ClassDensitiesMixin
from skae.generation._classes import check_count, draw_classes
from skae.generation._density import sample_densities
from skae.generation._quantiles import QuantileMatch, n_class_samples
from skae.networks.layers import double_products

__all__ = ["LatentSampler"]

MAX_TABLE_COMPONENTS = 32
"""Maximum number of latent dimensions of the default autoencoder of a table."""

MAX_MATCHED_VALUES = 256
"""Maximum number of values of a sample for quantile matching by default. Matching improved samples
of tables and of digits of 8x8 pixels. Of images of 28x28 pixels, it decreased the Fréchet distance
of Fashion-MNIST and increased that of MNIST."""


class LatentSampler(
    DaskMixin,
    ClassDensitiesMixin,
    WrappedAutoencoderMixin,
    DensityMixin,
    BaseEstimator,
    row_methods=("score_samples",),
):
    """Generative model that samples latent vectors from a density and decodes them.

    `fit` fits the autoencoder, and then fits the density on the latent vectors of X [1]_. With
    class labels y, it fits one density per class, and `sample` can be conditional on the class.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Estimator with ``fit``, ``transform`` and ``inverse_transform``. A clone is fitted, except
        for a ``FrozenEstimator``, which is used as it is. None: a :class:`ConvAutoencoder` if X has
        more than two dimensions, otherwise a :class:`DenseAutoencoder` with as many latent
        dimensions as X has columns, at most 32.
    density : estimator, default=None
        Estimator with ``fit``, ``sample`` and ``score_samples``, such as scikit-learn's
        ``GaussianMixture`` and ``KernelDensity``. A clone is fitted on standardized latent vectors,
        of each class if `fit` receives y. A ``FrozenEstimator`` is used as a density of unscaled
        latent vectors, without classes. None: a ``GaussianMixture`` with one component per
        ``2 * (n_components + 3)`` samples, at most 200 components, and at most 40,000 samples.
    match_quantiles : bool or "auto", default="auto"
        Whether `sample` maps each column or pixel to its distribution in `fit`, of each class if
        `fit` receives y. Sampled values then have the range, the frequencies and the decimals of
        the column, and whole numbers remain whole. False: `sample` returns decoded latent vectors
        unchanged. "auto": True for samples of at most 256 values.
    random_state : int, RandomState instance or None, default=None
        Seed of `sample`, and of an autoencoder and a density with ``random_state=None``. With an
        int, each call of `sample` returns the same samples, as in scikit-learn's densities. With a
        RandomState instance or None, each call returns different samples.

    Attributes
    ----------
    autoencoder_ : estimator
        Fitted autoencoder.
    density_ : estimator
        Fitted density of ``(codes - code_mean_) / code_scale_``. Defined only without y.
    densities_ : list of estimators
        Fitted density of each class. Defined only with y.
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels. Defined only with y.
    class_prior_ : ndarray of shape (n_classes,)
        Relative frequency of each class, float64. Defined only with y.
    code_mean_ : ndarray of shape (n_components,)
        Mean of the latent vectors of X, float64. Zeros for a ``FrozenEstimator`` as density.
    code_scale_ : ndarray of shape (n_components,)
        Standard deviation of the latent vectors of X, float64. 1 for a constant latent dimension,
        and ones for a ``FrozenEstimator`` as density.
    n_features_in_ : int
        Number of values in a sample.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when `X` has feature names that are all strings.

    See Also
    --------
    DenseAutoencoder : Autoencoder for tables.
    ConvAutoencoder : Convolutional autoencoder for images.
    sklearn.mixture.GaussianMixture : The default density.

    References
    ----------
    .. [1] P. Ghosh, M. S. M. Sajjadi, A. Vergari, M. Black and B. Schölkopf, "From variational to
       deterministic autoencoders", ICLR 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, LatentSampler
    >>> X = load_digits().images
    >>> sampler = LatentSampler(ConvAutoencoder(8, max_iter=8), random_state=0).fit(X)
    >>> sampler.sample(20).shape
    (20, 8, 8)
    >>> sampler.interpolate(X[0], X[1], steps=5).shape
    (5, 8, 8)

    Samples of a class:

    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> sampler = LatentSampler(random_state=0).fit(X, y)
    >>> sampler.sample(20, y=2).shape
    (20, 13)
    >>> X_new, y_new = sampler.sample(100, return_y=True)
    """

    code_mean_: NDArray[np.float64]
    code_scale_: NDArray[np.float64]

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "density": [HasMethods(["fit", "sample", "score_samples"]), None],
        "match_quantiles": ["boolean", StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder: BaseEstimator | None = None,
        *,
        density: BaseEstimator | None = None,
        match_quantiles: bool | Literal["auto"] = "auto",
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.density = density
        self.match_quantiles = match_quantiles
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Return the tags: sparse X wherever the autoencoder accepts it."""
        tags = super().__sklearn_tags__()
        autoencoder = self.autoencoder
        tags.input_tags.sparse = autoencoder is None or get_tags(autoencoder).input_tags.sparse
        return tags

    @with_all_rows
    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: ArrayLike | None = None) -> Self:
        """Fit the autoencoder on X, and the density on the latent vectors of X.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, as the autoencoder accepts them.
        y : array-like of shape (n_samples,), default=None
            Class labels: strings, booleans or whole numbers. One density is fitted per class. A
            class with fewer than ``2 * (n_components + 1)`` samples is completed with deviations
            of other classes from their means. The autoencoder is fitted without y.

        Returns
        -------
        self : object
            The fitted sampler.

        Raises
        ------
        ValueError
            If y is continuous, has missing values, or `density` is a ``FrozenEstimator``.
        """
        with restore_state_on_error(self):
            seed = resolve_seed(self.random_state)
            classes = self._fit_classes(X, y)
            self._fit_autoencoder(X, seed)
            codes = self._encode(X)
            self.code_mean_ = codes.mean(axis=0)
            self.code_scale_ = codes.std(axis=0)
            self.code_scale_[self.code_scale_ == 0] = 1.0
            self._fit_densities(codes, classes, seed)
            self._quantile_match = None
            if self._matches_quantiles(X):
                self._quantile_match = self._fit_quantiles(as_plain(X), classes, seed)
        return self

    @overload
    def sample(
        self,
        n_samples: int | None = None,
        y: object = None,
        *,
        return_y: Literal[False] = False,
    ) -> NDArray[np.float32]: ...

    @overload
    def sample(
        self, n_samples: int | None = None, y: object = None, *, return_y: Literal[True]
    ) -> tuple[NDArray[np.float32], NDArray]: ...

    @uses_default_torch_state
    def sample(self, n_samples=None, y=None, *, return_y=False):
        """Sample new rows or images.

        Parameters
        ----------
        n_samples : int, default=None
            Number of samples. None: 1, or one sample for each label in `y`.
        y : label or array-like of shape (n_samples,), default=None
            Class of all samples, or one label per sample. None samples classes by their frequency
            in `fit`.
        return_y : bool, default=False
            Whether to return the class labels as well.

        Returns
        -------
        X_new : ndarray of shape (n_samples, ...)
            In the layout and units of X in fit, float32. A data frame if ``inverse_transform`` of
            the autoencoder returns one.
        y_new : ndarray of shape (n_samples,)
            Class labels. Only returned with `return_y`.

        Raises
        ------
        ValueError
            If the sampler was fitted without y and labels are given or requested, if a label is
            none of `classes_`, or if the number of labels is not `n_samples`.
        """
        check_is_fitted(self)
        if not isinstance(return_y, (bool, np.bool_)):
            raise ValueError(f"Got return_y={return_y!r}, but expected True or False.")
        seed = resolve_seed(self.random_state)
        labels, prior = None, None
        if y is not None or return_y or hasattr(self, "classes_"):
            labels, prior = self._classes_and_prior()
        classes = draw_classes(n_samples, y, labels, prior, seed)
        X_new = self._sample_decoded(classes, seed)
        if self._quantile_match is not None:
            X_new = self._quantile_match.apply(X_new, classes)
        if return_y:
            return X_new, self.classes_[classes]
        return X_new

    @uses_default_torch_state
    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 10) -> NDArray[np.float32]:
        """Interpolate between pairs of samples, along the line between their latent vectors.

        The interpolation is linear. Spherical interpolation, as is common for variational
        autoencoders, assumes latent vectors at equal distances from a center.

        Parameters
        ----------
        a, b : array-like or torch.Tensor
            One sample each, or the same number of samples. A data frame of one row is one sample.
        steps : int, default=10
            Number of points on each line, including the reconstructions of `a` and `b`.

        Returns
        -------
        X_between : ndarray of shape (steps, ...) or (steps, n_pairs, ...)
            Decoded points, in the layout and units of X in fit, float32. Without a dimension of
            pairs if `a` and `b` are one sample each. A data frame of `steps` rows for one pair if
            ``inverse_transform`` returns one.
        """
        check_is_fitted(self)
        check_count("steps", steps, 2)
        a = as_plain(a, "a")
        b = as_plain(b, "b")
        if np.ndim(a) == 0 or np.shape(a) != np.shape(b):
            raise ValueError(
                f"Got a of shape {np.shape(a)} and b of shape {np.shape(b)}, but expected "
                "samples in equal number and of equal shape."
            )
        if hasattr(a, "columns"):
            is_single_pair = len(a) == 1
        else:
            sample_shape = self._decode(self.code_mean_[None]).shape[1:]
            is_single_pair = np.ndim(a) == 1 or np.shape(a) == sample_shape
            if is_single_pair:
                a = as_ndarray(a)[None]
                b = as_ndarray(b)[None]
        first = self._encode(a)
        last = self._encode(b)
        weights = np.linspace(0, 1, steps)[:, None, None]
        codes = (1 - weights) * first + weights * last  # (steps, n_pairs, n_components)
        X_between = self._decode(codes.reshape(-1, codes.shape[-1]))
        if is_single_pair:
            return X_between
        return as_ndarray(X_between).reshape(steps, -1, *X_between.shape[1:])

    @uses_default_torch_state
    def score_samples(self, X: MatrixLike, y: object = None) -> NDArray[np.float64]:
        """Compute the log density of each sample's latent vector.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.
        y : label or array-like of shape (n_samples,), default=None
            Class of all samples, or one label per sample, for the density within the class. None:
            the density of X, which sums over the classes of `fit`.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density, in units of the results of ``transform``, float64. It
            is independent of the reconstruction error.
        """
        check_is_fitted(self)
        with double_products():  # densities are float64
            codes = (self._encode(X) - self.code_mean_) / self.code_scale_
        return self._log_density(codes, y) - np.log(self.code_scale_).sum()

    @uses_default_torch_state
    def score(self, X: MatrixLike, y: object = None) -> float:
        """Compute the mean log density of the latent vectors of X.

        Use the score to compare densities with the same autoencoder. Scores of two autoencoders are
        not comparable, because the units and the number of latent dimensions differ.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.
        y : label or array-like of shape (n_samples,), default=None
            Class labels, for the density within the classes, as in :meth:`score_samples`.

        Returns
        -------
        score : float
            Mean of :meth:`score_samples`.
        """
        return float(np.mean(self.score_samples(X, y)))

    def _default_autoencoder(self, X, n_components="auto", **parameters):
        """Return the default autoencoder, for tables with all latent dimensions up to a maximum."""
        shape = np.shape(X)
        if len(shape) == 2:
            n_components = max(1, min(*shape, MAX_TABLE_COMPONENTS))
        return super()._default_autoencoder(X, n_components, **parameters)

    def _matches_quantiles(self, X):
        """Return whether to match quantiles; "auto" is True unless samples have many values."""
        if self.match_quantiles == "auto":
            return math.prod(np.shape(as_plain(X))[1:]) <= MAX_MATCHED_VALUES
        return self.match_quantiles

    def _fit_quantiles(self, X, classes, seed):
        """Compute the quantiles of the columns of X and of decoded samples."""
        n_classes = len(self._fitted_densities())
        if classes is None:
            classes = np.zeros(np.shape(X)[0], dtype=np.intp)
        n_columns = math.prod(np.shape(X)[1:])
        n_samples = n_class_samples(n_columns, n_classes)
        sample_classes = np.repeat(np.arange(n_classes), n_samples)
        X_new = self._sample_decoded(sample_classes, seed)
        return QuantileMatch.fit(X, classes, X_new, sample_classes, n_classes, seed)

    def _sample_decoded(self, classes, seed):
        """Sample latent vectors of classes, given by index, and decode them."""
        codes = sample_densities(self._fitted_densities(), classes, len(self.code_mean_), seed)
        return self._decode(codes * self.code_scale_ + self.code_mean_)

    def _encode(self, X):
        """Encode samples as a float64 array, also if ``transform`` returns a tensor or a table."""
        return as_ndarray(self.autoencoder_.transform(as_plain(X)), np.float64)

    def _decode(self, codes):
        """Decode float64 latent vectors as an array, or as the data frame of the autoencoder."""
        X_new = self.autoencoder_.inverse_transform(codes.astype(np.float32))
        if hasattr(X_new, "columns"):
            return X_new
        return as_ndarray(X_new)
