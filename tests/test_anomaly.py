"""ReconstructionDetector: what fits in and what does not."""

import pickle

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
from skae.anomaly._detector import MOST_NEIGHBOURS

from .cases import curve, grey_images

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}


class Blank(BaseEstimator):
    """Reconstructs nothing of an image, so that the error is the image."""

    def fit(self, X, y=None):  # noqa: D102
        return self

    def transform(self, X):  # noqa: D102
        return np.reshape(X, (len(X), -1))[:, :1]

    def inverse_transform(self, Z):  # noqa: D102
        return np.zeros((len(Z), 784))


@pytest.fixture(scope="module")
def bent():
    """Rows along a curve."""
    return curve(200)


@pytest.fixture(scope="module")
def fitted(bent):
    """A detector that has learned the curve by PCA, so that tests are fast and exact."""
    return ReconstructionDetector(PCA(1), random_state=0).fit(bent)


@parametrize_with_checks(
    [
        ReconstructionDetector(DenseAutoencoder(max_iter=2, early_stopping=False)),
        ReconstructionDetector(PCA(1), standardize=False, n_neighbors=1, contamination=0.2, cross_fit=False),
    ]
)
def test_scikit_learns_checks(estimator, check):
    """Every check of scikit-learn's check_estimator passes, those of outlier detectors included."""
    check(estimator)


# ------------------------------------------------------------------------------------------------------ the score


def test_malignant_tumours_are_found():
    """Malignant tumours are told from benign ones that were not seen, and few of those are taken for anomalies."""
    X, y = load_breast_cancer(return_X_y=True)
    benign = X[y == 1]
    autoencoder = DenseAutoencoder(max_iter=20, early_stopping=False)
    detector = ReconstructionDetector(autoencoder, random_state=0).fit(benign[:180])
    test = np.concatenate([benign[180:], X[y == 0]])
    odd = np.repeat([False, True], [len(benign) - 180, (y == 0).sum()])
    assert roc_auc_score(odd, -detector.score_samples(test)) > 0.95
    assert (detector.predict(test[~odd]) == -1).mean() < 0.08
    assert (detector.predict(test[odd]) == -1).mean() > 0.6


def test_both_parts_count(fitted, bent):
    """A row off the manifold has a large error, one far along it has a distant code, and both are anomalies."""
    pca = fitted.autoencoder_
    scores = pca.transform(fitted.scaler_.transform(bent))[:, 0]
    inside = pca.mean_ + np.median(scores) * pca.components_[0]
    across = np.linalg.svd(pca.components_)[2][1]
    rows = fitted.scaler_.inverse_transform([inside, inside + 9 * across, pca.mean_ + 9 * pca.components_[0]])
    errors, distances = fitted.score_parts(rows)
    assert errors[1] > 20 * max(errors[0], errors[2])
    assert distances[2] > 1000 * max(distances[0], distances[1])
    assert fitted.predict(rows).tolist() == [1, -1, -1]


def test_the_score_is_the_documented_one(fitted, bent):
    """score_samples agrees with NumPy on the formula of the docstring."""
    Z = fitted.autoencoder_.transform(fitted.scaler_.transform(bent)) @ fitted.code_metric_
    new = np.array([[0.5, 1.0, 3.0], [5.0, -1.0, 0.0]])
    seen = fitted.scaler_.transform(new)
    z = fitted.autoencoder_.transform(seen)
    e = np.square(seen - fitted.autoencoder_.inverse_transform(z))
    z = z @ fitted.code_metric_
    near = np.sort(np.square(z[:, None] - Z[None]).sum(-1), axis=1)[:, :5].mean(1)
    expected = -((e / fitted.error_scale_).mean(1) + 1.5 * near / fitted.code_spread_) / 2.5
    np.testing.assert_allclose(fitted.score_samples(new), expected, rtol=1e-4)
    assert fitted.decision_function(new) == pytest.approx(expected - fitted.offset_, rel=1e-4)


def test_codes_are_as_far_apart_as_what_they_stand_for(bent):
    """How an autoencoder scales its codes changes no score."""
    plain, white = (ReconstructionDetector(PCA(2, whiten=whiten), random_state=0).fit(bent) for whiten in (False, True))
    np.testing.assert_allclose(white.score_samples(bent + 1), plain.score_samples(bent + 1), rtol=1e-6)
    np.testing.assert_allclose(plain.code_metric_ @ plain.code_metric_.T, np.eye(2), atol=1e-6)


