"""Row-wise methods on dask collections: lazy, one call of the method for each chunk of rows.

The estimator is pickled once, at the time of the call. Its pickle is one task of the graph, so each
worker loads it once, and a later fit does not change results that are computed afterwards.
"""

import functools
import hashlib
import math
from pickle import loads as load

import numpy as np
import sklearn

from skae._input.units import without_unit_warnings
from skae._sklearn_compat import output_container

__all__ = ["DaskMixin", "is_dask_array", "is_dask_frame"]


def is_dask_array(X):
    """Return whether X is a dask array, without an import of dask."""
    return _is_of_module(type(X), "dask.array")


def is_dask_frame(X):
    """Return whether X is a DataFrame or Series of dask, without an import of dask."""
    return _is_of_module(type(X), "dask.dataframe")


@functools.lru_cache(maxsize=64)
def _is_of_module(cls, module):
    """Return whether a class or a base of it is from a module."""
    return any(f"{base.__module__}.".startswith(f"{module}.") for base in cls.__mro__)


class DaskMixin:
    """Mixin of estimators with row-wise methods, which are lazy on dask collections.

    A class names its methods by ``class C(DaskMixin, ..., row_methods=("transform", ...))``. Each
    takes X, and returns one array, data frame, or tuple of 1D arrays with a row for each sample.
    """

    def __init_subclass__(cls, row_methods=(), **kwargs):
        """Wrap the methods, outside of scikit-learn's wrapper for ``set_output``."""
        super().__init_subclass__(**kwargs)
        for name in row_methods:
            setattr(cls, name, _lazy_on_dask(vars(cls)[name]))

    def _check_rows_are_independent(self):
        """Raise an error if the result of a row depends on the other rows of a call."""


def _lazy_on_dask(method):
    """Return a method that returns a dask collection if X is one."""

    @functools.wraps(method)
    def wrapper(self, X, *args, **kwargs):
        if not is_dask_array(X) and not is_dask_frame(X):
            return method(self, X, *args, **kwargs)
        self._check_rows_are_independent()
        for value in (*args, *kwargs.values()):
            if np.ndim(value) > 0:
                raise ValueError(
                    f"Got an argument with {np.ndim(value)} dimension(s) beside X as a dask "
                    "collection, but expected one value for all samples."
                )
        call = RowCall(self, method.__name__, args, kwargs)
        if is_dask_array(X):
            return _map_array(call, X)
        return _map_frame(call, X)

    return wrapper


class RowCall:
    """Call of a row-wise method on one chunk.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    name : str
        Name of the method.
    args, kwargs : tuple and dict
        Arguments after X.
    """

    def __init__(self, estimator, name, args, kwargs):
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.container = output_container(estimator)
        self.__name__ = f"{type(estimator).__name__}-{name}"  # of the tasks
        self.returns_tuple = False
        self.empty = None
        self._estimator = estimator

    def check(self, sample):
        """Call the method on one made-up row, and keep the result without rows.

        Dtype and width of the results are then known, and errors about the number and the names of
        columns are raised before anything is computed.
        """
        with without_unit_warnings():
            result = self._run(self._estimator, sample)
        if hasattr(result, "columns") and not hasattr(result, "iloc"):
            raise ValueError(
                f"Got X as a dask collection, but {self.name} returns data frames of polars, and "
                "data frames of dask consist of those of pandas. Call "
                "set_output(transform='pandas')."
            )
        self.empty = result[:0]

    def table_columns(self):
        """Return the columns of the table of fit, if it had categories."""
        for estimator in (self._estimator, getattr(self._estimator, "autoencoder_", None)):
            schema = getattr(estimator, "_table", None)
            if getattr(schema, "has_categories", False):
                return schema.columns
        return ()

    def model(self):
        """Return the pickled estimator as a delayed object, which is loaded once."""
        import cloudpickle
        from dask import delayed

        data = cloudpickle.dumps(self._estimator)
        key = f"{type(self._estimator).__name__}-{hashlib.sha256(data).hexdigest()}"
        return delayed(load, pure=True)(data, dask_key_name=key)

    def __getstate__(self):
        """Return the state without the estimator, which is a task of its own."""
        return {**self.__dict__, "_estimator": None}

    def __call__(self, chunk, model, block_id=None):
        """Return the result of the method for a chunk."""
        if len(chunk) == 0:
            return self.empty
        try:
            return self._run(model, chunk)
        except ValueError as error:
            place = "a partition of the dask DataFrame"
            if block_id is not None:
                place = f"chunk {block_id[0]} of the dask array"
            error.add_note(f"Rows are counted from the first row of {place}.")
            raise

    def _run(self, model, chunk):
        """Call the method under the caller's ``set_output``; a tuple becomes columns."""
        with sklearn.config_context(transform_output=self.container):
            result = getattr(model, self.name)(chunk, *self.args, **self.kwargs)
        self.returns_tuple = isinstance(result, tuple)
        if self.returns_tuple:
            return np.column_stack(result)
        return result


