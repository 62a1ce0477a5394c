"""Initialization: the network starts as PCA of the training data."""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch

from skae._input.dtypes import check_dtype_units, to_tensor
from skae._input.missing_values import ImputedRows, fit_gaussian
from skae._input.rows import RowSubset, sample_indices, take_rows
from skae._training.defaults import (
    MAX_ENCODER_INPUTS,
    default_codebook_size,
    default_hidden_sizes,
    default_n_components,
    default_n_coordinates,
    penalty_weight,
    quantization_step,
)
from skae._training.fitted import FittedSpec
from skae._training.pca import PCAResult, fit_pca, random_pca
from skae._warnings import warn_user

__all__ = [
    "Initialization",
    "check_resumable",
    "initialize",
    "pca_of_rows",
    "restart_from_pca",
    "warn_if_few_components",
]

MAX_CODEBOOK_SAMPLES = 4096
"""The most samples from which the first codebook vectors are selected."""

HEAD_WIDTH = 64
"""Width of the hidden layer between short latent vectors and targets."""

ARCHITECTURE_PARAMETERS = (
    "n_components",
    "hidden_layer_sizes",
    "n_filters",
    "image_shape",
    "channel_axis",
    "activation",
    "loss",
    "bottleneck",
    "codebook_size",
    "penalty",
    "allow_nan",
)
"""Parameters that must not change when a fit continues."""

LOSS_POWERS = {"squared_error": 2, "absolute_error": 1, "log_loss": 0}
"""A loss in units of X is the loss of scaled rows times the scale to this power."""


@dataclass(frozen=True)
class Initialization:
    """An initialized network.

    Attributes
    ----------
    network : skae.networks.autoencoder.Autoencoder
        On the CPU.
    pca : PCAResult
        The PCA that the network starts as.
    spec : FittedSpec
        How the network is built, and its units.
    """

    network: torch.nn.Module
    pca: PCAResult
    spec: FittedSpec


def initialize(estimator, data, generator, device):
    """Build a network and initialize it as PCA.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    data : TrainingData
        The training data.
    generator : torch.Generator
        Draws hidden weights, and samples where not all take part.
    device : torch.device
        Where PCA is computed.

    Returns
    -------
    initialization : Initialization
        The network, its PCA and its description.
    """
    n, d = data.rows.shape
    k = estimator.n_components
    if not isinstance(k, Integral):
        k = default_n_components(d)
    n_coordinates = default_n_coordinates(k, convolutional=estimator._pca_view() is not None)
    pca = pca_of_rows(estimator, data.rows, data.weights, n_coordinates, generator, device)
    dtype = str(data.rows.dtype).removeprefix("torch.")
    config = _network_config(estimator, int(k), pca, n, d, dtype, data.targets)
    spec = FittedSpec(
        network=config,
        dtype=dtype,
        parameters=_architecture_parameters(estimator),
        targets=data.targets,
    )
    network = estimator._build(config)
    network.start(pca, generator)
    spec = restart_from_pca(spec, network, pca, data.rows, generator)
    return Initialization(network, pca, spec)


def _network_config(estimator, n_components, pca, n_samples, n_features, dtype, targets):
    """Resolve the architecture."""
    encoder_sizes, decoder_sizes = default_hidden_sizes(n_samples, n_features)
    codebook_size = estimator.codebook_size
    if codebook_size == "auto":
        codebook_size = default_codebook_size(n_samples)
    bottleneck = estimator.bottleneck
    if estimator.penalty == "rate":
        bottleneck = "rate"
    options = {
        "n_features": n_features,
        "n_components": n_components,
        "n_coordinates": len(pca.components),
        "n_inputs": min(len(pca.components), MAX_ENCODER_INPUTS),
        "encoder_sizes": encoder_sizes,
        "decoder_sizes": decoder_sizes,
        "activation": estimator.activation,
        "output": "sigmoid" if estimator.loss == "log_loss" else "linear",
        "ceiling": 255.0 if dtype == "uint8" else 1.0,
        "bottleneck": bottleneck,
        "codebook_size": int(codebook_size),
        "step": quantization_step(penalty_weight(estimator)),
        "head_sizes": _head_sizes(n_components, targets),
        "allow_nan": bool(estimator.allow_nan),
    }
    return estimator._network_config(options)


def _head_sizes(n_components, targets):
    """Return the widths of the layers between latent vectors and targets.

    A linear map makes latents that linear classifiers can use. But it occupies about as many latent
    dimensions as there are outputs, and reconstruction needs as many again. Short latent vectors
    therefore get a hidden layer.
    """
    if targets is None:
        return ()
    n_outputs = sum(targets.widths)
    if n_components >= 2 * n_outputs:
        return (n_outputs,)
    return (HEAD_WIDTH, n_outputs)


