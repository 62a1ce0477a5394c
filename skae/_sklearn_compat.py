"""Private parts of scikit-learn, imported only in this module."""

from collections.abc import Callable

import torch
from sklearn.base import _fit_context
from sklearn.utils._array_api import get_namespace_and_device, move_to
from sklearn.utils._param_validation import HasMethods, Interval, Options, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

from skae._typing import Function

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "RealNotInt",
    "StrOptions",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
    "get_namespace_and_device",
    "move_to",
    "output_container",
    "visual_block",
    "wants_tensor",
]


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Function], Function]:
    """Return scikit-learn's decorator for fit methods, with a type that preserves signatures.

    The decorator validates parameters before a fit and removes callbacks after the fit.
    """
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def wants_tensor(estimator, X):
    """Return whether output is a tensor: X is a tensor and ``set_output`` is at its default."""
    return isinstance(X, torch.Tensor) and output_container(estimator) == "default"


def output_container(estimator):
    """Return the container that ``set_output`` selected: "default", "pandas" or "polars"."""
    return _get_output_config("transform", estimator)["dense"]


def visual_block(name, estimator):
    """Return scikit-learn's diagram of an estimator nested in a meta-estimator.

    If this function raises an error, scikit-learn shows the outer estimator alone.
    """
    # imported here because only diagrams depend on this private module
    from sklearn.utils._repr_html.estimator import _VisualBlock

    return _VisualBlock(
        "parallel",
        [estimator],
        names=[f"{name}: {type(estimator).__name__}"],
        name_details=[str(estimator)],
    )
