"""ReconstructionDetector: scores, thresholds, input and errors."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import ConvAutoencoder, DenseAutoencoder, ReconstructionDetector
from skae.anomaly._fitting import MAX_REFERENCE_ROWS

from ..cases import curve, gray_images

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}


class Blank(BaseEstimator):
    """Autoencoder with zero reconstructions, so that the error is the image."""

    def fit(self, X, y=None):  # noqa: D102
        return self

    def transform(self, X):  # noqa: D102
        return np.reshape(X, (len(X), -1))[:, :1]

    def inverse_transform(self, Z):  # noqa: D102
        return np.zeros((len(Z), 784))


@pytest.fixture(scope="module")
def bent():
    """Return rows along a curve."""
    return curve(200)


@pytest.fixture(scope="module")
def fitted(bent):
    """Return a detector fitted on the curve with PCA, so that tests are fast and exact."""
    return ReconstructionDetector(PCA(1), random_state=0).fit(bent)


def expected_to_fail(estimator):
    """A sample of weight two is one neighbor and one row of a minibatch, not two."""
    name = "check_sample_weight_equivalence_on"
    return {f"{name}_{kind}_data": "neighbors are not repeated" for kind in ("dense", "sparse")}


@parametrize_with_checks(
    [
        ReconstructionDetector(DenseAutoencoder(max_iter=2, early_stopping=False)),
        ReconstructionDetector(
            PCA(1), standardize=False, n_neighbors=1, contamination=0.2, cross_fit=False
        ),
    ],
    expected_failed_checks=expected_to_fail,
)
def test_scikit_learns_checks(estimator, check):
    """All checks of scikit-learn's check_estimator pass, also those of outlier detectors."""
    check(estimator)


# ---------------------------------------- scores


def test_malignant_tumors_are_detected():
    """Malignant tumors are separated from new benign ones, with few false positives."""
    X, y = load_breast_cancer(return_X_y=True)
    benign = X[y == 1]
    autoencoder = DenseAutoencoder(max_iter=20, early_stopping=False)
    detector = ReconstructionDetector(autoencoder, random_state=0).fit(benign[:180])
    test = np.concatenate([benign[180:], X[y == 0]])
    is_anomaly = np.repeat([False, True], [len(benign) - 180, (y == 0).sum()])
    assert roc_auc_score(is_anomaly, -detector.score_samples(test)) > 0.95
    assert (detector.predict(test[~is_anomaly]) == -1).mean() < 0.08
    assert (detector.predict(test[is_anomaly]) == -1).mean() > 0.6


def test_large_errors_and_isolated_samples_are_anomalies(fitted, bent):
    """A row off the manifold has a large error, and a row far along it a large distance."""
    pca = fitted.autoencoder_
    standardized = fitted.scaler_.transform(bent + 1e-3)
    inside = standardized[fitted.score_samples(bent + 1e-3).argmax()]
    across = np.linalg.svd(pca.components_)[2][1]
    rows = fitted.scaler_.inverse_transform(
        [inside, inside + 9 * across, pca.mean_ + 9 * pca.components_[0]]
    )
    errors, distances = fitted.score_parts(rows)
    assert errors[1] > 5 + max(errors[0], errors[2])
    assert distances[2] > 5 + distances[0]
    assert fitted.predict(rows).tolist() == [1, -1, -1]


