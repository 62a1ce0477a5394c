"""Image restorer: denoising, inpainting, image sizes, state and errors."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.datasets import load_digits, load_sample_images
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from skae import ImageRestorer
from skae.corruptions import JPEG, Blur, Gaussian, Masking, Patches, SaltAndPepper
from skae.losses import Huber, LogLoss

FAST = {
    "n_filters": 4,
    "patch_size": 16,
    "max_iter": 1,
    "batch_size": 16,
    "device": "cpu",
    "random_state": 0,
}


def restorer(*args, **parameters):
    """Create a small restorer that is fast to fit."""
    return ImageRestorer(*args, **{**FAST, **parameters})


@pytest.fixture(scope="module")
def photos():
    """Return two small color photographs as uint8."""
    return np.stack([image[::4, ::4] for image in load_sample_images().images])


@pytest.fixture(scope="module")
def fitted(photos):
    """Return a restorer fitted to color images."""
    return restorer("gaussian").fit(photos)


def noisy(images, scale, seed=0):
    """Add Gaussian noise."""
    return images + np.random.default_rng(seed).normal(scale=scale, size=images.shape)


# ------------------------------------------------------------------------------------------------------- restoration


def test_denoising_reduces_the_error():
    """On test images, the error of strong noise falls below 33 percent, that of weak noise below 90."""
    images = load_digits().images
    train, test = images[:1500], images[1500:]
    model = ImageRestorer(
        Gaussian((0.1, 0.3)), n_filters=8, max_iter=25, device="cpu", random_state=0
    ).fit(train)
    for scale, max_ratio in ((0.1, 0.9), (0.3, 0.33)):
        corrupted = noisy(test, 16 * scale)
        error_before = np.square(corrupted - test).mean()
        error_after = np.square(model.predict(corrupted) - test).mean()
        assert error_after < error_before * max_ratio
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert len(model.loss_curve_) == model.n_iter_ == 25


def test_fit_learns_from_pairs():
    """Pairs of corrupted and clean images can have any corruption, such as a dark left half."""
    images = load_digits().images[:600]
    corrupted = images.copy()
    corrupted[:, :, :4] /= 4
    model = restorer(n_filters=8, max_iter=15).fit(corrupted[:500], images[:500])
    assert (
        model.score(corrupted[500:], images[500:])
        > 0.9
        > r2_score(images[500:].ravel(), corrupted[500:].ravel())
    )


@pytest.mark.parametrize(
    "corruption",
    [
        *["gaussian", "masking", "salt_and_pepper", "patches", "blur", "jpeg"],
        Gaussian((0.05, 0.2)),
        Masking(0.3),
        SaltAndPepper([0.1, 0.3]),
        SaltAndPepper(0.2, low=0.1, high=0.9),
        Patches(0.2, fill_value=0.0),
        Blur((0, 2)),
        JPEG((10, 90)),
        lambda x, generator: x.flip(-1) * 0.5,
    ],
)
def test_fit_accepts_every_corruption(photos, corruption):
    """Fit accepts each corruption, with one level or a pair, and restored images are finite."""
    model = restorer(corruption).fit(photos)
    assert np.isfinite(model.predict(photos)).all()


# ----------------------------------------------------------------------------------------------------------- inpainting


def mask_squares(images, side, seed=0):
    """Mask a square of each image with NaN, at a random position."""
    masked = images.astype(float)
    rng = np.random.default_rng(seed)
    for image in masked:
        top, left = rng.integers(0, np.array(image.shape[:2]) - side + 1)
        image[top : top + side, left : left + side] = np.nan
    return masked


def test_inpainting_with_a_mask_has_a_smaller_error():
    """On test images, inpainting with NaN as mask has a smaller error than without a mask."""
    images = load_digits().images
    train, test = images[:1400], images[1400:]
    masked = mask_squares(test, 4)
    is_missing = np.isnan(masked)
    model = ImageRestorer(
        Patches(0.25), n_filters=8, max_iter=12, device="cpu", random_state=0
    ).fit(train)
    without_mask = model.predict(np.where(is_missing, model.fill_value_, test))
    with_mask = clone(model).set_params(allow_nan=True).fit(train).predict(masked)
    error_without_mask = np.square(without_mask - test)[is_missing].mean()
    error_with_mask = np.square(with_mask - test)[is_missing].mean()
    assert error_with_mask < 0.95 * error_without_mask


@pytest.mark.parametrize("corruption", [Masking(0.2), Patches(0.2)])
def test_observed_pixels_are_unchanged(photos, corruption):
    """After a fit with a masking corruption, pixels that aren't NaN keep their float32 value."""
    model = restorer(corruption, allow_nan=True, max_iter=3, data_range=(-70.0, 333.3)).fit(photos)
    corrupted = mask_squares(photos + 0.1, 30)
    restored = model.predict(corrupted)
    is_missing = np.isnan(corrupted)
    np.testing.assert_array_equal(restored[~is_missing], corrupted[~is_missing].astype(np.float32))
    assert np.isfinite(restored).all()
    assert (restored[is_missing] != model.fill_value_).mean() > 0.9
    np.testing.assert_array_equal(model.predict(photos), photos)


