"""Signals: the parameter `signals`, its shapes, channel scales, and convolutions along time only."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score

from skae import ConvAutoencoder
from skae.datasets import pad_sequences, unpad_sequences
from skae.export import load, save

UNITS = np.array([1000.0, 0.01, 1.0])
OFFSETS = np.array([1e5, -1.0, 0.0])


def signals(n=40, time=24, channels=3):
    """Sample smooth signals (n, time, channels)."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (n, 1, channels))
    t = np.linspace(0, 6, time)[:, None]
    return np.sin(t + phase) + 0.1 * rng.normal(size=(n, time, channels))


def fit(X, **parameters):
    """Fit without warnings, except for the one of too few epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        return ConvAutoencoder(3, max_iter=2, random_state=0, signals=True, **parameters).fit(X)


@pytest.mark.parametrize("channel_axis", [-1, 1])
def test_signals_with_channels(channel_axis):
    """Signals keep their shape, and are images of height 1 for the network."""
    X = signals()
    shape = (1, 24, 3)
    if channel_axis == 1:
        X, shape = X.swapaxes(1, 2), (3, 1, 24)
    autoencoder = fit(X, channel_axis=channel_axis)
    assert autoencoder.image_shape_ == shape
    assert autoencoder.channel_axis_ == channel_axis
    assert autoencoder._spec.network.image_size == (3, 1, 24)
    assert autoencoder.reconstruct(X).shape == X.shape
    codes = autoencoder.transform(X)
    np.testing.assert_array_equal(autoencoder.inverse_transform(codes), autoencoder.reconstruct(X))
    flat = X.reshape(len(X), -1)
    np.testing.assert_array_equal(autoencoder.transform(flat), codes)
    assert autoencoder.reconstruct(flat).shape == flat.shape
    with pytest.raises(ValueError, match=r"expected signals of shape \("):
        autoencoder.transform(X[:, :-1])
    with pytest.raises(ValueError, match=r"one signal.*Pass X\[None\]"):
        autoencoder.transform(X[0])
    assert "signals of length 24, 3 channels" in autoencoder._repr_html_()


def test_both_orders_of_axes_are_one_network():
    """Channels first and last give equal reconstructions before training."""
    X = signals()
    last, first = fit(X), fit(X.swapaxes(1, 2), channel_axis=1)
    np.testing.assert_allclose(
        last.transform(X), first.transform(X.swapaxes(1, 2)), atol=0.05 * np.abs(X).max()
    )


def test_one_channel():
    """Signals (n, time) are never square images."""
    X = signals(channels=1)[:, :16, 0]
    autoencoder = fit(X)
    assert autoencoder.image_shape_ == (1, 16)
    assert autoencoder.inverse_transform(autoencoder.transform(X)).shape == X.shape


def test_the_parameter_resumes_with_the_fit():
    """`signals` belongs to the architecture."""
    autoencoder = fit(signals())
    autoencoder.set_params(warm_start=True, signals=False)
    with pytest.raises(ValueError, match="signals=False, but the network was built with True"):
        autoencoder.fit(signals())


@pytest.mark.parametrize("shape", [(40, 24, 3), (40, 24, 6), (30, 3, 24)])
def test_ambiguous_shapes_name_the_parameter(shape):
    """X of three dimensions with unequal sides holds images, with one warning about signals."""
    X = np.random.default_rng(0).normal(size=shape)
    autoencoder = ConvAutoencoder(2, max_iter=1, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        autoencoder.fit(X)
        texts = [str(w.message) for w in caught if w.category is not ConvergenceWarning]
    (text,) = texts
    assert f"Got X of shape {shape}" in text
    assert "set signals=True" in text
    assert autoencoder.image_shape_ == shape[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        autoencoder.set_params(signals=False).fit(X[:, :20, :])


@pytest.mark.parametrize(
    ("parameters", "shape", "match"),
    [
        ({"signals": True}, (40, 4, 4, 1), r"signals=True with X of shape \(40, 4, 4, 1\)"),
        ({"signals": True, "image_shape": (4, 4)}, (40, 16), "expected a height of 1"),
        ({"signals": False}, (40, 15), "signals=False with X of 15 columns"),
    ],
)
def test_contradictions_are_errors(parameters, shape, match):
    """Shapes that contradict the parameter are refused with both."""
    with pytest.raises(ValueError, match=match):
        ConvAutoencoder(2, **parameters).fit(np.zeros(shape))


def quick(X, **parameters):
    """Fit a small network without cross-validation."""
    return fit(X, n_filters=2, early_stopping=False, **parameters)


def scaled(X, autoencoder):
    """Return signals, channels last, as flat rows in units of `channel_scale_`."""
    return (X / autoencoder.channel_scale_).reshape(len(X), -1)


@pytest.mark.parametrize("channel_axis", [-1, 1])
def test_units_of_channels_do_not_matter(channel_axis):
    """Latent vectors and errors are those of channels of equal units; reconstructions have X's."""
    X = signals()
    units = np.array([1024.0, 2.0**-7, 1.0])  # powers of 2, so that nothing is rounded
    if channel_axis == 1:
        X, units = X.swapaxes(1, 2), units[:, None]
    Y = units * X
    one, other = quick(X, channel_axis=channel_axis), quick(Y, channel_axis=channel_axis)
    np.testing.assert_allclose(other.channel_scale_, one.channel_scale_ * units.ravel())
    np.testing.assert_allclose(other.transform(Y), one.transform(X), atol=1e-5)
    np.testing.assert_allclose(other.reconstruct(Y) / units, one.reconstruct(X), atol=1e-5)
    errors = one.reconstruction_error(X)
    np.testing.assert_allclose(other.reconstruction_error(Y), errors, rtol=1e-4)
    assert other.score(Y) == pytest.approx(one.score(X), rel=1e-4)


