"""New rows and images: a density over the codes of an autoencoder, and what its decoder makes of samples from it."""

import copy
import inspect
from numbers import Integral
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted

from skae._typing import ArrayLike, MatrixLike, RandomState
from skae._validation import fit_context, seeded
from skae._wrapped import ShownMixin, as_plain, check_methods, default_autoencoder, seeded_clone
from skae.networks.blocks import double_products

__all__ = ["LatentSampler"]

MOST_ROWS = 40_000
"""How many codes the default density is fitted on: it keeps some arrays of rows times Gaussians."""

MOST_GAUSSIANS = 200
"""How many Gaussians the default density has at most."""


class LatentSampler(ShownMixin, DensityMixin, BaseEstimator):
    """Rows and images like those of X: codes are sampled from a density, and decoded.

    `fit` fits the autoencoder, and then the density on its codes [1]_. Any density with ``fit``, ``sample`` and
    ``score_samples`` will do.

    Parameters
    ----------
    autoencoder : estimator, default=None
        What has ``fit``, ``transform`` and ``inverse_transform``. A clone of it is fitted; one in a ``FrozenEstimator`` is used
        as it is. None: a :class:`ConvAutoencoder` if X has more than two dimensions, else a :class:`DenseAutoencoder`.
    density : estimator, default=None
        What has ``fit``, ``sample`` and ``score_samples``, such as scikit-learn's ``GaussianMixture`` and ``KernelDensity``. A
        clone of it is fitted on the standardised codes; one in a ``FrozenEstimator`` is used as it is, as a density of codes as
        ``transform`` gives them. None: a ``GaussianMixture`` of up to 200 components, one for each
        ``7 * (n_components + 3)`` rows, fitted on at most 40,000 of the codes.
    random_state : int, RandomState instance or None, default=None
        Where samples come from, and the randomness in the fits of an autoencoder and a density whose own `random_state` is
        None. An int makes each call of `sample` give the same, as scikit-learn's densities do; a RandomState instance, or None,
        gives something else each time.

    Attributes
    ----------
    autoencoder_ : estimator
        The fitted autoencoder.
    density_ : estimator
        The fitted density, of ``(codes - code_mean_) / code_scale_``.
    code_mean_ : ndarray of shape (n_components,)
        Mean of the codes of X, float64; zeros for a density that was fitted before.
    code_scale_ : ndarray of shape (n_components,)
        Standard deviation of the codes of X, float64, and 1 where that is zero; ones for a density that was fitted before.
    n_features_in_ : int
        Numbers in a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when `X` has feature names that are all strings.

    See Also
    --------
    DenseAutoencoder : Turns rows into codes and back.
    ConvAutoencoder : Turns images into codes and back.
    sklearn.mixture.GaussianMixture : The density that is used unless another is given.

    References
    ----------
    .. [1] P. Ghosh, M. S. M. Sajjadi, A. Vergari, M. Black and B. Schölkopf, "From variational to deterministic autoencoders",
       ICLR 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, LatentSampler
    >>> X = load_digits().images
    >>> sampler = LatentSampler(ConvAutoencoder(8, max_iter=5), random_state=0).fit(X)
    >>> sampler.sample(20).shape
    (20, 8, 8)
    >>> sampler.interpolate(X[0], X[1], steps=5).shape
    (5, 8, 8)
    """

    autoencoder_: BaseEstimator
    density_: BaseEstimator
    code_mean_: NDArray[np.float64]
    code_scale_: NDArray[np.float64]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    # estimators are looked at in fit, where the message can say what they lack
    _parameter_constraints = {
        "autoencoder": "no_validation",
        "density": "no_validation",
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

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit the autoencoder on X, and the density on its codes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            What the autoencoder takes.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted sampler.

        Raises
        ------
        TypeError
            If the autoencoder or the density lacks a method.
        """
        check_methods("autoencoder", self.autoencoder, ["fit", "transform", "inverse_transform"])
        check_methods("density", self.density, ["fit", "sample", "score_samples"])
        seed = seeded(self.random_state)

        autoencoder = default_autoencoder(X) if self.autoencoder is None else self.autoencoder
        autoencoder = seeded_clone(autoencoder, seed).fit(X, None)
        codes = as_plain(autoencoder.transform(X), np.float64)

        mean, scale = codes.mean(axis=0), codes.std(axis=0)
        scale[scale == 0] = 1.0
        given = self.density
        if given is None:
            codes = codes[np.random.default_rng(seed).permutation(len(codes))[:MOST_ROWS]]
            given = _mixture(*codes.shape)
        density = seeded_clone(given, seed)
        if density is given:  # frozen: it is its own clone, and knows codes as they are
            mean, scale = np.zeros_like(mean), np.ones_like(scale)
        density = density.fit((codes - mean) / scale, None)

        self.autoencoder_, self.density_ = autoencoder, density
        self.code_mean_, self.code_scale_ = mean, scale
        self.n_features_in_ = autoencoder.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(autoencoder, "feature_names_in_"):
            self.feature_names_in_ = autoencoder.feature_names_in_
        return self

    def sample(self, n_samples: int = 1) -> NDArray[np.float32]:
        """Make rows or images up.

        Parameters
        ----------
        n_samples : int, default=1
            How many.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features) or of images
            In the layout that the autoencoder saw in fit and in its units, float32, neither rounded nor clipped.
        """
        check_is_fitted(self)
        _check_count("n_samples", n_samples, 1)
        found = _sample(self.density_, int(n_samples), seeded(self.random_state))
        return self._decode(found * self.code_scale_ + self.code_mean_)

    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 10) -> NDArray[np.float32]:
        """Walk from one row to another, or from each of several to its counterpart, along the line between their codes.

        The line is a straight one. On a sphere, as it is often done for variational autoencoders, it would make sense only for
        codes that are all equally far from one centre, and those of a mixture are not.

        Parameters
        ----------
        a, b : array-like or torch.Tensor
            One row or image of X each, or equally many.
        steps : int, default=10
            How many rows to give for each pair, the reconstructions of `a` and `b` included.

        Returns
        -------
        X_between : ndarray of shape (steps, ...)
            For one pair ``X_between[i]`` is a row or image, for n pairs n of them; laid out as in :meth:`sample`, float32.
        """
        check_is_fitted(self)
        _check_count("steps", steps, 2)
        if np.ndim(a) == 0 or np.shape(a) != np.shape(b):
            raise ValueError(
                f"Got a of shape {np.shape(a)} and b of shape {np.shape(b)}, but expected rows of X, as many of each."
            )
        row_shape = self._decode(self.code_mean_[None]).shape[1:]
        alone = np.ndim(a) == 1 or np.shape(a) == row_shape
        first, last = (self._encode(_one_row(end) if alone else end) for end in (a, b))
        part = np.linspace(0, 1, steps)[:, None, None]
        codes = (1 - part) * first + part * last  # (steps, n, n_components)
        found = self._decode(codes.reshape(-1, codes.shape[-1]))
        return found.reshape(steps, *([] if alone else [-1]), *found.shape[1:])

    def score_samples(self, X: MatrixLike) -> NDArray[np.float64]:
        """Give the log density of the codes of X.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            What the autoencoder takes.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density at the code of each row, float64, in units of codes as ``transform`` gives them. It
            says nothing of how well a row is reconstructed.
        """
        check_is_fitted(self)
        with double_products():  # densities are float64
            codes = (self._encode(X) - self.code_mean_) / self.code_scale_
        return self.density_.score_samples(codes) - np.log(self.code_scale_).sum()

    def score(self, X: MatrixLike, y: object = None) -> float:
        """Give the mean log density of the codes of X.

        It compares densities on the codes of one autoencoder. It does not compare autoencoders: a density of 8 numbers and one
        of 16, or of numbers in other units, are not in the same unit.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            What the autoencoder takes.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            Mean of :meth:`score_samples`.
        """
        return float(np.mean(self.score_samples(X)))

    def _encode(self, X):
        """Give codes as an array of float64, also where they are a tensor or a table."""
        return as_plain(self.autoencoder_.transform(X), np.float64)

    def _decode(self, codes):
        """Decode codes of float64."""
        return np.asarray(self.autoencoder_.inverse_transform(codes.astype(np.float32)))


def _mixture(n_samples, n_components):
    """Give a mixture with as many Gaussians as so many codes can tell apart.

    One has ``(k + 1) (k + 2) / 2`` parameters for k numbers in a code. Over MNIST, digits and tables, codes held out were most
    likely with 5 to 20 times ``k + 3`` rows for each. The steps of EM after its start by k-means gain little: hence `tol`. The
    floor under the variances is for codes that repeat.
    """
    n_gaussians = min(MOST_GAUSSIANS, max(1, n_samples // (7 * (n_components + 3))))
    from sklearn.mixture import GaussianMixture  # slow to import, so only where it is needed

    return GaussianMixture(n_gaussians, tol=0.1, reg_covar=1e-3)


def _check_count(name, value, least):
    """Refuse what is not a whole number, or is too small."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"Got {name}={value!r}, but expected an int of at least {least}.")


def _one_row(row):
    """Give an array or tensor with one row."""
    return row[None] if isinstance(row, torch.Tensor) else np.asarray(row)[None]


def _sample(density, n_samples, seed):
    """Sample from a fitted density, whichever way it is told its seed."""
    if "random_state" in inspect.signature(density.sample).parameters:
        return density.sample(n_samples, random_state=seed)
    own = copy.copy(density.sample.__self__)  # the density itself, also where it is frozen
    own.random_state = seed
    found = own.sample(n_samples)
    return found[0] if isinstance(found, tuple) else found  # mixtures give labels as well
