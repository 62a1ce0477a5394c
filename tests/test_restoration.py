"""The restorer of images: what it learns, images of any size, its state, and its errors."""

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

FAST = {"n_filters": 4, "patch_size": 16, "max_iter": 1, "batch_size": 16, "device": "cpu", "random_state": 0}


def restorer(*args, **parameters):
    """Make a small restorer that is soon fitted."""
    return ImageRestorer(*args, **{**FAST, **parameters})


@pytest.fixture(scope="module")
def photos():
    """Two photographs in colour, as uint8, made small."""
    return np.stack([image[::4, ::4] for image in load_sample_images().images])


@pytest.fixture(scope="module")
def fitted(photos):
    """A restorer of colour images."""
    return restorer("gaussian", 0.1).fit(photos)


def noisy(images, scale, seed=0):
    """Add normal noise."""
    return images + np.random.default_rng(seed).normal(scale=scale, size=images.shape)


# ------------------------------------------------------------------------------------------------------- learning


def test_noise_gets_less():
    """On images that fit did not see, less than a third of strong noise is left, and less than all of weak noise."""
    images = load_digits().images
    train, test = images[:1500], images[1500:]
    model = ImageRestorer("gaussian", (0.1, 0.3), n_filters=8, max_iter=25, device="cpu", random_state=0).fit(train)
    for scale in (0.1, 0.3):
        damaged = noisy(test, 16 * scale)
        before, after = (np.square(found - test).mean() for found in (damaged, model.predict(damaged)))
        assert after < before * (0.9 if scale == 0.1 else 0.33)
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert len(model.loss_curve_) == model.n_iter_ == 25


def test_pairs_are_learned_from():
    """Given damaged and clean images, fit learns a damage that it could not draw: that the left half is dark."""
    images = load_digits().images[:600]
    damaged = images.copy()
    damaged[:, :, :4] /= 4
    model = restorer(n_filters=8, max_iter=15).fit(damaged[:500], images[:500])
    assert model.score(damaged[500:], images[500:]) > 0.9 > r2_score(images[500:].ravel(), damaged[500:].ravel())


@pytest.mark.parametrize(
    ("corruption", "level"),
    [
        ("gaussian", (0.05, 0.2)),
        ("masking", 0.3),
        ("salt_and_pepper", [0.1, 0.3]),
        ("patches", 0.2),
        ("blur", (0, 2)),
        ("jpeg", (10, 90)),
        (lambda x, level, generator: x.flip(-1) * level, 0.5),
    ],
)
def test_every_damage_can_be_learned_from(photos, corruption, level):
    """Fit takes each corruption, with one level or a pair, and gives finite images."""
    model = restorer(corruption, level).fit(photos)
    assert np.isfinite(model.predict(photos)).all()


# ----------------------------------------------------------------------------------------------------------- gaps


def holed(images, side, seed=0):
    """Cut a square hole into each image, at a random place; gives images with NaN there."""
    found, rng = images.astype(float), np.random.default_rng(seed)
    for image in found:
        top, left = rng.integers(0, np.array(image.shape[:2]) - side + 1)
        image[top : top + side, left : left + side] = np.nan
    return found


def test_told_where_holes_are_it_fills_them_better():
    """On images that fit did not see, gaps are filled with less error than holes that look like any grey area."""
    images = load_digits().images
    train, test = images[:1400], images[1400:]
    damaged = holed(test, 4)
    hole, errors = np.isnan(damaged), {}
    for allow_nan in (False, True):
        model = ImageRestorer("patches", 0.25, n_filters=8, max_iter=25, allow_nan=allow_nan, device="cpu", random_state=0)
        found = model.fit(train).predict(damaged if allow_nan else np.where(hole, model.fill_value_, test))
        errors[allow_nan] = np.square(found - test)[hole].mean()
    assert errors[True] < 0.95 * errors[False]