def test_single_channels_may_be_masked(photos):
    """A pixel may be masked in one channel only."""
    corrupted = photos.astype(float)
    corrupted[:, 40:60, 40:60, 1] = np.nan
    restored = restorer(Masking((0, 0.5)), allow_nan=True).fit(photos).predict(corrupted)
    np.testing.assert_allclose(restored[..., [0, 2]], photos[..., [0, 2]], atol=1e-4)
    assert np.isfinite(restored).all()


def test_masked_regions_may_be_combined_with_noise():
    """Pairs with NaN, and a callable that masks, are denoised and inpainted by one model."""
    images = load_digits().images[:600]
    noise = 5.0

    def corrupt(x, generator):
        x = x + torch.randn(x.shape, generator=generator) * noise / 16
        return x.masked_fill(torch.rand(x.shape, generator=generator) < 0.2, np.nan)

    rng = np.random.default_rng(1)
    corrupted = noisy(images, noise)
    corrupted[rng.random(images.shape) < 0.2] = np.nan
    is_missing = np.isnan(corrupted[500:])
    settings = {"allow_nan": True, "n_filters": 8, "max_iter": 10}
    for model in (
        restorer(**settings).fit(corrupted[:500], images[:500]),
        restorer(corrupt, data_range=(0, 16), **settings).fit(images[:500]),
    ):
        error = np.square(model.predict(corrupted[500:]) - images[500:])
        assert error[~is_missing].mean() < 0.6 * noise**2
        assert error[is_missing].mean() < 0.5 * images[:500].var()


def test_inpainting_does_not_depend_on_parameters_set_after_fit(photos):
    """A pickled restorer with other parameters treats NaN as in fit."""
    corrupted = mask_squares(photos, 20)
    model = restorer("patches", allow_nan=True).fit(photos)
    expected = model.predict(corrupted)
    again = pickle.loads(
        pickle.dumps(
            copy.deepcopy(model).set_params(allow_nan=False, fill_value=9, corruption="blur")
        )
    )
    np.testing.assert_array_equal(again.predict(corrupted), expected)


def test_images_may_be_masked_entirely(recwarn):
    """Images of NaN only are restored, without a warning about units."""
    images = load_digits().images[:50]
    model = restorer("patches", patch_size=8, allow_nan=True).fit(images)
    restored = model.predict(np.full((2, 8, 8), np.nan))
    assert np.isfinite(restored).all()
    assert not recwarn


def test_masked_images_may_have_half_precision(recwarn):
    """Masked images of float16 and of float64 have equal results, without a warning."""
    images = load_digits().images[:50]
    corrupted = mask_squares(images, 3)
    model = restorer("patches", patch_size=8, allow_nan=True).fit(images)
    np.testing.assert_array_equal(
        model.predict(corrupted.astype(np.float16)), model.predict(corrupted)
    )
    assert not recwarn


