"""Corruption and augmentation of training samples, as functions."""

from functools import partial

import torch

from skae._input.dtypes import to_tensor
from skae._input.rows import sample_indices, take_rows
from skae.augmentations import Mirror, augment
from skae.corruptions._base import corruption_of_samples

__all__ = ["resolve_augment", "resolve_corrupt"]

MIN_AUGMENTED_SAMPLES = 3000
"""Up to this many samples the rule would compare errors of samples that PCA has overfitted."""

N_COMPARED_SAMPLES = 1000

MAX_MIRROR_ERROR = 1.03
"""Mirrored images are samples of the same kind if PCA reconstructs them with an error of at most
this times that of the originals. It is 1.005 for 8,000 color photographs of 32 x 32 pixels, 1.01 to
1.017 for those of one class, 1.04 to 1.2 for patches of one photograph, 1.1 to 7 for clothes of one
kind, and 1.5 for digits."""

N_COMPARED_COMPONENTS = 16
"""Few enough that PCA of 3,000 samples does not overfit them."""


def resolve_corrupt(estimator, objective):
    """Return the corruption of inputs as a function of samples, or None.

    The function returns corrupted samples and their mask; see `corruption_of_samples`.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    objective : Objective
        Its options as objects.
    """
    column_of_feature = None
    if estimator._has_categories:
        column_of_feature = torch.from_numpy(estimator._table.column_of_feature)
    return corruption_of_samples(
        objective.corruption,
        allow_nan=estimator.allow_nan,
        column_of_feature=column_of_feature,
    )


def resolve_augment(estimator, objective, network, rows, *, one_pass):
    """Return the augmentation of training samples as a function of rows, or None.

    Parameters
    ----------
    estimator, objective
        As in `resolve_corrupt`.
    network : skae.networks.autoencoder.Autoencoder
        Initialized.
    rows : array-like of shape (n, d)
        Training samples in units of X.
    one_pass : bool
        Whether this is ``partial_fit``, in which "auto" is no augmentation.

    Returns
    -------
    augment_rows : callable or None
        ``(x, generator) -> augmented x`` of standardized rows (b, d). It can be pickled.
    """
    augmentation = objective.augmentation
    if augmentation == "auto":
        augmentation = None
        is_possible = estimator._takes_images and not estimator._scales_channels()
        # features of augmented images would be computed in every step
        if is_possible and not one_pass and objective.features is None:
            augmentation = _auto_augmentation(network, rows)
    if augmentation is None:
        return None
    return partial(augment_rows, augmentation, network)


def _auto_augmentation(network, rows):
    """Return `Mirror` if PCA reconstructs mirrored images as well as the originals, or else None.

    Parameters
    ----------
    network : skae.networks.conv.ConvNetwork
        Initialized as PCA.
    rows : array-like of shape (n, d)
        Training images in units of X.
    """
    if len(rows) <= MIN_AUGMENTED_SAMPLES:
        return None
    generator = torch.Generator().manual_seed(0)
    indices = sample_indices(rows, N_COMPARED_SAMPLES, generator)
    x = network.centre(to_tensor(take_rows(rows, indices), network.centre.scale.device))
    mirror = Mirror(probability=1.0)
    mirrored = augment_rows(mirror, network, x, generator)
    if _pca_error(network, mirrored) <= MAX_MIRROR_ERROR * _pca_error(network, x):
        return Mirror()
    return None


def _pca_error(network, x):
    """Return the mean squared error of PCA for standardized images, or for their block means."""
    view = network.grid.view(x)  # (b, n_pca_features)
    coordinates = view @ network.components[:N_COMPARED_COMPONENTS].mT  # (b, 16)
    return float(view.square().sum(1).mean() - coordinates.square().sum(1).mean())


def augment_rows(augmentation, network, x, generator):
    """Return standardized rows (b, d) augmented.

    The mean of the features is added before, so that the result is the standardized form of an
    augmented sample, and not of an augmented deviation from the mean.
    """
    mean = network.centre.relative_mean
    samples = network.to_samples(x + mean)
    augmented = augment(augmentation, network.allow_nan, samples, generator)
    return network.to_rows(augmented) - mean