@pytest.mark.parametrize("corruption", ["masking", "patches"])
def test_what_is_known_stays(photos, corruption):
    """Where damage only leaves gaps, all else stays as it is, to the last digit of float32; without gaps all of it."""
    model = restorer(corruption, 0.2, allow_nan=True, max_iter=3, data_range=(-70.0, 333.3)).fit(photos)
    damaged = holed(photos + 0.1, 30)
    found, gaps = model.predict(damaged), np.isnan(damaged)
    np.testing.assert_array_equal(found[~gaps], damaged[~gaps].astype(np.float32))
    assert np.isfinite(found).all()
    assert (found[gaps] != model.fill_value_).mean() > 0.9
    np.testing.assert_array_equal(model.predict(photos), photos)


def test_gaps_may_lie_in_single_channels(photos):
    """A channel may have a gap where the others have none."""
    damaged = photos.astype(float)
    damaged[:, 40:60, 40:60, 1] = np.nan
    found = restorer("masking", (0, 0.5), allow_nan=True).fit(photos).predict(damaged)
    np.testing.assert_allclose(found[..., [0, 2]], photos[..., [0, 2]], atol=1e-4)
    assert np.isfinite(found).all()


def test_gaps_may_come_with_other_damage():
    """Pairs with gaps, and a callable that leaves some, have noise taken away beside them."""
    images = load_digits().images[:600]
    noise = 5.0

    def damage(x, level, generator):
        x = x + torch.randn(x.shape, generator=generator) * noise / 16
        return x.masked_fill(torch.rand(x.shape, generator=generator) < level, np.nan)

    rng = np.random.default_rng(1)
    damaged = noisy(images, noise)
    damaged[rng.random(images.shape) < 0.2] = np.nan
    gaps = np.isnan(damaged[500:])
    settings = {"allow_nan": True, "n_filters": 8, "max_iter": 20}
    for model in (
        restorer(**settings).fit(damaged[:500], images[:500]),
        restorer(damage, 0.2, data_range=(0, 16), **settings).fit(images[:500]),
    ):
        error = np.square(model.predict(damaged[500:]) - images[500:])
        assert error[~gaps].mean() < 0.6 * noise**2
        assert error[gaps].mean() < 0.5 * images[:500].var()


def test_gaps_are_still_known_after_pickling_and_changed_parameters(photos):
    """What a restorer does with NaN was settled by fit."""
    damaged = holed(photos, 20)
    model = restorer("patches", allow_nan=True).fit(photos)
    expected = model.predict(damaged)
    again = pickle.loads(pickle.dumps(copy.deepcopy(model).set_params(allow_nan=False, fill_value=9, corruption="blur")))
    np.testing.assert_array_equal(again.predict(damaged), expected)


def test_an_image_without_a_known_pixel_is_no_error():
    """Images that are one gap are restored, without a warning about units."""
    images = load_digits().images[:50]
    found = restorer("patches", allow_nan=True).fit(images).predict(np.full((2, 8, 8), np.nan))
    assert np.isfinite(found).all()


def test_gaps_may_be_among_numbers_of_half_precision(recwarn):
    """Images of float16 with gaps are restored like those of float64 of the same numbers, without a warning of their range."""
    images = load_digits().images[:50]
    damaged = holed(images, 3)
    model = restorer("patches", allow_nan=True).fit(images)
    np.testing.assert_array_equal(model.predict(damaged.astype(np.float16)), model.predict(damaged))
    assert not recwarn


def test_nothing_to_learn_gaps_from_is_an_error(photos):
    """Damage that leaves no gaps, damaged images without NaN, and clean ones with NaN are refused."""
    with pytest.raises(ValueError, match=r"Got allow_nan=True with corruption='blur', which leaves no gaps, but expected"):
        restorer("blur", allow_nan=True).fit(photos)
    for damaged in (photos, photos.astype(float)):
        with pytest.raises(ValueError, match=r"Got X without NaN, but expected some with allow_nan=True"):
            restorer(allow_nan=True).fit(damaged, photos)
    for name, given in (("X", [holed(photos, 9)]), ("y", [photos, holed(photos, 9)])):
        with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
            restorer("patches", allow_nan=True).fit(*given)


