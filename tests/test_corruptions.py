"""Corruptions: their amount, their position, and agreement with SciPy and Pillow."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

from skae.corruptions import (
    IMAGE_CORRUPTIONS,
    JPEG,
    Blur,
    Gaussian,
    Masking,
    Patches,
    SaltAndPepper,
)

ROWS = ["gaussian", "masking", "salt_and_pepper"]
IMAGES = ["patches", "blur", "jpeg"]
LEVELS = {"blur": 1.5, "jpeg": 20}


def resolve_seed(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def resolved(name, level):
    """Return a corruption with the fill value 0, and the smallest and largest value of x."""
    corruption = IMAGE_CORRUPTIONS[name](level)
    return corruption.resolve(fill_value=0.0, low=None, high=None)


def photo(mode="RGB"):
    """Return a crop of a photograph as uint8: (height, width, channels)."""
    image = Image.fromarray(load_sample_images().images[0][100:197, 200:303])
    return np.atleast_3d(np.asarray(image.convert(mode)))


@pytest.mark.parametrize("name", ROWS + IMAGES)
def test_corruptions_depend_on_the_generator_only(name):
    """Equal generators have equal results; x and the global random state do not change."""
    x = torch.rand(6, 3, 17, 20, generator=resolve_seed())
    before, state = x.clone(), torch.get_rng_state()
    level = LEVELS.get(name, 0.3)
    first, second = (resolved(name, level)(x, resolve_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == x.shape
    assert first.dtype == x.dtype
    assert not torch.equal(first, x)
    levels = (level, 2 * level)
    assert not torch.equal(
        resolved(name, levels)(x, resolve_seed(1)), resolved(name, levels)(x, resolve_seed(2))
    )
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ROWS)
def test_elementwise_corruptions_accept_tables(name):
    """Elementwise corruptions accept tables, and a level of 0 is the identity."""
    x = torch.rand(50, 7, generator=resolve_seed())
    assert resolved(name, 0.5)(x, resolve_seed()).shape == x.shape
    torch.testing.assert_close(resolved(name, 0.0)(x, resolve_seed()), x, rtol=0, atol=0)


def test_gaussian_has_the_given_standard_deviation():
    """Noise has the given standard deviation; with a pair each sample has its own in between."""
    x = torch.rand(200, 2000, generator=resolve_seed())
    assert (Gaussian(0.3)(x, resolve_seed()) - x).std() == pytest.approx(0.3, rel=0.01)
    spread = (Gaussian((0.1, 0.5))(x, resolve_seed()) - x).std(1)
    assert 0.09 < spread.min() < 0.12
    assert 0.48 < spread.max() < 0.53


def test_masking_replaces_the_given_fraction():
    """The given fraction of the elements becomes the fill value; others do not change."""
    x = torch.rand(100, 1000, generator=resolve_seed())
    corrupted = Masking(0.2, fill_value=-3.0)(x, resolve_seed())
    masked = corrupted == -3
    assert masked.float().mean() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(corrupted[~masked], x[~masked])


def test_salt_and_pepper_replaces_by_extremes():
    """Half of the replacements are the minimum of x or `low`, half the maximum or `high`."""
    x = torch.rand(100, 1000, generator=resolve_seed()) + 1
    for given, low, high in (((None, None), x.min(), x.max()), ((0.0, 3.0), 0.0, 3.0)):
        corrupted = SaltAndPepper(0.4, *given)(x, resolve_seed())
        assert (corrupted == low).float().mean() == pytest.approx(0.2, abs=0.01)
        assert (corrupted == high).float().mean() == pytest.approx(0.2, abs=0.01)


def test_patches_mask_a_square_of_each_image():
    """The masked region is a square of the given area, at random positions, in all channels."""
    x = torch.rand(300, 2, 28, 28, generator=resolve_seed())
    region = Patches(0.25, fill_value=9.0)(x, resolve_seed()) == 9
    assert torch.equal(region[:, 0], region[:, 1])
    assert (region[:, 0].flatten(1).sum(1) == 14 * 14).all()
    tall, wide = region[:, 0].any(2).sum(1), region[:, 0].any(1).sum(1)
    assert (tall == 14).all()
    assert (wide == 14).all()
    assert len({tuple(one.nonzero()[0].tolist()) for one in region[:, 0]}) > 100


@pytest.mark.parametrize(("height", "width"), [(12, 27), (27, 12)])
def test_patches_of_rectangular_images_are_squares(height, width):
    """The masked region is a square of the given area, at any position in the image."""
    x = torch.rand(500, 2, height, width, generator=resolve_seed())
    region = (Patches(0.25, fill_value=9.0)(x, resolve_seed()) == 9).numpy()
    np.testing.assert_array_equal(region[:, 0], region[:, 1])
    assert (region[:, 0].sum((1, 2)) == 9 * 9).all()  # the root of a quarter of 12 * 27
    for length, lines in ((height, region[:, 0].any(2)), (width, region[:, 0].any(1))):
        first, last = lines.argmax(1), length - 1 - lines[:, ::-1].argmax(1)
        assert (last - first == 8).all()
        assert set(first) == set(range(length - 8))


def test_patches_of_random_sizes_are_squares():
    """With a pair of levels each image has a masked square of its own size, between both areas."""
    x = torch.rand(300, 1, 20, 45, generator=resolve_seed())
    region = (Patches((0.04, 0.36), fill_value=9.0)(x, resolve_seed()) == 9).numpy()[:, 0]
    tall, wide = region.any(2).sum(1), region.any(1).sum(1)
    np.testing.assert_array_equal(tall, wide)
    np.testing.assert_array_equal(region.sum((1, 2)), tall * wide)
    assert set(tall) == set(range(6, 19))  # the roots of 0.04 * 900 and of 0.36 * 900


def test_patches_of_low_images_keep_their_area():
    """A square taller than the image becomes a rectangle, and an interval in signals."""
    region = resolved("patches", 0.81)(torch.ones(5, 1, 4, 25), resolve_seed())[:, 0] == 0
    assert (region.any(2).sum(1) == 4).all()
    assert (region.any(1).sum(1) == 20).all()
    for shape in ((5, 2, 1, 100), (5, 2, 100, 1)):
        masked = resolved("patches", (0.2, 1.0))(torch.ones(shape), resolve_seed()) == 0
        assert masked.float().mean((1, 2, 3)).min() >= 0.2
    assert (resolved("patches", 1.0)(torch.ones(3, 1, 7, 60), resolve_seed()) == 0).all()


def test_patches_may_mask_a_whole_image():
    """A level of 1 masks all of a square image, and 0 is the identity."""
    x = torch.rand(3, 1, 9, 9, generator=resolve_seed())
    assert (resolved("patches", 1.0)(x, resolve_seed()) == 0).all()
    assert torch.equal(resolved("patches", 0.0)(x, resolve_seed()), x)


def test_blur_agrees_with_scipy():
    """Blurred images are those of scipy.ndimage.gaussian_filter with mode="nearest"."""
    x = torch.tensor(photo()[:40, :31]).movedim(-1, 0)[None].float()
    expected = np.stack([gaussian_filter(channel, 1.7, mode="nearest") for channel in x[0].numpy()])
    np.testing.assert_allclose(Blur(1.7)(x, resolve_seed())[0].numpy(), expected, atol=1e-3)
    torch.testing.assert_close(Blur(0.0)(x, resolve_seed()), x)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [5, 30, 90])
def test_jpeg_agrees_with_pillow(mode, quality):
    """Differences from Pillow are small relative to the compression error, which is as large."""
    image = photo(mode)
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality)
    expected = np.atleast_3d(np.asarray(Image.open(file))).astype(float)
    x = torch.tensor(image).movedim(-1, 0)[None] / 255
    compressed = JPEG(quality)(x, resolve_seed())[0].movedim(0, -1).numpy() * 255
    error = np.square(expected - image).mean()
    # readers differ in the interpolation of chrominance
    max_difference, rtol = 0.35 * error, 0.2
    if mode == "L":
        max_difference, rtol = 0.05 * error, 0.02
    assert np.square(compressed - expected).mean() < max(1.5, max_difference)
    assert np.square(compressed - image).mean() == pytest.approx(error, rel=rtol)


def test_jpeg_accepts_any_size_and_channels():
    """Images smaller than a block, and images with other than three channels, are accepted."""
    x = torch.rand(2, 5, 3, 11, generator=resolve_seed())
    compressed = JPEG((40, 90))(x, resolve_seed())
    assert compressed.shape == x.shape
    assert 0 <= compressed.min() <= compressed.max() <= 1
