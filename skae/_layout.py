"""How one image lies in X: from images or flat rows to rows, and back."""

import math
from dataclasses import dataclass

import numpy as np

from skae._warning import advise

__all__ = ["Layout", "as_array", "find_layout", "warn_if_one_image"]


@dataclass(frozen=True)
class Layout:
    """The shape of one image as it lies in X, and whether fit saw images or flat rows.

    Attributes
    ----------
    image_shape : tuple of int
        ``(H, W)``, ``(H, W, C)``, or ``(C, H, W)`` if the channels come first.
    channels_first : bool
        Where the channels of three numbers stand.
    flat : bool
        Whether fit saw rows of numbers, so that ``inverse_transform`` gives such rows back.
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
        """Which axis of X holds the channels, the sample axis included; None if there is none."""
        return None if len(self.image_shape) == 2 else 1 if self.channels_first else -1

    @property
    def n_features(self):
        """Numbers in one image."""
        return math.prod(self.image_shape)

    def rows(self, X):
        """Flatten images that lie as in fit; leave flat rows and everything that isn't an array alone.

        Parameters
        ----------
        X : array, tensor, DataFrame or list
            Images of `image_shape`, or rows.

        Returns
        -------
        X : same as `X`, or ndarray or torch.Tensor of shape (n_samples, n_features)
            A view where the memory allows it.
        """
        X = as_array(X)
        alone = tuple(getattr(X, "shape", ())) == self.image_shape and X.shape[-1] != self.n_features
        # one of one channel, which comes first, is a row of one already
        if alone and not (X.ndim == 3 and X.shape[1:] == _without_channel(self.image_shape, self)):
            raise ValueError(
                f"Got X of shape {self.image_shape}, which is one image, but expected several: X[None] is a row of one."
            )
        if getattr(X, "ndim", 2) <= 2:
            return X
        seen = tuple(X.shape[1:])
        if _without_channel(seen, self) != _without_channel(self.image_shape, self):
            raise ValueError(
                f"Got X of shape {tuple(X.shape)}, but expected images of shape {self.image_shape}, as fit saw them, or "
                f"rows of {self.n_features} numbers."
            )
        return X.reshape(len(X), self.n_features)

    def restore(self, rows, shape=None):
        """Give rows the shape that fit saw, or the one of another X.

        Parameters
        ----------
        rows : ndarray or torch.Tensor of shape (n_samples, n_features)
            Reconstructions.
        shape : tuple of int, default=None
            The shape of the X to follow. None: what fit saw.

        Returns
        -------
        X : ndarray or torch.Tensor
            The same numbers, as images or as rows.
        """
        if shape is None:
            shape = (len(rows), self.n_features) if self.flat else (len(rows), *self.image_shape)
        return rows.reshape(shape)


def _without_channel(shape, layout):
    """Drop the axis of a single channel, so that (H, W) and (H, W, 1) are the same image."""
    if len(shape) == 3 and layout.size[0] == 1:
        axis = 0 if layout.channels_first else 2
        return shape[:axis] + shape[axis + 1 :] if shape[axis] == 1 else shape
    return shape


def as_array(X):
    """Turn lists and other containers without dimensions of their own into an array; leave arrays and tables alone."""
    if hasattr(X, "ndim") or hasattr(X, "columns") or hasattr(X, "toarray"):
        return X
    if hasattr(X, "__array__") or isinstance(X, (list, tuple)):
        return np.asarray(X)
    return X


def find_layout(X, image_shape, channel_axis):
    """Find out how one image lies in X.

    Parameters
    ----------
    X : array, tensor, DataFrame or list
        As it was given to fit.
    image_shape : tuple of int or "auto"
        As the user gave it.
    channel_axis : int
        -1 or 3 for channels last, 1 for channels first; the sample axis counts.

    Returns
    -------
    layout : Layout
        With the shape found.
    """
    X = as_array(X)
    shape = tuple(getattr(X, "shape", ()))
    first = channel_axis in (1, -3)
    if len(shape) > 4:
        raise ValueError(
            f"Got X of shape {shape}, but expected flat rows (n, d), grey images (n, H, W) or images with channels "
            "(n, H, W, C)."
        )
    if not isinstance(image_shape, str):
        layout = Layout(_checked_shape(image_shape), first, flat=len(shape) <= 2)
        if layout.flat:
            if len(shape) == 2 and shape[1] != layout.n_features:
                raise ValueError(
                    f"Got image_shape={image_shape!r}, which makes {layout.n_features} numbers an image, but X has "
                    f"{shape[1]} columns."
                )
        else:
            layout.rows(X)
        return layout
    if len(shape) > 2:
        warn_if_one_image(X)
        if 0 in shape[1:]:
            raise ValueError(f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required.")
        if len(shape) == 4 and not first and shape[1] in (1, 3, 4) and shape[3] not in (1, 3, 4):
            advise(
                f"X has shape {shape}, and is taken as images of {shape[1]} x {shape[2]} pixels with {shape[3]} channels. "
                "If the channels come first, pass channel_axis=1.",
            )
        return Layout(shape[1:], first and len(shape) == 4, flat=False)
    d = shape[1] if len(shape) == 2 else 1
    side = math.isqrt(d)
    if side * side == d:
        return Layout((side, side), False, flat=True)
    side = math.isqrt(d // 3)
    if 3 * side * side == d and side >= 16:
        advise(
            f"X has {d} columns, and is taken as signals of that length. If its rows are colour images, pass "
            f"image_shape=({side}, {side}, 3), or (3, {side}, {side}) with channel_axis=1.",
        )
    return Layout((1, max(d, 1)), False, flat=True)


def warn_if_one_image(X):
    """Say that what is taken as many grey images may be one in colour: hardly an image is 3 or 4 pixels wide, but tall."""
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= 16:
        advise(
            f"X has shape {shape}, and is taken as {shape[0]} grey images of {shape[1]} x {shape[2]} pixels. If it is one with "
            f"{shape[2]} channels, give X[None].",
        )


def _checked_shape(image_shape):
    """Check what the user gave as `image_shape`."""
    try:
        shape = tuple(int(n) for n in image_shape)
        whole = all(n == m for n, m in zip(shape, image_shape, strict=True))
    except (TypeError, ValueError):
        shape, whole = (), False
    if not whole or len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            f"Got image_shape={image_shape!r}, but expected 'auto', (H, W), (H, W, C), or (C, H, W) with channel_axis=1."
        )
    return shape