def test_fit_needs_masked_regions_to_learn_inpainting(photos):
    """Corruptions that mask nothing, X without NaN and clean images with NaN are refused."""
    with pytest.raises(
        ValueError,
        match=r"Got allow_nan=True with corruption=Blur\(\), which masks no pixels, but expected",
    ):
        restorer("blur", allow_nan=True).fit(photos)
    for corrupted in (photos, photos.astype(float)):
        with pytest.raises(
            ValueError, match=r"Got X without NaN, but expected NaN with allow_nan=True"
        ):
            restorer(allow_nan=True).fit(corrupted, photos)
    masked = mask_squares(photos, 9)
    for name, arguments in (("X", [masked]), ("y", [photos, masked])):
        with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
            restorer("patches", allow_nan=True).fit(*arguments)


def test_training_without_masked_regions_warns(photos):
    """A fit with allow_nan=True warns if no crop had NaN."""
    for corruption in (lambda x, generator: x + 0.1, Masking(0)):
        with pytest.warns(UserWarning, match="no corrupted crop had NaN in training"):
            restorer(corruption, allow_nan=True).fit(photos)


def test_the_error_of_nan_suggests_allow_nan(fitted, photos):
    """NaN in corrupted images is refused without allow_nan, and the error names the parameter."""
    with pytest.raises(ValueError, match=r"NaN.*allow_nan=True"):
        fitted.predict(mask_squares(photos, 9))
    with pytest.raises(ValueError, match=r"NaN.*allow_nan=True"):
        restorer().fit(mask_squares(photos, 9), photos)


# ------------------------------------------------------------------------------------------------ training


@pytest.mark.parametrize(
    ("has_bfloat16", "n_filters", "expected"),
    [(True, 16, "bfloat16"), (True, 15, "float32"), (False, 16, "float32")],
)
def test_auto_precision(photos, monkeypatch, has_bfloat16, n_filters, expected):
    """precision="auto" is bfloat16 from 16 filters on, on devices with instructions for it."""
    monkeypatch.setattr("skae.restoration._fit.has_bfloat16", lambda device: has_bfloat16)
    losses = {}
    for precision in ("auto", "bfloat16", "float32"):
        model = restorer(precision=precision, n_filters=n_filters, max_iter=3)
        losses[precision] = model.fit(photos[:, :32, :32]).loss_curve_
    assert losses["bfloat16"] != losses["float32"]
    assert losses["auto"] == losses[expected]


def test_a_callable_receives_crops_in_the_unit_range(photos):
    """A callable receives float32 crops (n, channels, h, w) in [0, 1], and a generator."""
    calls = []

    def corrupt(x, generator):
        in_unit_range = bool((x >= 0).all() and (x <= 1).all())
        calls.append((x.shape, x.dtype, in_unit_range, type(generator)))
        return x

    restorer(corrupt).fit(photos)
    expected = ((16, 3, 16, 16), torch.float32, True, torch.Generator)
    assert set(calls[:-1]) == {expected}


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", Huber(0.1)])
def test_results_are_equivariant_to_units(photos, loss):
    """Images of another scale and origin have equal restored images and losses, in their units."""
    first = restorer(loss=loss).fit(photos / 255)
    second = restorer(loss=loss, data_range=(-3, 7)).fit(photos / 255 * 10 - 3)
    np.testing.assert_allclose(
        second.predict(photos / 255 * 10 - 3), first.predict(photos / 255) * 10 - 3, atol=1e-3
    )
    power = 1 if loss == "absolute_error" else 2
    np.testing.assert_allclose(
        second.loss_curve_, np.array(first.loss_curve_) * 10**power, rtol=1e-3
    )