def test_scores_follow_the_documented_formula(fitted, bent):
    """score_samples equals the formula of the docstring in NumPy."""
    new = np.array([[0.5, 1.0, 3.0], [5.0, -1.0, 0.0]])
    standardized = fitted.scaler_.transform(new)
    pca = fitted.autoencoder_
    e = np.square(standardized - pca.inverse_transform(pca.transform(standardized)))
    reference = fitted._reference
    errors = reference.error_tail((e / fitted.error_scale_).mean(1))
    distances = np.zeros(2)
    for view in reference.views:
        X, Z = view.scaling.transform(bent), view.scaling.transform(new)
        between = np.abs(Z[:, None] - X).sum(-1)
        nearest = between.argsort(axis=1)[:, :5]
        within = np.sort(np.abs(X[:, None] - X).sum(-1), axis=1)[:, 1:6].mean(1)
        local = np.power(within + 1e-3 * within.mean(), 0.3)
        distance = np.take_along_axis(between, nearest, axis=1).mean(1)
        distances += view.tail(distance / local[nearest].mean(1)) / 2
    np.testing.assert_allclose(fitted.score_parts(new), (errors, distances), rtol=1e-4)
    expected = -np.sqrt((errors**2 + 2 * distances**2) / 3)
    np.testing.assert_allclose(fitted.score_samples(new), expected, rtol=1e-4)
    assert fitted.decision_function(new) == pytest.approx(expected - fitted.offset_, rel=1e-4)


def test_a_training_sample_has_its_held_out_score(bent):
    """Training samples have held-out errors and the distance to a tenth of X."""
    detector = ReconstructionDetector(PCA(1), contamination=0.1, random_state=0).fit(bent)
    reference = detector._reference
    errors, distances = detector.score_parts(reference.points)
    np.testing.assert_allclose(errors, reference.error_tail(reference.errors))
    np.testing.assert_allclose(distances, reference.group_scores)
    assert detector.score_parts(bent + 1e-3)[1] != pytest.approx(distances)


def test_error_scales_are_smoothed_over_the_features(rng):
    """A fifth of the mean error is added to that of each feature; scaled errors have a mean of 1."""
    noise = rng.normal(size=(200, 4)) * [0.01, 0.1, 0.1, 1]
    X = rng.normal(size=(200, 1)) @ np.ones((1, 4)) + noise
    detector = ReconstructionDetector(PCA(1), standardize=False, cross_fit=False).fit(X)
    pca = detector.autoencoder_
    errors = np.square(X - pca.inverse_transform(pca.transform(X))).mean(0)
    smoothed = errors + 0.2 * errors.mean()
    expected = smoothed * (errors / smoothed).mean()
    np.testing.assert_allclose(detector.error_scale_, expected, rtol=1e-6)
    assert detector.error_scale_.min() > 0.1 * detector.error_scale_.max()


def test_neighbor_weight_zero_leaves_the_error(bent):
    """With neighbor_weight=0, the order of the scores is that of the error map."""
    detector = ReconstructionDetector(PCA(1), neighbor_weight=0).fit(bent)
    new = curve(100, seed=2)
    order = detector.error_map(new).mean(1).argsort()
    assert (np.diff(detector.score_samples(new)[order]) <= 1e-12).all()


def test_normal_errors_and_distances_are_about_one(fitted, bent):
    """On new normal rows, mean errors and mean distances are about 1."""
    errors, distances = fitted.score_parts(curve(500, seed=1))
    assert errors.mean() == pytest.approx(1, rel=0.25)
    assert distances.mean() == pytest.approx(1, rel=0.5)


def test_cross_fitting_corrects_for_overfitting():
    """With few rows of noise, cross-fitted error scales are those of new rows."""
    X, new = np.random.default_rng(0).normal(size=(2, 40, 10))
    network = {
        "hidden_layer_sizes": 64,
        "max_iter": 100,
        "learning_rate_init": 0.005,
        "early_stopping": False,
        "random_state": 0,
    }
    without, with_cross_fit = (
        ReconstructionDetector(DenseAutoencoder(5, **network), cross_fit=cross, random_state=0).fit(
            X
        )
        for cross in (False, True)
    )
    assert without.score_parts(new)[0].mean() > 2
    assert with_cross_fit.score_parts(new)[0].mean() < 2


@pytest.mark.parametrize("contamination", [0.05, 0.5])
def test_contamination_is_the_proportion_of_anomalies(bent, contamination):
    """With a float, that proportion of X is predicted as anomalies."""
    labels = ReconstructionDetector(PCA(1), contamination=contamination).fit_predict(bent)
    assert (labels == -1).mean() == pytest.approx(contamination)


