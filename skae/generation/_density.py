"""Densities of latent vectors: the default mixture, densities of classes, and their samples."""

import copy
import inspect

import numpy as np
from sklearn import config_context

from skae._meta_estimator import seeded_clone
from skae.generation._classes import MAX_COUNT, complete_class

__all__ = ["fit_densities", "fit_density", "sample_densities", "score_classes"]

MAX_DENSITY_ROWS = 40_000
"""Maximum number of latent vectors for the default densities of all classes together. Each step of
EM takes time and memory proportional to their number times the number of Gaussians."""

MIN_DENSITY_ROWS = 1_000
"""Maximum number of latent vectors of a class, if there are many classes."""

MAX_GAUSSIANS = 200
"""Maximum number of Gaussians in a default density, which bounds the time of fit."""


def fit_density(density, codes, seed, max_rows=None):
    """Fit a clone of a density, or the default density on a random subset.

    Parameters
    ----------
    density : estimator or None
        Unfitted density, or a ``FrozenEstimator``. None: the default density.
    codes : ndarray of shape (n_samples, n_components)
        Standardized latent vectors, float64.
    seed : int
        Seed of the subset, and of a density with ``random_state=None``.
    max_rows : int, default=None
        Maximum number of latent vectors for the default density. None: `MAX_DENSITY_ROWS`.

    Returns
    -------
    fitted : estimator
        Fitted density.
    """
    if density is None:
        if max_rows is None:
            max_rows = MAX_DENSITY_ROWS
        codes = codes[np.random.default_rng(seed).permutation(len(codes))[:max_rows]]
        density = _default_density(*codes.shape)
    # mixtures have initializations without the array API, and codes are NumPy arrays
    with config_context(array_api_dispatch=False):
        return seeded_clone(density, seed).fit(codes, None)


def fit_densities(density, codes, classes, labels, seed):
    """Fit one density per class.

    Parameters
    ----------
    density : estimator or None
        Unfitted density. None: the default density.
    codes : ndarray of shape (n_samples, n_components)
        Standardized latent vectors, float64.
    classes : ndarray of shape (n_samples,)
        Index of the class of each sample.
    labels : ndarray of shape (n_classes,)
        Class labels, for messages.
    seed : int
        Seed of subsets, and of densities with ``random_state=None``.

    Returns
    -------
    densities : list of estimators
        Fitted density of each class.
    """
    max_rows = max(MIN_DENSITY_ROWS, MAX_DENSITY_ROWS // len(labels))
    rng = np.random.default_rng(seed)
    densities = []
    for index, label in enumerate(labels.tolist()):
        class_codes = complete_class(codes, classes, index, rng)
        try:
            densities.append(fit_density(density, class_codes, seed, max_rows))
        except ValueError as error:
            raise ValueError(f"The density of class {label!r} was not fitted: {error}") from error
    return densities


def sample_densities(densities, classes, n_components, seed):
    """Sample one latent vector for each entry of `classes`.

    Parameters
    ----------
    densities : list of estimators
        Fitted density of each class.
    classes : ndarray of shape (n_samples,)
        Index of the class of each sample.
    n_components : int
        Number of latent dimensions.
    seed : int
        Random seed.

    Returns
    -------
    codes : ndarray of shape (n_samples, n_components)
        Standardized latent vectors, float64.
    """
    codes = np.empty((len(classes), n_components))
    for index, density in enumerate(densities):
        is_class = classes == index
        n_samples = int(is_class.sum())
        if n_samples:
            codes[is_class] = _sample_density(density, n_samples, (seed + index) % MAX_COUNT)
    return codes


def score_classes(densities, codes, classes):
    """Compute the log density of each latent vector within its class.

    Parameters
    ----------
    densities : list of estimators
        Fitted density of each class.
    codes : ndarray of shape (n_samples, n_components)
        Standardized latent vectors, float64.
    classes : ndarray of shape (n_samples,)
        Index of the class of each sample.

    Returns
    -------
    log_density : ndarray of shape (n_samples,)
        Natural logarithms.
    """
    log_density = np.empty(len(codes))
    for index in np.unique(classes):
        is_class = classes == index
        log_density[is_class] = densities[index].score_samples(codes[is_class])
    return log_density


def _default_density(n_samples, n_components):
    """Create an unfitted Gaussian mixture with a size that suits the number of latent vectors.

    For k latent dimensions, one Gaussian has ``2 * (k + 3)`` samples. Among 1.5 to 14 times
    ``k + 3``, low values gave the samples of five tables that a classifier distinguished least from
    rows, and the most accurate classifiers trained on samples of digits. With lower values, samples
    approach rows in fit. EM gains little after the k-means initialization, so `tol` is large. The
    covariance regularization is for repeated latent vectors.
    """
    from sklearn.mixture import GaussianMixture  # slow to import

    n_gaussians = max(1, n_samples // (2 * (n_components + 3)))
    return GaussianMixture(min(MAX_GAUSSIANS, n_gaussians), tol=0.1, reg_covar=1e-3)


def _sample_density(density, n_samples, seed):
    """Sample from a fitted density in random order.

    The seed is passed as an argument, or as `random_state` of a copy.
    """
    if "random_state" in inspect.signature(density.sample).parameters:
        return density.sample(n_samples, random_state=seed)
    seeded_density = copy.copy(density.sample.__self__)  # the density inside a FrozenEstimator
    seeded_density.random_state = seed
    samples = seeded_density.sample(n_samples)
    if isinstance(samples, tuple):  # mixtures sort samples by component, and return it
        samples, _ = samples
        samples = np.random.default_rng(seed).permutation(samples)
    return samples
