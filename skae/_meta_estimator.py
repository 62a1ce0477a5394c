"""Base functions of meta-estimators: default autoencoder, method checks, and seeded clones."""

from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from skae._input.dtypes import as_array
from skae._sklearn_compat import visual_block
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder

__all__ = ["VisualBlockMixin", "check_methods", "default_autoencoder", "seeded_clone"]


def _has_fitted_autoencoder(estimator):
    """Return whether a meta-estimator is fitted."""
    return hasattr(estimator, "autoencoder_")


class VisualBlockMixin:
    """Mixin that displays the fitted autoencoder inside the HTML of a meta-estimator.

    scikit-learn's searches display their best estimator in the same way.
    """

    @available_if(_has_fitted_autoencoder)
    def _sk_visual_block_(self):
        """Return the HTML block of the fitted autoencoder."""
        return visual_block("autoencoder_", self.autoencoder_)


def default_autoencoder(X, n_components="auto", **parameters):
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
    if getattr(as_array(X), "ndim", 2) > 2:
        return ConvAutoencoder(n_components, **parameters)
    return DenseAutoencoder(n_components, **parameters)


def check_methods(name, estimator, methods):
    """Raise an error if an estimator is a class or lacks a method.

    Parameters
    ----------
    name : str
        Name of the parameter.
    estimator : estimator or None
        Value of the parameter. None is valid and selects the default.
    methods : list of str
        Required methods, at least two.

    Raises
    ------
    TypeError
        If the estimator is not an instance with all methods.
    """
    if estimator is None:
        return
    has_methods = all(hasattr(estimator, method) for method in methods)
    if isinstance(estimator, type) or not has_methods:
        listed = f"{', '.join(methods[:-1])} and {methods[-1]}"
        raise TypeError(f"Got {name}={estimator!r}, but expected an estimator with {listed}.")


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
    cloned.set_params(**seeds)
    return cloned
