"""Chunked inference: latent vectors, reconstructions and reconstruction errors."""

import numpy as np
import torch

from skae._devices import MIN_PARALLEL_MULTIPLICATIONS, count_weights, one_thread
from skae._input.dtypes import to_tensor
from skae._input.rows import CHUNK_BYTES, pad_rows, row_chunks
from skae._input.sparse_rows import ProjectedRows, can_project
from skae._input.units import to_dtype
from skae.autoencoders._sparse_inference import SparseErrors, has_linear_output
from skae.networks.layers import double_products

__all__ = ["apply_in_chunks", "encoder_input", "explained_variance", "reconstruction_errors"]

MAX_CHUNK_ROWS = 1024
"""The most rows in a chunk. With more, the hidden layers of a small network leave the caches."""

MAX_SMALL_NUMBERS = 2**17
"""The most values of a call that uses one thread without a count of the network's weights.

A call of one row takes as long as this count.
"""

GPU_CHUNK_FACTOR = 16
"""Size of chunks on a GPU relative to the CPU: each chunk costs launches and copies."""


def inference_chunks(net, rows, width):
    """Return slices of rows that a network processes together, with `width` results for a row.

    Returns
    -------
    chunks : list of slice
        Slices of about `CHUNK_BYTES`.
    is_small : bool
        Whether one thread is enough for all rows.
    """
    min_numbers = CHUNK_BYTES // (4 * MAX_CHUNK_ROWS)
    numbers = max(rows.shape[1], width, net.module_.max_features_held, min_numbers)
    is_small = len(rows) * numbers <= MAX_SMALL_NUMBERS
    if not is_small:
        n_multiplications = len(rows) * count_weights(net.module_)
        is_small = n_multiplications < MIN_PARALLEL_MULTIPLICATIONS
    if torch.device(net.device).type != "cpu":
        numbers = numbers // GPU_CHUNK_FACTOR
    return row_chunks(len(rows), numbers), is_small


def encoder_input(net, rows):
    """Return rows as the encoder reads them, and the function that encodes a chunk of them.

    Parameters
    ----------
    net : AutoencoderNet
        Fitted.
    rows : ndarray, torch.Tensor, SparseRows or StreamedRows of shape (n_samples, d)
        Checked rows.

    Returns
    -------
    rows : ProjectedRows or the same object
        Principal coordinates of sparse rows if the encoder reads nothing else.
    encode : callable
        ``(b, d) -> (b, k)``, or ``(b, m) -> (b, k)``.
    """
    network = net.module_
    if can_project(rows, network):
        dtype = np.float64 if network.prefers_double_products else np.float32
        return ProjectedRows(rows, network, dtype), network.encode_coordinates
    return rows, net.encode


def has_double(net):
    """Return whether products in float64 are useful: on CPUs, with their many kernels."""
    return torch.device(net.device).type == "cpu"


def apply_in_chunks(net, function, rows, width, dtype=torch.float32):
    """Apply a function of raw rows to all of them, without gradients.

    Parameters
    ----------
    net : AutoencoderNet
        Fitted.
    function : callable
        ``(b, d) -> (b, width)``, such as ``net.encode``.
    rows : ndarray, torch.Tensor, SparseRows or StreamedRows of shape (n_samples, d)
        Checked rows.
    width : int
        Number of columns of the result.
    dtype : torch.dtype, default=torch.float32
        Dtype of the result. Integers are rounded and clipped to their range.

    Returns
    -------
    out : torch.Tensor of shape (n_samples, width)
        On the device of the rows.
    """
    device = "cpu"
    if isinstance(rows, torch.Tensor):
        device = rows.device
    if torch.device(device).type == "mps" and dtype == torch.float64:
        dtype = torch.float32  # the device has no float64
    out = torch.empty(len(rows), width, dtype=dtype, device=device)
    use_double = has_double(net) and net.module_.prefers_double_products
    # large networks compute in float32, up to rounding; padding would double the time of one row
    pads = use_double or not has_double(net)
    chunks, is_small = inference_chunks(net, rows, width)
    with one_thread(is_small), torch.inference_mode(), double_products(use_double):
        for chunk in chunks:
            x = to_tensor(rows[chunk], net.device)
            n_rows = len(x)
            if pads:
                x = pad_rows(x)
            out[chunk] = to_dtype(function(x)[:n_rows], dtype)
    return out


