"""Signals: the parameter `signals`, its shapes, and convolutions along time only."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skae import ConvAutoencoder


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