def _map_array(call, X):
    """Return the lazy result of a call for the chunks of a dask array along its first axis."""
    import dask.array as da

    if any(math.isnan(n) for n in X.shape[1:]):
        raise ValueError(
            f"Got X as a dask array of shape {X.shape}, but expected a known number of values for "
            "each sample. Call X.compute_chunk_sizes() first."
        )
    call.check(np.zeros((1, *X.shape[1:]), X.dtype))
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    if hasattr(call.empty, "columns"):
        return _frame_of_array(call, X)
    shape = call.empty.shape[1:]
    result = da.map_blocks(
        call,
        X,
        model=call.model(),
        chunks=(X.chunks[0], *((n,) for n in shape)),
        drop_axis=list(range(1, X.ndim)),
        new_axis=list(range(1, 1 + len(shape))),
        dtype=call.empty.dtype,
        meta=call.empty,
    )
    return _split(call, result)


def _frame_of_array(call, X):
    """Return the lazy data frame of a call for a dask array, with the numbers of the rows as index.

    If the sizes of the chunks are not known, the index of each chunk starts at 0.
    """
    import dask.dataframe as dd
    from dask import delayed

    sizes = X.chunks[0]
    starts = [0] * len(sizes)
    divisions = None
    if not any(math.isnan(n) for n in sizes):
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        if min(sizes) > 0:
            divisions = (*starts, sum(sizes) - 1)
    model = call.model()
    table_of_chunk = delayed(_table_of_chunk, pure=True)
    tables = [
        table_of_chunk(call, chunk, model, start)
        for chunk, start in zip(X.to_delayed().ravel(), starts, strict=True)
    ]
    return dd.from_delayed(tables, meta=call.empty, divisions=divisions)


def _table_of_chunk(call, chunk, model, start):
    """Return the data frame of a chunk, with an index from `start`."""
    table = call(chunk, model)
    return table.set_axis(range(start, start + len(table)), axis=0)


def _map_frame(call, X):
    """Return the lazy result of a call for the partitions of a dask DataFrame."""
    call.check(_made_up_row(call, X))
    result = X.map_partitions(call, model=call.model(), meta=call.empty)
    return _split(call, result)


def _made_up_row(call, X):
    """Return one row with the columns and dtypes of a dask DataFrame, and categories of fit."""
    from dask.dataframe.utils import meta_nonempty

    row = meta_nonempty(X._meta).iloc[:1]
    for column in call.table_columns():
        if column.is_category and column.label in row:
            row = row.assign(**{column.label: list(column.categories[:1])})
    return row


def _split(call, result):
    """Return the lazy columns of a result as a tuple, if the method returns one."""
    if not call.returns_tuple:
        return result
    return tuple(result[:, i] for i in range(result.shape[1]))