@pytest.mark.parametrize(
    ("X", "data_range", "fill"),
    [
        (np.full((3, 4, 4), 7, np.uint8), (0, 255), 128),
        (np.full((3, 4, 4), 7, np.uint16), (0, 65535), 32768),
        (np.linspace(0, 1, 48).reshape(3, 4, 4), (0, 1), 0.5),
        (np.linspace(0.2, 0.3, 48).reshape(3, 4, 4), (0, 1), 0.5),
        (np.linspace(-2, 6, 48).reshape(3, 4, 4), (-2, 6), 2),
        (np.arange(48).reshape(3, 4, 4), (0, 47), 24),
        (np.full((3, 4, 4), -5.0), (-5, -4), -4.5),
    ],
)
def test_auto_data_range_and_fill_value(X, data_range, fill):
    """The range is that of the dtype, [0, 1], or the extremes; the fill value is its middle."""
    model = restorer(n_filters=1).fit(X)
    assert model.data_range_ == data_range
    assert model.fill_value_ == fill


def test_masked_regions_have_the_fill_value(photos):
    """Masked pixels of training crops have the value `fill_value_`, in units of X."""
    corrupted = []

    class Record(Callback):
        def on_batch_begin(self, net, batch=None, training=None, **kwargs):
            corrupted.append(net.module_.prepare(batch[0])[:, 0])

    callbacks = {"callbacks": [Record()]}
    model = restorer(Patches(1.0), fill_value=51, net_params=callbacks).fit(photos)
    assert model.fill_value_ == 51
    for value in torch.cat(corrupted).unique().tolist():
        assert value == pytest.approx(51 / 255)


# ---------------------------------------------------------------------------------------------------------------- sizes


def test_auto_augmentation_leaves_whole_images_upright():
    """augment="auto" flips and rotates crops only if they are smaller than the images."""
    images = np.zeros((20, 8, 8))
    images[:, :4] = 1
    top_is_white = []

    def corrupt(x, generator):
        top_is_white.append(bool((x[:, :, 0] == 1).all()))
        return x

    for augment, patch_size, upright in (
        ("auto", 8, True),
        (True, 8, False),
        (False, 8, True),
        ("auto", 4, False),
    ):
        top_is_white.clear()
        restorer(corrupt, augment=augment, patch_size=patch_size).fit(images)
        assert all(top_is_white) is upright, (augment, patch_size)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (8, 8), (33, 250), (171, 90)])
def test_results_do_not_depend_on_the_tile_size(shape):
    """Tiles of any size have the same result as the whole image, also at odd sizes."""
    images = np.random.default_rng(0).random((2, *shape))
    model = restorer().fit(images)
    with torch.no_grad():
        model.net_.module_.initialize(torch.Generator().manual_seed(0))
        for parameter in model.net_.module_.parameters():
            generator = torch.Generator().manual_seed(1)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    whole = model.set_params(tile_size=1000).predict(images)
    scale = np.abs(whole).max()
    for tile_size in (1, 20, 64):
        np.testing.assert_allclose(
            model.set_params(tile_size=tile_size).predict(images), whole, atol=1e-5 * scale
        )


def test_predict_accepts_any_image_size(fitted, photos):
    """Images larger and smaller than in fit are restored in their shapes, as float32."""
    for height, width in ((1, 1), (20, 300), (107, 160)):
        X = np.resize(photos, (3, height, width, 3))
        assert fitted.predict(X).shape == X.shape
    assert fitted.predict(photos).dtype == np.float32


def test_gray_images_may_have_a_channel_axis():
    """Images (n, H, W) and (n, H, W, 1) have equal results, each in its own shape."""
    images = load_digits().images[:50]
    model = restorer().fit(images[..., None])
    np.testing.assert_array_equal(
        model.predict(images)[..., None], model.predict(images[..., None])
    )


def test_an_image_does_not_depend_on_other_images_of_the_call(fitted, photos):
    """An image has the same result alone and with other images."""
    np.testing.assert_allclose(fitted.predict(photos)[1], fitted.predict(photos[1:])[0], atol=1e-3)


def test_results_are_not_rounded_or_clipped(fitted, photos):
    """Restored uint8 images are from about 0 to 255, with fractions."""
    restored = fitted.predict(photos)
    assert restored.max() > 200
    assert (restored != np.round(restored)).mean() > 0.5


# ---------------------------------------------------------------------------------------------------------- state


