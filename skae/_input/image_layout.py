"""Layouts of images and signals: their shape in X, and conversion from and to flat rows."""

import math
from dataclasses import dataclass

import numpy as np

from skae._warnings import warn_user

__all__ = ["ImageLayout", "has_signals", "infer_layout", "warn_if_one_image"]

MIN_SIGNAL_RATIO = 4
"""Least ratio of height and width for which X is warned of as possible signals with channels."""

MIN_COLOR_SIDE = 16
"""Smallest side, in pixels, for which data is warned of as possible color images."""


@dataclass(frozen=True)
class ImageLayout:
    """The shape of one image in X, and whether X in fit was images or flat rows.

    Attributes
    ----------
    image_shape : tuple of int
        ``(H, W)``, ``(H, W, C)``, or ``(C, H, W)`` if the channels come first.
    channels_first : bool
        Whether the first of three dimensions is the channels.
    flat : bool
        Whether X in fit was flat rows, so that ``inverse_transform`` returns flat rows.
    signals : bool, default=False
        Whether X holds signals, (n, time, channels) or (n, channels, time). Their image shape is
        (1, time, channels) or (channels, 1, time).
    """

    image_shape: tuple
    channels_first: bool
    flat: bool
    signals: bool = False

    @property
    def size(self):
        """Channels, height and width."""
        return self._size_of(self.image_shape)

    def _size_of(self, shape):
        """Return channels, height and width of images of a shape in this layout."""
        if len(shape) == 2 and self.signals:
            shape = _signal_shape(shape, self.channels_first)
        if len(shape) == 2:
            return (1, *shape)
        if self.channels_first:
            return shape
        return (*shape[2:], *shape[:2])

    @property
    def sample_shape(self):
        """Shape of one sample in X of fit, unless X was flat rows."""
        if not self.signals:
            return self.image_shape
        return tuple(n for axis, n in enumerate(self.image_shape) if axis != self._height_axis)

    @property
    def _height_axis(self):
        """Axis of the height, which is 1 for signals."""
        if self.channels_first and len(self.image_shape) == 3:
            return 1
        return 0

    @property
    def channel_axis(self):
        """Axis of the channels in X, counted with the sample axis; None without such an axis."""
        if len(self.image_shape) == 2:
            return None
        if self.channels_first:
            return 1
        return -1

    @property
    def n_features(self):
        """Number of values of one image."""
        return math.prod(self.image_shape)

    @property
    def channel_of_feature(self):
        """Index of the channel of each value of a flat image, shape (n_features,)."""
        channels = np.broadcast_to(np.arange(self.size[0])[:, None, None], self.size)
        if not self.channels_first:
            channels = np.moveaxis(channels, 0, -1)
        return channels.ravel()

    def flatten(self, X):
        """Flatten images to rows; return flat rows, tables and other objects unchanged.

        Parameters
        ----------
        X : ndarray, torch.Tensor, DataFrame or StreamedRows
            Images of shape `image_shape`, or flat rows.

        Returns
        -------
        X : ndarray or torch.Tensor of shape (n_samples, n_features), or same as `X`
            A view if the memory layout permits.
        """
        shape = _shape(X)
        has_fit_shape = self._size_of(shape[1:]) == self.size
        kind = "image"
        if self.signals:
            kind = "signal"
        if shape == self.sample_shape and shape[-1] != self.n_features and not has_fit_shape:
            raise ValueError(
                f"Got X of shape {shape}, which is one {kind}, but expected several {kind}s. Pass "
                f"X[None] for a single {kind}."
            )
        if len(shape) <= 2:
            return X
        if not has_fit_shape:
            raise ValueError(
                f"Got X of shape {shape}, but expected {kind}s of shape {self.sample_shape} as in "
                f"fit, or flat rows of {self.n_features} values."
            )
        return X.reshape(len(X), self.n_features)

    def unflatten(self, rows, shape=None):
        """Reshape rows to the layout of fit, or to the shape of another X.

        Parameters
        ----------
        rows : ndarray or torch.Tensor of shape (n_samples, n_features)
            Reconstructions.
        shape : tuple of int, default=None
            Shape of the result. None uses the layout of fit.

        Returns
        -------
        X : ndarray or torch.Tensor
            The same values as images or flat rows.
        """
        if shape is None:
            shape = rows.shape
            if not self.flat:
                shape = (len(rows), *self.sample_shape)
        return rows.reshape(shape)


def _signal_shape(shape, channels_first):
    """Return the shape of a signal as an image of height 1."""
    if channels_first:
        return (shape[0], 1, shape[1])
    return (1, *shape)


def _shape(X):
    """Return the shape of an array, tensor or table, or an empty tuple."""
    return tuple(getattr(X, "shape", ()))


def has_signals(signals):
    """Return whether a valid parameter `signals`, a bool or "auto", is True."""
    return not isinstance(signals, str) and bool(signals)


