"""Layouts of samples of any shape: their shape in X, and as the modules of the user get them."""

import math
from dataclasses import dataclass
from numbers import Integral

from skae._warnings import warn_user

__all__ = ["SampleLayout", "infer_sample_layout"]

COLOR_CHANNELS = (1, 3, 4)
"""Numbers of channels of gray, RGB and RGBA images."""


@dataclass(frozen=True)
class SampleLayout:
    """The shape of one sample in X of fit, and as the modules get it.

    Attributes
    ----------
    sample_shape : tuple of int
        Shape of one sample in X of fit.
    axis : int or None
        Axis of `sample_shape` that becomes the first axis of the modules' input; None if the axes
        keep their order.
    module_shape : tuple of int
        Shape of one sample as the modules get it.
    """

    sample_shape: tuple
    axis: int | None
    module_shape: tuple

    @property
    def flat(self):
        """Whether X of fit was rows."""
        return len(self.sample_shape) == 1

    @property
    def channel_axis(self):
        """Axis of the channels in X, counted with the sample axis; None without such an axis."""
        if self.axis is None:
            return None
        if self.axis == len(self.sample_shape) - 1:
            return -1
        return self.axis + 1

    @property
    def n_features(self):
        """Number of values of one sample."""
        return math.prod(self.sample_shape)

    def flatten(self, X):
        """Flatten samples to rows; return rows, tables and other objects unchanged.

        Parameters
        ----------
        X : ndarray, torch.Tensor, DataFrame or StreamedRows
            Samples in the shape of fit or of the modules' input, or flat rows.

        Returns
        -------
        X : ndarray or torch.Tensor of shape (n_samples, n_features), or same as `X`
            A view if the memory layout permits.
        """
        shape = _shape(X)
        if len(shape) <= 2:
            return X
        accepted = [self.sample_shape]
        if self.flat:
            accepted.append(self.module_shape)
        if shape[1:] not in accepted:
            hint = ""
            if shape in accepted:
                hint = " Pass X[None] for a single sample."
            raise ValueError(
                f"Got X of shape {shape}, but expected samples of shape {accepted[-1]} as in fit, "
                f"or flat rows of {self.n_features} values.{hint}"
            )
        return X.reshape(len(X), self.n_features)

    def unflatten(self, rows, shape=None):
        """Reshape rows to the layout of fit, or to the shape of another X."""
        if shape is None:
            shape = (len(rows), *self.sample_shape)
        return rows.reshape(shape)


def _shape(X):
    """Return the shape of an array, tensor or table, or an empty tuple."""
    return tuple(getattr(X, "shape", ()))


def infer_sample_layout(X, sample_shape, channel_axis):
    """Infer the layout of samples from X and the parameters of the estimator.

    Parameters
    ----------
    X : ndarray, torch.Tensor, DataFrame or StreamedRows
        X in fit, as returned by `stream_if_large`.
    sample_shape : tuple of int or "auto"
        Shape of one sample as the modules get it. "auto": that of X, with channels first.
    channel_axis : int, None or "auto"
        Axis of X that becomes axis 1. None: the axes keep their order. "auto": None, except for X
        of four dimensions, whose channels are the axis of 1, 3 or 4 values, or the last one.

    Returns
    -------
    layout : SampleLayout
        Layout of one sample.
    """
    shape = _shape(X)[1:]
    if 0 in shape and len(shape) > 1:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={_shape(X)}) while a minimum of 1 is required."
        )
    if len(shape) == 0:
        shape = (1,)
    given = None
    if not isinstance(sample_shape, str):
        given = _check_sample_shape(sample_shape)
    axis = _resolve_axis(shape, channel_axis, given)
    moved = shape
    if axis is not None:
        moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    if given is None:
        given = moved
    if math.prod(given) != math.prod(shape):
        raise ValueError(
            f"Got sample_shape={sample_shape!r}, which has {math.prod(given)} values, but one "
            f"sample of X, of shape {shape}, has {math.prod(shape)}. Set sample_shape to the shape "
            "of one sample."
        )
    return SampleLayout(shape, axis, given)


def _resolve_axis(shape, channel_axis, given):
    """Return the axis of the channels in one sample, or None."""
    if channel_axis is None:
        return None
    if isinstance(channel_axis, str):
        if len(shape) != 3 or given == shape:
            return None
        if shape[0] in COLOR_CHANNELS and shape[2] not in COLOR_CHANNELS:
            return 0
        return 2
    n_axes = len(shape) + 1
    if len(shape) == 1:
        warn_user(
            f"Got channel_axis={channel_axis} with X of rows, which has no axis of channels: "
            "channel_axis has no effect. Set sample_shape, or channel_axis='auto'."
        )
        return None
    if channel_axis % n_axes == 0 or not -n_axes < channel_axis < n_axes:
        raise ValueError(
            f"Got channel_axis={channel_axis} with X of {n_axes} dimensions, but expected an axis "
            f"from 1 to {n_axes - 1}, or from {1 - n_axes} to -1. Axis 0 is that of the samples."
        )
    return channel_axis % n_axes - 1


def _check_sample_shape(sample_shape):
    """Validate the parameter `sample_shape`, and return a tuple of int."""
    try:
        shape = tuple(sample_shape)
    except TypeError:
        shape = ()
    if not shape or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        raise ValueError(
            f"Got sample_shape={sample_shape!r}, but expected 'auto', or a tuple of int >= 1, such "
            "as (1, 28, 28)."
        )
    return tuple(int(n) for n in shape)