def test_pickles_and_copies_have_equal_results(fitted, photos):
    """Pickles and copies have equal results, also with other parameters, and no training data."""
    expected = fitted.predict(photos)
    changed = copy.deepcopy(fitted).set_params(
        n_filters=64, corruption="blur", data_range=(0, 1), loss="absolute_error"
    )
    for other in (
        pickle.loads(pickle.dumps(fitted)),
        copy.copy(fitted),
        pickle.loads(pickle.dumps(changed)),
    ):
        np.testing.assert_array_equal(other.predict(photos), expected)
    n_weights = sum(parameter.numel() for parameter in fitted.net_.module_.parameters())
    assert len(pickle.dumps(fitted)) < 4 * n_weights + 20_000


def test_equal_seeds_have_equal_results(fitted, photos):
    """Fits with one seed are bitwise equal; global random states of NumPy and torch don't change."""
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    again = clone(fitted).fit(photos)
    np.testing.assert_array_equal(again.predict(photos), fitted.predict(photos))
    assert (np.random.get_state()[1] == states[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert not np.array_equal(
        clone(fitted).set_params(random_state=1).fit(photos).predict(photos), fitted.predict(photos)
    )


def test_inputs_are_not_changed(fitted, photos):
    """Fit and predict don't write on X, which may be read-only and of any real dtype."""
    for dtype in (np.uint8, np.int16, np.float16, np.float32, np.float64, bool):
        X = (photos > 128 if dtype is bool else photos).astype(dtype)
        before = X.copy()
        X.setflags(write=False)
        restored = restorer().fit(X).predict(X)
        assert restored.dtype == np.float32
        np.testing.assert_array_equal(X, before)


def test_grid_search():
    """GridSearchCV over parameters works with pairs of images, scored by R^2 over pixels."""
    images = load_digits().images[:60] / 16
    search = GridSearchCV(
        restorer(), {"n_filters": [2, 4], "loss": ["squared_error", "absolute_error"]}, cv=2
    )
    search.fit(noisy(images, 0.2), images)
    assert 0 < search.best_score_ < 1
    assert set(search.cv_results_["param_n_filters"]) == {2, 4}


def test_restorers_in_pipelines(fitted, photos):
    """A restorer may be the last step of a pipeline, also as a FrozenEstimator."""
    pipeline = make_pipeline(FunctionTransformer(), FrozenEstimator(fitted)).fit(photos)
    np.testing.assert_array_equal(pipeline.predict(photos), fitted.predict(photos))


def test_score_is_r2_of_all_pixels(fitted, photos):
    """The score is scikit-learn's R^2 with pixels as samples; weights are those of images."""
    corrupted = noisy(photos, 25)
    restored = fitted.predict(corrupted)
    expected = r2_score(photos.ravel(), restored.ravel())
    assert fitted.score(corrupted, photos) == pytest.approx(expected)
    expected = r2_score(photos[1].ravel(), restored[1].ravel())
    assert fitted.score(corrupted, photos, [0, 1]) == pytest.approx(expected)


def test_verbose_shows_a_progress_bar(photos, capsys):
    """verbose=1 shows a progress bar with the loss on standard error; verbose=0 shows nothing."""
    restorer().fit(photos)
    assert capsys.readouterr().err == ""
    restorer(verbose=1).fit(photos)
    assert "train_loss" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"corruption": "rain"}, "corruption"),
        ({"corruption": Gaussian(-1)}, "level=-1"),
        (
            {"corruption": Gaussian((0.3, 0.1))},
            "Got level=.* in corruption=Gaussian, but expected a number of at least 0, or a pair of such, the lower one first",
        ),
        (
            {"corruption": Gaussian((0.3,))},
            "Got level=.* in corruption=Gaussian, but expected a number of at least 0, or a pair of such, the lower one first",
        ),
        (
            {"corruption": Gaussian((0, float("nan")))},
            "Got level=.* in corruption=Gaussian, but expected a number of at least 0, or a pair of such, the lower one first",
        ),
        (
            {"corruption": Gaussian((0, float("inf")))},
            "Got level=.* in corruption=Gaussian, but expected a number of at least 0, or a pair of such, the lower one first",
        ),
        ({"corruption": Masking(1.5)}, "expected a number from 0 to 1"),
        (
            {"corruption": JPEG(0.1)},
            r"Got level=0.1 in corruption=JPEG, but expected a number from 1 to 100",
        ),
        ({"data_range": (1, 1)}, r"Got data_range=\(1, 1\), but expected two rising numbers"),
        ({"data_range": (0, "white")}, "Got data_range=.*expected two rising numbers"),
        ({"n_filters": 0}, "n_filters"),
        ({"patch_size": 0}, "patch_size"),
        ({"tile_size": 0}, "tile_size"),
        ({"augment": "yes"}, "augment"),
        ({"loss": "log_loss"}, "loss"),
        ({"loss": LogLoss()}, r"Got loss=LogLoss\(\), .* logits"),
        ({"loss": Huber(0)}, "'delta' parameter of Huber"),
        ({"device": "abacus"}, "Got device='abacus'"),
        ({"net_params": {"lr": 1}}, "Got net_params with the key 'lr'"),
        (
            {"corruption": lambda x, generator: x[..., 1:]},
            "Got a corruption that makes a tensor of shape",
        ),
        ({"corruption": lambda x, generator: None}, "Got a corruption that makes NoneType"),
        (
            {"corruption": lambda x, generator: x.numpy()},
            "Got a corruption that makes ndarray, but expected a tensor",
        ),
        (
            {"corruption": lambda x, generator: x.double()},
            "Got a corruption that makes a tensor .* dtype float64, but",
        ),
        (
            {"corruption": lambda x, generator: x / 0},
            "Got a corruption that makes NaN or infinity, but expected finite",
        ),
    ],
)
def test_invalid_parameters_raise(photos, parameters, message):
    """The error of an invalid parameter has the parameter's name and the expected values."""
    with pytest.raises(ValueError, match=message):
        restorer(**parameters).fit(photos)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 9)), r"Got X of shape \(4, 9\), but expected at least one image"),
        (np.zeros(4), "Got X of shape"),
        (np.zeros((2, 3, 4, 5, 6)), "Got X of shape"),
        (np.zeros((0, 4, 4)), "0 sample"),
        (np.zeros((2, 0, 4)), r"Got X of shape \(2, 0, 4\)"),
        (np.full((2, 4, 4), np.nan), "NaN"),
        (np.full((2, 4, 4), np.inf), "infinity"),
        (np.full((2, 4, 4), 1e300), "too large for float32"),
        (np.full((2, 4, 4), "a"), "Got text"),
        (np.zeros((2, 4, 4), complex), "Complex data not supported"),
        (
            [np.zeros((4, 4)), np.zeros((5, 4))],
            r"Got images of shapes \(4, 4\) and \(5, 4\) in X, but expected images of one shape",
        ),
    ],
)
def test_invalid_images_raise(X, message):
    """Fit and predict refuse any X but a batch of finite, real images."""
    model = restorer().fit(np.random.default_rng(0).random((4, 8, 8)))
    for method in (restorer().fit, model.predict):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_the_error_of_a_path_names_image_folder():
    """The error of a path in place of images names ImageFolder."""
    with pytest.raises(TypeError, match=r"Got 'photographs' as X.*skae\.datasets\.ImageFolder"):
        restorer().fit("photographs")


