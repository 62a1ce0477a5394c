"""Detection of anomalies in signals: channels in different units, kinds of anomalies, and explanations."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skae import ConvAutoencoder, ReconstructionDetector
from skae.anomaly._preprocessing import fit_channel_scaler

UNITS = np.array([1000.0, 0.01])
OFFSETS = np.array([5000.0, 0.2])
SMALL = 1
LENGTH = 20


def windows(n, seed, units=UNITS):
    """Sample windows (n, 50, 2) of two dependent channels with noise of a tenth of a unit."""
    rng = np.random.default_rng(seed)
    t = np.arange(50)
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    angle = 2 * np.pi * t / rng.uniform(14, 18, (n, 1)) + phase
    load = rng.normal(1, 0.15, (n, 1))
    first = load * np.sin(angle)
    second = 0.7 * load * np.cos(2 * angle + 0.4) + 0.3 * first
    X = np.stack([first, second], axis=2) + 0.1 * rng.normal(size=(n, 50, 2))
    return OFFSETS + units * X


def plant(X, kind, seed):
    """Plant one anomaly in the small channel of each window; return the windows and the first time steps."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    starts = rng.integers(5, 50 - LENGTH, len(X))
    for window, start in zip(X, starts, strict=True):
        channel = window[:, SMALL]
        part = slice(start, start + LENGTH)
        if kind == "spike":
            channel[start] += rng.choice([-2, 2]) * UNITS[SMALL]
        elif kind == "level shift":
            channel[part] += rng.choice([-1, 1]) * UNITS[SMALL]
        elif kind == "frequency":
            wave = 0.7 * np.cos(np.pi / 2 * np.arange(50) + rng.uniform(0, 6))
            channel[:] = OFFSETS[SMALL] + UNITS[SMALL] * (wave + 0.1 * rng.normal(size=50))
        else:
            channel[part] = channel[start]
    return X, starts


@pytest.fixture(scope="module", params=range(5))
def fitted(request):
    """Detector of one seed, with the seed."""
    autoencoder = ConvAutoencoder(8, signals=True, n_filters=4, max_iter=25, early_stopping=False)
    return ReconstructionDetector(autoencoder, random_state=request.param).fit(
        windows(400, request.param)
    ), request.param


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_anomalies_in_the_channel_of_small_units_are_found(fitted):
    """Anomalies of four kinds are found in a channel whose unit is 100,000 times smaller."""
    detector, seed = fitted
    X = windows(200, 100 + seed)
    assert np.mean(detector.predict(X) == -1) <= 0.1
    for kind in ("spike", "level shift", "frequency", "flat line"):
        anomalous, _ = plant(X, kind, seed)
        assert np.mean(detector.predict(anomalous) == -1) >= 0.95, kind


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_contributions_have_time_steps_and_channels(fitted):
    """Sums of the contributions name the channel and the time steps of an anomaly."""
    detector, seed = fitted
    X, starts = plant(windows(40, 200 + seed), "level shift", seed)
    explanation = detector.explain(X)
    assert explanation.contributions.shape == explanation.expected.shape == X.shape
    by_channel = explanation.contributions.sum(axis=1)
    assert np.mean(by_channel.argmax(axis=1) == SMALL) >= 0.9
    by_time = explanation.contributions.sum(axis=2)
    steps = np.arange(50)
    inside = (steps >= starts[:, None]) & (steps < starts[:, None] + LENGTH)
    share = np.where(inside, by_time, 0).sum(axis=1) / by_time.sum(axis=1)
    assert np.median(share) >= 0.8
    errors = detector.error_map(X)
    assert errors.shape == X.shape
    assert np.mean(errors.mean(axis=1).argmax(axis=1) == SMALL) >= 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_do_not_depend_on_the_units():
    """Scores are those of channels in equal units, although these differ by less than a factor of 4."""
    X = windows(60, 0, np.ones(2))
    scores = []
    for units in ([1.0, 1.0], [1.0, 3.0], [1e6, 1e-6]):
        autoencoder = ConvAutoencoder(4, signals=True, n_filters=2, max_iter=2)
        detector = ReconstructionDetector(autoencoder, cross_fit=False, random_state=0)
        scores.append(detector.fit(X * units).score_samples(X * units))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3)
    np.testing.assert_allclose(scores[2], scores[0], rtol=1e-3)


def test_images_keep_similar_units():
    """Channels of images are scaled only if their units differ, those of signals always."""
    X = np.random.default_rng(0).normal(size=(20, 6, 2)) * [1, 3]
    assert fit_channel_scaler(X, ConvAutoencoder(signals=True)).scale_[1] == pytest.approx(3, 0.3)
    assert fit_channel_scaler(X[:, :, None], ConvAutoencoder()) is None
    scaler = fit_channel_scaler(X[:, :, None] * [1, 5], ConvAutoencoder())
    assert scaler.scale_[1] == pytest.approx(15, 0.3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_frozen_autoencoders_of_different_units_warn():
    """A fitted autoencoder is used as it is, so that its channels need one unit."""
    X = windows(40, 0)
    autoencoder = ConvAutoencoder(2, signals=True, n_filters=2, max_iter=1).fit(X)
    detector = ReconstructionDetector(FrozenEstimator(autoencoder), random_state=0)
    with pytest.warns(UserWarning, match="deviations of the channels from 0.00.* to 7.*missed"):
        detector.fit(X)
