"""False alarm rates, p-values, contamination, groups of anomalies, weights and streams."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder, ReconstructionDetector
from skae.anomaly._calibration import (
    conformal_p_values,
    conformal_threshold,
    contamination_threshold,
)

from ..cases import curve

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}


def related(n, seed, d=8):
    """Return normal rows: three factors and noise."""
    rng = np.random.default_rng(seed)
    weights = np.random.default_rng(100).normal(size=(3, d))
    return rng.normal(size=(n, 3)) @ weights + 0.5 * rng.normal(size=(n, d))


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_false_alarm_rates_hold_on_new_rows(rate):
    """Over ten training sets, the rate on new rows is the requested one within sampling error."""
    n_train, n_new = 400, 1000
    rates = []
    for seed in range(10):
        detector = ReconstructionDetector(PCA(3), random_state=0).fit(related(n_train, seed))
        detector.set_threshold(rate)
        rates.append((detector.predict(related(n_new, 1000 + seed)) == -1).mean())
    standard_error = np.sqrt(rate * (1 - rate) * (1 / n_train + 1 / n_new) / 10)
    # held-out errors of half of X are slightly larger than those of new rows
    assert -5 * standard_error < np.mean(rates) - rate < 3 * standard_error


def test_predict_agrees_with_p_values():
    """After set_threshold(a), the anomalies are the samples with a p-value of at most a."""
    detector = ReconstructionDetector(PCA(3), random_state=0).fit(related(150, 0))
    X = 2 * related(300, 1)
    p_values = detector.p_values(X)
    assert ((p_values > 0) & (p_values <= 1)).all()
    for rate in (0.02, 0.1, 0.5):
        labels = detector.set_threshold(rate).predict(X)
        np.testing.assert_array_equal(labels == -1, p_values <= rate)


def test_p_values_count_calibration_scores():
    """A p-value is (1 + the number of calibration scores that are not higher) / (n + 1)."""
    calibration = np.array([-4.0, -2.0, -2.0, -1.0])
    scores = np.array([-5, -4, -2, -1.5, 0])
    p_values = conformal_p_values(scores, calibration, np.ones(4))
    np.testing.assert_allclose(p_values, [0.2, 0.4, 0.8, 0.8, 1])
    weighted = conformal_p_values(scores, calibration, np.array([1.0, 1.0, 1.0, 5.0]))
    np.testing.assert_allclose(weighted, np.array([2, 3, 5, 5, 10]) / 10)


@pytest.mark.parametrize("n", [4, 19, 20, 99, 100])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_thresholds_are_quantiles(n, rate):
    """Conformal thresholds agree with p-values; contamination leaves at most its share below."""
    scores = np.sort(np.random.default_rng(n).normal(size=n))
    weights = np.ones(n)
    threshold = conformal_threshold(scores, weights, rate)
    new = np.linspace(-4, 4, 500)
    np.testing.assert_array_equal(new < threshold, conformal_p_values(new, scores, weights) <= rate)
    assert (scores < contamination_threshold(scores, weights, rate)).sum() == int(rate * n)


@pytest.mark.parametrize("contamination", [0.1, 0.2, 0.26, 0.5])
def test_contamination_is_never_exceeded_by_ties(contamination):
    """Equal rows have equal scores, so that less than the share is flagged if they do not fit."""
    X = np.r_[np.ones(37), -np.ones(13)].reshape(-1, 1)
    labels = ReconstructionDetector(contamination=contamination, random_state=0).fit_predict(X)
    assert (labels == -1).mean() <= contamination


@pytest.mark.parametrize("kind", ["copies", "near copies", "cluster", "scattered"])
@pytest.mark.parametrize("n", [60, 300, 1000])
def test_groups_of_anomalies_in_fit_are_found(kind, n):
    """Anomalies among the training rows are found, alone or alike, and later ones like them."""
    rng = np.random.default_rng(0)
    X = related(n, 0)
    n_anomalies = max(3, n // 25)
    center = X.mean(0) + 7 * X.std(0) * rng.choice([-1, 1], X.shape[1])
    width = {"copies": 0, "near copies": 0.05, "cluster": 0.5}.get(kind, 0)
    anomalies = center + width * rng.normal(size=(n_anomalies, X.shape[1]))
    if kind == "scattered":
        anomalies = X.mean(0) + 7 * X.std(0) * rng.choice([-1, 1], (n_anomalies, X.shape[1]))
    both = np.concatenate([X, anomalies])
    share = 1.2 * n_anomalies / len(both)
    detector = ReconstructionDetector(PCA(3), contamination=share, random_state=0)
    assert (detector.fit_predict(both)[n:] == -1).all()
    later = anomalies + 0.02 * rng.normal(size=anomalies.shape)
    assert (detector.predict(later) == -1).mean() >= 0.9
    assert detector.n_outliers_ >= 0.9 * n_anomalies


def test_clean_rows_are_not_trimmed():
    """Without outliers, no normal row is left out."""
    detector = ReconstructionDetector(PCA(3), random_state=0).fit(related(500, 0))
    assert detector.n_outliers_ == 0
    X = np.concatenate([related(100, 0), np.full((4, 8), 40.0)])
    assert ReconstructionDetector(PCA(3), random_state=0).fit(X).n_outliers_ == 4
    assert ReconstructionDetector(PCA(3), trim=False, random_state=0).fit(X).n_outliers_ == 0


def test_set_threshold_needs_enough_samples():
    """A rate below 1 / (n + 1), or no rate at all, is an error that names the smallest rate."""
    detector = ReconstructionDetector(PCA(1), random_state=0).fit(curve(50))
    with pytest.raises(ValueError, match=r"Got false_alarm_rate=0.01, but 50 .* below 0.01961"):
        detector.set_threshold(0.01)
    for invalid in (0, 1, -0.1, "auto", None):
        with pytest.raises(ValueError, match=r"expected a float in \(0, 1\)"):
            detector.set_threshold(invalid)


def test_weights_of_samples_count_like_copies():
    """A weighted fit prefers the heavy samples; equal weights change nothing."""
    X = np.concatenate([curve(60), curve(60, seed=1) + np.array([0, 3, 0])])
    autoencoder = DenseAutoencoder(1, max_iter=3, early_stopping=False, random_state=0)
    plain = ReconstructionDetector(autoencoder, random_state=0).fit(X)
    equal = ReconstructionDetector(autoencoder, random_state=0).fit(X, None, np.full(120, 3.0))
    np.testing.assert_allclose(equal.score_samples(X), plain.score_samples(X), rtol=1e-3)
    weights = np.repeat([1.0, 0.02], 60)
    weighted = ReconstructionDetector(autoencoder, random_state=0).fit(X, sample_weight=weights)
    difference = weighted.score_samples(X + 0.01) - plain.score_samples(X + 0.01)
    assert difference[:60].mean() > difference[60:].mean()
    removed = ReconstructionDetector(autoencoder, random_state=0)
    removed.fit(X, sample_weight=np.repeat([1, 0], 60))
    kept = ReconstructionDetector(autoencoder, random_state=0).fit(X[:60])
    np.testing.assert_array_equal(removed.score_samples(X), kept.score_samples(X))
    for invalid in (np.zeros(120), -weights):
        with pytest.raises(ValueError, match=r"Got sample_weight from .* at least 0|non-zero"):
            plain.fit(X, sample_weight=invalid)


def test_partial_fit_follows_a_drift():
    """After partial_fit with shifted rows, these are normal, and the oldest rows are dropped."""
    detector = ReconstructionDetector(PCA(3), random_state=0).fit(related(200, 0))
    detector.set_threshold(0.05)
    shifted = related(400, 1) + 4
    assert (detector.predict(shifted) == -1).mean() > 0.5
    for start in range(0, 300, 100):
        detector.partial_fit(shifted[start : start + 100])
    assert (detector.predict(shifted[300:]) == -1).mean() < 0.15
    assert len(detector.calibration_scores_) == 200
    first = ReconstructionDetector(PCA(3), random_state=0).partial_fit(related(200, 0))
    assert hasattr(first, "offset_")


def test_channels_of_other_units_are_scaled():
    """A fault in a channel of small values is found, in images and in signals."""
    rng = np.random.default_rng(1)
    X = (rng.normal(size=(300, 3)) @ rng.normal(size=(3, 128))).reshape(300, 8, 8, 2)
    X = (X + 0.05 * rng.normal(size=X.shape)) * [1000.0, 1.0]
    faulty = X[:100].copy()
    faulty[:, 2:5, 2:5, 1] += 5
    signals = X.reshape(300, 64, 2)
    faulty_signals = faulty.reshape(100, 64, 2)
    conv = {"n_components": 4, "n_filters": 4, **FAST}
    for options, rows, anomalies in (
        ({}, X, faulty),
        ({"channel_axis": 1}, np.moveaxis(X, 3, 1), np.moveaxis(faulty, 3, 1)),
        ({"signals": True}, signals, faulty_signals),
    ):
        detector = ReconstructionDetector(ConvAutoencoder(**conv, **options), random_state=0)
        detector.fit(rows[100:])
        assert (detector.predict(anomalies) == -1).mean() > 0.95
        assert (detector.predict(rows[:100]) == -1).mean() < 0.1
        assert detector.scaler_.scale_.shape == (128,)
    one_channel = ReconstructionDetector(ConvAutoencoder(**conv), random_state=0).fit(X[..., 0])
    assert one_channel.scaler_ is None


def test_partial_fit_keeps_outliers_in_the_window():
    """With contamination, one new sample hardly changes the threshold of a set with outliers."""
    rng = np.random.default_rng(0)
    X = np.concatenate([related(200, 0), 15 + rng.normal(size=(20, 8))])
    detector = ReconstructionDetector(PCA(3), contamination=0.09, random_state=0).fit(X)
    assert detector.n_outliers_ == 20
    detector.partial_fit(X[:1] + 0.01)
    assert detector.n_outliers_ == 19
    assert len(detector.calibration_scores_) == 220
    assert (detector.predict(X[:200]) == -1).mean() < 0.03


def test_columns_without_values_are_accepted():
    """A column of NaN only is imputed by 0, with the warning of the autoencoder."""
    X = related(60, 0)
    X[:, 4] = np.nan
    autoencoder = DenseAutoencoder(2, **FAST, allow_nan=True)
    with pytest.warns(UserWarning, match="Got only NaN"):
        detector = ReconstructionDetector(autoencoder, random_state=0).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
