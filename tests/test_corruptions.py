"""Damage: how much of it is done, and where."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

from skae import corruptions

ROWS = ["gaussian", "masking", "salt_and_pepper"]
IMAGES = ["patches", "blur", "jpeg"]
LEVELS = {"blur": 1.5, "jpeg": 20}


def drawn(seed=0):
    """Give a generator."""
    return torch.Generator().manual_seed(seed)


def photo(mode="RGB"):
    """Give a part of a photograph as uint8: (height, width, channels)."""
    image = Image.fromarray(load_sample_images().images[0][100:197, 200:303])
    return np.atleast_3d(np.asarray(image.convert(mode)))


@pytest.mark.parametrize("name", ROWS + IMAGES)
def test_damage_comes_from_the_generator(name):
    """Equal generators do equal damage, others do other damage where chance has a part, and x and torch's state stay."""
    x = torch.rand(6, 3, 17, 20, generator=drawn())
    before, state = x.clone(), torch.get_rng_state()
    function, level = getattr(corruptions, name), LEVELS.get(name, 0.3)
    first, second = (function(x, level, drawn(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == x.shape
    assert first.dtype == x.dtype
    assert not torch.equal(first, x)
    assert torch.equal(function(x, (level, 2 * level), drawn(1)), function(x, (level, 2 * level), drawn(2))) is False
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_numbers_are_damaged_too(name):
    """What is done to single numbers is done to rows without a shape as well, and a level of 0 does nothing."""
    x = torch.rand(50, 7, generator=drawn())
    function = getattr(corruptions, name)
    assert function(x, 0.5, drawn()).shape == x.shape
    torch.testing.assert_close(function(x, 0.0, drawn()), x, rtol=0, atol=0)


def test_gaussian_has_the_standard_deviation_asked_for():
    """Noise has the given standard deviation; with a pair each row has its own in between."""
    x = torch.rand(200, 2000, generator=drawn())
    assert (corruptions.gaussian(x, 0.3, drawn()) - x).std() == pytest.approx(0.3, rel=0.01)
    spread = (corruptions.gaussian(x, (0.1, 0.5), drawn()) - x).std(1)
    assert 0.09 < spread.min() < 0.12
    assert 0.48 < spread.max() < 0.53


def test_masking_fills_the_share_asked_for():
    """The given share of the numbers becomes the fill value, and the others stay."""
    x = torch.rand(100, 1000, generator=drawn())
    damaged = corruptions.masking(x, 0.2, drawn(), fill=-3.0)
    gone = damaged == -3
    assert gone.float().mean() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(damaged[~gone], x[~gone])


def test_salt_and_pepper_takes_the_extremes():
    """Half of the numbers replaced become the smallest of x or what is asked for, and half the largest."""
    x = torch.rand(100, 1000, generator=drawn()) + 1
    for given, low, high in (({}, x.min(), x.max()), ({"low": 0.0, "high": 3.0}, 0.0, 3.0)):
        damaged = corruptions.salt_and_pepper(x, 0.4, drawn(), **given)
        assert (damaged == low).float().mean() == pytest.approx(0.2, abs=0.01)
        assert (damaged == high).float().mean() == pytest.approx(0.2, abs=0.01)


def test_a_hole_is_a_square_inside_of_the_image():
    """Every image loses one square of the given area, at many places, in all of its channels."""
    x = torch.rand(300, 2, 28, 28, generator=drawn())
    hole = corruptions.patches(x, 0.25, drawn(), fill=9.0) == 9
    assert torch.equal(hole[:, 0], hole[:, 1])
    assert (hole[:, 0].flatten(1).sum(1) == 14 * 14).all()
    tall, wide = hole[:, 0].any(2).sum(1), hole[:, 0].any(1).sum(1)
    assert (tall == 14).all()
    assert (wide == 14).all()
    assert len({tuple(one.nonzero()[0].tolist()) for one in hole[:, 0]}) > 100


@pytest.mark.parametrize(("height", "width"), [(12, 27), (27, 12)])
def test_a_hole_is_a_square_in_images_that_are_not(height, width):
    """The hole has sides of equal length and the share of the area asked for, and may lie at any place in the image."""
    x = torch.rand(500, 2, height, width, generator=drawn())
    hole = (corruptions.patches(x, 0.25, drawn(), fill=9.0) == 9).numpy()
    np.testing.assert_array_equal(hole[:, 0], hole[:, 1])
    assert (hole[:, 0].sum((1, 2)) == 9 * 9).all()  # the root of a quarter of 12 * 27
    for length, lines in ((height, hole[:, 0].any(2)), (width, hole[:, 0].any(1))):
        first, last = lines.argmax(1), length - 1 - lines[:, ::-1].argmax(1)
        assert (last - first == 8).all()
        assert set(first) == set(range(length - 8))


def test_holes_of_drawn_sizes_are_squares():
    """With a pair of levels every image has a square hole of its own size, between the two shares of the area."""
    x = torch.rand(300, 1, 20, 45, generator=drawn())
    hole = (corruptions.patches(x, (0.04, 0.36), drawn(), fill=9.0) == 9).numpy()[:, 0]
    tall, wide = hole.any(2).sum(1), hole.any(1).sum(1)
    np.testing.assert_array_equal(tall, wide)
    np.testing.assert_array_equal(hole.sum((1, 2)), tall * wide)
    assert set(tall) == set(range(6, 19))  # the roots of 0.04 * 900 and of 0.36 * 900


def test_a_hole_longer_than_the_image_is_cut_off():
    """A square that would be taller than a flat image takes all of its height, and keeps its width."""
    hole = corruptions.patches(torch.ones(5, 1, 4, 25), 0.81, drawn())[:, 0] == 0
    assert (hole.any(2).sum(1) == 4).all()
    assert (hole.any(1).sum(1) == 9).all()


def test_a_hole_may_be_all_of_an_image():
    """A level of 1 leaves nothing of a square image, and 0 leaves it as it is."""
    x = torch.rand(3, 1, 9, 9, generator=drawn())
    assert (corruptions.patches(x, 1.0, drawn()) == 0).all()
    assert torch.equal(corruptions.patches(x, 0.0, drawn()), x)


def test_blur_is_that_of_scipy():
    """Images are blurred as by scipy's Gaussian filter with its border "nearest"."""
    x = torch.tensor(photo()[:40, :31]).movedim(-1, 0)[None].float()
    expected = np.stack([gaussian_filter(part, 1.7, mode="nearest") for part in x[0].numpy()])
    np.testing.assert_allclose(corruptions.blur(x, 1.7, drawn())[0].numpy(), expected, atol=1e-3)
    torch.testing.assert_close(corruptions.blur(x, 0.0, drawn()), x)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [5, 30, 90])
def test_jpeg_does_what_pillow_does(mode, quality):
    """The difference to a file written by Pillow is small against the damage, and the damage is as large."""
    image = photo(mode)
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality)
    expected = np.atleast_3d(np.asarray(Image.open(file))).astype(float)
    x = torch.tensor(image).movedim(-1, 0)[None] / 255
    found = corruptions.jpeg(x, quality, drawn())[0].movedim(0, -1).numpy() * 255
    damage = np.square(expected - image).mean()
    # how colours are brought back to full resolution is left to each reader
    assert np.square(found - expected).mean() < max(1.5, (0.05 if mode == "L" else 0.35) * damage)
    assert np.square(found - image).mean() == pytest.approx(damage, rel=0.02 if mode == "L" else 0.2)


def test_jpeg_takes_any_size_and_channels():
    """Images smaller than a block, and such with channels that are no colours, are taken as well."""
    x = torch.rand(2, 5, 3, 11, generator=drawn())
    found = corruptions.jpeg(x, (40, 90), drawn())
    assert found.shape == x.shape
    assert 0 <= found.min() <= found.max() <= 1
