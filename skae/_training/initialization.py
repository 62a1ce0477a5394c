"""Initialization: the network starts as PCA of the training data."""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch

from skae._input.dtypes import check_dtype_units, dtype_name, to_tensor
from skae._input.missing_values import ImputedRows, fit_gaussian, warn_if_empty
from skae._input.rows import row_subset, sample_indices, take_rows
from skae._input.scaling import channel_feature_scale
from skae._input.sparse_rows import ProjectedRows, can_project
from skae._input.units import result_dtype
from skae._options import have_equal_architecture
from skae._training.defaults import (
    MAX_ENCODER_INPUTS,
    default_hidden_sizes,
    default_n_coordinates,
)
from skae._training.features import fit_features
from skae._training.fitted import FittedSpec
from skae._training.pca import PCAResult, fit_pca, random_pca
from skae._warnings import warn_user

__all__ = [
    "Initialization",
    "check_resumable",
    "describe_fit",
    "initial_n_components",
    "initialize",
    "pca_of_rows",
    "restart_from_pca",
    "warn_if_few_components",
]

MAX_INITIAL_LATENTS = 4096
"""The most latent vectors from which a bottleneck is initialized."""

HEAD_WIDTH = 64
"""Width of the hidden layer between short latent vectors and targets."""

ARCHITECTURE_PARAMETERS = (
    "n_components",
    "hidden_layer_sizes",
    "decoder_hidden_layer_sizes",
    "n_filters",
    "n_stages",
    "kernel_size",
    "image_shape",
    "sample_shape",
    "channel_axis",
    "signals",
    "activation",
    "normalization",
    "dropout",
    "allow_nan",
)
"""Parameters that must not change when a fit continues."""


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


def initialize(estimator, objective, data, generator, device):
    """Build a network and initialize it as PCA.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    objective : Objective
        Its options as objects.
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
    k = initial_n_components(estimator, data)
    n_coordinates = 1
    if estimator._starts_as_pca:
        n_coordinates = default_n_coordinates(k, convolutional=estimator._pca_view() is not None)
    pca = pca_of_rows(estimator, data.rows, data.weights, n_coordinates, generator, device)
    spec = describe_fit(estimator, objective, data, k, len(pca.components))
    if spec.network.output != "sigmoid":
        mean = pca.reference.double() + pca.shift
        if pca.feature_scale is not None:
            mean = mean / pca.feature_scale
        spec = replace(spec, result_dtype=result_dtype(mean, pca.scale, spec.dtype))
    network = estimator._build(spec.network, seed=generator.initial_seed())
    if spec.network.has_features:
        weight = spec.network.features.pixel_weight
        features = fit_features(network, weight, pca, data.rows, data.weights, generator, device)
        pca = replace(pca, features=features, rule="pca of features")
    network.initialize(pca, generator)
    spec = restart_from_pca(spec, network, pca, data.rows, generator)
    return Initialization(network, pca, spec)


def initial_n_components(estimator, data):
    """Return the number of latent dimensions in training, before a code is cut."""
    if isinstance(estimator.n_components, Integral):
        return int(estimator.n_components)
    return estimator._auto_n_components(data.rows.shape[1])


def describe_fit(estimator, objective, data, n_components, n_coordinates):
    """Describe the network of a fit, without units and precision of the result.

    Parameters
    ----------
    estimator, objective, data
        As in `initialize`.
    n_components, n_coordinates : int
        Number of latent dimensions, and of principal coordinates.

    Returns
    -------
    spec : FittedSpec
        The description.
    """
    return FittedSpec(
        network=_network_config(estimator, objective, n_components, n_coordinates, data),
        dtype=dtype_name(data.rows),
        parameters=_architecture_parameters(estimator),
        loss=objective.loss,
        bottleneck=objective.bottleneck,
        targets=data.targets,
        max_abs=data.max_abs,
        small_share=data.small_share,
    )


def _network_config(estimator, objective, n_components, n_coordinates, data):
    """Resolve the architecture."""
    n_samples, n_features = data.rows.shape
    encoder_sizes, decoder_sizes = default_hidden_sizes(n_samples, n_features)
    output = "linear"
    if objective.loss.link == "logit":
        output = "sigmoid"
    elif not objective.loss.is_elementwise:
        output = "samples"
    options = {
        "n_features": n_features,
        "n_components": n_components,
        "n_coordinates": n_coordinates,
        "n_inputs": min(n_coordinates, MAX_ENCODER_INPUTS),
        "encoder_sizes": encoder_sizes,
        "decoder_sizes": decoder_sizes,
        "activation": getattr(estimator, "activation", "gelu"),
        "normalization": getattr(estimator, "normalization", None),
        "dropout": float(getattr(estimator, "dropout", 0.0)),
        "output": output,
        "ceiling": 255.0 if dtype_name(data.rows) == "uint8" else 1.0,
        "bottleneck": objective.bottleneck.resolve(n_samples),
        "penalty": objective.penalty,
        "head_sizes": _head_sizes(n_components, data.targets),
        "allow_nan": bool(estimator.allow_nan),
    }
    return estimator._network_config(options, objective)


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
        The bottleneck may be initialized from the latent vectors of some of these rows.
    generator : torch.Generator
        Selects them.

    Returns
    -------
    spec : FittedSpec
        With the units of the loss that belong to this PCA.
    """
    network.init_from_pca(pca)
    _init_from_latents(spec.network.bottleneck, network, rows, generator)
    unit = pca.scale**spec.loss.scale_power
    if network.output != "linear":  # the loss is a mean over the features
        return replace(spec, loss_scale=unit, loss_offset=0.0)
    d = network.n_features
    offset = 0.0
    if spec.network.in_pca_space:  # the variance beyond the coordinates is lost in any case
        offset = unit * max(0.0, pca.total - float(pca.variances.sum())) / d
    return replace(spec, loss_scale=unit * network.n_training_features / d, loss_offset=offset)