def test_inconsistent_images_raise(fitted, photos):
    """Pairs of different shapes, other channels than in fit, and predict before fit are refused."""
    with pytest.raises(
        ValueError, match=r"Got X of shape .* and y of shape .* images of equal shape"
    ):
        restorer().fit(photos, photos[:, 1:])
    with pytest.raises(ValueError, match="images of equal shape"):
        fitted.score(photos, photos[:, 1:])
    with pytest.raises(ValueError, match="Got X with n_channels=1, but expected n_channels=3"):
        fitted.predict(photos[..., 0])
    with pytest.raises(NotFittedError):
        restorer().predict(photos)


def test_probable_mistakes_warn(fitted, photos):
    """Channels first, a single image, and X in other units than in fit raise warnings."""
    with pytest.warns(UserWarning, match="If the channels come first"):
        restorer().fit(np.moveaxis(photos, -1, 1))
    with pytest.warns(UserWarning, match=r"If X is one image with 3 channels, pass X\[None\]"):
        restorer().fit(photos[0])
    with pytest.warns(UserWarning, match="but it was 255 in fit"):
        fitted.predict(noisy(photos / 255, 0.1))
    with pytest.warns(UserWarning, match="but it was 1 in fit"):
        restorer().fit(photos / 255).predict(photos)


