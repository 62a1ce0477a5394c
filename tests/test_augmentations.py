"""Augmentations: what they change, when "auto" mirrors images, and views of the spread penalty."""

import pickle
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from skae import ConvAutoencoder, DenseAutoencoder
from skae._input.batching import Batch
from skae._training.batch_inputs import prepare_batch
from skae._training.sample_changes import augment_rows, resolve_augment
from skae.augmentations import AUGMENTATIONS, Augmentation, ColumnSwap, Crop, Mirror
from skae.corruptions import JPEG, Gaussian, Masking
from skae.corruptions._base import corruption_of_samples
from skae.penalties import PenaltyInputs, Sparsity, Spread

from .cases import gray_images, label, low_rank


def generator(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def photograph_patches(n, size=8):
    """Return random patches of a photograph, (n, size, size, 3) of uint8."""
    photo = load_sample_images().images[0]
    rng = np.random.default_rng(0)
    rows = rng.integers(photo.shape[0] - size, size=n)
    columns = rng.integers(photo.shape[1] - size, size=n)
    return np.stack([photo[i : i + size, j : j + size] for i, j in zip(rows, columns, strict=True)])


class Brighter(Augmentation):
    """Add a constant of the user to samples."""

    def __init__(self, shift=0.5):
        self.shift = shift

    def __call__(self, x, generator):
        """Return augmented samples."""
        return x + self.shift


def shorter(x, generator):
    """Return too few samples."""
    return x[1:]


def record(samples):
    """Return an augmentation that appends the samples that it gets to a list."""

    def augment(x, generator):
        samples.append(x.clone())
        return x

    return augment


@pytest.mark.parametrize("augmentation", [Mirror(), Crop(), ColumnSwap()], ids=label)
def test_augmentations_depend_on_the_generator_only(augmentation):
    """Equal generators have equal results; x and the global random state do not change."""
    x = torch.rand(6, 3, 9, 12, generator=generator())
    before, state = x.clone(), torch.get_rng_state()
    first, second = (augmentation(x, generator(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == x.shape
    assert first.dtype == x.dtype
    assert not torch.equal(first, x)
    assert not torch.equal(first, augmentation(x, generator(2)))
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_mirrored_images_are_reversed_along_the_width():
    """Each image is as it was, or reversed along the width; both occur about equally often."""
    x = torch.rand(400, 2, 3, 5, generator=generator())
    mirrored = Mirror()(x, generator(1))
    is_same = (mirrored == x).flatten(1).all(1)
    is_reversed = (mirrored == x.flip(-1)).flatten(1).all(1)
    assert (is_same ^ is_reversed).all()
    assert 150 < int(is_reversed.sum()) < 250


def test_crops_of_the_whole_image_are_the_image():
    """With an area of 1, a crop is the image, or the mirrored image."""
    x = torch.rand(5, 3, 8, 6, generator=generator())
    whole = Crop(min_area=1.0, mirror=0.0)(x, generator(1))
    torch.testing.assert_close(whole, x)
    mirrored = Crop(min_area=1.0, mirror=1.0)(x, generator(1))
    torch.testing.assert_close(mirrored, x.flip(-1))


def test_crops_of_a_ramp_are_ramps_within_the_image():
    """Of an image that rises linearly, a crop rises at the rate of its side, and stays in range."""
    ramp = torch.linspace(0, 1, 64).expand(50, 1, 64, 64)
    crops = Crop(min_area=0.25, mirror=0.0)(ramp, generator(1))
    slopes = (crops[..., 40] - crops[..., 20]).mean((1, 2)) / (ramp[..., 40] - ramp[..., 20])[
        :, 0, 0
    ]
    assert float(slopes.min()) >= 0.5 - 1e-3
    assert float(slopes.max()) <= 1 + 1e-3
    assert float(slopes.max() - slopes.min()) > 0.3
    assert float(crops.min()) >= 0
    assert float(crops.max()) <= 1


def test_swapped_values_are_those_of_the_column():
    """Each value is one of its own column, and the share of replaced values is the probability."""
    x = torch.arange(600.0).reshape(200, 3)
    swapped = ColumnSwap(probability=0.4)(x, generator(1))
    for column in range(3):
        assert set(swapped[:, column].tolist()) <= set(x[:, column].tolist())
    assert 0.33 < float((swapped != x).float().mean()) < 0.47


def test_the_samples_of_an_augmentation_are_images_minus_one_number():
    """The samples of a user's function differ from the images by one offset and one factor."""
    images, samples = gray_images(40, 6, 7), []
    model = ConvAutoencoder(2, augmentation=record(samples), early_stopping=False, max_iter=1)
    model.fit(images)
    seen = samples[0].numpy()[:, 0]
    scale = model.net_.module_.centre.scale.item()
    offset = images.mean()
    order = [np.argmin(np.abs((images - offset) / scale - one).sum((1, 2))) for one in seen]
    np.testing.assert_allclose((images[order] - offset) / scale, seen, atol=1e-4)


@pytest.mark.parametrize("corruption", [None, "gaussian"])
def test_an_augmentation_changes_inputs_and_targets_of_training_only(corruption):
    """Targets are augmented in training mode and not in evaluation; inputs are corrupted beyond that."""
    images = gray_images(30, 6, 6)
    model = ConvAutoencoder(2, max_iter=1, random_state=0).fit(images)
    net, network = model.net_, model.net_.module_
    net.augment = partial(augment_rows, Brighter(0.5), network)
    if corruption is not None:
        net.corrupt = corruption_of_samples(Gaussian(0.3))
    X = torch.from_numpy(images.reshape(30, -1))
    original = network.prepare(X)
    for training, shift in ((True, 0.5), (False, 0.0)):
        network.train(training)
        x, target, _ = prepare_batch(net, Batch(X, None), generator())
        brighter = network.to_training_space(network.centre(X) + shift)
        torch.testing.assert_close(target, brighter)
        assert torch.allclose(x, target, atol=1e-5) == (corruption is None)
    assert not torch.allclose(original, network.to_training_space(network.centre(X) + 0.5))


def test_fits_with_an_augmentation_have_one_validation_set():
    """Folds are for samples that are prepared once; equal seeds give equal results."""
    images = gray_images(300, 6, 6)
    model = ConvAutoencoder(4, augmentation=Brighter(0.1), max_iter=5, random_state=0)
    codes = model.fit(images).transform(images)
    assert model.n_folds_ == 1
    np.testing.assert_array_equal(codes, model.fit(images).transform(images))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_words_are_objects(name):
    """A word is the default object of its class."""
    images = photograph_patches(60)
    settings = {"max_iter": 1, "random_state": 0}
    word = ConvAutoencoder(2, augmentation=name, **settings).fit(images)
    obj = ConvAutoencoder(2, augmentation=AUGMENTATIONS[name](), **settings).fit(images)
    np.testing.assert_array_equal(word.transform(images), obj.transform(images))


def resolved(images, **parameters):
    """Return the augmentation that "auto" stands for in a fit of images, or None."""
    model = ConvAutoencoder(8, max_iter=1, batch_size=512, random_state=0, **parameters).fit(images)

    class Objective:
        augmentation, corruption, features = "auto", None, None

    rows = images.reshape(len(images), -1)
    augment = resolve_augment(model, Objective, model.net_.module_, rows, one_pass=False)
    return augment and augment.args[0]


def test_auto_mirrors_photographs_only():
    """Patches of photographs and their mirror images are mirrored; patches with noise on the left are not."""
    half = photograph_patches(1600)
    patches = np.concatenate([half, half[:, :, ::-1]])
    assert resolved(patches) == Mirror()
    assert resolved(patches[100:3100]) is None
    generator = np.random.default_rng(0)
    left_half = patches.copy()
    left_half[:, :, :4] = generator.integers(0, 255, left_half[:, :, :4].shape)
    assert resolved(left_half) is None


def test_augmentations_of_other_shapes_are_errors():
    """The message says that the augmentation, and not the corruption, changed the shape."""
    with pytest.raises(ValueError, match="Got an augmentation that makes a tensor of shape"):
        ConvAutoencoder(2, augmentation=shorter, max_iter=1).fit(gray_images(20, 6, 6))


def test_missing_values_stay_missing_in_mirrored_images():
    """Mirrored images with missing values have missing values at the mirrored pixels."""
    images = gray_images(60, 6, 6)
    images[::3, 2, 1] = np.nan
    model = ConvAutoencoder(
        2, allow_nan=True, augmentation="mirror", max_iter=2, random_state=0
    ).fit(images)
    network = model.net_.module_
    x = network.centre(torch.from_numpy(images.reshape(60, -1)))
    mirrored = augment_rows(Mirror(1.0), network, x, generator()).reshape(60, 6, 6)
    np.testing.assert_array_equal(mirrored.isnan(), np.isnan(images[:, :, ::-1]))
    assert np.isfinite(model.reconstruct(images)).all()


# ---------------------------------------------------------------------------------- spread


def spread_by_hand(projections, width):
    """Return the penalty of projections of views, in NumPy."""
    center = np.mean(projections, axis=0)
    total = 0.0
    for h in projections:
        covariance = np.cov(h.T, bias=True)
        deviations = np.sqrt(np.diag(covariance) + 1e-4)
        total += np.square(h - center).mean(0).sum() + np.maximum(0, 1 - deviations).sum()
        total += 0.04 * (np.square(covariance).sum() - np.square(np.diag(covariance)).sum())
    return total / len(projections) / width


def test_spread_is_that_of_numpy():
    """Spread is invariance, variance and covariance of the projected views."""
    X = low_rank(40, 6)
    model = DenseAutoencoder(3, penalty=Spread(width=5), max_iter=1, random_state=0).fit(X)
    network = model.net_.module_
    x = network.prepare(torch.tensor(X, dtype=torch.float32))
    seen = []

    def double(samples, generator):
        changed = samples * (2 + len(seen))
        seen.append(changed)
        return changed

    penalty = Spread(views=double, n_views=3, width=5)
    inputs = PenaltyInputs(
        None, x, None, None, network, lambda x, generator: network(x, generator), generator(), 1.0
    )
    with torch.no_grad():
        value = float(penalty(inputs))
        codes = [network.latents(samples - network.centre.relative_mean) for samples in seen]
        projections = [network.penalty(z).numpy() for z in codes]
    assert len(seen) == 3
    assert value == pytest.approx(spread_by_hand(projections, 5), rel=1e-4)


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (DenseAutoencoder(3, penalty="spread"), low_rank(60, 8)),
        (DenseAutoencoder(3, penalty=Spread(views="masking", n_views=3)), low_rank(60, 8)),
        (ConvAutoencoder(3, penalty="spread"), gray_images(60, 8, 8)),
        (ConvAutoencoder(3, penalty=Spread(views=Mirror())), gray_images(60, 8, 8)),
    ],
    ids=["table", "masked", "crops", "mirrored"],
)
def test_fits_with_views_are_reproducible(model, X):
    """Equal seeds give equal codes; pickles transform alike."""
    model.set_params(max_iter=3, random_state=0)
    codes = model.fit(X).transform(X)
    np.testing.assert_array_equal(codes, model.fit(X).transform(X))
    np.testing.assert_array_equal(codes, pickle.loads(pickle.dumps(model)).transform(X))


def test_views_of_a_sample_agree_more_with_the_penalty():
    """Distances between codes of mirrored images fall, relative to distances between images."""
    images = photograph_patches(800)

    def ratio(penalty):
        model = ConvAutoencoder(8, penalty=penalty, augmentation=None, max_iter=15, random_state=0)
        codes = model.fit(images).transform(images)
        mirrored = model.transform(images[:, :, ::-1])
        spread = np.square(codes - codes.mean(0)).sum(1).mean()
        return np.square(codes - mirrored).sum(1).mean() / spread

    assert ratio(Spread(weight=1.0, views=Mirror(0.5))) < 0.9 * ratio(None)


class Recorded(Masking):
    """Masking that keeps the samples that it gets, and its results."""

    calls: ClassVar[list] = []

    def __call__(self, x, generator):
        """Return masked samples."""
        masked = super().__call__(x, generator)
        self.calls.append((x, masked))
        return masked


def test_masked_views_have_means():
    """A corruption as a view gets centered samples, so that it replaces values by their mean."""
    Recorded.calls.clear()
    X = low_rank(60, 4) + np.array([0, 0, 1000, -1000])
    DenseAutoencoder(2, penalty=Spread(views=Recorded()), max_iter=1, random_state=0).fit(X)
    x, masked = Recorded.calls[-1]
    assert x.abs().max() < 10
    assert (masked[masked != x] == 0).all()


@pytest.mark.parametrize(
    ("views", "error", "message"),
    [
        (JPEG(), ValueError, r"views=JPEG\(\) in Spread, which requires samples in \[0, 1\]"),
        (Sparsity(), TypeError, r"views=Sparsity\(\), but expected .*Augmentation"),
        (Crop, TypeError, r"views=Crop, which is a class"),
        ("turn", ValueError, r"'turn'"),
        (Crop(min_area=0), ValueError, r"min_area"),
        (Masking(level=2), ValueError, r"level=2"),
    ],
    ids=str,
)
def test_invalid_views(views, error, message):
    """Errors name the view and the reason."""
    with pytest.raises(error, match=message):
        ConvAutoencoder(2, penalty=Spread(views=views)).fit(gray_images(20, 8, 8))


def test_views_of_tables_are_no_images():
    """Crops of tables are an error that names the views of tables."""
    with pytest.raises(ValueError, match="Got views='crop' in Spread, which requires images"):
        DenseAutoencoder(2, penalty=Spread(views="crop")).fit(low_rank(20, 4))
