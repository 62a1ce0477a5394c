"""Autoencoders on a dask cluster: each worker trains on the chunks that lie on it.

A fit is one task for each worker that has chunks. The tasks form a process group of torch, so that
the result is that of one process, up to rounding.
"""

from skae.dask._autoencoders import DaskConvAutoencoder, DaskDenseAutoencoder

__all__ = ["DaskConvAutoencoder", "DaskDenseAutoencoder"]
