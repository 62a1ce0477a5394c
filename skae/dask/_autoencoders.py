"""Autoencoders that are fitted on a dask cluster."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from skae._input.dask_rows import is_dask_array, is_dask_frame
from skae._input.tables import plain_table
from skae._sklearn_compat import HasMethods, Interval
from skae._training.fitted import FitResult
from skae._typing import Auto
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder
from skae.dask._chunks import RowChunks
from skae.dask._fit import fit_on_cluster

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["DaskConvAutoencoder", "DaskDenseAutoencoder"]


class ClusterMixin(BaseEstimator):
    """Mixin of an autoencoder that is fitted on a dask cluster."""

    client: "Client | None"
    retries: int
    _local_class: type

    _cluster_constraints = {
        "client": [HasMethods(["submit", "nthreads"]), None],
        "retries": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | float | Auto = "auto",
        *,
        client: "Client | None" = None,
        retries: int = 0,
        **parameters: Any,
    ) -> None:
        super().__init__(n_components, **parameters)
        self.client = client
        self.retries = retries

    @classmethod
    def _get_param_names(cls):
        """Return the names of all parameters, of which `__init__` lists the own ones."""
        return sorted([*cls._local_class._get_param_names(), *cls._cluster_constraints])

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, X_val: Any = None) -> Self:
        """Fit the autoencoder on the workers of the cluster.

        Parameters
        ----------
        X : dask array or dask DataFrame
            Chunked along rows; other axes are rechunked. A DataFrame has numbers only. A persisted
            X is used where it lies. Otherwise each worker computes neighboring chunks, and the
            result does not depend on the cluster, up to rounding.
        y : dask collection or array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Targets, as in the fit of the local autoencoder, in chunks as those of X. An array
            requires known chunk sizes.
        sample_weight : dask collection or array-like of shape (n_samples,), default=None
            Sample weights, as y.
        X_val : dask collection or array-like, default=None
            Validation set. It is sent to all workers.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        TypeError
            If X is no dask collection.
        skae.distributed.Lost
            If a worker ended, and no retries are left.
        """
        self._validate_params()
        if not is_dask_array(X) and not is_dask_frame(X):
            raise TypeError(
                f"Got X of type {type(X).__name__}, but expected a dask array or DataFrame. Use "
                f"{self._local_class.__name__} for data in this process."
            )
        chunks = RowChunks(X, y, sample_weight)
        if is_dask_array(X_val) or is_dask_frame(X_val):
            X_val = X_val.compute()
        if hasattr(X_val, "columns"):
            _check_names(X_val.columns, chunks.names, "X_val")
            X_val = np.asarray(plain_table(X_val, "X_val"))
        local = self._unfitted_local()
        if self.warm_start and hasattr(self, "net_"):
            local = self.to_local()
            _check_names(chunks.names, local.__dict__.pop("feature_names_in_", None), "X")
        fitted = fit_on_cluster(local, chunks, X_val, client=self.client, retries=self.retries)
        parameters = fitted.get_params(deep=False)
        state = {name: value for name, value in vars(fitted).items() if name not in parameters}
        self.__dict__.pop("feature_names_in_", None)
        if chunks.names is not None:
            state["feature_names_in_"] = np.array(chunks.names, dtype=object)
        FitResult(state).install(self)
        return self

    def to_local(self) -> DenseAutoencoder | ConvAutoencoder:
        """Return the same autoencoder without the cluster.

        Returns
        -------
        autoencoder : DenseAutoencoder or ConvAutoencoder
            Fitted if this autoencoder is. It shares the network.
        """
        local = self._unfitted_local()
        parameters = self.get_params(deep=False)
        state = {name: value for name, value in vars(self).items() if name not in parameters}
        local.__dict__.update(state)
        return local

    def _unfitted_local(self):
        """Return an autoencoder of the local class with the same parameters."""
        parameters = self.get_params(deep=False)
        for name in self._cluster_constraints:
            parameters.pop(name)
        return self._local_class(**parameters)

    def __sklearn_clone__(self):
        """Return an unfitted copy with the same client, which can't be copied."""
        local = clone(self._unfitted_local())
        parameters = local.get_params(deep=False)
        return type(self)(client=self.client, retries=self.retries, **parameters)

    def __getstate__(self):
        """Return the state to pickle, without the client."""
        return {**super().__getstate__(), "client": None}


def _check_names(names, expected, name):
    """Raise an error if names of columns, which may be None, are others than expected."""
    if names is None or expected is None or list(names) == list(expected):
        return
    raise ValueError(
        f"Got {name} with the columns {list(names)}, but expected {list(expected)} in this order."
    )


class DaskDenseAutoencoder(ClusterMixin, DenseAutoencoder):
    """Autoencoder for tables that is trained on a dask cluster.

    Each worker trains on the chunks of X that lie on it. The result is that of `DenseAutoencoder`,
    up to rounding. The methods of `DenseAutoencoder` return lazy dask collections for dask
    collections.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Number of latent dimensions, as in `DenseAutoencoder`.
    client : distributed.Client, default=None
        Client of the cluster. None: the client that was created last.
    retries : int, default=0
        Number of times that the fit begins again after it has lost a worker. With `checkpoint_dir`
        on a disk that all workers share, it continues from the last checkpoint.
    **parameters : object
        Parameters of `DenseAutoencoder`.

    See Also
    --------
    DenseAutoencoder : The same in one process. It has the descriptions of all parameters,
        attributes and methods.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skae.dask import DaskDenseAutoencoder
    >>> client = Client("tcp://scheduler:8786")  # doctest: +SKIP
    >>> X = da.random.normal(size=(100_000, 20), chunks=(10_000, 20))
    >>> autoencoder = DaskDenseAutoencoder(8, random_state=0).fit(X)  # doctest: +SKIP
    >>> codes = autoencoder.transform(X)  # doctest: +SKIP
    >>> local = autoencoder.to_local()  # doctest: +SKIP
    """

    _local_class = DenseAutoencoder
    _parameter_constraints = {
        **DenseAutoencoder._parameter_constraints,
        **ClusterMixin._cluster_constraints,
    }


class DaskConvAutoencoder(ClusterMixin, ConvAutoencoder):
    """Convolutional autoencoder for images and signals that is trained on a dask cluster.

    Each worker trains on the chunks of X that lie on it. The result is that of `ConvAutoencoder`,
    up to rounding. The methods of `ConvAutoencoder` return lazy dask collections for dask
    collections.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Number of latent dimensions, as in `ConvAutoencoder`.
    client : distributed.Client, default=None
        Client of the cluster. None: the client that was created last.
    retries : int, default=0
        Number of times that the fit begins again after it has lost a worker. With `checkpoint_dir`
        on a disk that all workers share, it continues from the last checkpoint.
    **parameters : object
        Parameters of `ConvAutoencoder`.

    See Also
    --------
    ConvAutoencoder : The same in one process. It has the descriptions of all parameters,
        attributes and methods.

    Examples
    --------
    >>> import dask.array as da
    >>> from skae.dask import DaskConvAutoencoder
    >>> images = da.random.random((10_000, 28, 28), chunks=(1000, 28, 28))
    >>> autoencoder = DaskConvAutoencoder(32, random_state=0).fit(images)  # doctest: +SKIP
    """

    _local_class = ConvAutoencoder
    _parameter_constraints = {
        **ConvAutoencoder._parameter_constraints,
        **ClusterMixin._cluster_constraints,
    }
