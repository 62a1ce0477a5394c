"""Parameters of the architecture: checks of hidden units, filters and kernels."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from torch import nn

from skae._input.validation import check_sizes
from skae._sklearn_compat import Interval, StrOptions
from skae.networks.layers import ACTIVATIONS

__all__ = [
    "CONV_CONSTRAINTS",
    "MAX_KERNEL",
    "MAX_STAGES",
    "UNIT_CONSTRAINTS",
    "check_architecture",
    "conv_options",
    "dense_sizes",
]

AUTO = StrOptions({"auto"})

AUTO_FILTERS = 16
"""Number of channels of the first convolution for ``n_filters="auto"``."""

MAX_STAGES = 100
"""Maximum number of convolutions of the encoder."""

MAX_KERNEL = 99
"""Maximum side of a kernel."""

SHAPE_OF_UNITS, SHAPE_OF_MAPS = (2, 12), (2, 3, 4, 5)
"""Shapes of the tensors that an activation is checked with: two samples."""

UNIT_CONSTRAINTS = {
    "activation": [StrOptions(set(ACTIVATIONS)), callable],
    "normalization": [StrOptions({"layer"}), None],
    "dropout": [Interval(Real, 0, 1, closed="left")],
}
"""Constraints of the parameters of hidden units."""

CONV_CONSTRAINTS = {
    "n_filters": [Interval(Integral, 1, None, closed="left"), "array-like", AUTO],
    "n_stages": [Interval(Integral, 1, MAX_STAGES, closed="both"), AUTO],
    "kernel_size": [Interval(Integral, 1, MAX_KERNEL, closed="both"), AUTO],
}
"""Constraints of the parameters of convolutions."""


def check_architecture(estimator):
    """Raise an error if the activation, the filters or the kernels of an estimator are invalid."""
    if not isinstance(estimator.activation, str):
        shapes = [SHAPE_OF_UNITS]
        if estimator._takes_images:
            shapes.append(SHAPE_OF_MAPS)
        _check_activation(estimator.activation, shapes)
    kernel_size = getattr(estimator, "kernel_size", "auto")
    if kernel_size != "auto" and kernel_size % 2 == 0:
        raise ValueError(
            f"Got kernel_size={kernel_size}, but expected an odd number: kernels have a center."
        )


def _check_activation(activation, shapes):
    """Raise an error if a class is no activation."""
    if isinstance(activation, nn.Module):
        name = type(activation).__name__
        raise TypeError(
            f"Got activation={activation!r}, which is an object. Pass the class, "
            f"activation={name}: each layer has a module of its own."
        )
    if not (isinstance(activation, type) and issubclass(activation, nn.Module)):
        raise TypeError(
            f"Got activation={activation!r}, but expected one of {sorted(ACTIVATIONS)}, or a class "
            "of modules such as torch.nn.LeakyReLU."
        )
    name = activation.__name__
    # the random state of the caller stays
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            module = activation()
        except TypeError as error:
            raise ValueError(
                f"Got activation={name}, but expected a class without required arguments: {error}. "
                "Define a subclass that sets them."
            ) from error
        for shape in shapes:
            _check_results(module, shape)


def _check_results(module, shape):
    """Raise an error if a module changes the shape of its input, or draws random numbers."""
    name = type(module).__name__
    x = torch.linspace(-2, 2, math.prod(shape)).reshape(shape)
    try:
        results = [module(x), module(x)]
    except (IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"Got activation={name}, which fails for a tensor of shape {shape}: {error}"
        ) from error
    found = getattr(results[0], "shape", None)
    if found != x.shape:
        raise ValueError(
            f"Got activation={name}, which returns a result of shape {found} for {shape}, but "
            "expected the same shape."
        )
    if not torch.equal(*results):
        raise ValueError(
            f"Got activation={name}, which returns other results in a second call, but expected a "
            "deterministic function. Use the parameter dropout for dropout."
        )


def dense_sizes(estimator):
    """Return the widths of hidden layers that the user set, as options of a network."""
    options = {}
    if not isinstance(estimator.hidden_layer_sizes, str):
        sizes = check_sizes(estimator.hidden_layer_sizes, "hidden_layer_sizes")
        options = {"encoder_sizes": sizes, "decoder_sizes": sizes[::-1]}
    if not isinstance(estimator.decoder_hidden_layer_sizes, str):
        sizes = check_sizes(estimator.decoder_hidden_layer_sizes, "decoder_hidden_layer_sizes")
        options["decoder_sizes"] = sizes
    return options


def conv_options(estimator):
    """Return filters, stages and kernels as options of a network."""
    n_filters, n_stages = estimator.n_filters, estimator.n_stages
    if isinstance(n_filters, str):
        n_filters = AUTO_FILTERS
    elif np.ndim(n_filters) > 0:
        n_filters = check_sizes(n_filters, "n_filters")
        if not 1 <= len(n_filters) <= MAX_STAGES or n_stages not in ("auto", len(n_filters)):
            raise ValueError(
                f"Got n_filters={estimator.n_filters!r} with n_stages={n_stages!r}, but expected "
                f"one number for each stage, and 1 to {MAX_STAGES} stages. Set n_stages='auto'."
            )
    else:
        n_filters = int(n_filters)
    return {
        "n_filters": n_filters,
        "n_stages": _number_or_none(n_stages),
        "kernel_size": _number_or_none(estimator.kernel_size),
    }


def _number_or_none(value):
    """Return an int, or None for "auto"."""
    if isinstance(value, str):
        return None
    return int(value)