def restart_from_pca(spec, network, pca, rows, generator):
    """Initialize an existing network as PCA.

    Parameters
    ----------
    spec : FittedSpec
        Description of the network.
    network : skae.networks.autoencoder.Autoencoder
        Changed in place.
    pca : PCAResult
        The PCA that the network becomes.
    rows : array-like of shape (n, d)
        Codebook vectors are selected among the latent vectors of these rows.
    generator : torch.Generator
        Selects them.

    Returns
    -------
    spec : FittedSpec
        With the units of the loss that belong to this PCA.
    """
    network.init_from_pca(pca)
    if spec.network.bottleneck == "quantized":
        _init_codebooks(network, rows, generator)
    power = LOSS_POWERS[spec.parameters["loss"]]
    unit = pca.scale**power
    if power == 0:
        return replace(spec, loss_scale=unit, loss_offset=0.0)
    d = network.n_features
    offset = 0.0
    if spec.network.in_pca_space:  # the variance beyond the coordinates is lost in any case
        offset = unit * max(0.0, pca.total - float(pca.variances.sum())) / d
    return replace(spec, loss_scale=unit * network.n_training_features / d, loss_offset=offset)


def pca_of_rows(
    estimator, rows, weights, n_coordinates, generator, device, *, indices=None, gaussian=None
):
    """Compute the PCA that a network starts as.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Its `init` selects PCA or random directions.
    rows, weights, n_coordinates, generator, device
        As in `fit_pca`.
    indices : torch.Tensor, default=None
        Rows that take part; None means all. Missing values are imputed from all rows, since the
        others may have no number in a column.
    gaussian : tuple of torch.Tensor, default=None
        Mean and precision for imputation, if they were estimated before.

    Returns
    -------
    pca : PCAResult
        The result.
    """
    if estimator.allow_nan:
        incomplete = rows
        rows = ImputedRows(incomplete)
        if estimator._uses_gaussian_imputation(rows.shape[1]):
            if gaussian is None:
                gaussian = fit_gaussian(incomplete, rows.means, weights, generator=generator)
            rows.set_gaussian(gaussian)
        gaussian = rows.gaussian
    if indices is not None:
        rows = RowSubset(rows, indices)
        if weights is not None:
            weights = weights[indices.numpy()]
    fit = random_pca if estimator.init == "random" else fit_pca
    pca = fit(
        rows,
        weights,
        n_coordinates,
        generator=generator,
        view=estimator._pca_view(),
        device=device,
    )
    return replace(pca, normal=gaussian)


@torch.no_grad()
def _init_codebooks(network, rows, generator):
    """Select the first codebook vectors by k-means++ among the latent vectors of some rows."""
    from sklearn.cluster import kmeans_plusplus  # slow to import

    sample = take_rows(rows, sample_indices(rows, MAX_CODEBOOK_SAMPLES, generator))
    x = network.prepare(to_tensor(sample, network.centre.scale.device))
    groups = network.bottleneck.grouped(network.code(x)[0])  # (n_groups, n, length)
    size = network.bottleneck.codebooks.shape[1]
    seed = int(torch.randint(2**31, (1,), generator=generator))
    for codebook, group in zip(network.bottleneck.codebooks, groups.cpu().numpy(), strict=True):
        enough = np.resize(group, (max(size, len(group)), group.shape[1]))
        vectors, _ = kmeans_plusplus(enough, size, random_state=seed)
        codebook.copy_(torch.from_numpy(vectors))


def warn_if_few_components(n_components, pca, shape):
    """Warn if the first call of ``partial_fit`` has too few samples for its components."""
    if len(pca.components) < min(n_components, shape[1]):
        warn_user(
            f"The first call of partial_fit got {shape[0]} samples, which vary in "
            f"{len(pca.components)} directions, but n_components={n_components}. Later samples are "
            "projected on these directions, too: start with more samples.",
        )


def check_resumable(estimator, rows):
    """Raise an error if parameters or data do not suit the network of the earlier fit."""
    spec = estimator._spec
    for name, value in _architecture_parameters(estimator).items():
        if value != spec.parameters[name]:
            raise ValueError(
                f"Got {name}={getattr(estimator, name)!r}, but the network was built with "
                f"{spec.parameters[name]!r}. Parameters of the architecture can't change when a "
                "fit continues. Set warm_start=False and call fit to start again."
            )
    dtype = str(rows.dtype).removeprefix("torch.")
    check_dtype_units(rows, spec.dtype, exact=estimator.loss == "log_loss")
    if dtype != spec.dtype and (np.dtype(dtype).kind == "f") != (np.dtype(spec.dtype).kind == "f"):
        raise ValueError(f"Got X of dtype {dtype}, but the first call got {spec.dtype}.")


def _architecture_parameters(estimator):
    """Return the parameters of the architecture as plain numbers, strings and tuples."""
    parameters = {}
    for name in ARCHITECTURE_PARAMETERS:
        if hasattr(estimator, name):
            value = getattr(estimator, name)
            if np.ndim(value) > 0:
                value = tuple(np.asarray(value).tolist())
            parameters[name] = value
    return parameters