def test_damage_that_made_no_gaps_is_warned_of(photos):
    """Where gaps may be, but training saw none, it is said that filling them was not learned."""
    for corruption, level in ((lambda x, level, generator: x + level, 0.1), ("masking", 0)):
        with pytest.warns(UserWarning, match="No gap was seen in training"):
            restorer(corruption, level, allow_nan=True).fit(photos)


def test_gaps_that_are_not_allowed_are_an_error_that_says_how(fitted, photos):
    """NaN in damaged images is refused without allow_nan, and the error names the parameter."""
    with pytest.raises(ValueError, match="With allow_nan=True, NaN marks a gap"):
        fitted.predict(holed(photos, 9))
    with pytest.raises(ValueError, match="With allow_nan=True, NaN marks a gap"):
        restorer().fit(holed(photos, 9), photos)


# ------------------------------------------------------------------------------------------------ what is trained


@pytest.mark.parametrize(("able", "n_filters"), [(True, 16), (True, 15), (False, 16)])
def test_auto_is_bfloat16_where_it_saves_time(photos, monkeypatch, able, n_filters):
    """Networks that are wide enough are trained in bfloat16 by a device that has instructions for it, all others in float32."""
    monkeypatch.setattr("skae.restoration._training.has_bfloat16", lambda device: able)
    few = {"n_filters": n_filters, "max_iter": 3}
    losses = [restorer(precision=name, **few).fit(photos[:, :32, :32]).loss_curve_ for name in ("auto", "bfloat16", "float32")]
    assert losses[1] != losses[2]
    assert losses[0] == losses[1 if able and n_filters == 16 else 2]


def test_a_callable_sees_pieces_between_0_and_1(photos):
    """A callable gets float32 pieces (n, channels, height, width) of the range's units, the level as it is, and a generator."""
    seen = []

    def damage(x, level, generator):
        seen.append((x.shape, x.dtype, float(x.min()) >= 0, float(x.max()) <= 1, level, type(generator)))
        return x

    restorer(damage, (3, "ignored")).fit(photos)
    assert set(seen[:-1]) == {((16, 3, 16, 16), torch.float32, True, True, (3, "ignored"), torch.Generator)}


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_units_do_not_matter(photos, loss):
    """Images of another scale and origin give the same restored images in their units, and the loss in theirs."""
    first = restorer(loss=loss).fit(photos / 255)
    second = restorer(loss=loss, data_range=(-3, 7)).fit(photos / 255 * 10 - 3)
    np.testing.assert_allclose(second.predict(photos / 255 * 10 - 3), first.predict(photos / 255) * 10 - 3, atol=1e-3)
    power = 2 if loss == "squared_error" else 1
    np.testing.assert_allclose(second.loss_curve_, np.array(first.loss_curve_) * 10**power, rtol=1e-3)


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
def test_the_range_follows_from_dtype_and_numbers(X, data_range, fill):
    """Black and white are those of the dtype, or 0 and 1, or the extremes; holes are filled with the middle."""
    model = restorer(n_filters=1).fit(X)
    assert model.data_range_ == data_range
    assert model.fill_value_ == fill


def test_a_hole_has_the_fill_value(photos):
    """What fit puts into holes is `fill_value_`, in units of X."""
    seen = []

    class Look(Callback):
        def on_batch_begin(self, net, batch=None, training=None, **kwargs):
            seen.append(net.module_.prepare(batch[0])[:, 0])

    model = restorer("patches", 1.0, fill_value=51, net_params={"callbacks": [Look()]}).fit(photos)
    assert model.fill_value_ == 51
    assert all((x == pytest.approx(51 / 255)) for x in torch.cat(seen).unique().tolist())


# ---------------------------------------------------------------------------------------------------------------- sizes


