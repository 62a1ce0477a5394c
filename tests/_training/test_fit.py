"""partial_fit, warm_start, X_val, weights, net_params and what is shown."""

import copy
import gc
import pickle
import warnings
from itertools import chain

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer
from skae.losses import SquaredError

from ..cases import curve, low_rank

FAST = {
    "n_components": 2,
    "max_iter": 3,
    "early_stopping": False,
    "random_state": 0,
    "batch_size": 20,
}


def dense(**parameters):
    """Make a small dense autoencoder."""
    return DenseAutoencoder(**{**FAST, "hidden_layer_sizes": (8,), **parameters})


def conv(**parameters):
    """Make a small convolutional autoencoder."""
    return ConvAutoencoder(**{**FAST, "n_filters": 2, **parameters})


makers = pytest.mark.parametrize("make", [dense, conv])


# -------------------------------------------------------------------------------------------------------- partial_fit


@makers
def test_partial_fit_makes_one_pass_after_another(make, rows):
    """Each call adds an epoch; the loss falls, and the score beats the start's."""
    estimator = make(learning_rate_init=3e-3)
    assert estimator.partial_fit(rows) is estimator
    assert estimator.n_iter_ == 1
    first = estimator.score(rows)
    for _ in range(20):
        estimator.partial_fit(rows)
    assert estimator.n_iter_ == 21
    assert len(estimator.loss_curve_) == 21
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    assert estimator.score(rows) > first
    assert estimator.validation_scores_ is None


@makers
def test_partial_fit_fixes_centre_and_scale_in_its_first_call(make, rows):
    """Later rows, however far away, don't change mean and scale."""
    estimator = make(learning_rate_init=1e-12).partial_fit(rows)
    pca = PCA(2).fit(rows)
    expected = pca.inverse_transform(pca.transform(rows))
    np.testing.assert_allclose(estimator.reconstruct(rows), expected, atol=1e-3)
    estimator.partial_fit(rows + 100)
    np.testing.assert_allclose(estimator.reconstruct(rows), expected, atol=1e-3)


@makers
def test_partial_fit_is_reproducible_and_survives_a_copy(make, rows):
    """Equal calls give equal bits, and a deep copy in between goes on (without the optimizer's memory)."""
    first, second = make(), make()
    for _ in range(3):
        first.partial_fit(rows)
        second.partial_fit(rows)
    np.testing.assert_array_equal(first.transform(rows), second.transform(rows))
    back = copy.deepcopy(first)
    np.testing.assert_array_equal(back.transform(rows), first.transform(rows))
    back.partial_fit(rows)
    assert back.n_iter_ == 4
    assert not np.array_equal(back.transform(rows), first.transform(rows))


def test_partial_fit_shuffles_differently_in_each_pass(monkeypatch, rows):
    """The order of the rows is another in each call."""
    from skae._input import batching as _batches

    orders = []
    plain = _batches.RowDataset.__getitem__

    def spy(self, index):
        if isinstance(index, torch.Tensor):
            orders.append(index.tolist())
        return plain(self, index)

    monkeypatch.setattr(_batches.RowDataset, "__getitem__", spy)
    estimator = dense()
    for _ in range(2):
        estimator.partial_fit(rows)
    passes = [list(chain(*orders[i : i + 3])) for i in (0, 3)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(60))
    assert passes[0] != passes[1]


@makers
def test_partial_fit_after_fit_goes_on(make, rows):
    """partial_fit after fit starts from the fitted weights."""
    estimator = make(learning_rate_init=1e-12, max_iter=5).fit(rows)
    before = estimator.transform(rows)
    estimator.partial_fit(rows)
    np.testing.assert_allclose(estimator.transform(rows), before, atol=1e-4)
    assert estimator.n_iter_ == 6


@makers
def test_partial_fit_takes_weights(make, rows):
    """Rows without weight are as good as not there."""
    weights = np.r_[np.ones(40), np.zeros(20)]
    a = make(batch_size=60).partial_fit(rows, sample_weight=weights)
    b = make(batch_size=60).partial_fit(rows[:40])
    np.testing.assert_allclose(a.transform(rows), b.transform(rows), atol=1e-4)