def test_the_channel_scale_is_the_standard_deviation():
    """Means of channels, and missing values, have no part in it; weights have."""
    X = OFFSETS + UNITS * signals()
    np.testing.assert_allclose(quick(X).channel_scale_, X.std((0, 1)), rtol=1e-6)
    weights = np.arange(len(X)) % 3
    repeated = np.repeat(X, weights, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted = ConvAutoencoder(2, signals=True, max_iter=1, random_state=0)
        weighted.fit(X, sample_weight=weights)
    np.testing.assert_allclose(weighted.channel_scale_, repeated.std((0, 1)), rtol=1e-6)
    X[::2, 10:] = np.nan
    incomplete = quick(X, allow_nan=True)
    np.testing.assert_allclose(incomplete.channel_scale_, np.nanstd(X, (0, 1)), rtol=1e-6)


def test_a_constant_channel_has_scale_1():
    """A constant channel is reconstructed, whatever its offset."""
    X = signals()
    X[:, :, 1] = 1e6 / 3
    autoencoder = quick(X)
    assert autoencoder.channel_scale_[1] == 1
    assert autoencoder.channel_scale_[0] == pytest.approx(X[:, :, 0].std())
    np.testing.assert_allclose(autoencoder.reconstruct(X)[:, :, 1], 1e6 / 3, rtol=1e-6)


def test_errors_are_in_units_of_the_channel_scale():
    """`score` and `reconstruction_error` are those of reconstructions divided by the scale."""
    X = OFFSETS + UNITS * signals()
    autoencoder = quick(X)
    rows, fitted = scaled(X, autoencoder), scaled(autoencoder.reconstruct(X), autoencoder)
    errors = np.square(rows - fitted).mean(1)
    np.testing.assert_allclose(autoencoder.reconstruction_error(X), errors, rtol=1e-4)
    r2 = r2_score(rows, fitted, multioutput="variance_weighted")
    assert autoencoder.score(X) == pytest.approx(r2, abs=1e-6)


@pytest.mark.parametrize("channel_axis", [-1, 1])
def test_the_initial_network_is_pca_of_scaled_channels(channel_axis):
    """Before training, reconstructions are those of PCA, also for lengths that are no multiple of a patch."""
    X = OFFSETS + UNITS * signals(n=120, time=67)
    Y = X
    if channel_axis == 1:
        Y = X.swapaxes(1, 2)
    autoencoder = quick(Y, channel_axis=channel_axis, learning_rate_init=1e-9)
    assert autoencoder.init_ == "pca"
    rows = scaled(X, autoencoder)
    pca = PCA(3).fit(rows)
    expected = pca.inverse_transform(pca.transform(rows)).reshape(X.shape)
    fitted = autoencoder.reconstruct(Y)
    if channel_axis == 1:
        fitted = fitted.swapaxes(1, 2)
    np.testing.assert_allclose(fitted / autoencoder.channel_scale_, expected, atol=1e-4, rtol=1e-6)
    np.testing.assert_allclose(
        np.abs(autoencoder.transform(Y)), np.abs(pca.transform(rows)), atol=2e-3
    )


@pytest.mark.parametrize("time", [1, 2, 7, 97, 1000])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_length_is_accepted(time, channels):
    """Short, odd, prime and long signals with one and several channels keep their shape."""
    X = UNITS[:channels] * signals(n=12, time=time, channels=channels)
    k = min(3, time * channels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        autoencoder = ConvAutoencoder(k, signals=True, n_filters=2, max_iter=1, random_state=0)
        autoencoder.fit(X)
    assert autoencoder.channel_scale_.shape == (channels,)
    assert (
        autoencoder.reconstruct(X).shape
        == autoencoder.inverse_transform(autoencoder.transform(X)).shape
        == X.shape
    )


def test_padded_sequences_are_imputed_and_cut():
    """Sequences of different lengths have no part of their padding in errors and reconstructions."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 25, 40)
    sequences = [OFFSETS + UNITS * one[:n] for one, n in zip(signals(), lengths, strict=True)]
    X = pad_sequences(sequences)
    X[0, 3, 1] = np.nan  # a missing value inside of a signal
    autoencoder = quick(X, allow_nan=True)
    X_hat = autoencoder.reconstruct(X)
    assert np.isfinite(X_hat).all()
    for n, fitted in zip(lengths, unpad_sequences(X_hat, lengths), strict=True):
        assert fitted.shape == (n, 3)
    errors = np.nanmean(
        np.square((X - X_hat) / autoencoder.channel_scale_).reshape(len(X), -1), axis=1
    )
    np.testing.assert_allclose(autoencoder.reconstruction_error(X), errors, rtol=1e-3)
    # further sequences have the length of fit
    assert autoencoder.transform(pad_sequences(sequences[:2], X.shape[1])).shape == (2, 3)


def test_images_have_no_channel_scale():
    """Without ``signals=True``, channels have one unit, and there is no attribute."""
    X = UNITS * signals(time=16).reshape(40, 4, 4, 3)
    autoencoder = ConvAutoencoder(2, signals=True)
    assert not hasattr(autoencoder, "channel_scale_")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        autoencoder.set_params(signals=False, max_iter=1).fit(X)
    with pytest.raises(AttributeError, match="only after fit with signals=True"):
        _ = autoencoder.channel_scale_


def test_channel_scales_are_saved(tmp_path):
    """Pickles and files keep the scales, and `partial_fit` and `warm_start` do not change them."""
    X = OFFSETS + UNITS * signals()
    autoencoder = quick(X)
    save(autoencoder, tmp_path / "signals.skae")
    for copy in (pickle.loads(pickle.dumps(autoencoder)), load(tmp_path / "signals.skae")):
        np.testing.assert_array_equal(copy.channel_scale_, autoencoder.channel_scale_)
        np.testing.assert_array_equal(copy.reconstruct(X), autoencoder.reconstruct(X))
    scale = autoencoder.channel_scale_
    autoencoder.partial_fit(X[:20] * 2)
    np.testing.assert_array_equal(autoencoder.channel_scale_, scale)


def test_corruptions_are_relative_to_each_channel():
    """The samples that a corruption receives have equal standard deviations in all channels."""
    deviations = []

    def corrupt(x, generator):
        deviations.append(x.std((0, 2, 3)))
        return x

    quick(OFFSETS + UNITS * signals(n=200), corruption=corrupt, batch_size=200)
    assert torch.stack(deviations).min() > 0.8
    assert torch.stack(deviations).max() < 1.2


def test_large_offsets_keep_their_digits():
    """A channel of time stamps beside a channel of small numbers is reconstructed in float64."""
    X = signals(n=60, channels=2)
    X = X * [100.0, 1e-3] + [1.7e9, 0]
    autoencoder = quick(X)
    X_hat = autoencoder.reconstruct(X)
    assert X_hat.dtype == np.float64
    errors = np.square((X - X_hat) / autoencoder.channel_scale_).reshape(len(X), -1).mean(1)
    np.testing.assert_allclose(autoencoder.reconstruction_error(X), errors, rtol=1e-6)