def infer_layout(X, image_shape, channel_axis, signals="auto"):
    """Infer the layout of images or signals from X and the parameters of the estimator.

    Parameters
    ----------
    X : ndarray, torch.Tensor, DataFrame or StreamedRows
        X in fit, as returned by `stream_if_large`.
    image_shape : tuple of int or "auto"
        Parameter of the estimator.
    channel_axis : int
        Parameter of the estimator: -1 or 3 for channels last, 1 or -3 for channels first, counted
        with the sample axis.
    signals : bool or "auto", default="auto"
        Parameter of the estimator. "auto": X of three dimensions holds images, and a warning is
        issued if it may hold signals.

    Returns
    -------
    layout : ImageLayout
        Layout of one image or signal.
    """
    shape = _shape(X)
    channels_first = channel_axis in (1, -3)
    if len(shape) > 4:
        raise ValueError(
            f"Got X of shape {shape}, but expected flat rows (n, d), grayscale images (n, H, W) or "
            "images with channels (n, H, W, C)."
        )
    if not isinstance(signals, str):
        signals = bool(signals)
    if signals is True:
        layout = _layout_of_signals(X, shape, image_shape, channels_first)
    elif not isinstance(image_shape, str):
        layout = _given_layout(X, shape, image_shape, channels_first)
    elif len(shape) > 2:
        layout = _layout_of_images(X, shape, channels_first, signals)
    else:
        layout = _layout_of_flat_rows(shape, signals)
    if channels_first and layout.channel_axis is None:
        warn_user(
            f"Got channel_axis={channel_axis} with X of shape {shape}, which has no axis of "
            "channels: channel_axis has no effect. Pass X of shape (n, C, H, W), or set image_shape"
            " to (C, H, W)."
        )
    return layout


def _layout_of_signals(X, shape, image_shape, channels_first):
    """Return the layout of signals: (n, time), or (n, time, channels) in either order of axes."""
    if not isinstance(image_shape, str):
        layout = _given_layout(X, shape, image_shape, channels_first)
        if layout.size[1] != 1:
            raise ValueError(
                f"Got signals=True with image_shape={image_shape!r}, but expected a height of 1: "
                "(1, time), (1, time, channels), or (channels, 1, time) with channel_axis=1."
            )
        return layout
    if len(shape) > 3:
        raise ValueError(
            f"Got signals=True with X of shape {shape}, but expected signals (n, time), (n, time, "
            "channels), or (n, channels, time) with channel_axis=1."
        )
    if len(shape) < 3:
        return ImageLayout((1, math.prod(shape[1:])), False, flat=True)
    _check_not_empty(shape)
    image_shape = _signal_shape(shape[1:], channels_first)
    return ImageLayout(image_shape, channels_first, flat=False, signals=True)


def _given_layout(X, shape, image_shape, channels_first):
    """Return the layout of the user's `image_shape`, and check that X agrees with it."""
    layout = ImageLayout(_check_image_shape(image_shape), channels_first, flat=len(shape) <= 2)
    if not layout.flat:
        layout.flatten(X)
    elif len(shape) == 2 and shape[1] != layout.n_features:
        raise ValueError(
            f"Got image_shape={image_shape!r}, which has {layout.n_features} values per image, but "
            f"X has {shape[1]} columns. Set image_shape to the height, width and channels of a row."
        )
    return layout


def _check_not_empty(shape):
    """Raise an error for samples without values."""
    if 0 in shape[1:]:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required."
        )


def _layout_of_images(X, shape, channels_first, signals):
    """Return the layout of X of three or four dimensions."""
    _check_not_empty(shape)
    if len(shape) == 3:
        if signals == "auto" and max(shape[1:]) >= MIN_SIGNAL_RATIO * min(shape[1:]):
            text = (
                f"Got X of shape {shape}, which is used as {shape[0]} grayscale images of "
                f"{shape[1]} x {shape[2]} pixels. If X holds signals (n, time, channels), set "
                "signals=True. If X holds images, set signals=False."
            )
            if _may_be_one_image(shape):
                text += f" If X is one image with {shape[2]} channels, pass X[None]."
            warn_user(text)
        return ImageLayout(shape[1:], False, flat=False)
    channel_counts = (1, 3, 4)
    if not channels_first and shape[1] in channel_counts and shape[3] not in channel_counts:
        warn_user(
            f"Got X of shape {shape}, which is used as images of {shape[1]} x {shape[2]} pixels "
            f"with {shape[3]} channels. If the channels come first, set channel_axis=1."
        )
    return ImageLayout(shape[1:], channels_first, flat=False)


def _layout_of_flat_rows(shape, signals):
    """Return the layout of flat rows: square grayscale images, or signals for other row lengths."""
    d = 1
    if len(shape) == 2:
        d = shape[1]
    side = math.isqrt(d)
    if side * side == d:
        return ImageLayout((side, side), False, flat=True)
    if signals is False:
        raise ValueError(
            f"Got signals=False with X of {d} columns, which is not the square of a number, so the "
            "shape of the images is not known. Set image_shape, or signals=True."
        )
    side = math.isqrt(d // 3)
    if 3 * side * side == d and side >= MIN_COLOR_SIDE:
        warn_user(
            f"Got X with {d} columns, which is used as signals of length {d}. If rows are color "
            f"images, set image_shape=({side}, {side}, 3), or image_shape=(3, {side}, {side}) with "
            "channel_axis=1."
        )
    return ImageLayout((1, max(d, 1)), False, flat=True)


def _may_be_one_image(shape):
    """Return whether a shape may be that of one color image."""
    return len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= MIN_COLOR_SIDE


def warn_if_one_image(X):
    """Warn if X of three dimensions may be one color image, being 3 or 4 pixels wide and tall."""
    shape = _shape(X)
    if _may_be_one_image(shape):
        warn_user(
            f"Got X of shape {shape}, which is used as {shape[0]} grayscale images of {shape[1]} x "
            f"{shape[2]} pixels. If X is one image with {shape[2]} channels, pass X[None]."
        )


def _check_image_shape(image_shape):
    """Validate the parameter `image_shape`, and return a tuple of int."""
    try:
        shape = tuple(int(n) for n in image_shape)
        is_whole = all(n == m for n, m in zip(shape, image_shape, strict=True))
    except (TypeError, ValueError):
        shape, is_whole = (), False
    if not is_whole or len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            f"Got image_shape={image_shape!r}, but expected 'auto', (H, W), (H, W, C), or "
            "(C, H, W) with channel_axis=1."
        )
    return shape