@makers
def test_partial_fit_refuses_another_kind_of_data(make, rows):
    """Floats after integers (or other columns) are an error, and change nothing."""
    estimator = make().partial_fit(np.rint(rows * 10).astype(np.int64))
    before = estimator.transform(rows)
    with pytest.raises(ValueError, match=r"dtype float64.*first call got int64"):
        estimator.partial_fit(rows)
    with pytest.raises(ValueError, match=r"7 features.*expecting 8"):
        estimator.partial_fit(rows[:, :7])
    np.testing.assert_array_equal(estimator.transform(rows), before)
    assert estimator.n_iter_ == 1


# --------------------------------------------------------------------------------------------------------- warm_start


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_warm_start_goes_on(make, early_stopping):
    """A second fit starts where the first ended."""
    rows = curve(200)
    cold = make(
        n_components=1,
        learning_rate_init=1e-2,
        max_iter=20,
        batch_size=100,
        early_stopping=early_stopping,
    ).fit(rows)
    warm = clone(cold).set_params(warm_start=True).fit(rows)
    np.testing.assert_array_equal(warm.transform(rows), cold.transform(rows))
    Z = warm.transform(rows)
    warm.set_params(learning_rate_init=1e-12).fit(rows)
    np.testing.assert_allclose(warm.transform(rows), Z, atol=1e-4)
    again = clone(cold).set_params(learning_rate_init=1e-12).fit(rows)
    assert np.abs(again.transform(rows) - Z).max() > 1e-3


@makers
def test_warm_start_keeps_centre_and_scale(make, rows):
    """Other rows in the second fit don't move the mean."""
    estimator = make(warm_start=True, learning_rate_init=1e-12).fit(rows)
    expected = estimator.reconstruct(rows)
    estimator.fit(rows + 50)
    np.testing.assert_allclose(estimator.reconstruct(rows), expected, atol=1e-3)


CHANGES = [
    (dense, {"n_components": 3}),
    (dense, {"hidden_layer_sizes": (9,)}),
    (dense, {"activation": "relu"}),
    (dense, {"loss": "absolute_error"}),
    (conv, {"n_components": 3}),
    (conv, {"n_filters": 3}),
    (conv, {"image_shape": (2, 4)}),
    (conv, {"activation": "tanh"}),
]


