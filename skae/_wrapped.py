"""What all that wrap an autoencoder do with it: which one it is, where its randomness comes from, and whether it will do."""

import numpy as np
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from skae import _validation as check
from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder
from skae._layout import as_array

__all__ = ["ShownMixin", "as_plain", "check_methods", "default_autoencoder", "seeded_clone"]


class ShownMixin:
    """Shows the fitted autoencoder in the HTML of what wraps it, as scikit-learn's searches show their best estimator."""

    @available_if(lambda self: hasattr(self, "autoencoder_"))
    def _sk_visual_block_(self):
        """Say what scikit-learn is to draw inside."""
        return check.visual_block("autoencoder_", self.autoencoder_)


def default_autoencoder(X, n_components="auto", **parameters):
    """Give the autoencoder of who names none: of images for X of more than two dimensions, else of tables."""
    kind = ConvAutoencoder if getattr(as_array(X), "ndim", 2) > 2 else DenseAutoencoder
    return kind(n_components, **parameters)


def as_plain(found, dtype=None):
    """Give what may be a tensor or a table as an array, in its own dtype, if NumPy has it, or another."""
    if hasattr(found, "detach"):
        found = found.detach().cpu()
        found = found.float() if str(found.dtype) == "torch.bfloat16" else found  # which NumPy doesn't have
    return np.asarray(found, dtype=dtype)


def check_methods(name, estimator, methods):
    """Raise an error that names the methods that a parameter should have; None stands for a default.

    Parameters
    ----------
    name : str
        Of the parameter.
    estimator : estimator or None
        Its value.
    methods : list of str
        At least two.
    """
    missing = estimator is not None and not all(hasattr(estimator, one) for one in methods)
    if missing or isinstance(estimator, type):
        listed = f"{', '.join(methods[:-1])} and {methods[-1]}"
        raise TypeError(f"Got {name}={estimator!r}, but expected an estimator with {listed}.")


def seeded_clone(estimator, seed):
    """Clone, and give a seed to what has a random_state of None, so that nothing draws from NumPy's global generator.

    Parameters
    ----------
    estimator : estimator
        One in a ``FrozenEstimator`` is its own clone, and stays as it is.
    seed : int
        Where all randomness comes from.

    Returns
    -------
    own : estimator
        Not fitted, unless it is frozen.

    Raises
    ------
    ValueError
        If it has to be fitted, and that needs a y.
    """
    own = clone(estimator)
    if own is not estimator:
        if hasattr(own, "__sklearn_tags__") and own.__sklearn_tags__().target_tags.required:
            raise ValueError(
                f"Got {own!r}, which needs y, but expected what is fitted on X alone. Fit it with y first, and pass "
                "FrozenEstimator(fitted)."
            )
        states = {name: state for name, state in own.get_params().items() if name.split("__")[-1] == "random_state"}
        own.set_params(**{name: seed for name, state in states.items() if state is None})
    return own