def test_whole_images_are_not_turned_unless_asked():
    """With augment="auto" pieces are turned if they are smaller than the images; True and False decide."""
    images = np.zeros((20, 8, 8))
    images[:, :4] = 1
    seen = []

    def damage(x, level, generator):
        seen.append(bool((x[:, :, 0] == 1).all()))
        return x

    for augment, patch_size, upright in (("auto", 8, True), (True, 8, False), (False, 8, True), ("auto", 4, False)):
        seen.clear()
        restorer(damage, augment=augment, patch_size=patch_size).fit(images)
        assert all(seen) is upright, (augment, patch_size)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (8, 8), (33, 250), (171, 90)])
def test_tiles_do_not_show(shape):
    """Restored in tiles of any size, an image is what it is if restored at once, also at odd sizes."""
    images = np.random.default_rng(0).random((2, *shape))
    model = restorer().fit(images)
    with torch.no_grad():
        model.net_.module_.start(torch.Generator().manual_seed(0))
        for part in model.net_.module_.parameters():
            part.copy_(torch.randn(part.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    whole = model.set_params(tile_size=1000).predict(images)
    scale = np.abs(whole).max()
    for tile_size in (1, 20, 64):
        np.testing.assert_allclose(model.set_params(tile_size=tile_size).predict(images), whole, atol=1e-5 * scale)


def test_size_may_differ_from_that_of_fit(fitted, photos):
    """Images larger and smaller than those of fit, and of another form, come back in their shapes, as float32."""
    for height, width in ((1, 1), (20, 300), (107, 160)):
        X = np.resize(photos, (3, height, width, 3))
        assert fitted.predict(X).shape == X.shape
    assert fitted.predict(photos).dtype == np.float32


def test_grey_images_may_have_an_axis_of_one_channel():
    """(n, H, W) and (n, H, W, 1) are the same images, each in its own shape."""
    images = load_digits().images[:50]
    model = restorer().fit(images[..., None])
    np.testing.assert_array_equal(model.predict(images)[..., None], model.predict(images[..., None]))


def test_an_image_does_not_depend_on_its_company(fitted, photos):
    """An image is restored as if it were alone."""
    np.testing.assert_allclose(fitted.predict(photos)[1], fitted.predict(photos[1:])[0], atol=1e-3)


def test_nothing_is_rounded_or_clipped(fitted, photos):
    """uint8 gives float32 from about 0 to 255, with what is between whole numbers."""
    found = fitted.predict(photos)
    assert found.max() > 200
    assert (found != np.round(found)).mean() > 0.5


# ---------------------------------------------------------------------------------------------------------- state


def test_pickles_and_copies_restore_the_same(fitted, photos):
    """Pickles and copies give the same images, also after parameters were changed, and carry no training data."""
    expected = fitted.predict(photos)
    changed = copy.deepcopy(fitted).set_params(n_filters=64, corruption="blur", data_range=(0, 1), loss="absolute_error")
    for other in (pickle.loads(pickle.dumps(fitted)), copy.copy(fitted), pickle.loads(pickle.dumps(changed))):
        np.testing.assert_array_equal(other.predict(photos), expected)
    assert len(pickle.dumps(fitted)) < 4 * sum(part.numel() for part in fitted.net_.module_.parameters()) + 20_000


def test_equal_seeds_make_equal_restorers(fitted, photos):
    """A fit with the same seed is equal to the bit, and leaves the random states of NumPy and torch alone."""
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    again = clone(fitted).fit(photos)
    np.testing.assert_array_equal(again.predict(photos), fitted.predict(photos))
    assert (np.random.get_state()[1] == states[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert not np.array_equal(clone(fitted).set_params(random_state=1).fit(photos).predict(photos), fitted.predict(photos))


def test_inputs_are_left_alone(fitted, photos):
    """Neither fit nor predict writes into its input, which may be read-only, or of any real dtype."""
    for dtype in (np.uint8, np.int16, np.float16, np.float32, np.float64, bool):
        X = (photos > 128 if dtype is bool else photos).astype(dtype)
        before = X.copy()
        X.setflags(write=False)
        found = restorer().fit(X).predict(X)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(X, before)


def test_searches_find_parameters():
    """GridSearchCV over pairs of images scores by the pixels explained, and a level may be a pair."""
    images = load_digits().images[:60] / 16
    search = GridSearchCV(restorer(), {"n_filters": [2, 4], "loss": ["squared_error", "absolute_error"]}, cv=2)
    search.fit(noisy(images, 0.2), images)
    assert 0 < search.best_score_ < 1
    assert set(search.cv_results_["param_n_filters"]) == {2, 4}


def test_pipelines_and_frozen_ones(fitted, photos):
    """It may end a pipeline, and be frozen there."""
    pipeline = make_pipeline(FunctionTransformer(), FrozenEstimator(fitted)).fit(photos)
    np.testing.assert_array_equal(pipeline.predict(photos), fitted.predict(photos))


def test_score_is_r2_of_all_pixels(fitted, photos):
    """The score is scikit-learn's R^2 with pixels as samples, and weights count images."""
    damaged = noisy(photos, 25)
    found = fitted.predict(damaged)
    assert fitted.score(damaged, photos) == pytest.approx(r2_score(photos.ravel(), found.ravel()))
    assert fitted.score(damaged, photos, [0, 1]) == pytest.approx(r2_score(photos[1].ravel(), found[1].ravel()))


def test_the_bar_is_shown_only_if_asked_for(photos, capsys):
    """verbose=1 shows a bar with the loss on standard error, and verbose=0 nothing."""
    restorer().fit(photos)
    assert capsys.readouterr().err == ""
    restorer(verbose=1).fit(photos)
    assert "train_loss" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"corruption": "rain"}, "corruption"),
        ({"corruption_level": -1}, "corruption_level"),
        (
            {"corruption_level": (0.3, 0.1)},
            "Got corruption_level=.*, but expected a number of at least 0, or a pair of such, the lower one first, for",
        ),
        (
            {"corruption_level": (0.3,)},
            "Got corruption_level=.*, but expected a number of at least 0, or a pair of such, the lower one first, for",
        ),
        (
            {"corruption_level": (0, float("nan"))},
            "Got corruption_level=.*, but expected a number of at least 0, or a pair of such, the lower one first, for",
        ),
        (
            {"corruption_level": (0, float("inf"))},
            "Got corruption_level=.*, but expected a number of at least 0, or a pair of such, the lower one first, for",
        ),
        ({"corruption": "masking", "corruption_level": 1.5}, "expected a number from 0 to 1"),
        ({"corruption": "jpeg"}, r"Got corruption_level=0.1, but expected a number from 1 to 100.*corruption='jpeg'"),
        ({"data_range": (1, 1)}, r"Got data_range=\(1, 1\), but expected two rising numbers"),
        ({"data_range": (0, "white")}, "Got data_range=.*expected two rising numbers"),
        ({"n_filters": 0}, "n_filters"),
        ({"patch_size": 0}, "patch_size"),
        ({"tile_size": 0}, "tile_size"),
        ({"augment": "yes"}, "augment"),
        ({"loss": "log_loss"}, "loss"),
        ({"device": "abacus"}, "Got device='abacus'"),
        ({"net_params": {"lr": 1}}, "Got net_params with the key 'lr'"),
        ({"corruption": lambda x, level, generator: x[..., 1:]}, "Got a corruption that makes a tensor of shape"),
        ({"corruption": lambda x, level, generator: None}, "Got a corruption that makes None"),
        ({"corruption": lambda x, level, generator: x.numpy()}, "Got a corruption that makes ndarray, but expected a tensor"),
        ({"corruption": lambda x, level, generator: x.double()}, "Got a corruption that makes a tensor .* dtype float64, but"),
        ({"corruption": lambda x, level, generator: x / 0}, "Got a corruption that makes NaN or infinity, but expected finite"),
    ],
)
def test_wrong_parameters_say_so(photos, parameters, message):
    """A parameter that can't be used gives an error with its name and what is expected."""
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
        (np.full((2, 4, 4), "a"), "numeric"),
        (np.zeros((2, 4, 4), complex), "Complex data not supported"),
        ([np.zeros((4, 4)), np.zeros((5, 4))], r"Got images of shapes \(4, 4\) and \(5, 4\) in X, but expected all of one"),
    ],
)
def test_wrong_images_say_so(X, message):
    """What is no batch of finite real images is refused by fit and by predict."""
    model = restorer().fit(np.random.default_rng(0).random((4, 8, 8)))
    for method in (restorer().fit, model.predict):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_a_folder_is_told_what_reads_it():
    """The name of a folder in place of images gives an error that names ImageFolder."""
    with pytest.raises(TypeError, match=r"Got 'photographs' as X.*skae\.datasets\.ImageFolder"):
        restorer().fit("photographs")


