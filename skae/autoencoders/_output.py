"""Outputs of autoencoders: dtype, array or tensor, data frame, and layout of images."""

import torch

from skae._input.array_api import like_array, returns_own_arrays
from skae._input.table_output import build_table, table_of_numbers
from skae._input.table_schema import EncodedTable, TableSchema
from skae._input.units import computing_dtype, output_dtype
from skae._sklearn_compat import output_container, wants_tensor

__all__ = ["OutputMixin"]


class OutputMixin:
    """Mixin of autoencoders that converts results of the network to results of methods."""

    _table: TableSchema | None = None

    def _reconstruction_dtypes(self):
        """Return the dtypes in which reconstructions are returned, and computed."""
        spec = self._spec
        dtype = output_dtype(self.output_dtype, spec.dtype, spec.result_dtype)
        return dtype, computing_dtype(dtype, spec.result_dtype)

    def _to_array(self, result, X, *, always=False):
        """Return a tensor if X is one, an array of the library of X, or a NumPy array."""
        if returns_own_arrays(X) and not always and output_container(self) == "default":
            return like_array(result, X)
        wanted = isinstance(X, torch.Tensor) if always else wants_tensor(self, X)
        if wanted:
            return result
        return result.cpu().numpy()

    def _to_output_layout(self, rows, X, shape):
        """Return reconstructions (n_samples, d) in container, dtypes and layout; `X` is the input.

        `shape` is the shape of X, or None for latent vectors.
        """
        if isinstance(X, EncodedTable):
            return rows.cpu().numpy()
        table = _to_table(self, rows, getattr(X, "index", None))
        if table is not None:
            return table
        result = self._restore_layout(self._to_array(rows, X, always=True), shape)
        if returns_own_arrays(X):
            return like_array(result, X)
        return result

    @property
    def _has_categories(self):
        """Whether the X of fit was a table with categories."""
        return self._table is not None and self._table.has_categories

    @property
    def _has_image_layout(self):
        """Whether samples have more than one dimension, so that they are never a data frame."""
        return False

    def _restore_layout(self, rows, shape):
        """Return reconstructions in the layout of fit, or in `shape`; tables stay as they are."""
        return rows


def _to_table(estimator, rows, index=None):
    """Return reconstructions as a table, if the fit or ``set_output`` calls for one.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    rows : torch.Tensor of shape (n_samples, d)
        Reconstructions, encoded if the table of fit has categories.
    index : object, default=None
        Index of the rows in pandas; objects without `names` are not an index.

    Returns
    -------
    table : DataFrame, ndarray or None
        None if the result is an array of numbers, a tensor or images.
    """
    schema = estimator._table
    container = output_container(estimator)
    if not hasattr(index, "names"):
        index = None
    if estimator._has_categories:
        if container == "default":
            container = schema.package
        return build_table(schema, schema.decode(rows.cpu().numpy()), container, index)
    if container == "default" or estimator._has_image_layout:
        return None
    values = rows.cpu().numpy()
    if schema is not None and schema.package:
        return build_table(schema, list(values.T), container, index)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(values.shape[1])]
    return table_of_numbers(values, names, container, index)
