"""Restoration of large images in overlapping tiles."""

import math
from typing import NamedTuple

import numpy as np
import torch

from skae._input.dtypes import as_ndarray
from skae._input.rows import chunk_slices
from skae.networks.unet import FACTOR
from skae.restoration._crops import scale_to_unit_range

__all__ = ["Tile", "restore_in_tiles", "split_into_tiles"]

CHUNK_PIXELS = 2**20
"""Pixels that are restored in one forward pass, about: four tiles of 512 x 512 pixels."""


class Tile(NamedTuple):
    """One tile along one side of an image.

    Attributes
    ----------
    target : slice
        Pixels of the restored image that the tile covers.
    window : slice
        Pixels of the corrupted image that the network receives: the tile and its margins.
    inner : slice
        The tile within the window.
    """

    target: slice
    window: slice
    inner: slice


def split_into_tiles(length, tile_size, reach):
    """Split a side of `length` pixels into tiles with margins of `reach` pixels.

    Parameters
    ----------
    length : int
        Height or width of an image.
    tile_size : int
        Height or width of a tile; the last tile may be smaller.
    reach : int
        Radius of the network's receptive field, in pixels.

    Returns
    -------
    tiles : list of Tile
        The tiles, in order.
    """
    tiles = []
    for target in chunk_slices(length, tile_size):
        start = max(0, target.start - reach)
        stop = min(length, target.stop + reach)
        inner = slice(target.start - start, target.stop - start)
        tiles.append(Tile(target, slice(start, stop), inner))
    return tiles


def restore_in_tiles(net, images, data_range, tile_size):
    """Restore images tile by tile.

    Parameters
    ----------
    net : AutoencoderNet
        Trained net of a `UNet`.
    images : ndarray of shape (n, height, width, channels)
        Corrupted images in any real dtype.
    data_range : tuple of float
        The values that are scaled to 0 and 1.
    tile_size : int
        Height and width of a tile. It is rounded up to a multiple of `FACTOR`.

    Returns
    -------
    restored : ndarray of shape (n, height, width, channels)
        Restored images in units of `images`, float32.
    """
    network = net.module_
    low, high = data_range
    height, width = images.shape[1:3]
    tile_size = FACTOR * math.ceil(tile_size / FACTOR)
    tile_pixels = min(height, tile_size) * min(width, tile_size)
    vertical_tiles = split_into_tiles(height, tile_size, network.reach)
    horizontal_tiles = split_into_tiles(width, tile_size, network.reach)
    restored = np.empty(images.shape, np.float32)
    for chunk in chunk_slices(len(images), max(1, CHUNK_PIXELS // tile_pixels)):
        for rows in vertical_tiles:
            for columns in horizontal_tiles:
                window = images[chunk, rows.window, columns.window]
                x = scale_to_unit_range(window, low, high).to(net.device)
                with torch.inference_mode():
                    x_hat = network.restore(x).movedim(1, -1)[:, rows.inner, columns.inner]
                tile = x_hat * (high - low) + low
                restored[chunk, rows.target, columns.target] = as_ndarray(tile)
    return restored
