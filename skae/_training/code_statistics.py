"""Statistics of latent vectors: explained variance, use of codebooks, quantization steps."""

from dataclasses import replace
from numbers import Integral

import numpy as np
import torch

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, sample_indices, take_rows
from skae._warnings import warn_user

__all__ = ["code_statistics", "cut_code"]

MAX_SAMPLES = 8192
"""The most samples that statistics are computed from."""


@torch.no_grad()
def code_statistics(spec, network, rows, generator):
    """Compute the fitted attributes that belong to a bottleneck.

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
    bottleneck = spec.network.bottleneck
    if bottleneck == "rate":
        steps = network.bottleneck.steps * network.code_units
        return {"code_steps_": steps.double().cpu().numpy()}
    if bottleneck not in ("ordered", "quantized"):
        return {}
    if len(rows) > MAX_SAMPLES:
        rows = take_rows(rows, sample_indices(rows, MAX_SAMPLES, generator))
    if bottleneck == "quantized":
        return {
            "codebooks_": (network.bottleneck.codebooks * network.centre.scale).cpu().numpy(),
            "codebook_usage_": codebook_usage(network, rows),
        }
    return {"explained_variance_ratio_": np.diff(_explained_by_prefixes(network, rows))}


@torch.no_grad()
def codebook_usage(network, rows):
    """Compute the share of the rows that each codebook vector represents.

    Returns
    -------
    usage : ndarray of shape (n_groups, codebook_size)
        float64; each row sums to 1.
    """
    bottleneck = network.bottleneck
    counts = torch.zeros(bottleneck.codebooks.shape[:2], dtype=torch.float64)
    for chunk in row_chunks(len(rows), network.max_features_held):
        x = network.prepare(to_tensor(rows[chunk], network.centre.scale.device))
        nearest = bottleneck.nearest(network.code(x)[0]).cpu()  # (n_groups, b)
        counts += torch.stack(
            [torch.bincount(group, minlength=counts.shape[1]) for group in nearest]
        )
    return (counts / len(rows)).numpy()


def _explained_by_prefixes(network, rows):
    """Compute the share of the variance that the first j dimensions explain, for all j."""
    k = len(network.whitening)
    errors, total = np.zeros(k + 1), 0.0
    for chunk in row_chunks(len(rows), network.max_features_held):
        x = network.centre(to_tensor(rows[chunk], network.centre.scale.device))
        z = network.code(network.to_training_space(x))[0]
        for length in range(k + 1):
            prefix = z * (torch.arange(k, device=z.device) < length)
            residual = network.residual_from_code(prefix, x).nan_to_num(0.0)
            errors[length] += float(residual.square().sum(dtype=torch.float64))
        total += float(x.nan_to_num(0.0).square().sum(dtype=torch.float64))
    explained = 1 - errors / max(total, 1e-300)
    explained[0] = 0.0
    return explained


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
        With the new length where the code is cut.
    """
    wanted = estimator.n_components
    if isinstance(wanted, Integral | str) or spec.network.bottleneck != "ordered":
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
        "explained_variance_ratio_": ratios[:kept],
        "n_components_": kept,
        "_n_features_out": kept,
        "_spec": replace(spec, network=replace(spec.network, n_components=kept)),
    }
