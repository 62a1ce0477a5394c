"""Tiles of large images, and the receptive field of the network."""

import numpy as np
import torch

from skae.networks.unet import FACTOR, UNet
from skae.restoration._tiling import split_into_tiles


def bounds(slices):
    """Return start and stop of slices."""
    return [(one.start, one.stop) for one in slices]


def test_tiles_cover_a_side_once():
    """Tiles are disjoint and cover the side; each window has the tile and its margins."""
    tiles = split_into_tiles(100, 32, 16)
    assert bounds(tile.target for tile in tiles) == [(0, 32), (32, 64), (64, 96), (96, 100)]
    assert bounds(tile.window for tile in tiles) == [(0, 48), (16, 80), (48, 100), (80, 100)]
    for tile in tiles:
        pixels = np.arange(100)
        np.testing.assert_array_equal(pixels[tile.window][tile.inner], pixels[tile.target])


def test_reach_is_the_radius_of_the_receptive_field():
    """Pixels beyond `reach` don't change an output pixel, and some beyond half of it do."""
    network = UNet(n_channels=1, n_filters=2, crop=(8, 8))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) * 0.2)
    size = 3 * network.reach
    center = size // 2 // FACTOR * FACTOR
    x = torch.rand(1, 1, size, size, generator=generator, requires_grad=True)
    network.restore(x)[0, 0, center, center].backward()
    distances = ((x.grad[0, 0] != 0).nonzero() - center).abs()
    assert network.reach // 2 <= distances.max() <= network.reach
