"""The restorer's network before training, and random crops."""

import numpy as np
import torch

from skae.networks.unet import UNet
from skae.restoration._crops import RandomCrops, scale_to_unit_range


def test_the_initial_network_is_the_identity():
    """Before the first training step, the network returns every image unchanged."""
    network = UNet(n_channels=2, n_filters=3, crop=(8, 8))
    network.initialize(torch.Generator().manual_seed(0))
    x = torch.rand(2, 2, 13, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.restore(x), x)


def test_the_initial_network_fills_masked_regions_with_the_fill_value():
    """Before the first step, masked pixels become `fill`; the mask is an additional input."""
    network = UNet(n_channels=2, n_filters=3, crop=(8, 8), allow_nan=True, fill=0.25)
    network.initialize(torch.Generator().manual_seed(0))
    x = torch.rand(2, 2, 13, 9, generator=torch.Generator().manual_seed(1))
    masked = x.masked_fill(x < 0.3, float("nan"))
    torch.testing.assert_close(network.restore(masked), torch.where(x < 0.3, 0.25, x))
    without_mask = UNet(n_channels=2, n_filters=3, crop=(8, 8))
    assert network.first.in_channels == 2 * without_mask.first.in_channels


def identity(x, generator):
    """Return x unchanged, as a corruption."""
    return x


def random_crops(clean, corrupted=None, **parameters):
    """Create crops of 4 x 4 pixels of images in [0, 1]; `corrupted=None` corrupts nothing."""
    settings = {
        "crop": (4, 4),
        "augment": True,
        "data_range": (0, 1),
        "corrupt": None,
        "device": "cpu",
        **parameters,
    }
    if corrupted is None:
        settings["corrupt"] = identity
    return RandomCrops(clean, corrupted, generator=torch.Generator().manual_seed(0), **settings)


def test_both_crops_of_a_pair_have_the_same_position():
    """Corrupted and clean crops have the same image, position and orientation."""
    clean = np.random.default_rng(0).random((5, 9, 11, 2))
    rows, weights, _ = random_crops(clean, clean + 1)[torch.arange(25)]
    corrupted_crops, clean_crops = rows.unflatten(1, (2, 2, 4, 4)).unbind(1)
    torch.testing.assert_close(corrupted_crops, clean_crops + 1)
    assert weights is None


def test_crops_have_eight_orientations_and_all_positions():
    """Crops are sampled from all images and positions, in all flips and rotations."""
    clean = np.arange(2 * 5 * 5, dtype=float).reshape(2, 5, 5, 1)
    dataset = random_crops(clean)
    assert len(dataset) == 2 * 2
    rows, *_ = dataset[torch.arange(4).repeat(500)]
    distinct = {tuple(row.tolist()) for row in rows[:, 16:]}
    assert len(distinct) == 2 * 4 * 8
    rows, *_ = random_crops(clean, augment=False)[torch.arange(4).repeat(100)]
    assert len({tuple(row.tolist()) for row in rows}) == 2 * 4


def test_scaling_keeps_the_digits_of_large_values():
    """Values far from zero are scaled before they are converted to float32."""
    images = 1e9 + np.arange(16.0).reshape(1, 4, 4, 1)
    scaled = scale_to_unit_range(images, 1e9, 1e9 + 16)
    np.testing.assert_allclose(scaled[0, 0].numpy().ravel() * 16, np.arange(16), atol=1e-5)
