"""Large images as tiles: cut, drawn, put together again, and the order in which their codes are written."""

import numpy as np

from skae._layout import warn_if_one_image
from skae._stored import refuse_names

__all__ = ["before", "check_images", "cut", "diagonals", "draw", "grid", "join", "shifted"]

HELD_OUT = 8
"""One image in so many is not learned from; of fewer images, such a share of each."""


def check_images(X, n_axes=None):
    """Check images of any size.

    Parameters
    ----------
    X : sequence of array-like of shape (H, W) or (H, W, C), or an array of such images
        At least one.
    n_axes : int, default=None
        How many axes an image has; None for 2 or 3.

    Returns
    -------
    images : list of ndarray
        All with as many axes and channels as the first.
    """
    refuse_names(X)
    if isinstance(X, bytes) or not hasattr(X, "__len__"):
        raise TypeError(f"Got X of type {type(X).__name__}, but expected a list of images.")
    if n_axes is None:
        warn_if_one_image(X)
    images = [np.asarray(image) for image in X]
    if not images:
        raise ValueError("Got no images, but expected at least one.")
    n_axes = n_axes or images[0].ndim
    for i, image in enumerate(images):
        if image.ndim != n_axes or n_axes not in (2, 3) or not image.size:
            wanted = {2: "(H, W)", 3: "(H, W, C)"}.get(n_axes, "(H, W) or (H, W, C)")
            raise ValueError(f"Got an image of shape {image.shape} at {i}, but expected images {wanted}, in a list.")
        if image.shape[2:] != images[0].shape[2:]:
            raise ValueError(f"Got images with {images[0].shape[2:]} and {image.shape[2:]} channels, but expected one number.")
        if image.dtype.kind not in "buif":
            raise ValueError(f"Got an image of dtype {image.dtype} at {i}, but expected real numbers.")
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise ValueError(f"Input X contains NaN or infinity in the image at {i}.")
    return images


def grid(height, width, tile):
    """Say how many rows and columns of tiles cover an image."""
    return -(-height // tile), -(-width // tile)


def cut(image, tile):
    """Cut an image into tiles, row by row; its last row and column go on where it ends.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
        Any size.
    tile : int
        Side of a tile.

    Returns
    -------
    tiles : ndarray of shape (n_tiles, tile, tile) or (n_tiles, tile, tile, C)
    """
    height, width = image.shape[:2]
    rows, columns = grid(height, width, tile)
    # not by np.pad, which takes longer than all else where images are small
    whole = np.empty((rows * tile, columns * tile, *image.shape[2:]), image.dtype)
    whole[:height, :width] = image
    whole[height:, :width] = image[-1:]
    whole[:, width:] = whole[:, width - 1 : width]
    parts = whole.reshape(rows, tile, columns, tile, *image.shape[2:]).swapaxes(1, 2)
    return parts.reshape(rows * columns, tile, tile, *image.shape[2:])


def join(tiles, height, width):
    """Put tiles together to an image of this size: the inverse of `cut`."""
    tile = tiles.shape[1]
    rows, columns = grid(height, width, tile)
    parts = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    return parts.reshape(rows * tile, columns * tile, *tiles.shape[3:])[:height, :width]


def draw(images, tile, count, random):
    """Draw tiles at random places of all images, in proportion to their size.

    Parameters
    ----------
    images : list of ndarray
        Images smaller than a tile are continued at their ends.
    tile, count : int
        Side and number of the tiles.
    random : numpy.random.Generator
        Says where.

    Returns
    -------
    tiles : ndarray of shape (count, tile, tile) or (count, tile, tile, C)
    """
    sizes = np.array([image.shape[0] * image.shape[1] for image in images], float)
    dtype = np.result_type(*{image.dtype for image in images})  # one that holds the numbers of all
    found = np.empty((count, tile, tile, *images[0].shape[2:]), dtype)
    which = np.sort(random.choice(len(images), count, p=sizes / sizes.sum()))
    for i, chosen in enumerate(which):
        image = images[chosen]
        top, left = (int(random.integers(max(1, size - tile + 1))) for size in image.shape[:2])
        found[i] = cut(image[top : top + tile, left : left + tile], tile)[0]
    return found


def diagonals(rows, columns):
    """Give, diagonal by diagonal, which tiles are on it, and which are left of those and above, -1 where there is none."""
    number = np.full((rows + 1, columns + 1), -1)
    number[1:, 1:] = np.arange(rows * columns).reshape(rows, columns)
    for total in range(rows + columns - 1):
        down = np.arange(max(0, total - columns + 1), min(rows, total + 1))
        right = total - down
        yield number[down + 1, right + 1], number[down + 1, right], number[down, right + 1]


def before(numbers, rows, columns):
    """Give the numbers of the tiles to the left and above of each tile, zeros where there is none.

    Parameters
    ----------
    numbers : ndarray of shape (rows * columns, k)
        Of the tiles of an image, row by row.
    rows, columns : int
        Of tiles.

    Returns
    -------
    before : ndarray of shape (rows * columns, 2 * k)
    """
    numbers = numbers.reshape(rows, columns, -1)
    found = np.zeros((rows, columns, 2, numbers.shape[-1]), numbers.dtype)
    found[:, 1:, 0], found[1:, :, 1] = numbers[:, :-1], numbers[:-1]
    return found.reshape(rows * columns, -1)


def shifted(images, tile, most, random):
    """Give images without a few of their first rows and columns, again and again: each time their tiles are other ones.

    Parameters
    ----------
    images : list of ndarray
        They come in random order, first as a whole.
    tile, most : int
        Side of a tile, and how many tiles are wanted.
    random : numpy.random.Generator
        Says where they begin.

    Yields
    ------
    part : ndarray
        Of an image.
    role : ndarray of shape (n_tiles,)
        1 for tiles to learn from, 0 for those held out, -1 for those that lie in both parts of an image.
    """
    done, order = 0, random.permutation(len(images))
    for again in range(tile * tile):
        for i, chosen in enumerate(order):
            if done >= most:
                return
            image = images[chosen]
            top, left = (int(random.integers(min(tile, size))) if again else 0 for size in image.shape[:2])
            part = image[top:, left:]
            rows, columns = grid(*part.shape[:2], tile)
            first = top + tile * np.arange(rows)
            if len(images) < HELD_OUT:
                border = image.shape[0] * (HELD_OUT - 1) // HELD_OUT
                role = np.where(first >= border, 0, np.where(first + tile <= border, 1, -1))
            else:
                role = np.full(rows, int(i % HELD_OUT > 0))
            done += rows * columns
            yield part, np.repeat(role, columns)