def test_images_must_fit_together(fitted, photos):
    """Pairs of other shapes, other channels than in fit, and predicting before fit are errors."""
    with pytest.raises(ValueError, match=r"Got X of shape .* and y of shape .* images of equal shape"):
        restorer().fit(photos, photos[:, 1:])
    with pytest.raises(ValueError, match="images of equal shape"):
        fitted.score(photos, photos[:, 1:])
    with pytest.raises(ValueError, match="Got X with 1 channels, but expected 3"):
        fitted.predict(photos[..., 0])
    with pytest.raises(NotFittedError):
        restorer().predict(photos)


def test_likely_mistakes_are_warned_of(fitted, photos):
    """Channels in front, one image alone, and numbers near 1 where fit saw uint8 or the other way round are likely mistakes."""
    with pytest.warns(UserWarning, match="If the channels come first"):
        restorer().fit(np.moveaxis(photos, -1, 1))
    with pytest.warns(UserWarning, match=r"If it is one with 3 channels, give X\[None\]"):
        restorer().fit(photos[0])
    with pytest.warns(UserWarning, match="fit saw images between 0 and 255"):
        fitted.predict(noisy(photos / 255, 0.1))
    with pytest.warns(UserWarning, match="fit saw images between 0 and 1"):
        restorer().fit(photos / 255).predict(photos)