def test_the_metric_is_that_of_the_nearest_linear_map(bent, monkeypatch):
    """Piece by piece, the metric is the one that least squares from all codes to all reconstructions gives."""
    monkeypatch.setattr("skae.anomaly._measures.PIECE_NUMBERS", 60)
    detector = ReconstructionDetector(DenseAutoencoder(2, **FAST), random_state=0).fit(bent)
    Z = detector.autoencoder_.transform(detector.scaler_.transform(bent).astype(np.float32)).astype(np.float64)
    R = detector.autoencoder_.inverse_transform(Z.astype(np.float32))
    slope = np.linalg.lstsq(Z - Z.mean(0), R - R.mean(0))[0]
    np.testing.assert_allclose(detector.code_metric_ @ detector.code_metric_.T, slope @ slope.T, rtol=1e-3, atol=1e-5)


def test_code_weight_zero_leaves_the_error(bent):
    """Without weight of the code, the score is the mean of the error map."""
    detector = ReconstructionDetector(PCA(1), code_weight=0).fit(bent)
    np.testing.assert_allclose(-detector.score_samples(bent), detector.error_map(bent).mean(1), rtol=1e-4)


def test_usual_is_one(fitted, bent):
    """Errors and distances are near 1, in the mean, on rows like those of fit that it did not see."""
    errors, distances = fitted.score_parts(curve(500, seed=1))
    assert errors.mean() == pytest.approx(1, rel=0.25)
    assert distances.mean() == pytest.approx(1, rel=0.5)


def test_what_is_learned_by_heart_is_not_usual():
    """Few rows of noise are reconstructed too well; the usual error is that of rows that were not learned from."""
    X, new = np.random.default_rng(0).normal(size=(2, 40, 10))
    network = {
        "hidden_layer_sizes": 64,
        "max_iter": 100,
        "learning_rate_init": 0.005,
        "early_stopping": False,
        "random_state": 0,
    }
    optimist, honest = (
        ReconstructionDetector(DenseAutoencoder(5, **network), cross_fit=cross).fit(X) for cross in (False, True)
    )
    assert optimist.score_parts(new)[0].mean() > 3
    assert honest.score_parts(new)[0].mean() < 2


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_contamination_is_the_share_of_anomalies(bent, share):
    """With a number for contamination that share of X is predicted to be anomalies."""
    labels = ReconstructionDetector(PCA(1), contamination=share).fit_predict(bent)
    assert (labels == -1).mean() == pytest.approx(share)


def test_units_do_not_matter(bent):
    """Columns in other units change nothing, since tables are standardised."""
    units = np.array([1e-3, 1.0, 1e6])
    first, second = (ReconstructionDetector(PCA(1), random_state=0).fit(bent * unit) for unit in (1, units))
    np.testing.assert_allclose(first.score_samples(bent), second.score_samples(bent * units), rtol=1e-3)


def test_a_constant_column_that_changes_is_seen(bent):
    """A column that was constant counts once it is not, and does no harm before."""
    X = np.column_stack([bent, np.full(len(bent), 7.0)])
    detector = ReconstructionDetector(PCA(1), random_state=0).fit(X)
    changed = X[:20] + np.array([0, 0, 0, 5])
    assert np.isfinite(detector.score_samples(X)).all()
    assert (detector.predict(changed) == -1).all()
    assert (detector.error_map(changed).argmax(1) == 3).all()


def test_nothing_varies():
    """Rows that are all the same are normal, and another one is an anomaly."""
    detector = ReconstructionDetector(DenseAutoencoder(1, **FAST)).fit(np.ones((20, 3)))
    assert detector.predict([[1.0, 1.0, 1.0], [1.0, 4.0, 1.0]]).tolist() == [1, -1]


def test_rounding_is_no_anomaly():
    """Where reconstructions are exact, errors of rounding do not decide."""
    X = np.random.default_rng(0).normal(size=(100, 4))
    detector = ReconstructionDetector(PCA(4)).fit(X)
    assert detector.score_parts(X)[0].max() < 1e-3


