"""What is inside of the restorer: its network, the pieces that it learns from, and its tiles."""

import numpy as np
import torch

from skae.networks.restorer import FACTOR, Restorer
from skae.restoration._pieces import Pieces, scaled, tiles


def test_what_it_starts_from_changes_nothing():
    """Before the first step the network gives every image as it is."""
    network = Restorer(n_channels=2, n_filters=3, crop=(8, 8))
    network.start(torch.Generator().manual_seed(0))
    x = torch.rand(2, 2, 13, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.restore(x), x)


def test_gaps_are_filled_with_one_number_before_the_first_step():
    """Before the first step the network puts the number it was given into gaps, and reads where they are beside the image."""
    network = Restorer(n_channels=2, n_filters=3, crop=(8, 8), allow_nan=True, fill=0.25)
    network.start(torch.Generator().manual_seed(0))
    x = torch.rand(2, 2, 13, 9, generator=torch.Generator().manual_seed(1))
    gappy = x.masked_fill(x < 0.3, float("nan"))
    torch.testing.assert_close(network.restore(gappy), torch.where(x < 0.3, 0.25, x))
    assert network.first.in_channels == 2 * Restorer(n_channels=2, n_filters=3, crop=(8, 8)).first.in_channels


def pieces(clean, damaged=None, **parameters):
    """Pieces of 4 x 4 pixels, of images in [0, 1]; without damaged ones nothing is damaged."""
    corrupt = (lambda x, generator: x) if damaged is None else None
    settings = {"crop": (4, 4), "augment": True, "data_range": (0, 1), "corrupt": corrupt, "device": "cpu", **parameters}
    return Pieces(clean, damaged, generator=torch.Generator().manual_seed(0), **settings)


def test_both_images_of_a_pair_are_cut_at_the_same_place():
    """Damaged and clean pieces come from the same place of the same image, turned the same way."""
    clean = np.random.default_rng(0).random((5, 9, 11, 2))
    rows, weights, _ = pieces(clean, clean + 1)[torch.arange(25)]
    damaged, found = rows.unflatten(1, (2, 2, 4, 4)).unbind(1)
    torch.testing.assert_close(damaged, found + 1)
    assert weights is None


def test_pieces_are_turned_in_eight_ways_and_lie_everywhere():
    """Every flip and turn, every place of an image, and all images come up about equally often."""
    clean = np.arange(2 * 5 * 5, dtype=float).reshape(2, 5, 5, 1)
    data = pieces(clean)
    assert len(data) == 2 * 2
    rows, *_ = data[torch.arange(4).repeat(500)]
    found = {tuple(row.tolist()) for row in rows[:, 16:]}
    assert len(found) == 2 * 4 * 8
    whole, *_ = pieces(clean, augment=False)[torch.arange(4).repeat(100)]
    assert len({tuple(row.tolist()) for row in whole}) == 2 * 4


def test_tiles_cover_a_side_once():
    """Tiles lie side by side, and each is restored from all that is within reach."""
    found = tiles(100, 32, 16)
    assert [(own.start, own.stop) for own, _, _ in found] == [(0, 32), (32, 64), (64, 96), (96, 100)]
    assert [(seen.start, seen.stop) for _, seen, _ in found] == [(0, 48), (16, 80), (48, 100), (80, 100)]
    assert all(np.arange(100)[seen][kept].tolist() == list(range(own.start, own.stop)) for own, seen, kept in found)


def test_reach_is_as_far_as_the_network_sees():
    """A pixel beyond the reach has no say, and one at half of it has."""
    network = Restorer(n_channels=1, n_filters=2, crop=(8, 8))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in network.parameters():
            part.copy_(torch.rand(part.shape, generator=generator) * 0.2)
    size, middle = 3 * network.reach, 3 * network.reach // 2 // FACTOR * FACTOR
    x = torch.rand(1, 1, size, size, generator=generator, requires_grad=True)
    network.restore(x)[0, 0, middle, middle].backward()
    seen = (x.grad[0, 0] != 0).nonzero() - middle
    assert network.reach // 2 <= seen.abs().max() <= network.reach


def test_scaling_keeps_the_digits_of_large_numbers():
    """Numbers far from zero are scaled before they become float32."""
    images = 1e9 + np.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(scaled(images, 1e9, 1e9 + 16)[0, 0].numpy().ravel() * 16, np.arange(16), atol=1e-5)