def reconstruction_errors(net, rows):
    """Compute the mean squared error of each row over its known values.

    Returns
    -------
    errors : ndarray of shape (n_samples,)
        float64, in squared units of X.
    """
    d = net.module_.n_features
    if has_linear_output(rows, net.module_):
        return SparseErrors(net, rows).squared_errors() / d
    errors = np.empty(len(rows))
    chunks, is_small = inference_chunks(net, rows, d)
    with one_thread(is_small):
        for chunk in chunks:
            residual, _ = _residual(net, rows[chunk])
            errors[chunk] = residual.square().nanmean(1).cpu().numpy()
    return errors * float(net.module_.centre.scale) ** 2


def explained_variance(net, rows, weights):
    """Compute the share of the variance of rows that their reconstructions explain.

    Parameters
    ----------
    net : AutoencoderNet
        Fitted.
    rows : ndarray, torch.Tensor, SparseRows or StreamedRows of shape (n_samples, d)
        Checked rows.
    weights : ndarray of shape (n_samples,)
        Sample weights.

    Returns
    -------
    share : float
        The variance-weighted R^2 of scikit-learn's `r2_score`. NaN without any known value.
    """
    if has_linear_output(rows, net.module_):
        varies = _varying_columns(rows, weights)
        if varies.any():
            column_errors, variation = SparseErrors(net, rows).sums_of_columns(weights)
            return float(1 - column_errors[varies].sum() / variation[varies].sum())
    d = net.module_.n_features
    device = _summing_device(net)
    errors, squares, sums, count = torch.zeros(4, d, dtype=torch.float64, device=device)
    low = torch.full((d,), torch.inf, dtype=torch.float64, device=device)
    high = -low
    chunks, _ = inference_chunks(net, rows, d)
    for chunk in chunks:
        w = torch.from_numpy(weights[chunk]).to(device)
        residual, x = _residual(net, rows[chunk])
        known = ~x.isnan()
        counted = known & (w > 0)[:, None]
        low = torch.minimum(low, torch.where(counted, x, torch.inf).amin(0))
        high = torch.maximum(high, torch.where(counted, x, -torch.inf).amax(0))
        residual = torch.where(known, residual, 0.0)
        x = torch.where(known, x, 0.0)
        errors += w @ residual.square()
        squares += w @ x.square()
        sums += w @ x
        count += w @ known.double()
    if not count.any():
        return float("nan")
    varies = low < high  # r2_score leaves out constant columns, too
    if not varies.any():
        return float(errors.sum() == 0)
    variation = squares - sums.square() / count.clamp(min=1e-300)
    return float(1 - errors[varies].sum() / variation[varies].sum())


def _varying_columns(rows, weights):
    """Return a mask of the columns of sparse rows with several values of positive weight."""
    matrix = rows.subset(torch.from_numpy(weights).nonzero()[:, 0]).matrix
    low, high = matrix.min(axis=0).toarray(), matrix.max(axis=0).toarray()
    return (low < high).ravel()


def _residual(net, rows):
    """Compute reconstruction minus row, and the row: centered, scaled, float64."""
    with torch.inference_mode(), double_products(has_double(net)):
        residual, x = net.module_.residual(pad_rows(to_tensor(rows, net.device)))
    device = _summing_device(net)
    return residual[: len(rows)].to(device).double(), x[: len(rows)].to(device).double()


def _summing_device(net):
    """Return the device of sums in float64: that of the net, but the CPU for MPS."""
    device = torch.device(net.device)
    if device.type == "mps":
        return torch.device("cpu")
    return device