def test_huge_numbers_have_finite_scores(fitted):
    """A row that is as far away as float32 can say is an anomaly with a finite score."""
    assert np.isfinite(fitted.score_samples([[1e37, 0, 0]])).all()
    assert fitted.predict([[1e37, 0, 0]]) == -1


def test_neighbours_come_from_a_part_of_many_rows():
    """The codes to compare with are bounded in number."""
    X = np.random.default_rng(0).normal(size=(MOST_NEIGHBOURS + 500, 2))
    detector = ReconstructionDetector(PCA(1), random_state=0).fit(X)
    assert detector.neighbors_.n_samples_fit_ == MOST_NEIGHBOURS


# ------------------------------------------------------------------------------------------------------ how X lies


def test_images_have_error_maps_of_their_shape():
    """Images are fitted without words, and the map shows which pixels are odd."""
    X = grey_images(60, 6, 5)
    detector = ReconstructionDetector(ConvAutoencoder(3, **FAST, n_filters=2), smoothing=0.6).fit(X)
    spoilt = X[:4].astype(np.float64)
    spoilt[:, 2, 3] += 20 * X.std()
    assert detector.error_map(spoilt).shape == spoilt.shape
    assert (detector.error_map(spoilt).reshape(4, -1).argmax(1) == 2 * 5 + 3).all()
    assert (detector.score_samples(spoilt) < 2 * detector.score_samples(X[:4])).all()
    np.testing.assert_allclose(detector.score_samples(X), detector.score_samples(X.reshape(60, -1)), rtol=1e-4)
    with pytest.raises(ValueError, match=r"Got X of 0 sample.*at least 1"):
        detector.predict(X[:0])


@pytest.mark.parametrize("channel_axis", [None, -1, 1])
def test_errors_of_images_are_smoothed(rng, channel_axis):
    """Errors are Gaussian means over pixels near by, of each channel by itself, and nothing comes from beyond the border."""
    X = rng.normal(size={None: (40, 8, 5), -1: (40, 8, 5, 2), 1: (40, 2, 8, 5)}[channel_axis]).astype(np.float32)
    network = ConvAutoencoder(3, **FAST, n_filters=2, channel_axis=channel_axis or -1)
    detector = ReconstructionDetector(network, smoothing=1.2, random_state=0).fit(X)
    width = {None: (0, 1.2, 1.2), -1: (0, 1.2, 1.2, 0), 1: (0, 0, 1.2, 1.2)}[channel_axis]
    missed = X - detector.autoencoder_.reconstruct(X)
    missed, inside = (gaussian_filter(part, width, mode="constant", truncate=9) for part in (missed, np.ones_like(X)))
    expected = np.square(missed / inside).reshape(40, -1) / detector.error_scale_
    np.testing.assert_allclose(detector.error_map(X).reshape(40, -1), expected, rtol=1e-3, atol=1e-4)
    frozen = FrozenEstimator(detector.autoencoder_)
    by_rows = ReconstructionDetector(frozen, smoothing=1.2, random_state=0).fit(X.reshape(40, -1))
    np.testing.assert_allclose(
        by_rows.error_map(X.reshape(40, -1)) * by_rows.error_scale_,
        np.square(missed / inside).reshape(40, -1),
        rtol=1e-3,
        atol=1e-4,
    )


def test_what_is_out_of_place_by_a_pixel_counts_less_than_a_patch(rng):
    """Of two errors of the same size the one over an area counts for more, unless errors are not smoothed."""
    X = rng.normal(size=(80, 28, 28))
    edge, patch = np.zeros((2, 1, 28, 28))
    edge[0, 4:12, 10], edge[0, 4:12, 11] = 1, -1
    patch[0, 12:16, 12:16] = 1
    sharp, smooth = (ReconstructionDetector(Blank(), smoothing=width, code_weight=0).fit(X) for width in (0, "auto"))
    assert sharp.score_samples(edge) == pytest.approx(sharp.score_samples(patch), rel=0.1)
    assert smooth.score_samples(patch) < 2 * smooth.score_samples(edge)


def test_tables_are_not_smoothed(bent):
    """What is near by in a table says nothing."""
    scores = [ReconstructionDetector(PCA(1), smoothing=s, random_state=0).fit(bent).score_samples(bent) for s in ("auto", 5)]
    np.testing.assert_array_equal(*scores)


