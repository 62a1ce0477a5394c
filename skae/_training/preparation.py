"""Rows in the space of training: prepared in memory, or sparse rows that are prepared when read."""

import numpy as np
import torch

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks
from skae._input.sparse_rows import ProjectedRows, can_project

__all__ = ["can_prepare", "prepare_rows"]

FEATURE_FACTOR = 8
"""Factor of the memory for images with features, which take longer to compute than a step."""


def can_prepare(network, datasets, dtype, max_bytes):
    """Return whether all rows of a fit are prepared before batches are drawn.

    Parameters
    ----------
    network : skae.networks.autoencoder.Autoencoder
        Initialized.
    datasets : list of rows
        Training rows, and validation rows if the user passed any.
    dtype : torch.dtype
        Dtype of prepared rows.
    max_bytes : int
        The most bytes of prepared rows, or an eighth of them with features of images. Sparse rows
        need no memory.
    """
    if network.n_prepared_features > network.n_training_features:
        max_bytes *= FEATURE_FACTOR
    if all(_is_projected(network, rows) for rows in datasets):
        return True
    return _prepared_bytes(network, max(datasets, key=len), dtype) <= max_bytes


@torch.no_grad()
def prepare_rows(network, rows, dtype, max_bytes):
    """Center, scale and transform rows into the space of training, in chunks.

    Parameters
    ----------
    network : skae.networks.autoencoder.Autoencoder
        Initialized, on the device of the result.
    rows : array-like of shape (n, d)
        Rows in units of X.
    dtype : torch.dtype
        Dtype of prepared rows.
    max_bytes : int
        Sparse rows of more prepared bytes are prepared when they are read.

    Returns
    -------
    prepared : torch.Tensor or ProjectedRows of shape (n, n_prepared_features)
        Prepared rows.
    """
    prepare = network.prepare
    if _is_projected(network, rows):
        n_bytes = _prepared_bytes(network, rows, dtype)
        rows = ProjectedRows(rows, network, np.float32)
        prepare = torch.nn.Identity()
        if n_bytes > max_bytes:
            return rows
    n, device = network.n_prepared_features, network.centre.scale.device
    prepared = torch.empty(len(rows), n, dtype=dtype, device=device)
    for chunk in row_chunks(len(rows), max(rows.shape[1], n)):
        prepared[chunk] = prepare(to_tensor(rows[chunk], device))
    return prepared


def _is_projected(network, rows):
    """Return whether prepared rows are the principal coordinates of sparse rows."""
    return can_project(rows, network) and network.in_pca_space


def _prepared_bytes(network, rows, dtype):
    """Return the bytes of prepared rows."""
    return len(rows) * network.n_prepared_features * dtype.itemsize
