"""Detectors of tables and images with missing values."""

import numpy as np
import pytest

from skae import ConvAutoencoder, DenseAutoencoder, ReconstructionDetector

FAST = {"max_iter": 10, "early_stopping": False, "random_state": 0}


def with_missing(X, fraction=0.1, seed=1):
    """Return X with NaN at random."""
    return np.where(np.random.default_rng(seed).random(X.shape) < fraction, np.nan, X)


@pytest.fixture(scope="module")
def related():
    """Return rows of six related columns."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(300, 6))


def test_the_default_autoencoder_accepts_missing_values_of_fit(related):
    """With missing values in X, the default has allow_nan=True; anomalies are still found."""
    X = with_missing(related)
    detector = ReconstructionDetector(random_state=0).fit(X[:200])
    assert detector.autoencoder_.allow_nan
    anomalous = with_missing(related[200:] + 6 * np.eye(6)[np.arange(100) % 6], seed=2)
    assert (detector.predict(X[200:]) == -1).mean() < 0.1
    assert (detector.predict(anomalous) == -1).mean() > 0.7


def test_a_detector_without_missing_values_in_fit_refuses_them_later(related):
    """Without missing values in fit, NaN in predict is an error."""
    detector = ReconstructionDetector(DenseAutoencoder(2, **FAST), random_state=0).fit(related)
    with pytest.raises(ValueError, match="NaN"):
        detector.predict(with_missing(related))


def test_missing_values_have_no_error_and_no_contribution(related):
    """The error map is NaN, and the contribution 0, where a value is missing."""
    X = with_missing(related)
    autoencoder = DenseAutoencoder(2, **FAST, allow_nan=True)
    detector = ReconstructionDetector(autoencoder, random_state=0).fit(X)
    np.testing.assert_array_equal(np.isnan(detector.error_map(X)), np.isnan(X))
    contributions = detector.explain(X[:20]).contributions
    assert (contributions[np.isnan(X[:20])] == 0).all()
    assert np.isfinite(contributions).all()
    assert np.isfinite(detector.score_samples(np.full((1, 6), np.nan))).all()


def test_images_with_missing_pixels_are_scored():
    """Missing pixels of images have no error, and do not make an image an anomaly."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(200, 2)) @ rng.normal(size=(2, 64))).reshape(-1, 8, 8)
    X += 0.1 * rng.normal(size=X.shape)
    autoencoder = ConvAutoencoder(2, n_filters=4, **FAST, allow_nan=True)
    detector = ReconstructionDetector(autoencoder, random_state=0).fit(with_missing(X[:150]))
    assert (detector.predict(with_missing(X[150:], seed=2)) == -1).mean() < 0.2
    damaged = X[150:].copy()
    damaged[:, 2:6, 2:6] += 8
    assert (detector.predict(with_missing(damaged, seed=3)) == -1).mean() > 0.9