def test_what_is_too_narrow_to_smooth_takes_no_matrices(rng):
    """Signals, whose shorter side is one, are as if smoothing were 0, and long ones don't take the square of their length."""
    X = rng.normal(size=(9, 30_001)).astype(np.float32)
    autoencoder = FrozenEstimator(ConvAutoencoder(2, **FAST, n_filters=2).fit(X))
    scores = [ReconstructionDetector(autoencoder, smoothing=width).fit(X).score_samples(X) for width in ("auto", 1e-300, 0)]
    np.testing.assert_allclose(scores[:2], scores[2:] * 2, rtol=1e-12)


def test_the_default_follows_the_dimensions():
    """None is a convolutional autoencoder for images and a dense one for rows."""
    X = np.random.default_rng(0).normal(size=(9, 4, 3))
    detector = ReconstructionDetector(cross_fit=False)
    assert type(detector.fit(X).autoencoder_) is ConvAutoencoder
    assert type(detector.fit(X[:, 0]).autoencoder_) is DenseAutoencoder


def test_tensors_tables_and_lists_score_alike(fitted, bent):
    """Each container of the same numbers has the same scores."""
    X = bent[:10]
    for same in (torch.from_numpy(X), X.tolist(), np.asfortranarray(X)):
        np.testing.assert_allclose(fitted.score_samples(same), fitted.score_samples(X), rtol=1e-6)


def test_tensors_of_bfloat16_have_scores(rng):
    """Images of a dtype that NumPy doesn't have are scored like those of float32 of the same numbers."""
    X = torch.tensor(rng.normal(size=(9, 4, 4))).bfloat16()
    detector = ReconstructionDetector(ConvAutoencoder(2, **FAST), random_state=0).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), detector.score_samples(X.float()))


def test_names_are_kept_and_reach_a_fitted_autoencoder(bent, recwarn):
    """A DataFrame's names are checked, and an autoencoder that was fitted with them sees them again."""
    table = pd.DataFrame(bent, columns=["a", "b", "c"])
    pca = PCA(1).fit(table)
    detector = ReconstructionDetector(FrozenEstimator(pca)).fit(table)
    detector.predict(table)
    assert not recwarn.list
    assert detector.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(table[["b", "a", "c"]])


def test_streamed_rows_score_like_those_in_memory(tmp_path, bent, fitted, monkeypatch):
    """A memory map that is too large to be read at once gives the same detector."""
    np.save(tmp_path / "X.npy", bent)
    monkeypatch.setattr("skae._stored.STREAMED_BYTES", 100)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = DenseAutoencoder(1, **FAST)
    streamed, whole = (ReconstructionDetector(plain, random_state=0, cross_fit=False).fit(X) for X in (mapped, bent))
    np.testing.assert_allclose(streamed.score_samples(mapped), streamed.score_samples(bent), rtol=1e-5)
    np.testing.assert_allclose(streamed.scaler_.mean_, whole.scaler_.mean_)


# ------------------------------------------------------------------------------------------------ as a part of things


def test_a_frozen_autoencoder_is_used_as_it_is(bent):
    """What a FrozenEstimator holds sees X as it was fitted on it, and is not fitted again."""
    autoencoder = DenseAutoencoder(1, **FAST).fit(bent)
    detector = ReconstructionDetector(FrozenEstimator(autoencoder), code_weight=0).fit(bent)
    assert detector.scaler_ is None
    expected = autoencoder.reconstruction_error(bent)
    maps = detector.error_map(bent) * detector.error_scale_
    np.testing.assert_allclose(maps.mean(1), expected, rtol=1e-4)


def test_a_search_reaches_the_autoencoder(bent, rng):
    """A search in two processes finds that a curve in a plane has fewer components than it has columns."""
    X = np.concatenate([bent[:60], rng.uniform(-2, 2, (60, 3)) + bent.mean(0)])
    y = np.repeat([1, -1], 60)
    detector = make_pipeline(StandardScaler(), ReconstructionDetector(PCA(), code_weight=0))
    cv = [(np.arange(40), np.arange(40, 120))]
    scorer = make_scorer(roc_auc_score, response_method="decision_function")
    grid = {"reconstructiondetector__autoencoder__n_components": [2, 3]}
    search = GridSearchCV(detector, grid, cv=cv, scoring=scorer, n_jobs=2).fit(X, y)
    assert list(search.best_params_.values()) == [2]