@pytest.mark.parametrize(("make", "change"), CHANGES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_changed_architecture_is_an_error_where_a_fit_goes_on(make, change, method, rows):
    """The error names the parameter and both values, and the estimator is as it was."""
    estimator = make(warm_start=True).fit(rows)
    before = dict(vars(estimator))
    Z = estimator.transform(rows)
    (name,) = change
    old = getattr(estimator, name)
    estimator.set_params(**change)
    with pytest.raises(ValueError, match=name) as caught:
        getattr(estimator, method)(rows)
    assert repr(change[name]) in str(caught.value)
    if name == "loss":  # as an object
        old = SquaredError()
    assert repr(old) in str(caught.value)
    np.testing.assert_array_equal(estimator.transform(rows), Z)
    assert {k: v for k, v in vars(estimator).items() if k != name}.keys() == before.keys() - {name}
    assert estimator.n_iter_ == before["n_iter_"]
    assert np.isfinite(estimator.set_params(warm_start=False).fit(rows).transform(rows)).all()


def test_warm_start_with_other_columns_is_an_error(rows):
    """The features must be those of the first fit, and the first fit stays."""
    estimator = dense(warm_start=True).fit(rows)
    Z = estimator.transform(rows)
    with pytest.raises(ValueError, match="7 features"):
        estimator.fit(rows[:, :7])
    np.testing.assert_array_equal(estimator.transform(rows), Z)


def test_without_warm_start_anything_may_change(rows):
    """An ordinary second fit forgets the first, and equals a fresh one."""
    estimator = (
        dense().fit(np.rint(rows).astype(np.int64)).set_params(n_components=3).fit(rows[:, :5])
    )
    np.testing.assert_array_equal(
        estimator.transform(rows[:, :5]),
        dense().set_params(n_components=3).fit(rows[:, :5]).transform(rows[:, :5]),
    )
    assert estimator.n_features_in_ == 5


# -------------------------------------------------------------------------------------------------------------- X_val


@makers
def test_x_val_replaces_the_split(make):
    """Given rows judge the epochs, whatever early_stopping says, and are not learned from."""
    X = low_rank(200, 6)
    estimator = make(max_iter=5, early_stopping=True).fit(X[:100], X_val=X[100:])
    assert 2 <= len(estimator.validation_scores_) <= 6  # the start, and at most one look an epoch
    start = PCA(2).fit(X[:100])
    away = X[100:] - start.inverse_transform(start.transform(X[100:]))
    expected = 1 - np.square(away).sum() / np.square(X[100:] - X[:100].mean(0)).sum()
    assert estimator.validation_scores_[0] == pytest.approx(expected, abs=1e-3)
    by_default = make(max_iter=5, early_stopping=False).fit(X[:100], X_val=X[100:])
    np.testing.assert_allclose(
        by_default.validation_scores_, estimator.validation_scores_, atol=1e-6
    )


@makers
def test_x_val_is_checked_as_x_is(make, rows):
    """Held-out rows of another width, or with NaN, are an error, and the estimator isn't changed."""
    estimator = make().fit(rows)
    Z = estimator.transform(rows)
    with pytest.raises(ValueError, match="7 features"):
        estimator.fit(rows, X_val=rows[:, :7])
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(rows, X_val=np.where(rows > 2, np.nan, rows))
    with pytest.raises(ValueError, match="log_loss"):
        estimator.set_params(loss="log_loss").fit(rows * 0 + 0.5 + 0.01 * (rows > 1), X_val=rows)
    np.testing.assert_array_equal(estimator.transform(rows), Z)


def test_x_val_may_be_flat_rows_for_images(images):
    """Held-out images may come as flat rows, and the other way round."""
    a = conv(early_stopping=True).fit(images, X_val=images[:10])
    b = conv(early_stopping=True).fit(images, X_val=images[:10].reshape(10, -1))
    assert a.validation_scores_ == b.validation_scores_
    assert a.image_shape_ == b.image_shape_ == (6, 5)


# ------------------------------------------------------------------------------------------------------------ weights


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_rows_without_weight_are_not_there(make, early_stopping, rows, rng):
    """Zero weights give what fitting without these rows gives, to the bit."""
    kept = rng.random(60) > 0.3
    weights = kept * rng.uniform(0.5, 2, 60)
    rows = np.where(kept[:, None], rows, 1e6)
    a = make(early_stopping=early_stopping).fit(rows, sample_weight=weights)
    b = make(early_stopping=early_stopping).fit(rows[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(a.transform(rows[kept]), b.transform(rows[kept]))


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_equal_weights_are_no_weights(make, early_stopping, rows):
    """The same weight for all rows, whatever it is, changes nothing but rounding."""
    plain = make(early_stopping=early_stopping, solver="sgd").fit(rows)
    for weights in (3.0, np.full(60, 1e-5)):
        found = make(early_stopping=early_stopping, solver="sgd").fit(rows, sample_weight=weights)
        np.testing.assert_allclose(found.transform(rows), plain.transform(rows), atol=2e-2)


@makers
def test_weights_enter_mean_scale_and_components(make, rows, rng):
    """At the start, weights are repetitions."""
    weights = rng.integers(1, 4, 60)
    a = make(learning_rate_init=1e-12, max_iter=1).fit(rows, sample_weight=weights)
    b = make(learning_rate_init=1e-12, max_iter=1).fit(np.repeat(rows, weights, axis=0))
    np.testing.assert_allclose(a.transform(rows), b.transform(rows), atol=1e-3)


def test_weights_enter_training(rows):
    """Two sgd steps on all rows at once are those on repeated rows."""
    weights = np.arange(60) % 3 + 1
    repeated = np.repeat(rows, weights, axis=0)
    a = dense(solver="sgd", batch_size=60, max_iter=2).fit(rows, sample_weight=weights)
    b = dense(solver="sgd", batch_size=120, max_iter=2).fit(repeated)
    plain = dense(solver="sgd", batch_size=60, max_iter=2, learning_rate_init="auto").fit(rows)
    rate = {"learning_rate_init": 0.05}
    a.set_params(**rate).fit(rows, sample_weight=weights)
    b.set_params(**rate).fit(repeated)
    plain.set_params(**rate).fit(rows)
    np.testing.assert_allclose(a.reconstruct(rows), b.reconstruct(rows), atol=2e-3)
    assert np.abs(a.reconstruct(rows) - plain.reconstruct(rows)).max() > 1e-2


def test_weights_enter_validation():
    """Rows of hardly any weight have no say in which epoch is taken."""
    X = low_rank(3200, 5)
    weights = np.ones(3200)
    weights[::2] = 1e-9
    found = dense(early_stopping=True, max_iter=2, batch_size=500).fit(X, sample_weight=weights)
    strange = X.copy()
    strange[::2] += 5
    other = dense(early_stopping=True, max_iter=2, batch_size=500).fit(
        strange, sample_weight=weights
    )
    np.testing.assert_allclose(found.validation_scores_, other.validation_scores_, atol=1e-3)


# --------------------------------------------------------------------------------------------------------- net_params


KEYS = [
    "module",
    "module__n_features",
    "criterion",
    "optimizer",
    "optimizer__lr",
    "lr",
    "max_epochs",
    "batch_size",
    "iterator_train",
    "iterator_train__shuffle",
    "iterator_valid__batch_size",
    "dataset",
    "train_split",
    "verbose",
    "warm_start",
    "device",
]


@pytest.mark.parametrize("key", KEYS)
@makers
def test_keys_of_net_params_that_skae_sets(make, key, rows):
    """What skae tells skorch itself is refused by name, and a fitted estimator isn't changed."""
    estimator = make().fit(rows)
    Z = estimator.transform(rows)
    estimator.set_params(net_params={key: 1})
    with pytest.raises(ValueError, match=f"net_params.*'{key}'"):
        estimator.fit(rows)
    np.testing.assert_array_equal(estimator.transform(rows), Z)


@makers
def test_unknown_keys_of_net_params_are_an_error(make, rows):
    """A misspelt key isn't swallowed."""
    with pytest.raises((TypeError, ValueError), match="optimiser"):
        make(net_params={"optimiser__weight_decay": 0.1}).fit(rows)


def test_compile_reaches_skorch(rows):
    """compile=True with torch's "eager" backend trains to the same result, and pickles."""
    estimator = dense(net_params={"compile": True, "compile__backend": "eager"}).fit(rows)
    np.testing.assert_allclose(
        estimator.transform(rows), dense().fit(rows).transform(rows), atol=1e-3
    )
    np.testing.assert_array_equal(
        copy.deepcopy(estimator).transform(rows), estimator.transform(rows)
    )


# ------------------------------------------------------------------------------------------------------- what is shown


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_silence(make, early_stopping, rows, capfd):
    """verbose=0 prints nothing at all, on neither stream."""
    estimator = make(early_stopping=early_stopping).fit(rows)
    estimator.partial_fit(rows)
    estimator.transform(rows)
    estimator.set_params(n_components=2)
    copy.deepcopy(estimator)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_progress(make, early_stopping, rows, capfd):
    """verbose=1 shows a bar with the class, epochs, time left and losses, and changes nothing else."""
    estimator = make(verbose=1, early_stopping=early_stopping).fit(rows)
    out, err = capfd.readouterr()
    shown = out + err
    assert type(estimator).__name__ in shown
    assert "/3" in shown
    assert "train_loss" in shown
    assert ("valid_loss" in shown) == early_stopping
    assert "<" in shown
    quiet = make(early_stopping=early_stopping).fit(rows)
    np.testing.assert_array_equal(estimator.transform(rows), quiet.transform(rows))


# ------------------------------------------------------------------------------------------------------ strange data


@pytest.mark.parametrize("unit", [1e-30, 1e30])
@pytest.mark.parametrize("early_stopping", [True, False])
@makers
def test_units_of_any_size(make, early_stopping, unit, rows):
    """Values of 1e30 and 1e-30 give what values of one give, in their unit."""
    estimator = make(early_stopping=early_stopping).fit(rows * unit)
    plain = make(early_stopping=early_stopping).fit(rows)
    assert estimator.score(rows * unit) == pytest.approx(plain.score(rows), abs=0.02)
    X_hat = estimator.reconstruct(rows * unit)
    np.testing.assert_allclose(X_hat / unit, plain.reconstruct(rows), atol=0.3)
    assert np.isfinite(estimator.transform(rows * unit)).all()
    np.testing.assert_allclose(
        estimator.inverse_transform(estimator.transform(rows * unit)) / unit,
        X_hat / unit,
        atol=1e-4,
    )
    assert np.isfinite(estimator.reconstruction_error(rows * unit)).all()


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("value", [0.0, 3.0, -1e30])
def test_constant_data(make, early_stopping, value):
    """Constant data are given back as they are, without warnings."""
    X = np.full((30, 6), value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = make(early_stopping=early_stopping).fit(X)
        np.testing.assert_allclose(estimator.reconstruct(X), X, rtol=1e-5, atol=1e-5)
        assert np.isfinite(estimator.transform(X)).all()
        assert np.isfinite(estimator.score(X))
    assert np.isfinite(estimator.loss_curve_).all()


@makers
@pytest.mark.parametrize("early_stopping", [True, False])
def test_duplicate_rows_and_constant_columns(make, early_stopping, rows):
    """Few different rows, many times, and columns that never change, are fitted."""
    X = np.repeat(rows[:3], 20, axis=0)
    X[:, 4] = 5
    estimator = make(early_stopping=early_stopping).fit(X)
    Z = estimator.transform(X)
    np.testing.assert_allclose(Z[:20], Z[:1].repeat(20, 0), atol=1e-5)
    assert estimator.score(X) > 0.9


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("kind", [np.int64, np.uint64])
@makers
def test_time_stamps(make, early_stopping, kind):
    """64-bit integers near 1.7e18 keep the differences that a float32, or a float64, would lose."""
    steps = np.rint(low_rank(60, 4) * 30).astype(np.int64)
    steps -= steps.min()
    X = (1_700_000_000_000_000_000 + steps).astype(kind)
    stamps = make(early_stopping=early_stopping, learning_rate_init=1e-4).fit(X)
    plain = make(early_stopping=early_stopping, learning_rate_init=1e-4).fit(steps)
    np.testing.assert_allclose(
        stamps.transform(X),
        plain.transform(steps),
        atol=0.03 * np.abs(plain.transform(steps)).max(),
    )
    assert stamps.score(X) > 0.5
    np.testing.assert_allclose(
        stamps.reconstruction_error(X).mean(), plain.reconstruction_error(steps).mean(), rtol=0.1
    )


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9])
@pytest.mark.parametrize("early_stopping", [True, False])
@makers
def test_few_rows(make, early_stopping, n, rows):
    """Two rows are enough."""
    estimator = make(early_stopping=early_stopping).fit(rows[:n])
    assert np.isfinite(estimator.transform(rows)).all()
    assert np.isfinite(estimator.best_loss_)


def test_a_random_start_makes_no_promise(rows):
    """init="random" starts from directions that are not PCA's, and says so."""
    random = dense(init="random", learning_rate_init=1e-12).fit(rows)
    assert random.init_ != "pca"
    assert random.score(rows) < PCA(2).fit(rows).explained_variance_ratio_.sum() - 0.01
    assert dense().fit(rows).init_ == "pca"


def test_uint8_then_fractions_warn():
    """After a fit on uint8, floats between 0 and 1 are encoded, with a warning; other floats without."""
    X = low_rank(60, 6, low=0, high=255, dtype=np.uint8)
    estimator = dense().fit(X)
    with pytest.warns(UserWarning, match="X is 1, but it was 255 in fit"):
        estimator.transform(X / 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimator.transform(X.astype(np.float64))
        np.testing.assert_allclose(found, estimator.transform(X), atol=1e-3)
    with pytest.warns(UserWarning, match="X is 1, but it was 255 in fit"):
        estimator.reconstruct(torch.tensor(X / 255))


def test_a_device_that_is_gone_falls_back_to_the_cpu(rows):
    """A model whose device isn't here any more is loaded on the CPU with a warning; fitting there is an error."""
    estimator = dense().fit(rows)
    expected = estimator.transform(rows)
    estimator.set_params(device="cuda:99")
    with pytest.warns(UserWarning, match=r"cuda:99.*CPU"):
        loaded = copy.deepcopy(estimator)
    np.testing.assert_array_equal(loaded.transform(rows), expected)
    with pytest.raises(ValueError, match="cuda:99"):
        estimator.fit(rows)
    np.testing.assert_array_equal(estimator.transform(rows), expected)


def test_partial_fit_recovers_from_a_divergence():
    """After a rate that was too high, partial_fit goes on from the weights before with the rate that is asked then."""
    X = np.random.default_rng(0).normal(size=(60, 6))
    autoencoder = DenseAutoencoder(2, learning_rate_init=1e30, batch_size=10, random_state=0)
    with pytest.raises(ValueError, match="learning_rate_init=1e"):
        autoencoder.partial_fit(X)
    start = autoencoder.score(X)
    autoencoder.set_params(learning_rate_init=1e-3).partial_fit(X)
    assert autoencoder.n_iter_ == 1
    assert autoencoder.score(X) == pytest.approx(start, abs=0.1)


def test_partial_fit_takes_what_is_asked_now():
    """A changed learning rate is that of the next pass."""
    X = np.random.default_rng(0).normal(size=(60, 6))
    autoencoder = DenseAutoencoder(2, random_state=0).partial_fit(X)
    before = autoencoder.transform(X)
    autoencoder.set_params(learning_rate_init=1e-12).partial_fit(X)
    np.testing.assert_allclose(autoencoder.transform(X), before, atol=1e-5)


def test_a_first_partial_fit_of_few_rows_warns():
    """Few rows say too little about the directions of X, and that is said."""
    X = np.random.default_rng(0).normal(size=(3, 20))
    with pytest.warns(UserWarning, match="got 3 samples"):
        DenseAutoencoder(8, random_state=0).partial_fit(X)


def test_a_broken_off_fit_is_taken_back():
    """An error of a callback in a second fit leaves the first one as it was."""

    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("broken")

    X = np.random.default_rng(0).normal(size=(60, 6))
    autoencoder = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    before = autoencoder.transform(X)
    with pytest.raises(RuntimeError, match="broken"):
        autoencoder.set_params(n_components=5, net_params={"callbacks": [Broken()]}).fit(X)
    assert autoencoder.n_components_ == 2
    np.testing.assert_array_equal(autoencoder.transform(X), before)


def test_ctrl_c_before_the_training_is_taken_back(rows, monkeypatch):
    """Ctrl-C while a second fit looks for principal components leaves the first fit as it was."""

    def interrupted(*args):
        raise KeyboardInterrupt

    autoencoder = DenseAutoencoder(2, max_iter=2, random_state=0).fit(rows)
    before = autoencoder.transform(rows)
    monkeypatch.setattr("skae._training.setup.initialize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        autoencoder.fit(rows[:, :5])
    assert autoencoder.n_features_in_ == 8
    np.testing.assert_array_equal(autoencoder.transform(rows), before)


def test_x_val_in_other_units_is_refused_or_warned_of():
    """X_val that was divided by 255 where X was not is an error for log_loss, and a warning else."""
    X = np.random.default_rng(0).integers(0, 256, size=(60, 6)).astype(np.uint8)
    with pytest.raises(ValueError, match="uint8"):
        DenseAutoencoder(2, loss="log_loss", max_iter=2).fit(X, X_val=X / 255)
    with pytest.warns(UserWarning, match="X is 1, but it was 255 in fit"):
        DenseAutoencoder(2, max_iter=2).fit(X, X_val=X / 255)


def test_huge_weights():
    """Weights count by their ratios, however large they are."""
    X = np.random.default_rng(0).normal(size=(60, 6))
    plain = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X, sample_weight=np.ones(60))
    huge = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X, sample_weight=np.full(60, 1e308))
    np.testing.assert_array_equal(plain.transform(X), huge.transform(X))


# --------------------------------------------------------------------------------- folds that continue


@pytest.mark.parametrize(("first", "second", "at_once"), [(10, 20, 30), (5, 10, 15)])
def test_warm_start_after_cross_validation_is_as_good_as_one_fit(first, second, at_once):
    """The copies of the folds continue, so that more epochs show a gain."""
    X = load_digits().data
    A, B = X[:400], X[1000:]
    model = DenseAutoencoder(8, random_state=0, max_iter=first).fit(A)
    before = model.score(B)
    model.set_params(warm_start=True, max_iter=second).fit(A)
    expected = DenseAutoencoder(8, random_state=0, max_iter=at_once).fit(A).score(B)
    assert model.n_folds_ == 5
    assert model.score(B) > before + 0.5 * (expected - before)
    assert model.score(B) > expected - 0.003


def test_warm_start_on_other_rows_splits_them_anew():
    """Other rows have folds of their own."""
    X = load_digits().data
    model = DenseAutoencoder(8, random_state=0, max_iter=10).fit(X[:400])
    model.set_params(warm_start=True, max_iter=15).fit(X[400:900])
    assert model.n_folds_ == 5
    assert sorted(torch.cat(model._folds.val_indices).tolist()) == list(range(500))
    assert model.best_iter_ > 0


def test_warm_start_of_a_pickle_warns_if_training_was_discarded():
    """A pickle has no copies of the folds; a warning says so if nothing was gained."""
    X = load_digits().data[:400]
    model = DenseAutoencoder(8, random_state=0, max_iter=10).fit(X)
    size = len(pickle.dumps(model))
    assert model._folds is not None
    loaded = pickle.loads(pickle.dumps(model)).set_params(warm_start=True, max_iter=4)
    with pytest.warns(ConvergenceWarning, match="cross-validated with 5 folds"):
        loaded.fit(X)
    model._folds = None
    assert abs(len(pickle.dumps(model)) - size) < 100


# ------------------------------------------------------------------------------- memory


def all_tensors():
    """Return all tensors; isinstance would ask objects of other packages for their class."""
    return [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]


@pytest.mark.parametrize(
    "fit",
    [
        lambda: dense().fit(curve(60)),
        lambda: dense(early_stopping=True).fit(curve(60)),
        lambda: dense().partial_fit(curve(60)),
        lambda: ImageRestorer("gaussian", n_filters=2, max_iter=1, random_state=0).fit(
            np.random.default_rng(0).random((2, 16, 16))
        ),
    ],
    ids=["fit", "folds", "partial_fit", "restorer"],
)
def test_no_memory_waits_for_a_garbage_collection(fit):
    """Without references to the estimator, all tensors of its training are freed at once."""
    fit()  # constants are created at first use
    gc.collect()
    gc.disable()
    try:
        before = {id(tensor) for tensor in all_tensors()}
        fit()
        assert not [tuple(one.shape) for one in all_tensors() if id(one) not in before]
    finally:
        gc.enable()
