"""Tiles of images: cutting, joining, sampling, and the order in which tiles are coded."""

import math

import numpy as np

from skae._input.image_layout import warn_if_one_image
from skae._input.streaming import check_not_file_names

__all__ = [
    "check_images",
    "cut",
    "diagonals",
    "grid_shape",
    "join",
    "neighbor_values",
    "sample_tiles",
    "shifted_grids",
]

VAL_IMAGES = 8
"""One image in 8 is for validation; of fewer images, the lowest eighth of each image."""

MAX_TILES = 20_000
"""Tiles for the fit of an autoencoder: at 16 x 16 pixels in color, 15 MB of uint8."""


def check_images(X, n_axes=None, channels=None):
    """Validate images of any size.

    Parameters
    ----------
    X : sequence of array-like of shape (H, W) or (H, W, C), or an array of such images
        At least one image.
    n_axes : int, default=None
        Number of axes of an image; None allows 2 or 3.
    channels : tuple of int, default=None
        Shape of an image after its first two axes; None allows any.

    Returns
    -------
    images : list of ndarray
        Images with the same number of axes and channels.
    """
    check_not_file_names(X)
    if isinstance(X, bytes) or not hasattr(X, "__len__"):
        raise TypeError(f"Got X of type {type(X).__name__}, but expected a list of images.")
    if n_axes is None:
        warn_if_one_image(X)
    images = [np.asarray(image) for image in X]
    if not images:
        raise ValueError("Got no images, but expected at least one.")
    if n_axes is None:
        n_axes = images[0].ndim
    for index, image in enumerate(images):
        _check_image(image, index, n_axes, images[0].shape[2:])
    if channels is not None and images[0].shape[2:] != channels:
        raise ValueError(
            f"Got images with {images[0].shape[2:]} channels, but expected {channels}, as in fit."
        )
    return images


def _check_image(image, index, n_axes, channels):
    """Check shape, dtype and values of one image; `channels` is the tuple of its channel axes."""
    if image.ndim != n_axes or n_axes not in (2, 3) or not image.size:
        layouts = {2: "(H, W)", 3: "(H, W, C)"}
        layout = layouts.get(n_axes, "(H, W) or (H, W, C)")
        raise ValueError(
            f"Got an image of shape {image.shape} at {index}, but expected a list of images of "
            f"shape {layout}."
        )
    if image.shape[2:] != channels:
        raise ValueError(
            f"Got images with {channels} and {image.shape[2:]} channels, but expected the same "
            "number of channels in all images."
        )
    if image.dtype.kind not in "buif":
        raise ValueError(
            f"Got an image of dtype {image.dtype} at {index}, but expected real numbers."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"Input X contains NaN or infinity in the image at {index}.")