def test_the_fitted_detector_does_not_depend_on_later_parameters(fitted, bent):
    """set_params after fit, and a pickle of that, change no score."""
    before = fitted.score_samples(bent)
    later = pickle.loads(pickle.dumps(fitted)).set_params(code_weight=0, n_neighbors=1, autoencoder=None, standardize=False)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(later)).score_samples(bent), before)


def test_a_fit_that_fails_changes_nothing(bent):
    """After an error in a second fit, or Ctrl-C, the first one is still there, and of a first one nothing is left."""

    class Impatient(PCA):
        def fit(self, X, y=None):
            raise KeyboardInterrupt

    detector = ReconstructionDetector(PCA(1), random_state=0).fit(bent)
    expected = detector.score_samples(bent)
    for autoencoder, error in ((PCA(99), ValueError), (Impatient(), KeyboardInterrupt)):
        with pytest.raises(error):
            detector.set_params(autoencoder=autoencoder).fit(bent[:, :2])
        np.testing.assert_array_equal(detector.score_samples(bent), expected)
        with pytest.raises(error):
            (first := ReconstructionDetector(autoencoder)).fit(bent)
        assert vars(first) == first.get_params(deep=False)


def test_a_seed_makes_fits_alike(bent):
    """random_state reaches an autoencoder that has none, whose parameters stay what they were."""
    detector = ReconstructionDetector(DenseAutoencoder(1, max_iter=2), random_state=3)
    first, second = (clone(detector).fit(bent).score_samples(bent) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert detector.autoencoder.random_state is None


# ---------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("parameters", "X", "error", "message"),
    [
        ({"contamination": 0.6}, np.eye(6), ValueError, "contamination.*0.6"),
        ({"code_weight": -1}, np.eye(6), ValueError, "code_weight.*-1"),
        ({"smoothing": -1}, np.eye(6), ValueError, "smoothing.*-1"),
        ({"autoencoder": StandardScaler}, np.eye(6), TypeError, "class"),
        ({"autoencoder": object()}, np.eye(6), TypeError, "expected an estimator with fit, transform and inverse_transform"),
        ({}, np.eye(3), ValueError, "Got X of 3 sample.*at least 4"),
        ({}, np.zeros((3, 2, 2)), ValueError, "Got X of 3 sample.*at least 4"),
        ({}, ["a.png", "b.png"], TypeError, r"Got 'a.png' as X.*skae\.datasets\.ImageFolder"),
        ({}, [["a", "b"]] * 9, ValueError, "not compatible with arrays of bytes/strings"),
        ({}, np.full((9, 2), np.nan), ValueError, "NaN"),
        ({}, np.zeros((9, 0)), ValueError, "0 feature"),
        ({"standardize": True}, np.zeros((9, 4, 4)), ValueError, "dim 3"),
        ({"autoencoder": DenseAutoencoder()}, np.zeros((9, 4, 4)), ValueError, "dim 3"),
    ],
)
def test_wrong_input_is_refused(parameters, X, error, message):
    """What can't be fitted is refused with its value and what is expected."""
    with pytest.raises(error, match=message):
        ReconstructionDetector(**parameters).fit(X)


def test_gaps_are_refused_where_the_autoencoder_takes_them(rng):
    """Images with gaps have no scores, neither in fit nor later, even if their autoencoder fills them."""
    X = rng.normal(size=(9, 4, 4))
    holed = np.where(X > 1, np.nan, X)
    detector = ReconstructionDetector(ConvAutoencoder(2, **FAST, allow_nan=True), random_state=0).fit(X)
    for method in (detector.predict, detector.error_map, clone(detector).fit):
        with pytest.raises(ValueError, match="Got NaN in X"):
            method(holed)


@pytest.mark.parametrize(
    ("X", "message"), [(np.ones((2, 4)), "4 features"), (np.ones((2, 3, 1)), "dim 3"), ([[1, 2, np.inf]], "infinity")]
)
def test_rows_of_another_kind_are_refused(fitted, X, message):
    """Rows that don't lie as in fit are refused."""
    with pytest.raises(ValueError, match=message):
        fitted.predict(X)
