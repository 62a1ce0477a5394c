"""Tiles of images: cutting, joining and sampling."""

import math

import numpy as np

from skae._input.array_likes import check_not_file_names, sample_array
from skae._input.image_layout import warn_if_one_image

__all__ = [
    "check_images",
    "cut",
    "grid_shape",
    "join",
    "sample_tiles",
    "shifted_grids",
]

VAL_IMAGES = 8
"""One image in 8 is for validation; of fewer images, the lowest eighth of each image."""

MAX_TILES = 20_000
"""Tiles for the fit of an autoencoder: at 16 x 16 pixels in color, 15 MB of uint8."""


def check_images(X, channels=None):
    """Validate images of any size.

    Parameters
    ----------
    X : sequence of array-like of shape (H, W) or (H, W, C), or an array of such images
        At least one image.
    channels : tuple of int, default=None
        Shape of an image after its first two axes in fit; None uses that of the first image.

    Returns
    -------
    images : list of ndarray
        Images with the same number of axes and channels.
    """
    check_not_file_names(X)
    if isinstance(X, bytes) or not hasattr(X, "__len__"):
        raise TypeError(f"Got X of type {type(X).__name__}, but expected a list of images.")
    if isinstance(X, memoryview):
        X = np.asarray(X)
    images = [sample_array(image, "X", index) for index, image in enumerate(X)]
    if not images:
        raise ValueError("Got no images, but expected at least one.")
    if channels is None:
        warn_if_one_image(X)
        channels = images[0].shape[2:]
    for index, image in enumerate(images):
        _check_image(image, index, channels)
    return images


def _check_image(image, index, channels):
    """Check shape, dtype and values of one image; `channels` is its expected `shape[2:]`."""
    n_axes = 2 + len(channels)
    if image.ndim != n_axes or n_axes > 3 or image.shape[2:] != channels or not image.size:
        raise ValueError(
            f"Got an image of shape {image.shape} at {index}, but expected a list of images of "
            "shape (H, W) or (H, W, C), all with the number of channels in fit."
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


def join(chunks, sizes, tile):
    """Join the tiles of images to images: the inverse of `cut`.

    Parameters
    ----------
    chunks : iterable of ndarray of shape (n, tile, tile) or (n, tile, tile, C)
        Tiles of all images in order. A chunk may hold tiles of several images, or of a part of one.
    sizes : list of (height, width)
        Size of each image in pixels.
    tile : int
        Side of a tile in pixels.

    Yields
    ------
    image : ndarray of shape (height, width) or (height, width, C)
        Each image.
    """
    chunks = iter(chunks)
    chunk = next(chunks)
    for height, width in sizes:
        rows, columns = grid_shape(height, width, tile)
        channels = chunk.shape[3:]
        padded = np.empty((rows * tile, columns * tile, *channels), chunk.dtype)
        grid = padded.reshape(rows, tile, columns, tile, *channels).swapaxes(1, 2)
        n_joined = 0
        while n_joined < rows * columns:
            if len(chunk) == 0:
                chunk = next(chunks)
            placed = chunk[: rows * columns - n_joined]
            indices = np.arange(n_joined, n_joined + len(placed))
            grid[indices // columns, indices % columns] = placed
            chunk = chunk[len(placed) :]
            n_joined += len(placed)
        yield padded[:height, :width]


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
