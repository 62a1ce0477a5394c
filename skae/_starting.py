"""Where a training starts: from a network that is PCA, recorded so that it can be built again, or from one that is there."""

import warnings

import numpy as np

from skae import _validation as check
from skae._defaults import MOST_INPUTS, auto_components, auto_coordinates, auto_hidden
from skae._principal import principal_components, random_components

__all__ = ["check_same", "directions", "note_units", "start", "warn_if_few"]


def start(estimator, rows, weights, generator, device):
    """Build the network that is PCA, and record in the estimator how it is built.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Gets its ``_spec``, ``n_components_`` and ``init_``.
    rows, weights, generator, device
        As in `principal_components`.

    Returns
    -------
    network : skae.networks.autoencoder.Autoencoder
        On the CPU.
    principal : Principal
        What it starts as.
    """
    n, d = rows.shape
    k = auto_components(d) if estimator.n_components == "auto" else int(estimator.n_components)
    wanted = auto_coordinates(k, convolutional=estimator._view() is not None)
    principal = directions(estimator, rows, weights, wanted, generator, device)
    encoder_sizes, decoder_sizes = auto_hidden(n, d)
    dtype = str(rows.dtype).removeprefix("torch.")
    options = {
        "n_features": d,
        "n_components": k,
        "n_coordinates": len(principal.components),
        "n_inputs": min(len(principal.components), MOST_INPUTS),
        "encoder_sizes": encoder_sizes,
        "decoder_sizes": decoder_sizes,
        "activation": estimator.activation,
        "output": "sigmoid" if estimator.loss == "log_loss" else "linear",
        "ceiling": 255.0 if dtype == "uint8" else 1.0,
    }
    options = estimator._network(options)
    estimator._spec = {"network": options, "dtype": dtype, "parameters": _shaping(estimator)}
    network = estimator._build(options)
    network.start(principal, generator)
    estimator.n_components_ = estimator._n_features_out = k
    estimator.init_ = principal.rule
    note_units(estimator, network, principal)
    return network, principal


def directions(estimator, rows, weights, n_coordinates, generator, device):
    """Find the linear autoencoder that a network starts as."""
    find = random_components if estimator.init == "random" else principal_components
    return find(rows, weights, n_coordinates, generator=generator, view=estimator._view(), device=device)


def note_units(estimator, network, principal):
    """Record how a loss in the space of training becomes one in units of X."""
    d = network.n_features
    unit = principal.scale ** {"squared_error": 2, "absolute_error": 1, "log_loss": 0}[estimator.loss]
    unseen = max(0.0, principal.total - float(principal.variances.sum())) / d
    rotated = estimator._spec["network"].get("rotated", False)
    estimator._spec["unit"] = unit if estimator.loss == "log_loss" else unit * network.n_working / d
    estimator._spec["floor"] = unit * unseen if rotated else 0.0


def warn_if_few(estimator, principal, shape):
    """Say when a first ``partial_fit`` sees so little that all later rows are seen badly."""
    k = estimator.n_components_
    if len(principal.components) < min(k, shape[1]):
        warnings.warn(
            f"The first call of partial_fit saw {shape[0]} rows, which vary in {len(principal.components)} directions, but "
            f"n_components is {k}. All later rows are seen through these directions: begin with more rows.",
            stacklevel=5,
        )


def check_same(estimator, rows):
    """Refuse to go on where the network or the kind of data would be another."""
    recorded, now = estimator._spec["parameters"], _shaping(estimator)
    for name, value in now.items():
        if value != recorded[name]:
            raise ValueError(
                f"Got {name}={getattr(estimator, name)!r}, but expected {recorded[name]!r}, as when the network was built: "
                "what shapes it can't change when a fit goes on. Set warm_start=False and call fit to begin anew."
            )
    dtype = str(rows.dtype).removeprefix("torch.")
    before = estimator._spec["dtype"]
    check.check_units(rows, before, exact=estimator.loss == "log_loss")
    if dtype != before and (np.dtype(dtype).kind == "f") != (np.dtype(before).kind == "f"):
        raise ValueError(f"Got X of dtype {dtype}, but expected {before}, as in the first call.")


def _shaping(estimator):
    """Collect the parameters that shape the network, as plain numbers, strings and tuples."""
    names = ("n_components", "hidden_layer_sizes", "n_filters", "image_shape", "channel_axis", "activation", "loss")
    values = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    return {name: value if np.ndim(value) == 0 else tuple(np.asarray(value).tolist()) for name, value in values.items()}