def test_a_fit_that_fails_changes_nothing(fitted, photos):
    """After an error, or a loss that is no number, the earlier fit is still there."""
    model = copy.deepcopy(fitted)
    expected = model.predict(photos)
    model.set_params(learning_rate_init=1e30)
    with pytest.raises(ValueError, match=r"The loss was no longer a number. Got learning_rate_init=1e\+30"):
        model.fit(photos)
    np.testing.assert_array_equal(model.predict(photos), expected)


def test_ctrl_c_keeps_what_was_learned(photos):
    """Ctrl-C ends the training with a warning, and leaves a restorer that can be used."""

    class Impatient(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted by user"):
        model = restorer(net_params={"callbacks": [Impatient()]}).fit(photos)
    assert np.isfinite(model.predict(photos)).all()


@pytest.mark.parametrize(("height", "width"), [(3, 5), (3, 40), (30, 5), (16, 16), (30, 40)])
def test_any_size_can_be_learned_from(height, width):
    """Images smaller than a piece, tall and wide ones are learned from."""
    images = gaussian_filter(np.random.default_rng(0).random((6, height, width)), (0, 1, 1))
    assert restorer().fit(images).predict(images).shape == images.shape


def test_a_tile_size_is_checked_when_it_is_used(fitted, photos):
    """A tile size that was set after fit is checked by predict."""
    model = copy.copy(fitted).set_params(tile_size=0)
    with pytest.raises(ValueError, match="tile_size"):
        model.predict(photos)
