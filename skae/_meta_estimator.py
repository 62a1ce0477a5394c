"""Base of meta-estimators: the wrapped autoencoder, its default, and seeded clones."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.metaestimators import available_if

from skae._input.array_likes import as_plain
from skae._input.streaming import stream_if_large
from skae._input.tables import missing_cells
from skae._sklearn_compat import visual_block
from skae._training.agreement import agree_on_parameters
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder

__all__ = ["WrappedAutoencoderMixin", "seeded_clone"]


def _has_fitted_autoencoder(estimator):
    """Return whether a meta-estimator is fitted."""
    return hasattr(estimator, "autoencoder_")


class WrappedAutoencoderMixin:
    """Mixin for meta-estimators with a parameter `autoencoder` that may be None."""

    autoencoder_: BaseEstimator
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    @available_if(_has_fitted_autoencoder)
    def _sk_visual_block_(self):
        """Return the HTML block of the fitted autoencoder, as scikit-learn's searches do."""
        return visual_block("autoencoder_", self.autoencoder_)

    def _default_autoencoder(self, X, n_components="auto", **parameters):
        """Return the default autoencoder: convolutional if X has over two dimensions, else dense.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images.
        n_components : int, float or "auto", default="auto"
            Parameter of the autoencoder.
        **parameters : object
            Further parameters of the autoencoder.

        Returns
        -------
        autoencoder : ConvAutoencoder or DenseAutoencoder
            Unfitted.
        """
        if getattr(stream_if_large(X), "ndim", 2) > 2:
            return ConvAutoencoder(n_components, **parameters)
        return DenseAutoencoder(n_components, **parameters)

    def _clone_autoencoder(self, X, seed):
        """Return an unfitted, seeded clone of the autoencoder, or of the default for X."""
        agree_on_parameters(self, seed)
        autoencoder = self.autoencoder
        if autoencoder is None:
            autoencoder = self._default_autoencoder(X)
        return seeded_clone(autoencoder, seed)

    def _fit_autoencoder(self, X, seed):
        """Fit a clone of the autoencoder, and copy its number and names of features."""
        X = as_plain(X)
        unfitted = self._clone_autoencoder(X, seed)
        if self.autoencoder is None and _has_missing_values(X):
            unfitted.set_params(allow_nan=True)
        self.autoencoder_ = unfitted.fit(X, None)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.autoencoder_, name):
                setattr(self, name, getattr(self.autoencoder_, name))


def _has_missing_values(X):
    """Return whether X in memory contains NaN or other missing values. Lazy arrays are not read."""
    X = stream_if_large(X)
    if hasattr(X, "isna") or hasattr(X, "get_columns"):  # pandas and polars
        return bool(missing_cells(X).any())
    if isinstance(X, torch.Tensor):
        return bool(X.isnan().any())
    return isinstance(X, np.ndarray) and X.dtype.kind == "f" and bool(np.isnan(X).any())


def seeded_clone(estimator, seed):
    """Clone an estimator and set each ``random_state`` of None, including nested ones.

    NumPy's global generator is then unused.

    Parameters
    ----------
    estimator : estimator
        A ``FrozenEstimator`` is returned unchanged.
    seed : int
        Seed of all parameters named `random_state` with the value None.

    Returns
    -------
    cloned : estimator
        Unfitted, except for a ``FrozenEstimator``.

    Raises
    ------
    ValueError
        If the estimator requires y in fit.
    """
    cloned = clone(estimator)
    if cloned is estimator:
        return cloned
    if hasattr(cloned, "__sklearn_tags__") and cloned.__sklearn_tags__().target_tags.required:
        raise ValueError(
            f"Got {cloned!r}, which needs y, but expected an estimator that is fitted without y. "
            "Fit it with y first, and pass FrozenEstimator(fitted)."
        )
    seeds = {}
    for name, value in cloned.get_params().items():
        if name.split("__")[-1] == "random_state" and value is None:
            seeds[name] = seed
    return cloned.set_params(**seeds)
