"""Image layouts: the shape of one image in X, and conversion between images and flat rows."""

import math
from dataclasses import dataclass

from skae._input.dtypes import as_array
from skae._warnings import warn_user

__all__ = ["ImageLayout", "infer_layout", "warn_if_one_image"]

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
    """

    image_shape: tuple
    channels_first: bool
    flat: bool

    @property
    def size(self):
        """Channels, height and width."""
        if len(self.image_shape) == 2:
            return (1, *self.image_shape)
        if self.channels_first:
            return self.image_shape
        return (self.image_shape[2], *self.image_shape[:2])

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

    def flatten(self, X):
        """Flatten images to rows; return flat rows, tables and other objects unchanged.

        Parameters
        ----------
        X : array, tensor, DataFrame or list
            Images of shape `image_shape`, or flat rows.

        Returns
        -------
        X : ndarray or torch.Tensor of shape (n_samples, n_features), or same as `X`
            A view if the memory layout permits.
        """
        X = as_array(X)
        self._check_not_one_image(X)
        if getattr(X, "ndim", 2) <= 2:
            return X
        if self._without_channel(tuple(X.shape[1:])) != self._without_channel(self.image_shape):
            raise ValueError(
                f"Got X of shape {tuple(X.shape)}, but expected images of shape {self.image_shape} "
                f"as in fit, or flat rows of {self.n_features} values."
            )
        return X.reshape(len(X), self.n_features)

    def restore(self, rows, shape=None):
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
        if shape is not None:
            return rows.reshape(shape)
        if self.flat:
            return rows.reshape((len(rows), self.n_features))
        return rows.reshape((len(rows), *self.image_shape))

    def _check_not_one_image(self, X):
        """Raise an error for a single image without sample axis."""
        shape = tuple(getattr(X, "shape", ()))
        if shape != self.image_shape or shape[-1] == self.n_features:
            return
        # with one channel that comes first, (1, H, W) is one image of shape (H, W)
        if len(shape) == 3 and shape[1:] == self._without_channel(self.image_shape):
            return
        raise ValueError(
            f"Got X of shape {shape}, which is one image, but expected several images. Pass "
            "X[None] for a single image."
        )

    def _without_channel(self, shape):
        """Remove the axis of a single channel, so that (H, W) and (H, W, 1) are the same shape."""
        if len(shape) != 3 or self.size[0] != 1:
            return shape
        axis = 2
        if self.channels_first:
            axis = 0
        if shape[axis] != 1:
            return shape
        return shape[:axis] + shape[axis + 1 :]


def infer_layout(X, image_shape, channel_axis):
    """Infer the layout of images from X and the parameters of the estimator.

    Parameters
    ----------
    X : array, tensor, DataFrame or list
        X as passed to fit.
    image_shape : tuple of int or "auto"
        Parameter of the estimator.
    channel_axis : int
        Parameter of the estimator: -1 or 3 for channels last, 1 or -3 for channels first, counted
        with the sample axis.

    Returns
    -------
    layout : ImageLayout
        Layout of one image.
    """
    X = as_array(X)
    shape = tuple(getattr(X, "shape", ()))
    channels_first = channel_axis in (1, -3)
    if len(shape) > 4:
        raise ValueError(
            f"Got X of shape {shape}, but expected flat rows (n, d), grayscale images (n, H, W) or "
            "images with channels (n, H, W, C)."
        )
    if not isinstance(image_shape, str):
        return _given_layout(X, shape, image_shape, channels_first)
    if len(shape) > 2:
        return _layout_of_images(X, shape, channels_first)
    return _layout_of_flat_rows(shape)


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


def _layout_of_images(X, shape, channels_first):
    """Return the layout of X of three or four dimensions."""
    warn_if_one_image(X)
    if 0 in shape[1:]:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required."
        )
    if len(shape) == 3:
        return ImageLayout(shape[1:], False, flat=False)
    channel_counts = (1, 3, 4)
    if not channels_first and shape[1] in channel_counts and shape[3] not in channel_counts:
        warn_user(
            f"Got X of shape {shape}, which is used as images of {shape[1]} x {shape[2]} pixels "
            f"with {shape[3]} channels. If the channels come first, set channel_axis=1."
        )
    return ImageLayout(shape[1:], channels_first, flat=False)


def _layout_of_flat_rows(shape):
    """Return the layout of flat rows: square grayscale images, or signals for other row lengths."""
    d = 1
    if len(shape) == 2:
        d = shape[1]
    side = math.isqrt(d)
    if side * side == d:
        return ImageLayout((side, side), False, flat=True)
    side = math.isqrt(d // 3)
    if 3 * side * side == d and side >= MIN_COLOR_SIDE:
        warn_user(
            f"Got X with {d} columns, which is used as signals of length {d}. If rows are color "
            f"images, set image_shape=({side}, {side}, 3), or image_shape=(3, {side}, {side}) with "
            "channel_axis=1."
        )
    return ImageLayout((1, max(d, 1)), False, flat=True)


def warn_if_one_image(X):
    """Warn if X of three dimensions may be one color image, being 3 or 4 pixels wide and tall."""
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= MIN_COLOR_SIDE:
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