def grid_shape(height, width, tile):
    """Return the numbers of rows and columns of tiles that cover an image."""
    return -(-height // tile), -(-width // tile)


def cut(image, tile):
    """Cut an image into tiles in row-major order; the image is padded by its last row and column.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        An image of any size.
    tile : int
        Side of a tile in pixels.

    Returns
    -------
    tiles : ndarray of shape (n_tiles, tile, tile) or (n_tiles, tile, tile, C)
        The tiles.
    """
    height, width = image.shape[:2]
    rows, columns = grid_shape(height, width, tile)
    # not np.pad, which takes longer than all other steps for small images
    padded = np.empty((rows * tile, columns * tile, *image.shape[2:]), image.dtype)
    padded[:height, :width] = image
    padded[height:, :width] = image[-1:]
    padded[:, width:] = padded[:, width - 1 : width]
    tiles = padded.reshape(rows, tile, columns, tile, *image.shape[2:]).swapaxes(1, 2)
    return tiles.reshape(rows * columns, tile, tile, *image.shape[2:])


def join(tiles, height, width):
    """Join tiles to an image of the given size: the inverse of `cut`."""
    tile = tiles.shape[1]
    rows, columns = grid_shape(height, width, tile)
    padded = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    return padded.reshape(rows * tile, columns * tile, *tiles.shape[3:])[:height, :width]


def sample_tiles(images, tile, generator):
    """Sample tiles at random positions of all images, in proportion to the image sizes.

    The number of tiles is four times that of all grids, but at most `MAX_TILES`.

    Parameters
    ----------
    images : list of ndarray
        Images of any size; images smaller than a tile are padded as in `cut`.
    tile : int
        Side of a tile in pixels.
    generator : numpy.random.Generator
        Random number generator of the positions.

    Returns
    -------
    tiles : ndarray of shape (n_tiles, tile, tile) or (n_tiles, tile, tile, C)
        The tiles, in the common dtype of all images.
    """
    n_tiles = 4 * sum(math.prod(grid_shape(*image.shape[:2], tile)) for image in images)
    n_tiles = max(2, min(MAX_TILES, n_tiles))
    sizes = np.array([image.shape[0] * image.shape[1] for image in images], float)
    dtype = np.result_type(*{image.dtype for image in images})
    tiles = np.empty((n_tiles, tile, tile, *images[0].shape[2:]), dtype)
    image_indices = np.sort(generator.choice(len(images), n_tiles, p=sizes / sizes.sum()))
    for i, image_index in enumerate(image_indices):
        image = images[image_index]
        top = int(generator.integers(max(1, image.shape[0] - tile + 1)))
        left = int(generator.integers(max(1, image.shape[1] - tile + 1)))
        tiles[i] = cut(image[top : top + tile, left : left + tile], tile)[0]
    return tiles


def diagonals(rows, columns):
    """Yield the tile indices of each diagonal, and the indices of their left and upper neighbors.

    A missing neighbor has the index -1.
    """
    indices = np.full((rows + 1, columns + 1), -1)
    indices[1:, 1:] = np.arange(rows * columns).reshape(rows, columns)
    for total in range(rows + columns - 1):
        row = np.arange(max(0, total - columns + 1), min(rows, total + 1))
        column = total - row
        yield indices[row + 1, column + 1], indices[row + 1, column], indices[row, column + 1]


def neighbor_values(values, rows, columns):
    """Return the values of the left and the upper neighbor of each tile, zeros if there is none.

    Parameters
    ----------
    values : ndarray of shape (rows * columns, k)
        Values of the tiles of an image, in row-major order.
    rows, columns : int
        Rows and columns of tiles.

    Returns
    -------
    neighbors : ndarray of shape (rows * columns, 2 * k)
        Values of the left neighbors, then those of the upper neighbors.
    """
    values = values.reshape(rows, columns, -1)
    neighbors = np.zeros((rows, columns, 2, values.shape[-1]), values.dtype)
    neighbors[:, 1:, 0] = values[:, :-1]
    neighbors[1:, :, 1] = values[:-1]
    return neighbors.reshape(rows * columns, -1)


def shifted_grids(images, tile, max_tiles, generator):
    """Yield images without their first rows and columns, so that their tiles differ each time.

    Parameters
    ----------
    images : list of ndarray
        Images of any size. They are used in random order, and first without a shift.
    tile : int
        Side of a tile in pixels.
    max_tiles : int
        Number of tiles after which no further image is yielded.
    generator : numpy.random.Generator
        Random number generator of the order and the shifts.

    Yields
    ------
    image : ndarray
        An image without its first rows and columns.
    split : ndarray of shape (n_tiles,)
        1 for training tiles, 0 for validation tiles, -1 for tiles that overlap both parts.
    """
    n_tiles = 0
    order = generator.permutation(len(images))
    for repeat in range(tile * tile):
        for position, image_index in enumerate(order):
            if n_tiles >= max_tiles:
                return
            image = images[image_index]
            top = left = 0
            if repeat > 0:
                top = int(generator.integers(min(tile, image.shape[0])))
                left = int(generator.integers(min(tile, image.shape[1])))
            shifted = image[top:, left:]
            rows, columns = grid_shape(*shifted.shape[:2], tile)
            if len(images) < VAL_IMAGES:
                split = _split_rows(top + tile * np.arange(rows), tile, image.shape[0])
            else:
                split = np.full(rows, int(position % VAL_IMAGES > 0))
            n_tiles += rows * columns
            yield shifted, np.repeat(split, columns)


def _split_rows(first, tile, height):
    """Return the split of rows of tiles by their first pixel rows, as in `shifted_grids`."""
    border = height * (VAL_IMAGES - 1) // VAL_IMAGES
    split = np.full(len(first), -1)
    split[first + tile <= border] = 1
    split[first >= border] = 0
    return split