def test_units_do_not_matter(bent):
    """Scaling columns changes no score, because tables are standardized."""
    units = np.array([1e-3, 1.0, 1e6])
    first, second = (
        ReconstructionDetector(PCA(1), random_state=0).fit(bent * unit) for unit in (1, units)
    )
    np.testing.assert_allclose(
        first.score_samples(bent), second.score_samples(bent * units), rtol=1e-3
    )


def test_a_change_of_a_constant_column_is_an_anomaly(bent):
    """A constant column has finite scores, and other values in it are anomalies."""
    X = np.column_stack([bent, np.full(len(bent), 7.0)])
    detector = ReconstructionDetector(PCA(1), random_state=0).fit(X)
    changed = X[:20] + np.array([0, 0, 0, 5])
    assert np.isfinite(detector.score_samples(X)).all()
    assert (detector.predict(changed) == -1).all()
    assert (detector.error_map(changed).argmax(1) == 3).all()


def test_identical_rows_are_normal():
    """With identical rows in fit, they are normal and another row is an anomaly."""
    detector = ReconstructionDetector(DenseAutoencoder(1, **FAST)).fit(np.ones((20, 3)))
    assert detector.predict([[1.0, 1.0, 1.0], [1.0, 4.0, 1.0]]).tolist() == [1, -1]


def test_rounding_errors_are_no_anomalies():
    """With exact reconstructions, rounding errors have scores near zero."""
    X = np.random.default_rng(0).normal(size=(100, 4))
    detector = ReconstructionDetector(PCA(4)).fit(X)
    assert detector.score_parts(X)[0].max() < 1e-3


def test_huge_values_have_finite_scores(fitted):
    """A row near the limit of float32 is an anomaly with a finite score."""
    assert np.isfinite(fitted.score_samples([[1e37, 0, 0]])).all()
    assert fitted.predict([[1e37, 0, 0]]) == -1


def test_the_number_of_reference_samples_is_limited():
    """There are at most MAX_REFERENCE_ROWS reference samples."""
    X = np.random.default_rng(0).normal(size=(MAX_REFERENCE_ROWS + 500, 2))
    detector = ReconstructionDetector(PCA(1), random_state=0).fit(X)
    assert len(detector.calibration_scores_) == MAX_REFERENCE_ROWS
    assert len(detector._reference.points) == MAX_REFERENCE_ROWS - detector.n_outliers_