def pca_of_rows(
    estimator, rows, weights, n_coordinates, generator, device, *, indices=None, earlier=None
):
    """Compute the PCA that a network starts as.

    Parameters
    ----------
    estimator : BaseAutoencoder
        It starts as PCA, or with random directions.
    rows, weights, n_coordinates, generator, device
        As in `fit_pca`.
    indices : torch.Tensor, default=None
        Rows that take part; None means all. Missing values are imputed from all rows, since the
        others may have no number in a column.
    earlier : PCAResult, default=None
        PCA of all rows, with the units of the features and the normal distribution for imputation.

    Returns
    -------
    pca : PCAResult
        The result.
    """
    gaussian = feature_scale = None
    if earlier is not None:
        gaussian, feature_scale = earlier.normal, earlier.feature_scale
    elif estimator._scales_channels():
        feature_scale = channel_feature_scale(rows, estimator._layout, weights)
    if estimator.allow_nan:
        incomplete = rows
        rows = ImputedRows(incomplete)
        if indices is None:
            names = getattr(estimator, "feature_names_in_", None)
            if estimator._has_categories:
                names = estimator._table.feature_names
            warn_if_empty(rows.empty_columns, names)
        if estimator._uses_gaussian_imputation:
            if gaussian is None:
                gaussian = fit_gaussian(incomplete, rows.means, weights, generator=generator)
            rows.set_gaussian(gaussian)
        gaussian = rows.gaussian
    if indices is not None:
        rows = row_subset(rows, indices)
        if weights is not None:
            weights = weights[indices.numpy()]
    fit = fit_pca if estimator._starts_as_pca else random_pca
    pca = fit(
        rows,
        weights,
        n_coordinates,
        generator=generator,
        feature_scale=feature_scale,
        view=estimator._pca_view(),
        device=device,
    )
    return replace(pca, normal=gaussian)


@torch.no_grad()
def _init_from_latents(bottleneck, network, rows, generator):
    """Initialize the module of a bottleneck from the latent vectors of some rows."""
    if not bottleneck.needs_latents:
        return
    indices = sample_indices(rows, MAX_INITIAL_LATENTS, generator)
    device = network.centre.scale.device
    if can_project(rows, network):
        u = to_tensor(ProjectedRows(rows, network).take(indices), device)
        z = network.latents_from_coordinates(u)
    else:
        z = network.latents(network.centre(to_tensor(take_rows(rows, indices), device)))
    bottleneck.init_from_latents(network.bottleneck, z, generator)


def warn_if_few_components(n_components, pca, shape):
    """Warn if the first call of ``partial_fit`` has too few samples for its components."""
    if len(pca.components) < min(n_components, shape[1]):
        warn_user(
            f"The first call of partial_fit got {shape[0]} samples, which vary in "
            f"{len(pca.components)} directions, but n_components={n_components}. Later samples are "
            "projected on these directions, too: start with more samples.",
        )


def check_resumable(estimator, objective, rows):
    """Raise an error if parameters or data do not suit the network of the earlier fit."""
    spec = estimator._spec
    for name, value in _architecture_parameters(estimator).items():
        if value != spec.parameters[name]:
            value = getattr(estimator, name, value)
            raise ValueError(_architecture_message(name, value, spec.parameters[name]))
    options = {
        "loss": (objective.loss, spec.loss),
        "bottleneck": (objective.bottleneck, spec.bottleneck),
        "penalty": (objective.penalty, spec.network.penalty),
        "features": (estimator._resolved_features(), spec.network.features),
    }
    for name, (option, fitted) in options.items():
        if not have_equal_architecture(option, fitted):
            raise ValueError(_architecture_message(name, getattr(estimator, name), fitted))
    if objective.masked_weight is not None and spec.network.in_pca_space:
        raise ValueError(
            f"Got corruption={estimator.corruption!r}, but the network was trained on principal "
            "coordinates, which mix masked and visible values. Set warm_start=False and call fit "
            "to start again."
        )
    dtype = dtype_name(rows)
    if objective.loss.bounds is not None:
        check_dtype_units(rows, spec.dtype)
    if dtype != spec.dtype and (np.dtype(dtype).kind == "f") != (np.dtype(spec.dtype).kind == "f"):
        raise ValueError(f"Got X of dtype {dtype}, but the first call got {spec.dtype}.")


def _architecture_message(name, value, fitted):
    """Return the message for a parameter that differs from that of the fitted network."""
    return (
        f"Got {name}={value!r}, but the network was built with {fitted!r}. Parameters of the "
        "architecture can't change when a fit continues. Set warm_start=False and call fit to "
        "start again."
    )


def _architecture_parameters(estimator):
    """Return the parameters of the architecture as plain numbers, strings and tuples."""
    parameters = {}
    for name in ARCHITECTURE_PARAMETERS:
        if hasattr(estimator, name):
            value = getattr(estimator, name)
            if np.ndim(value) > 0:
                value = tuple(np.asarray(value).tolist())
            parameters[name] = value
    return {**parameters, **estimator._own_architecture()}
