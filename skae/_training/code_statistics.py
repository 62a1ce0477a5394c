"""Fitted attributes that bottleneck and penalty leave, and codes cut to a share of variance."""

from dataclasses import replace
from numbers import Integral

import numpy as np
import torch

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, row_subset, sample_indices
from skae._warnings import warn_user

__all__ = ["code_statistics", "cut_code", "standardized_chunks"]

MAX_SAMPLES = 8192
"""The most samples that statistics are computed from."""


@torch.no_grad()
def code_statistics(spec, network, rows, generator):
    """Compute the fitted attributes that belong to a bottleneck and to a penalty.

    Parameters
    ----------
    spec : FittedSpec
        Description of the network.
    network : skae.networks.autoencoder.Autoencoder
        Trained.
    rows : array-like of shape (n, d)
        Validation samples if there are any, else training samples.
    generator : torch.Generator
        Selects some of them.

    Returns
    -------
    attributes : dict
        Fitted attributes by name.
    """
    config = spec.network
    chunks = standardized_chunks(network, rows, generator)
    attributes = config.bottleneck.fitted_attributes(network, chunks)
    if config.penalty is None:
        return attributes
    return {**attributes, **config.penalty.fitted_attributes(network)}


def standardized_chunks(network, rows, generator):
    """Yield standardized samples (b, d) in chunks, on the device of the network.

    Nothing is read before the first chunk.
    """
    if len(rows) > MAX_SAMPLES:
        rows = row_subset(rows, sample_indices(rows, MAX_SAMPLES, generator))
    for chunk in row_chunks(len(rows), max(rows.shape[1], network.max_features_held)):
        yield network.centre(to_tensor(rows[chunk], network.centre.scale.device))


def cut_code(estimator, spec, network, attributes):
    """Cut an ordered code to the length that explains a share of the variance, `n_components`.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    spec : FittedSpec
        Description of the network.
    network : skae.networks.autoencoder.Autoencoder
        Changed in place if the code is cut.
    attributes : dict
        From `code_statistics`.

    Returns
    -------
    attributes : dict
        With the description of the network, and the new length where the code is cut.
    """
    attributes = {**attributes, "_spec": spec}
    wanted = estimator.n_components
    if isinstance(wanted, Integral | str) or not spec.network.bottleneck.is_nested:
        return attributes
    ratios = attributes["explained_variance_ratio_"]
    explained = np.cumsum(ratios)
    enough = np.flatnonzero(explained >= wanted)
    if len(enough):
        kept = int(enough[0]) + 1
    else:
        kept = len(ratios)
        warn_user(
            f"Got n_components={wanted!r}, but {kept} components explain only "
            f"{explained[-1]:.3f} of the variance. All of them are kept.",
        )
    network.keep_components(kept)
    return {
        **attributes,
        "explained_variance_ratio_": ratios[:kept],
        "n_components_": kept,
        "_n_features_out": kept,
        "_spec": replace(spec, network=replace(spec.network, n_components=kept)),
    }
