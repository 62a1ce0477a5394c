"""Chunks of rows of dask collections: their order, their workers, and their targets and weights."""

import math

import numpy as np

from skae._input.dask_rows import is_dask_array, is_dask_frame

__all__ = ["RowChunks"]


class RowChunks:
    """The chunks of X along rows, each with its targets and sample weights.

    Parameters
    ----------
    X : dask array or dask DataFrame
        At least two dimensions.
    y, sample_weight : dask collection, array-like or None
        One value, or one row, for each row of X.

    Attributes
    ----------
    names : list of str or None
        Names of the columns of a DataFrame, if all are strings.
    dtype : numpy.dtype or None
        Common dtype of the columns of a DataFrame.
    """

    def __init__(self, X, y, sample_weight):
        self.names = self.dtype = None
        if is_dask_frame(X):
            self.names = _column_names(X)
            self.dtype = _common_dtype(X)
            self.sizes = (math.nan,) * X.npartitions
        else:
            if X.ndim < 2:
                raise ValueError(
                    f"Got X as a dask array of shape {X.shape}, but expected at least two "
                    "dimensions. Reshape X, for example with X[:, None]."
                )
            X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
            self.sizes = X.chunks[0]
        self.X = X
        self.parts = list(
            zip(
                _delayed_chunks(X),
                self._aligned(y, "y"),
                self._aligned(sample_weight, "sample_weight"),
                strict=True,
            )
        )

    def __len__(self):
        return len(self.parts)

    def on_workers(self, client):
        """Return the indices of the chunks of each worker that gets some, in order.

        Persisted chunks stay on their workers. Others are divided so that each worker gets
        neighboring chunks. The workers are in the order of their first chunks.

        Returns
        -------
        indices : dict
            List of indices in ascending order, by the address of the worker.
        """
        addresses = sorted(client.nthreads())
        if any(address.startswith("inproc:") for address in addresses):
            addresses = addresses[:1]  # threads of one process have one process group
            return {addresses[0]: list(range(len(self)))}
        owners = self._owners(client)
        if owners is None:
            parts = np.array_split(np.arange(len(self)), len(addresses))
            pairs = zip(addresses, parts, strict=True)
            return {address: part.tolist() for address, part in pairs if len(part)}
        indices = {}
        for i, address in enumerate(owners):
            indices.setdefault(address, []).append(i)
        return indices

    def _owners(self, client):
        """Return the worker of each chunk of a persisted X; None if a chunk is not persisted."""
        from distributed import futures_of

        futures = {future.key: future for future in futures_of(self.X, client=client)}
        keys = [part[0].key for part in self.parts]
        if not all(key in futures for key in keys):
            return None
        addresses = client.who_has([futures[key] for key in keys])
        owners = [min(addresses.get(key) or addresses.get(str(key)) or [""]) for key in keys]
        if not all(owners):
            return None  # lost, or not computed yet
        return owners

    def _aligned(self, values, name):
        """Return the values of each chunk: delayed objects, arrays, or None."""
        if values is None:
            return [None] * len(self.sizes)
        has_sizes = not any(math.isnan(size) for size in self.sizes)
        if is_dask_array(values) and has_sizes:
            values = values.rechunk({0: self.sizes})
        if is_dask_array(values) or is_dask_frame(values):
            chunks = _delayed_chunks(values)
            if len(chunks) != len(self.sizes):
                raise ValueError(
                    f"Got {name} in {len(chunks)} chunks, but X in {len(self.sizes)} chunks. Pass "
                    "both with equal chunks."
                )
            return chunks
        if not has_sizes:
            raise ValueError(
                f"Got {name} of type {type(values).__name__} with chunks of X of unknown size. "
                "Pass a dask collection with equal chunks, or call X.compute_chunk_sizes() first."
            )
        values = np.asarray(values)
        if values.ndim == 0 or len(values) != sum(self.sizes):
            raise ValueError(
                f"Got {name} of shape {values.shape}, but X has {sum(self.sizes)} samples."
            )
        stops = np.cumsum(self.sizes)
        return [values[stop - size : stop] for stop, size in zip(stops, self.sizes, strict=True)]


def _delayed_chunks(X):
    """Return the chunks of a dask collection along rows as delayed objects."""
    if is_dask_frame(X):
        return X.to_delayed()
    if X.ndim > 1:
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    return X.to_delayed(optimize_graph=False).ravel().tolist()


def _column_names(X):
    """Return the names of the columns of a dask DataFrame, and check that all are numbers."""
    if not hasattr(X, "columns"):
        raise ValueError("Got X as a Series of dask, but expected a DataFrame: X.to_frame().")
    for name, dtype in X.dtypes.items():
        if getattr(dtype, "kind", "O") not in "biuf":
            raise TypeError(
                f"Got the column {name!r} of dtype {dtype} in X, but expected numbers. Encode "
                "categories first, or fit a DenseAutoencoder to X.compute()."
            )
    names = list(X.columns)
    if not all(isinstance(name, str) for name in names):
        return None
    return names


def _common_dtype(X):
    """Return the dtype of NumPy for all columns; float64 for nullable ones, which may have NA."""
    dtypes = [np.dtype(np.float64)]
    if all(isinstance(dtype, np.dtype) for dtype in X.dtypes):
        dtypes = list(X.dtypes)
    return np.result_type(*dtypes)
