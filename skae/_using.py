"""What a trained network makes of rows, piece by piece: codes, reconstructions, and how far these are off."""

import numpy as np
import torch

from skae._batches import CHUNK_BYTES, chunks, padded, to_tensor
from skae.networks.blocks import double_products

__all__ = ["errors", "explained", "pieces", "run"]


MAX_CHUNK_ROWS = 1024
"""With more rows at once the hidden layers of a small network would leave the caches."""


def pieces(net, n_samples):
    """Cut ``range(n_samples)`` into slices of rows that a network takes at once."""
    network = net.module_
    numbers = max(network.n_features, network.most_numbers, CHUNK_BYTES // (4 * MAX_CHUNK_ROWS))
    return chunks(n_samples, numbers)


def run(net, function, rows, width):
    """Run a function of raw rows over all of them, without gradients, in float32.

    Parameters
    ----------
    net : AutoencoderNet
        Fitted.
    function : callable
        ``(b, d) -> (b, width)``, such as ``net.encode``.
    rows : ndarray, torch.Tensor or Stored of shape (n_samples, d)
        Checked.
    width : int
        How many numbers it gives for each row.

    Returns
    -------
    out : torch.Tensor of shape (n_samples, width)
        float32, on the device of the rows.
    """
    out = torch.empty(len(rows), width, device=rows.device if isinstance(rows, torch.Tensor) else "cpu")
    with torch.inference_mode(), double_products(has_double(net) and net.module_.prefers_double_products):
        for piece in pieces(net, len(rows)):
            part = to_tensor(rows[piece], net.device)
            out[piece] = function(padded(part))[: len(part)]
    return out


def errors(net, rows):
    """Give the mean squared error of each row, over the numbers that are there: float64, in squared units of X."""
    found = np.empty(len(rows))
    for piece in pieces(net, len(rows)):
        residual, _ = _residual(net, rows[piece])
        found[piece] = residual.square().nanmean(1).numpy()
    return found * float(net.module_.centre.scale) ** 2


def explained(net, rows, weights):
    """Give the share of the variance of rows that their reconstructions explain.

    Parameters
    ----------
    net : AutoencoderNet
        Fitted.
    rows : ndarray, torch.Tensor or Stored of shape (n_samples, d)
        Checked.
    weights : ndarray of shape (n_samples,)
        How much each row counts.

    Returns
    -------
    share : float
        As `r2_score` has it, weighted by variance; NaN where no row has a number that counts.
    """
    d = net.module_.n_features
    missed, squares, sums, count = torch.zeros(4, d, dtype=torch.float64)
    low, high = torch.full((2, d), torch.inf, dtype=torch.float64) * torch.tensor([[1], [-1]])
    for piece in pieces(net, len(rows)):
        w = torch.from_numpy(weights[piece])
        residual, x = _residual(net, rows[piece])
        there = ~x.isnan()
        counted = there & (w > 0)[:, None]
        low = torch.minimum(low, torch.where(counted, x, torch.inf).amin(0))
        high = torch.maximum(high, torch.where(counted, x, -torch.inf).amax(0))
        residual, x = torch.where(there, residual, 0.0), torch.where(there, x, 0.0)
        missed += w @ residual.square()
        squares += w @ x.square()
        sums += w @ x
        count += w @ there.double()
    if not count.any():
        return float("nan")
    varies = low < high  # as r2_score has it, a constant column doesn't count
    if not varies.any():
        return float(missed.sum() == 0)
    spread = squares - sums.square() / count.clamp(min=1e-300)
    return float(1 - missed[varies].sum() / spread[varies].sum())


def has_double(net):
    """Return whether products in float64 are of use: on CPUs, which compute float32 products in many ways."""
    return torch.device(net.device).type == "cpu"


def _residual(net, rows):
    """Give reconstructions less rows, and the rows, both centred and in units of `centre.scale`, float64, on the CPU."""
    with torch.inference_mode(), double_products(has_double(net)):
        found = net.module_.residual(padded(to_tensor(rows, net.device)))
    return [part[: len(rows)].cpu().double() for part in found]
