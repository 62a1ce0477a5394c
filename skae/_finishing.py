"""What is known of codes once training is over: how much each explains, how often each vector is used, how wide steps are."""

from numbers import Integral

import numpy as np
import torch
from torch import nn

from skae._batches import choose, chunks, select, to_tensor
from skae._warning import advise

__all__ = ["forget_codes", "note_codes"]

MOST_ROWS = 8192
"""Of the rows that codes are looked at for."""

NOTED = ("code_steps_", "explained_variance_ratio_", "codebooks_", "codebook_usage_")
"""Fitted attributes that not every fit has."""


def forget_codes(estimator):
    """Take away what an earlier fit, with other parameters, had to say of its codes."""
    for name in NOTED:
        vars(estimator).pop(name, None)


@torch.no_grad()
def note_codes(estimator, network, rows, generator, *, cut):
    """Set the fitted attributes that a bottleneck brings with it; an ordered code is cut to the length that was asked for.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Gets the attributes.
    network : skae.networks.autoencoder.Autoencoder
        Trained; perhaps cut.
    rows : ndarray, torch.Tensor or Stored of shape (n, d)
        To look at, those that were held out if there are any.
    generator : torch.Generator
        Chooses some of them.
    cut : bool
        Whether this is the time to cut a code: only in the fit that makes the network.
    """
    kind = estimator._spec["network"]["bottleneck"]
    if kind == "rate":
        estimator.code_steps_ = (network.bottleneck.steps * network.code_units).double().cpu().numpy()
    elif kind in ("ordered", "quantized"):
        rows = select(rows, choose(rows, MOST_ROWS, generator)) if len(rows) > MOST_ROWS else rows
        if kind == "quantized":
            _note_use(estimator, network, rows)
            return
        reached = _reached(network, rows)
        estimator.explained_variance_ratio_ = np.diff(reached)
        if cut and not isinstance(estimator.n_components, Integral | str):
            _cut(estimator, network, reached)


def _note_use(estimator, network, rows):
    """Record the vectors, in units of the codes, and how often each is used."""
    bottleneck = network.bottleneck
    counts = torch.zeros(bottleneck.codebooks.shape[:2], dtype=torch.float64)
    for piece in chunks(len(rows), network.most_numbers):
        z = network.code(network.prepare(to_tensor(rows[piece], network.centre.scale.device)))[0]
        counts += torch.stack([torch.bincount(group, minlength=counts.shape[1]) for group in bottleneck.nearest(z)]).cpu()
    estimator.codebooks_ = (bottleneck.codebooks * network.centre.scale).cpu().numpy()
    estimator.codebook_usage_ = (counts / len(rows)).numpy()


def _reached(network, rows):
    """Compute which share of the variance the first j numbers of a code explain, for j from 0 to all."""
    k = len(network.whitening)
    missed, mean = np.zeros(k + 1), 0.0
    for piece in chunks(len(rows), network.most_numbers):
        x = network.centre(to_tensor(rows[piece], network.centre.scale.device))
        z = network.code(network.arrange(x))[0]
        for length in range(k + 1):
            kept = z * (torch.arange(k, device=z.device) < length)
            missed[length] += float(network.apart(kept, x).nan_to_num(0.0).square().sum(dtype=torch.float64))
        mean += float(x.nan_to_num(0.0).square().sum(dtype=torch.float64))
    reached = 1 - missed / max(mean, 1e-300)
    reached[0] = 0.0
    return reached


def _cut(estimator, network, reached):
    """Cut a code to the length that reaches the share asked for; it stays so when a fit goes on."""
    asked, k = estimator.n_components, len(reached) - 1
    enough = np.flatnonzero(reached >= asked)
    if not len(enough):
        advise(
            f"Got n_components={asked!r}, but {k} components explain {reached[-1]:.3f} of the variance: all of them are kept.",
        )
    kept = max(1, int(enough[0])) if len(enough) else k
    estimator.explained_variance_ratio_ = estimator.explained_variance_ratio_[:kept]
    estimator.n_components_ = estimator._n_features_out = kept
    # not in place: estimators that callbacks were given have the whole network
    estimator._spec = {**estimator._spec, "network": {**estimator._spec["network"], "n_components": kept}}
    _drop(network, kept)


def _drop(network, k):
    """Drop what belongs to the end of a code: zeros stood there for the decoder."""
    trunk, n = network.trunk, len(network.whitening)
    rows, columns = [trunk.encoder_linear], [trunk.decoder_linear]
    if trunk.encoder_hidden is not None:
        rows.append(trunk.encoder_last)
    if trunk.decoder_hidden is not None:
        columns += [trunk.decoder_hidden[0], trunk.decoder_skip]  # the first sees the code, and where it ends
    if network.head is not None:
        columns.append(network.head[0])
    for layer in rows:
        layer.weight = nn.Parameter(layer.weight[:k].clone())
        layer.bias = None if layer.bias is None else nn.Parameter(layer.bias[:k].clone())
    for layer in columns:
        kept = [part[:, :k] for part in layer.weight.split(n, 1)]
        layer.weight = nn.Parameter(torch.cat(kept, 1))
    network.whitening = network.whitening[:k].clone()
