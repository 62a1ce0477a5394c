"""Sampling of new rows and images from a density of latent vectors."""

import copy
import inspect
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.array_likes import as_plain
from skae._input.dtypes import as_ndarray
from skae._input.validation import resolve_seed
from skae._meta_estimator import WrappedAutoencoderMixin, seeded_clone
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, fit_context
from skae._typing import ArrayLike, MatrixLike, RandomState
from skae.networks.layers import double_products

__all__ = ["LatentSampler"]

MAX_COUNT = 2**31 - 1
"""The most samples of one call: densities of scikit-learn count in 32 bits on some systems."""

MAX_DENSITY_ROWS = 40_000
"""Maximum number of latent vectors for the default density. Each step of EM takes time and memory
proportional to their number times the number of Gaussians."""

MAX_GAUSSIANS = 200
"""Maximum number of Gaussians in the default density, which bounds the time of fit."""


class LatentSampler(WrappedAutoencoderMixin, DensityMixin, BaseEstimator):
    """Generative model that samples latent vectors from a density and decodes them.

    `fit` fits the autoencoder, and then fits the density on the latent vectors of X [1]_.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Estimator with ``fit``, ``transform`` and ``inverse_transform``. A clone is fitted, except
        for a ``FrozenEstimator``, which is used as it is. None: a :class:`ConvAutoencoder` if X has
        more than two dimensions, a :class:`DenseAutoencoder` otherwise.
    density : estimator, default=None
        Estimator with ``fit``, ``sample`` and ``score_samples``, such as scikit-learn's
        ``GaussianMixture`` and ``KernelDensity``. A clone is fitted on standardized latent vectors,
        except for a ``FrozenEstimator``, which is used as a density of unscaled latent vectors.
        None: a ``GaussianMixture`` with one component per ``7 * (n_components + 3)`` samples, at
        most 200 components, and at most 40,000 samples.
    random_state : int, RandomState instance or None, default=None
        Seed of `sample`, and of an autoencoder and a density with ``random_state=None``. With an
        int, each call of `sample` returns the same samples, as in scikit-learn's densities. With a
        RandomState instance or None, each call returns different samples.

    Attributes
    ----------
    autoencoder_ : estimator
        Fitted autoencoder.
    density_ : estimator
        Fitted density of ``(codes - code_mean_) / code_scale_``.
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
    """

    density_: BaseEstimator
    code_mean_: NDArray[np.float64]
    code_scale_: NDArray[np.float64]

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "density": [HasMethods(["fit", "sample", "score_samples"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder: BaseEstimator | None = None,
        *,
        density: BaseEstimator | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.density = density
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Return the tags: sparse X wherever the autoencoder accepts it."""
        tags = super().__sklearn_tags__()
        autoencoder = self.autoencoder
        tags.input_tags.sparse = autoencoder is None or get_tags(autoencoder).input_tags.sparse
        return tags

    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit the autoencoder on X, and the density on the latent vectors of X.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, as the autoencoder accepts them.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted sampler.
        """
        with restore_state_on_error(self):
            seed = resolve_seed(self.random_state)
            self._fit_autoencoder(X, seed)
            codes = self._encode(X)
            self.code_mean_ = codes.mean(axis=0)
            self.code_scale_ = codes.std(axis=0)
            self.code_scale_[self.code_scale_ == 0] = 1.0
            density = self.density
            if density is None:
                indices = np.random.default_rng(seed).permutation(len(codes))[:MAX_DENSITY_ROWS]
                codes = codes[indices]
                density = _default_density(*codes.shape)
            cloned = seeded_clone(density, seed)
            if cloned is density:  # a FrozenEstimator, which was fitted on unscaled latent vectors
                self.code_mean_ = np.zeros_like(self.code_mean_)
                self.code_scale_ = np.ones_like(self.code_scale_)
            self.density_ = cloned.fit((codes - self.code_mean_) / self.code_scale_, None)
        return self

    @uses_default_torch_state
    def sample(self, n_samples: int = 1) -> NDArray[np.float32]:
        """Sample new rows or images.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.

        Returns
        -------
        X_new : ndarray of shape (n_samples, ...)
            In the layout and units of X in fit, float32, neither rounded nor clipped.
        """
        check_is_fitted(self)
        _check_count("n_samples", n_samples, 1)
        codes = _sample_density(self.density_, int(n_samples), resolve_seed(self.random_state))
        return self._decode(codes * self.code_scale_ + self.code_mean_)

    @uses_default_torch_state
    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 10) -> NDArray[np.float32]:
        """Interpolate between pairs of samples, along the line between their latent vectors.

        The interpolation is linear. Spherical interpolation, as is common for variational
        autoencoders, assumes latent vectors at equal distances from a center.

        Parameters
        ----------
        a, b : array-like or torch.Tensor
            One sample each, or the same number of samples.
        steps : int, default=10
            Number of points on each line, including the reconstructions of `a` and `b`.

        Returns
        -------
        X_between : ndarray of shape (steps, ...) or (steps, n_pairs, ...)
            Decoded points, in the layout and units of X in fit, float32. Without a dimension of
            pairs if `a` and `b` are one sample each.
        """
        check_is_fitted(self)
        _check_count("steps", steps, 2)
        a = as_plain(a, "a")
        b = as_plain(b, "b")
        if np.ndim(a) == 0 or np.shape(a) != np.shape(b):
            raise ValueError(
                f"Got a of shape {np.shape(a)} and b of shape {np.shape(b)}, but expected "
                "samples in equal number and of equal shape."
            )
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
        return X_between.reshape(steps, -1, *X_between.shape[1:])

    @uses_default_torch_state
    def score_samples(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the log density of each sample's latent vector.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density, in units of the results of ``transform``, float64. It
            is independent of the reconstruction error.
        """
        check_is_fitted(self)
        with double_products():  # densities are float64
            codes = (self._encode(X) - self.code_mean_) / self.code_scale_
        return self.density_.score_samples(codes) - np.log(self.code_scale_).sum()

    @uses_default_torch_state
    def score(self, X: MatrixLike, y: object = None) -> float:
        """Compute the mean log density of the latent vectors of X.

        Use the score to compare densities with the same autoencoder. Scores of two autoencoders are
        not comparable, because the units and the number of latent dimensions differ.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            Mean of :meth:`score_samples`.
        """
        return float(np.mean(self.score_samples(X)))

    def _encode(self, X):
        """Encode samples as a float64 array, also if ``transform`` returns a tensor or a table."""
        return as_ndarray(self.autoencoder_.transform(as_plain(X)), np.float64)

    def _decode(self, codes):
        """Decode float64 latent vectors."""
        return as_ndarray(self.autoencoder_.inverse_transform(codes.astype(np.float32)))


def _default_density(n_samples, n_components):
    """Create an unfitted Gaussian mixture with a size that suits the number of latent vectors.

    A Gaussian has ``(k + 1) * (k + 2) / 2`` parameters for k latent dimensions. On MNIST, digits
    and tables, the likelihood of validation samples was highest with 5 to 20 times ``k + 3``
    samples per Gaussian. EM gains little after the k-means initialization, so `tol` is large. The
    covariance regularization is for repeated latent vectors.
    """
    from sklearn.mixture import GaussianMixture  # slow to import

    n_gaussians = max(1, n_samples // (7 * (n_components + 3)))
    return GaussianMixture(min(MAX_GAUSSIANS, n_gaussians), tol=0.1, reg_covar=1e-3)


def _check_count(name, value, minimum):
    """Raise an error if a value is not an int or is below the minimum."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"Got {name}={value!r}, but expected an int >= {minimum}.")
    if value > MAX_COUNT:
        raise ValueError(f"Got {name}={value!r}, but expected an int <= {MAX_COUNT}.")


def _sample_density(density, n_samples, seed):
    """Sample from a fitted density, with the seed as an argument or as its `random_state`."""
    if "random_state" in inspect.signature(density.sample).parameters:
        return density.sample(n_samples, random_state=seed)
    seeded_density = copy.copy(density.sample.__self__)  # the density inside a FrozenEstimator
    seeded_density.random_state = seed
    samples = seeded_density.sample(n_samples)
    if isinstance(samples, tuple):  # mixtures also return component labels
        samples, _ = samples
    return samples