def test_a_failed_fit_keeps_the_earlier_fit(fitted, photos):
    """After a fit with a NaN loss, results are those of the earlier fit."""
    model = copy.deepcopy(fitted)
    expected = model.predict(photos)
    model.set_params(learning_rate_init=1e30)
    with pytest.raises(
        ValueError,
        match=r"Training loss became NaN or infinite, or weights too large, with learning_rate_init=1e\+30",
    ):
        model.fit(photos)
    np.testing.assert_array_equal(model.predict(photos), expected)


def test_ctrl_c_keeps_the_trained_weights(photos):
    """Ctrl-C ends training with a warning, and the restorer is fitted."""

    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted by user"):
        model = restorer(net_params={"callbacks": [Interrupt()]}).fit(photos)
    assert np.isfinite(model.predict(photos)).all()


@pytest.mark.parametrize(("height", "width"), [(3, 5), (3, 40), (30, 5), (16, 16), (30, 40)])
def test_fit_accepts_any_image_size(height, width):
    """Images smaller than `patch_size`, and of any aspect ratio, can be used in fit."""
    images = gaussian_filter(np.random.default_rng(0).random((6, height, width)), (0, 1, 1))
    assert restorer().fit(images).predict(images).shape == images.shape


def test_predict_validates_the_tile_size(fitted, photos):
    """Predict validates a `tile_size` that was set after fit."""
    model = copy.copy(fitted).set_params(tile_size=0)
    with pytest.raises(ValueError, match="tile_size"):
        model.predict(photos)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"data_range": (-1e300, 1e300)}, r"Got data_range=.*at most 8.51e\+37"),
        ({"data_range": (0, 1e-300)}, "difference of at least 1.18e-38"),
        ({"fill_value": 1e300}, r"Got fill_value=1e\+300"),
    ],
)
def test_ranges_beyond_float32_are_refused(photos, parameters, message):
    """Images are scaled in float32, so the data range and the fill value have its range."""
    with pytest.raises(ValueError, match=message):
        restorer(max_iter=1, **parameters).fit(photos)


@pytest.mark.parametrize("value", [0.0, 255.0, 1e17, -1e30])
def test_constant_images_of_any_value(value):
    """The automatic data range of constant images is not empty."""
    images = np.full((6, 8, 8), value)
    result = restorer(max_iter=1).fit(images).predict(images)
    assert np.isfinite(result).all()
    assert np.abs(result - value).max() <= 1 + 1e-5 * abs(value)


def test_sample_weights_of_the_score(photos):
    """Weights are those of r2_score, also as a tensor, and are validated."""
    fitted = restorer(max_iter=1).fit(photos)
    noisy = photos.astype(float) + 3.0
    weights = np.arange(len(photos)) % 3 + 0.5
    restored = fitted.predict(noisy)
    expected = r2_score(
        photos.ravel(), restored.ravel(), sample_weight=np.repeat(weights, photos[0].size)
    )
    for made in (weights, list(weights), torch.tensor(weights, requires_grad=True)):
        assert fitted.score(noisy, photos, sample_weight=made) == pytest.approx(expected)
    for wrong in (0 * weights, weights[1:], -weights, np.full(len(photos), np.nan)):
        with pytest.raises(ValueError, match=r"[Ww]eight|NaN|Negative"):
            fitted.score(noisy, photos, sample_weight=wrong)