def test_images_with_equal_blocks_are_not_equal():
    """An image with the block means of a training image has its own error."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 32)
    X = ramp[:, None] * ramp * rng.random((40, 1, 1)) + 0.05 * rng.random((40, 32, 32))
    board = np.indices((32, 32)).sum(0) % 2 * 2 - 1
    autoencoder = ConvAutoencoder(2, n_filters=2, **FAST)
    detector = ReconstructionDetector(autoencoder, smoothing=0, random_state=0).fit(X)
    assert (detector.predict(X[:3] + 5 * board) == -1).all()
    assert (detector.score_samples(X[:3] + 5 * board) < detector.score_samples(X[:3]) - 5).all()


# ---------------------------------------- input


def test_error_maps_have_the_shape_of_images():
    """The error map has the shape of X, and its maximum is at the anomalous pixel."""
    X = gray_images(60, 6, 5)
    detector = ReconstructionDetector(ConvAutoencoder(3, **FAST, n_filters=2), smoothing=0.6).fit(X)
    anomalous = X[:4].astype(np.float64)
    anomalous[:, 2, 3] += 20 * X.std()
    assert detector.error_map(anomalous).shape == anomalous.shape
    assert (detector.error_map(anomalous).reshape(4, -1).argmax(1) == 2 * 5 + 3).all()
    assert (detector.score_samples(anomalous) < 2 * detector.score_samples(X).mean()).all()
    np.testing.assert_allclose(
        detector.score_samples(X), detector.score_samples(X.reshape(60, -1)), rtol=1e-4
    )
    with pytest.raises(ValueError, match=r"Got X of 0 sample.*at least 1"):
        detector.predict(X[:0])


@pytest.mark.parametrize("channel_axis", [None, -1, 1])
def test_errors_of_images_are_smoothed(rng, channel_axis):
    """Errors are smoothed by a Gaussian for each channel, normalized at the border."""
    X = rng.normal(
        size={None: (40, 8, 5), -1: (40, 8, 5, 2), 1: (40, 2, 8, 5)}[channel_axis]
    ).astype(np.float32)
    network = ConvAutoencoder(3, **FAST, n_filters=2, channel_axis=channel_axis or -1)
    detector = ReconstructionDetector(network, smoothing=1.2, random_state=0).fit(X)
    width = {None: (0, 1.2, 1.2), -1: (0, 1.2, 1.2, 0), 1: (0, 0, 1.2, 1.2)}[channel_axis]
    errors = X - detector.autoencoder_.reconstruct(X)
    smoothed_errors, weights = (
        gaussian_filter(array, width, mode="constant", truncate=9)
        for array in (errors, np.ones_like(X))
    )
    expected = np.square(smoothed_errors / weights).reshape(40, -1) / detector.error_scale_
    np.testing.assert_allclose(
        detector.error_map(X).reshape(40, -1), expected, rtol=1e-3, atol=1e-4
    )
    frozen = FrozenEstimator(detector.autoencoder_)
    on_rows = ReconstructionDetector(frozen, smoothing=1.2, random_state=0).fit(X.reshape(40, -1))
    np.testing.assert_allclose(
        on_rows.error_map(X.reshape(40, -1)) * on_rows.error_scale_,
        np.square(smoothed_errors / weights).reshape(40, -1),
        rtol=1e-3,
        atol=1e-4,
    )


def test_smoothing_reduces_errors_of_displaced_edges(rng):
    """Of two errors of equal norm, a patch has a larger score than a displaced edge."""
    X = rng.normal(size=(80, 28, 28))
    edge, patch = np.zeros((2, 1, 28, 28))
    edge[0, 4:12, 10], edge[0, 4:12, 11] = 1, -1
    patch[0, 12:16, 12:16] = 1
    sharp, smooth = (
        ReconstructionDetector(Blank(), smoothing=width).fit(X) for width in (0, "auto")
    )
    assert sharp.error_map(edge).mean() == pytest.approx(sharp.error_map(patch).mean(), rel=0.1)
    assert smooth.error_map(patch).mean() > 2 * smooth.error_map(edge).mean()


def test_tables_are_not_smoothed(bent):
    """The smoothing parameter has no effect on tables."""
    scores = [
        ReconstructionDetector(PCA(1), smoothing=s, random_state=0).fit(bent).score_samples(bent)
        for s in ("auto", 5)
    ]
    np.testing.assert_array_equal(*scores)


def test_long_signals_are_not_smoothed(rng):
    """With a shorter side of one pixel, scores are those of smoothing=0, without large matrices."""
    X = rng.normal(size=(9, 30_001)).astype(np.float32)
    autoencoder = FrozenEstimator(ConvAutoencoder(2, **FAST, n_filters=2).fit(X))
    scores = [
        ReconstructionDetector(autoencoder, smoothing=width).fit(X).score_samples(X)
        for width in ("auto", 1e-300, 0)
    ]
    np.testing.assert_allclose(scores[:2], scores[2:] * 2, rtol=1e-6)


def test_the_default_autoencoder_depends_on_the_dimensions():
    """The default autoencoder is convolutional for images and dense for tables."""
    X = np.random.default_rng(0).normal(size=(9, 4, 3))
    detector = ReconstructionDetector(cross_fit=False)
    assert type(detector.fit(X).autoencoder_) is ConvAutoencoder
    assert type(detector.fit(X[:, 0]).autoencoder_) is DenseAutoencoder


def test_tensors_lists_and_arrays_have_equal_scores(fitted, bent):
    """Each container of the same values has the same scores."""
    X = bent[:10]
    for same in (torch.from_numpy(X), X.tolist(), np.asfortranarray(X)):
        np.testing.assert_allclose(fitted.score_samples(same), fitted.score_samples(X), rtol=1e-6)


def test_tensors_of_bfloat16_have_scores(rng):
    """bfloat16 images have the scores of the same values in float32."""
    X = torch.tensor(rng.normal(size=(9, 4, 4))).bfloat16()
    detector = ReconstructionDetector(ConvAutoencoder(2, **FAST), random_state=0).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), detector.score_samples(X.float()))


def test_feature_names_are_checked_and_passed_to_a_frozen_autoencoder(bent, recwarn):
    """Feature names are checked, and a frozen autoencoder receives them without a warning."""
    table = pd.DataFrame(bent, columns=["a", "b", "c"])
    pca = PCA(1).fit(table)
    detector = ReconstructionDetector(FrozenEstimator(pca)).fit(table)
    detector.predict(table)
    assert not recwarn.list
    assert detector.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(table[["b", "a", "c"]])


def test_streamed_rows_have_the_scores_of_rows_in_memory(tmp_path, bent, fitted, monkeypatch):
    """A detector fitted on streamed rows has the same scores for arrays and memory maps."""
    np.save(tmp_path / "X.npy", bent)
    monkeypatch.setattr("skae._input.streaming.STREAMED_BYTES", 100)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = DenseAutoencoder(1, **FAST)
    streamed, whole = (
        ReconstructionDetector(plain, random_state=0, cross_fit=False).fit(X)
        for X in (mapped, bent)
    )
    np.testing.assert_allclose(
        streamed.score_samples(mapped), streamed.score_samples(bent), rtol=1e-5
    )
    np.testing.assert_allclose(streamed.scaler_.mean_, whole.scaler_.mean_)


# ---------------------------------------- integration


def test_a_frozen_autoencoder_is_used_as_it_is(bent):
    """A FrozenEstimator is not fitted again, and its input is not standardized."""
    autoencoder = DenseAutoencoder(1, **FAST).fit(bent)
    detector = ReconstructionDetector(FrozenEstimator(autoencoder), neighbor_weight=0).fit(bent)
    assert detector.scaler_ is None
    expected = autoencoder.reconstruction_error(bent)
    maps = detector.error_map(bent) * detector.error_scale_
    np.testing.assert_allclose(maps.mean(1), expected, rtol=1e-4)


def test_a_search_sets_parameters_of_the_autoencoder(bent, rng):
    """A search in two processes selects two components for a curve in a plane."""
    X = np.concatenate([bent[:60], rng.uniform(-2, 2, (60, 3)) + bent.mean(0)])
    y = np.repeat([1, -1], 60)
    detector = make_pipeline(StandardScaler(), ReconstructionDetector(PCA(), neighbor_weight=0))
    cv = [(np.arange(40), np.arange(40, 120))]
    scorer = make_scorer(roc_auc_score, response_method="decision_function")
    grid = {"reconstructiondetector__autoencoder__n_components": [2, 3]}
    search = GridSearchCV(detector, grid, cv=cv, scoring=scorer, n_jobs=2).fit(X, y)
    assert list(search.best_params_.values()) == [2]


def test_the_fitted_detector_does_not_depend_on_later_parameters(fitted, bent):
    """set_params after fit, and pickling afterwards, change no score."""
    before = fitted.score_samples(bent)
    later = pickle.loads(pickle.dumps(fitted)).set_params(
        neighbor_weight=0, n_neighbors=1, autoencoder=None, standardize=False
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(later)).score_samples(bent), before)


def test_a_failed_fit_changes_nothing(bent):
    """An error or Ctrl-C in fit restores the earlier state, fitted or not."""

    class Interrupted(PCA):
        def fit(self, X, y=None):
            raise KeyboardInterrupt

    detector = ReconstructionDetector(PCA(1), random_state=0).fit(bent)
    expected = detector.score_samples(bent)
    for autoencoder, error in ((PCA(99), ValueError), (Interrupted(), KeyboardInterrupt)):
        with pytest.raises(error):
            detector.set_params(autoencoder=autoencoder).fit(bent[:, :2])
        np.testing.assert_array_equal(detector.score_samples(bent), expected)
        with pytest.raises(error):
            (first := ReconstructionDetector(autoencoder)).fit(bent)
        assert vars(first) == first.get_params(deep=False)


def test_random_state_makes_fits_reproducible(bent):
    """random_state seeds the clone of an autoencoder, and not the autoencoder itself."""
    detector = ReconstructionDetector(DenseAutoencoder(1, max_iter=2), random_state=3)
    first, second = (clone(detector).fit(bent).score_samples(bent) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert detector.autoencoder.random_state is None


# ---------------------------------------- errors


@pytest.mark.parametrize(
    ("parameters", "X", "error", "message"),
    [
        ({"contamination": 0.6}, np.eye(6), ValueError, "contamination.*0.6"),
        ({"neighbor_weight": -1}, np.eye(6), ValueError, "neighbor_weight.*-1"),
        ({"smoothing": -1}, np.eye(6), ValueError, "smoothing.*-1"),
        ({"autoencoder": StandardScaler}, np.eye(6), TypeError, "class"),
        (
            {"autoencoder": object()},
            np.eye(6),
            TypeError,
            "implementing 'fit', 'transform' and 'inverse_transform' or None",
        ),
        ({}, np.eye(3), ValueError, "Got X of 3 sample.*at least 4"),
        ({}, np.zeros((3, 2, 2)), ValueError, "Got X of 3 sample.*at least 4"),
        ({}, ["a.png", "b.png"], TypeError, r"Got 'a.png' as X.*skae\.datasets\.ImageFolder"),
        ({}, [["a", "b"]] * 9, ValueError, "Got text"),
        ({}, np.full((9, 2), np.nan), ValueError, "no observed value|without any value|NaN"),
        ({"autoencoder": PCA(1)}, np.full((9, 2), np.nan), ValueError, "NaN"),
        ({}, np.zeros((9, 0)), ValueError, "0 feature"),
        ({"standardize": True}, np.zeros((9, 4, 4)), ValueError, "dim 3"),
        ({"autoencoder": DenseAutoencoder()}, np.zeros((9, 4, 4)), ValueError, "dim 3"),
    ],
)
def test_invalid_input_raises(parameters, X, error, message):
    """Invalid X or parameters raise an error with the value and the expected values."""
    with pytest.raises(error, match=message):
        ReconstructionDetector(**parameters).fit(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((2, 4)), "4 features"),
        (np.ones((2, 3, 1)), "dim 3"),
        ([[1, 2, np.inf]], "infinity"),
    ],
)
def test_input_in_another_layout_than_in_fit_raises(fitted, X, message):
    """Another number of features or dimensions than in fit raises an error, as do infinities."""
    with pytest.raises(ValueError, match=message):
        fitted.predict(X)


@pytest.mark.parametrize("method", ["score_samples", "predict", "error_map"])
def test_a_detector_warns_of_other_units_once(method):
    """One warning names the values of X; the standardized values are none of the user."""
    X = curve(80)
    detector = ReconstructionDetector(DenseAutoencoder(1, **FAST), random_state=0).fit(X)
    with pytest.warns(UserWarning, match="largest absolute value") as warned:
        getattr(detector, method)(1e6 * X)
    assert len(warned) == 1
    assert f"is {1e6 * np.abs(X).max():.6g}" in str(warned[0].message)


def test_a_fit_with_an_outlier_does_not_warn_of_units():
    """The half of X without the outlier is not in other units than X."""
    X = curve(80)
    X[3] *= 1e6
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The largest absolute value")
        ReconstructionDetector(DenseAutoencoder(1, **FAST), random_state=0).fit(X)


def test_a_frozen_autoencoder_of_other_units_is_a_warning():
    """A fit on values of 0 to 255 with an autoencoder of values in [0, 1] warns."""
    images = gray_images(20, 8, 8)
    frozen = FrozenEstimator(ConvAutoencoder(2, n_filters=2, **FAST).fit(images))
    with pytest.warns(UserWarning, match="largest absolute value of X"):
        ReconstructionDetector(frozen, cross_fit=False).fit(255 * images)
