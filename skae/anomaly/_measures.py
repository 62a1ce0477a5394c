"""What an autoencoder is asked about rows, piece by piece, and in which units its errors and codes are compared."""

import math

import numpy as np

from skae._stored import slices
from skae._wrapped import as_plain
from skae.networks.blocks import double_products

__all__ = ["FARTHEST", "Decoded", "Standardised", "as_numbers", "kernels", "measure", "pieces", "smoothed"]

PIECE_NUMBERS = 2**22
"""How many numbers of X are looked at in one go."""

FARTHEST = 1e15
"""Where standardised numbers are cut off, so that float32 can hold what networks make of them."""

SHARE = 1 / 28
"""Over which share of an image's shorter side errors are smoothed: as far as edges are usually out of place."""

NARROWEST = 0.1
"""A Gaussian of so few pixels gives the neighbours of a pixel less than rounding. It would take matrices as large as the square
of an image's side all the same, which for a long signal is more than all else."""

DEAD = 1e-10
"""What varies less than this share of the direction in which codes vary most, in squares, is rounding."""


class Standardised:
    """A table that gives slices of its rows standardised."""

    def __init__(self, rows, scaler):
        self.rows, self.scaler = rows, scaler
        self.shape, self.ndim, self.dtype = tuple(rows.shape), 2, np.dtype(np.float32)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, wanted):
        first, last, _ = wanted.indices(len(self))
        out = np.empty((last - first, self.shape[1]), np.float32)
        for piece in pieces(out):
            rows = as_numbers(self.rows[first + piece.start : first + piece.stop])
            out[piece] = np.clip(self.scaler.transform(rows), -FARTHEST, FARTHEST)
        return out


class Decoded:
    """Learns, piece by piece, the linear map from codes to reconstructions that is nearest to the decoder."""

    def __init__(self):
        self.n = 0

    def add(self, codes, rebuilt):
        """See codes (n, k) and the reconstructions (n, d) of some rows, as they are compared."""
        if not self.n:
            self.origins = codes.mean(axis=0), rebuilt.mean(axis=0)  # so that sums of squares lose no digits
            self.sums = [np.zeros(np.shape(origin)) for origin in self.origins]
            self.squares, self.products = (np.zeros((codes.shape[1], side.shape[1])) for side in (codes, rebuilt))
        codes, rebuilt = codes - self.origins[0], rebuilt - self.origins[1]
        self.n += len(codes)
        self.sums = [old + new.sum(axis=0) for old, new in zip(self.sums, (codes, rebuilt), strict=True)]
        self.squares += codes.T @ codes
        self.products += codes.T @ rebuilt

    def metric(self):
        """Give the matrix (k, k) after which distances between codes are those between what the map makes of them."""
        mean, other = (total / self.n for total in self.sums)
        varied, directions = np.linalg.eigh(self.squares / self.n - np.outer(mean, mean))
        alive = varied > DEAD * max(varied[-1], 0)
        directions, varied = directions[:, alive], varied[alive]
        decoded = directions / varied @ (directions.T @ (self.products / self.n - np.outer(mean, other)))
        stretches, directions = np.linalg.eigh(decoded @ decoded.T)
        return directions * np.sqrt(np.maximum(stretches, 0))


def pieces(rows):
    """Cut rows into slices that are looked at in one go."""
    return slices(len(rows), max(1, PIECE_NUMBERS // max(1, math.prod(rows.shape[1:]))))


def as_numbers(rows):
    """Give flat float64 rows of an array, a tensor or a table."""
    return as_plain(rows).reshape(len(rows), -1).astype(np.float64, copy=False)


def kernels(autoencoder, shape, width):
    """Give the two matrices by which images are smoothed, or None for what is not to be smoothed.

    Parameters
    ----------
    autoencoder : estimator
        Fitted. One of images says how they lie.
    shape : tuple of int
        Of one row of X, or image, for any other autoencoder. Channels come last.
    width : float or "auto"
        Standard deviation in pixels.

    Returns
    -------
    kernels : tuple of ndarray of shape (height, height) and (width * channels, width * channels), or None
        float64. Channels that come first are taken for more images.
    """
    shape = tuple(getattr(autoencoder, "image_shape_", shape))
    if not 2 <= len(shape) <= 3:
        return None
    first = getattr(autoencoder, "channel_axis_", None) == 1
    height, breadth, channels = (*shape[1:], 1) if first else (*shape, 1)[:3]
    width = SHARE * min(height, breadth) if isinstance(width, str) else width
    if width < NARROWEST:
        return None
    down, across = (np.arange(side)[:, None] - np.arange(side) for side in (height, breadth))
    down, across = (np.exp(-0.5 * np.square(apart / width)) for apart in (down, across))
    down, across = (weights / weights.sum(axis=1, keepdims=True) for weights in (down, across))
    return down, np.kron(across, np.eye(channels)).T


def smoothed(rows, kernels):
    """Smooth flat rows (n, d) of images, arrays or tensors alike; without kernels they stay as they are."""
    if kernels is None:
        return rows
    down, across = kernels
    lines = rows.reshape(-1, len(across)) @ across
    return (down @ lines.reshape(-1, len(down), len(across))).reshape(rows.shape)


def measure(autoencoder, rows, kernels):
    """Give codes (n, k), reconstructions, and the squares of their smoothed errors (n, d), of one piece of rows."""
    with double_products():  # scores are float64
        codes = autoencoder.transform(rows)
        rebuilt = as_numbers(autoencoder.inverse_transform(codes))
    squares = np.square(smoothed(rebuilt - as_numbers(rows), kernels))
    if np.isnan(squares).any():  # of images only the autoencoder knows whether they will do, and one may take gaps
        raise ValueError("Got NaN in X, or in reconstructions of it, but expected numbers: a detector has no errors of gaps.")
    return as_numbers(codes), rebuilt, squares
