"""Where a training starts: from a network that is PCA, recorded so that it can be built again, or from one that is there."""

from dataclasses import replace
from numbers import Integral

import numpy as np
import torch

from skae import _validation as check
from skae._batches import Filled, Selected, choose, select, to_tensor
from skae._defaults import (
    MOST_INPUTS,
    auto_codebook,
    auto_components,
    auto_coordinates,
    auto_hidden,
    step_of_rate,
    weight_of_penalty,
)
from skae._principal import normal_with_gaps, principal_components, random_components
from skae._warning import advise

__all__ = ["become", "check_same", "directions", "start", "warn_if_few"]

MOST_CODES = 4096
"""Rows among whose codes the first vectors of a codebook are chosen."""

HEAD = 64
"""Width of the hidden layer between short codes and the targets that are guessed from them."""


def start(estimator, rows, weights, generator, device, targets=None):
    """Build the network that is PCA, and record in the estimator how it is built.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Gets its ``_spec``, ``n_components_`` and ``init_``.
    rows, weights, generator, device
        As in `principal_components`.
    targets : Targets, default=None
        What is to be guessed from the codes.

    Returns
    -------
    network : skae.networks.autoencoder.Autoencoder
        On the CPU.
    principal : Principal
        What it starts as.
    """
    n, d = rows.shape
    k = int(estimator.n_components) if isinstance(estimator.n_components, Integral) else auto_components(d)
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
        "bottleneck": "rate" if estimator.penalty == "rate" else estimator.bottleneck,
        "codebook_size": auto_codebook(n) if estimator.codebook_size == "auto" else int(estimator.codebook_size),
        "step": step_of_rate(weight_of_penalty(estimator)),
        "head_sizes": _head_sizes(k, targets),
        "allow_nan": bool(estimator.allow_nan),
    }
    options = estimator._network(options)
    estimator._spec = {"network": options, "dtype": dtype, "parameters": _shaping(estimator), "targets": targets}
    network = estimator._build(options)
    network.start(principal, generator)
    estimator.n_components_ = estimator._n_features_out = k
    estimator.init_ = principal.rule
    become(estimator, network, principal, rows, generator)
    return network, principal


def _head_sizes(n_components, targets):
    """Give the widths of what guesses targets from codes.

    What a linear map finds in a code a classifier finds, too, while a hidden layer may keep to itself what it sees there. But a
    linear map takes about as many numbers for itself as there are classes, and reconstruction needs as many at least.
    """
    if targets is None:
        return ()
    n_outputs = sum(targets.widths)
    return (n_outputs,) if n_components >= 2 * n_outputs else (HEAD, n_outputs)


def become(estimator, network, principal, rows, generator):
    """Make a network that is there PCA, and record in which units its loss is; vectors are chosen among the codes of `rows`."""
    network.become(principal)
    if estimator.bottleneck == "quantized":
        _first_vectors(network, rows, generator)
    _note_units(estimator, network, principal)


def directions(estimator, rows, weights, n_coordinates, generator, device, *, chosen=None, normal=None):
    """Find the linear autoencoder that a network starts as, perhaps that of `chosen` rows.

    Gaps are filled by what all rows say, since all that is known of a column may be held out; `normal` was found before.
    """
    find = random_components if estimator.init == "random" else principal_components
    if estimator.allow_nan:
        gappy, rows = rows, Filled(rows)
        if estimator._links(rows.shape[1]):
            rows.normal = normal_with_gaps(gappy, rows.means, weights, generator=generator) if normal is None else normal
        normal = rows.normal
    if chosen is not None:
        rows, weights = Selected(rows, chosen), None if weights is None else weights[chosen.numpy()]
    found = find(rows, weights, n_coordinates, generator=generator, view=estimator._view(), device=device)
    return replace(found, normal=normal)


@torch.no_grad()
def _first_vectors(network, rows, generator):
    """Choose the first vectors of the codebooks among the codes of some rows, far from each other."""
    from sklearn.cluster import kmeans_plusplus  # slow to import, so only where it is needed

    some = to_tensor(select(rows, choose(rows, MOST_CODES, generator)), network.centre.scale.device)
    codes = network.bottleneck.grouped(network.code(network.prepare(some))[0])  # (groups, rows, length)
    size, seed = network.bottleneck.codebooks.shape[1], int(torch.randint(2**31, (1,), generator=generator))
    for vectors, group in zip(network.bottleneck.codebooks, codes.cpu().numpy(), strict=True):
        enough = np.resize(group, (max(size, len(group)), group.shape[1]))
        vectors.copy_(torch.from_numpy(kmeans_plusplus(enough, size, random_state=seed)[0]))


def _note_units(estimator, network, principal):
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
        advise(
            f"The first call of partial_fit saw {shape[0]} rows, which vary in {len(principal.components)} directions, but "
            f"n_components is {k}. All later rows are seen through these directions: begin with more rows.",
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
    names = ["n_components", "hidden_layer_sizes", "n_filters", "image_shape", "channel_axis", "activation", "loss"]
    names += ["bottleneck", "codebook_size", "penalty", "allow_nan"]
    values = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    return {name: value if np.ndim(value) == 0 else tuple(np.asarray(value).tolist()) for name, value in values.items()}
