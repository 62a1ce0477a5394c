"""Missing values and corruptions in both autoencoders."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.metrics import r2_score
from sklearn.preprocessing import scale
from sklearn.utils import get_tags

from skae import ConvAutoencoder, DenseAutoencoder
from skae._input.factor_analysis import fit_factor_analysis
from skae._input.missing_values import fit_gaussian
from skae.corruptions import CORRUPTIONS, Gaussian, Masking, Patches
from skae.corruptions._base import corruption_of_samples
from skae.networks.imputation import FactorCovariance, conditional_means_of_factors

from ..cases import curve, gray_images, low_rank

nan = np.nan
FAST = {"max_iter": 3, "early_stopping": False, "random_state": 0}


def with_missing(X, fraction=0.2, seed=0):
    """Return a copy of X with NaN for a fraction of its values."""
    X = np.array(X)
    X[np.random.default_rng(seed).uniform(size=X.shape) < fraction] = nan
    return X


# --------------------------------------------------------------------------------------------------- missing values


def test_imputation_is_better_than_the_mean():
    """Breast cancer is imputed with less than 0.4 of the squared error of column means."""
    X = scale(load_breast_cancer().data)
    X_missing = with_missing(X, 0.1)
    reconstruction = (
        DenseAutoencoder(8, allow_nan=True, max_iter=12, random_state=0)
        .fit(X_missing)
        .reconstruct(X_missing)
    )
    assert np.isfinite(reconstruction).all()
    is_missing = np.isnan(X_missing)
    means = np.broadcast_to(np.nanmean(X_missing, 0), X.shape)
    assert (
        np.square(reconstruction - X)[is_missing].mean()
        < 0.4 * np.square(means - X)[is_missing].mean()
    )


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "log_loss"])
def test_every_missing_value_is_imputed(make, loss):
    """Results are finite with every loss; a row without known values has no error and no score."""
    X_missing = with_missing(gray_images(40, 7, 5).reshape(40, -1))
    X_missing[3] = nan
    before = X_missing.copy()
    estimator = make(3, allow_nan=True, loss=loss, max_iter=3, random_state=0).fit(X_missing)
    assert np.isfinite(estimator.transform(X_missing)).all()
    assert np.isfinite(estimator.reconstruct(X_missing)).all()
    assert np.isfinite(estimator.loss_curve_).all()
    assert np.isnan(estimator.reconstruction_error(X_missing)[3])
    assert_array_equal(X_missing, before)
    with pytest.warns(UndefinedMetricWarning, match="all values are missing"):
        assert np.isnan(estimator.score(X_missing[[3, 3]]))


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_errors_and_scores_ignore_missing_values(make, rng):
    """reconstruction_error and score are those of NumPy over the known values."""
    X_missing = with_missing(low_rank(60, 8))
    estimator = make(3, allow_nan=True, **FAST).fit(X_missing)
    squares = np.square(estimator.reconstruct(X_missing) - X_missing)
    assert_allclose(estimator.reconstruction_error(X_missing), np.nanmean(squares, 1), rtol=1e-4)
    weights = rng.uniform(0.1, 2, 60)
    for w in (np.ones(60), weights):
        w = w[:, None]
        mean = np.nansum(w * X_missing, 0) / np.nansum(w * ~np.isnan(X_missing), 0)
        expected = 1 - np.nansum(w * squares) / np.nansum(w * np.square(X_missing - mean))
        assert estimator.score(X_missing, sample_weight=w[:, 0]) == pytest.approx(
            expected, abs=1e-5
        )
    X = low_rank(60, 8)
    assert estimator.score(X) == pytest.approx(
        r2_score(X, estimator.reconstruct(X), multioutput="variance_weighted"), abs=1e-5
    )


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
def test_complete_rows_of_any_dtype(dtype):
    """allow_nan requires neither missing values nor a dtype that supports NaN."""
    X = low_rank(60, 8, dtype=dtype, low=0, high=200)
    for make in (DenseAutoencoder, ConvAutoencoder):
        assert make(3, allow_nan=True, **FAST).fit(X).score(X) > 0.5


def test_data_frames_with_missing_values():
    """Data frames with NaN or pandas' own integers give the same as arrays."""
    X_missing = with_missing(low_rank(60, 8))
    frame = pd.DataFrame(X_missing).add_prefix("column")
    estimator = DenseAutoencoder(3, allow_nan=True, **FAST)
    expected = estimator.fit(X_missing).transform(X_missing)
    assert_array_equal(estimator.fit(frame).transform(frame), expected)
    whole = pd.DataFrame(np.where(np.isnan(X_missing), nan, np.rint(X_missing))).astype("Int64")
    assert whole.isna().to_numpy().any()
    assert np.isfinite(estimator.fit(whole).reconstruct(whole)).all()


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_tensors_with_missing_values(make):
    """Tensors with NaN give the same as arrays."""
    X_missing = with_missing(low_rank(60, 8, dtype=np.float32))
    expected = make(3, allow_nan=True, **FAST).fit(X_missing).reconstruct(X_missing)
    reconstruction = (
        make(3, allow_nan=True, **FAST)
        .fit(torch.from_numpy(X_missing))
        .reconstruct(torch.from_numpy(X_missing))
    )
    assert isinstance(reconstruction, torch.Tensor)
    assert_allclose(reconstruction.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_infinity_and_x_without_values_are_errors(make, rows):
    """Infinity, X of only NaN, and NaN without allow_nan are errors."""
    X_missing = with_missing(rows)
    infinite = X_missing.copy()
    infinite[40, 5] = np.inf
    with pytest.raises(ValueError, match="infinity in column 5, row 40"):
        make(3, allow_nan=True, **FAST).fit(infinite)
    with pytest.raises(ValueError, match=r"only NaN in X of shape \(\d+, \d+\)"):
        make(3, allow_nan=True, **FAST).fit(np.full_like(X_missing, nan))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make(3, **FAST).fit(X_missing)
    empty = X_missing.copy()
    empty[:, 6] = nan
    estimator = make(3, allow_nan=True, **FAST).fit(X_missing)
    assert np.isfinite(estimator.reconstruct(empty)).all()
    with pytest.raises(ValueError, match="infinity"):
        estimator.transform(infinite)
    assert get_tags(estimator).input_tags.allow_nan
    assert not get_tags(make(3)).input_tags.allow_nan


EMPTY = "Got only NaN in 1 column.s. of X: 6. They are kept and imputed by 0"


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("n_samples", [40, 4000])
def test_a_column_without_values_is_kept(make, streamed, n_samples, rows, tmp_path, monkeypatch):
    """The column is imputed by 0 with one warning; other columns are fitted as without it."""
    if streamed:
        monkeypatch.setattr("skae._input.streaming.STREAMED_BYTES", 0)
    X = with_missing(np.resize(rows, (n_samples, rows.shape[1])))
    X[:, 6] = nan
    data = X
    if streamed:
        np.save(tmp_path / "X.npy", X)
        data = np.load(tmp_path / "X.npy", mmap_mode="r")
    estimator = make(3, allow_nan=True, max_iter=1, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(data)
    assert sum("only NaN" in str(warning.message) for warning in caught) == 1
    assert estimator.n_features_in_ == X.shape[1]
    # convolutions have the same weights for all pixels, so that the column is not exactly 0
    assert_allclose(estimator.reconstruct(X)[:, 6], np.zeros(n_samples), atol=0.1 * np.nanstd(X))
    assert np.isfinite(estimator.transform(X)).all()
    assert estimator.score(X) > 0.5
    with_values = X.copy()
    with_values[:, 6] = 1.0
    assert np.isfinite(estimator.reconstruction_error(with_values)).all()


def test_the_warning_of_columns_without_values_has_their_names():
    """The warning names at most ten columns, by their names in a DataFrame."""
    X = pd.DataFrame(np.full((20, 12), nan), columns=list("abcdefghijkl")).assign(a=range(20))
    estimator = DenseAutoencoder(1, allow_nan=True, **FAST)
    with pytest.warns(
        UserWarning, match=r"in 11 column\(s\) of X: 1 \('b'\), .* 10 \('k'\), \.\.\."
    ):
        estimator.fit(X)


def test_a_fold_may_lack_the_values_of_a_column(rows):
    """A column whose values are all in one fold is no error, and gives no warning."""
    X = np.array(rows[:60])
    X[1:, 6] = nan
    estimator = DenseAutoencoder(3, allow_nan=True, max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X)
    assert estimator.n_folds_ > 1
    assert np.isfinite(estimator.reconstruct(X)).all()


def test_later_batches_may_have_the_values_of_a_column(rows):
    """In partial_fit, later values of a column change the other columns little."""
    X = scale(np.array(rows))
    first = X.copy()
    first[:, 6] = nan
    estimator = DenseAutoencoder(3, allow_nan=True, random_state=0)
    with pytest.warns(UserWarning, match=EMPTY):
        estimator.partial_fit(first)
    others = np.arange(X.shape[1]) != 6
    before = np.square(estimator.reconstruct(X) - X)[:, others].mean()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            estimator.partial_fit(X)
    after = np.square(estimator.reconstruct(X) - X)[:, others].mean()
    assert after < 1.05 * before
    assert np.isfinite(estimator.reconstruction_error(X)).all()


def test_the_only_value_of_a_column_may_be_in_the_validation_set(rows):
    """A column with one known value is valid for any validation set."""
    X_missing = rows.copy()
    X_missing[1:, 2] = nan
    for seed in range(12):
        estimator = DenseAutoencoder(3, allow_nan=True, max_iter=1, random_state=seed).fit(
            X_missing
        )
        assert estimator.reconstruct(X_missing)[5, 2] == pytest.approx(rows[0, 2], abs=0.5)


def test_rows_of_zero_weight_do_not_impute(rows):
    """Rows of zero weight do not change the means that impute missing values."""
    X_missing, weights = with_missing(rows), np.r_[np.ones(40), np.zeros(20)]
    estimator = DenseAutoencoder(3, allow_nan=True, **FAST)
    expected = estimator.fit(X_missing[:40]).transform(X_missing)
    assert_array_equal(
        estimator.fit(X_missing, sample_weight=weights).transform(X_missing), expected
    )


def test_initial_imputation_is_the_conditional_mean():
    """With n_components equal to n_features, the start reconstructs and imputes conditional means."""
    units = np.geomspace(1e-3, 1e3, 6)
    X = low_rank(80, 6) * units
    X_missing = with_missing(X)
    estimator = DenseAutoencoder(
        6,
        allow_nan=True,
        max_iter=1,
        learning_rate_init=1e-12,
        early_stopping=False,
        random_state=0,
    )
    reconstruction = estimator.fit(X_missing).reconstruct(X_missing)
    means = torch.zeros(len(units))
    mean, precision = (
        part.numpy() for part in fit_gaussian(X_missing, means, None, generator=torch.Generator())
    )
    expected = X_missing.copy()
    for row in expected:
        is_missing = np.isnan(row)
        deviation = precision[np.ix_(is_missing, ~is_missing)] @ (
            row[~is_missing] - mean[~is_missing]
        )
        row[is_missing] = mean[is_missing] - np.linalg.solve(
            precision[np.ix_(is_missing, is_missing)], deviation
        )
    # the largest column makes the unit of all of them
    assert_allclose(reconstruction[:, -3:] / units[-3:], expected[:, -3:] / units[-3:], atol=0.02)


@pytest.mark.parametrize(
    ("constant", "unit"), [(0.1, 1e3), (0.1, 1e6), (0.0, 1e6), (1e9, 1.0), (None, 1e3)]
)
def test_missing_values_in_a_nearly_constant_column(constant, unit):
    """A column that varies by rounding, or far less than others, is imputed with its mean."""
    X = low_rank(60, 6) * unit
    X[:, 0] = X[:, 0] * 1e-24 if constant is None else constant
    X_missing = with_missing(X)
    estimator = DenseAutoencoder(3, allow_nan=True, **FAST).fit(X_missing)
    assert np.isfinite(estimator.transform(X_missing)).all()
    assert_allclose(
        estimator.reconstruct(X_missing)[:, 0], X[:, 0].mean(), atol=1e-4 * unit, rtol=1e-6
    )
    assert torch.isfinite(estimator.net_.module_.precision).all()


def test_a_column_without_values_in_the_sample_has_the_mean_of_all_rows(monkeypatch):
    """A column without known values in the sampled rows has the mean of all rows."""
    monkeypatch.setattr(
        "skae._input.missing_values.MAX_EM_FLOPS", 1e-9
    )  # so that as few rows as may be take part
    X = np.random.default_rng(0).standard_normal((2000, 8))
    X[:, 0], X[7, 0] = nan, 2000.0
    mean, precision = fit_gaussian(
        X, torch.from_numpy(np.nanmean(X, 0)), None, generator=torch.Generator()
    )
    assert mean[0] == pytest.approx(2000.0)
    assert torch.isfinite(precision).all()


@pytest.mark.filterwarnings("ignore:.IterativeImputer. Early stopping criterion not reached")
def test_imputation_is_better_than_linear():
    """Nonlinear columns are imputed better than by scikit-learn's IterativeImputer."""
    X = scale(np.concatenate([curve(300), np.square(curve(300)[:, :2])], 1))
    X_missing = with_missing(X)
    is_missing = np.isnan(X_missing)
    estimator = DenseAutoencoder(
        5, allow_nan=True, corruption="masking", max_iter=100, random_state=0
    )
    results = [
        estimator.fit(X_missing).reconstruct(X_missing),
        IterativeImputer(random_state=0).fit_transform(X_missing),
    ]
    ours, theirs = (np.square(imputed - X)[is_missing].mean() for imputed in results)
    assert ours < 0.7 * theirs


def test_wide_rows_have_a_low_rank_covariance():
    """Over 128 columns, the covariance has factors, and imputes rows of low rank."""
    for d, is_low_rank in [(128, False), (129, True)]:
        X = low_rank(60, d)
        X_missing = with_missing(X)
        X_missing[0] = nan
        estimator = DenseAutoencoder(3, allow_nan=True, hidden_layer_sizes=4, **FAST).fit(X_missing)
        assert (estimator.net_.module_.precision is None) == is_low_rank
        assert (estimator.net_.module_.imputation_loadings is not None) == is_low_rank
        is_missing = np.isnan(X_missing)
        is_missing[0] = False
        error = np.square(estimator.reconstruct(X_missing) - X)[is_missing].mean()
        assert error < 0.1 * X.var()
        assert np.isfinite(estimator.reconstruct(X_missing)).all()


def test_factors_impute_as_the_full_covariance_does():
    """Conditional means of factors equal those of the covariance matrix that they stand for."""
    rng = np.random.default_rng(0)
    loadings, noise = rng.normal(size=(9, 3)), rng.uniform(0.1, 2, size=9)
    covariance = loadings @ loadings.T + np.diag(noise)
    x = rng.multivariate_normal(np.zeros(9), covariance, size=5)
    x[rng.random(x.shape) < 0.4] = nan
    factors = FactorCovariance(torch.from_numpy(loadings), torch.from_numpy(noise))
    expected = conditional_means_of_factors(torch.from_numpy(x), factors).numpy()
    for row, values in zip(x, expected, strict=True):
        missing = np.isnan(row)
        weights = np.linalg.solve(covariance[np.ix_(~missing, ~missing)], row[~missing])
        np.testing.assert_allclose(values[missing], covariance[np.ix_(missing, ~missing)] @ weights)
        assert (values[~missing] == 0).all()


def test_factor_analysis_finds_the_covariance_of_rows_with_missing_values():
    """The covariance of many rows is that of the distribution that they were drawn from."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(20, 2))
    covariance = loadings @ loadings.T + 0.5 * np.eye(20)
    X = rng.multivariate_normal(np.full(20, 0.3), covariance, size=3000)
    X[rng.random(X.shape) < 0.2] = nan
    weights = torch.ones(3000, dtype=torch.float64)
    mean, (found, noise) = fit_factor_analysis(torch.from_numpy(X), weights, 4)
    found = (found @ found.T + noise.diag()).numpy()
    assert np.abs(found - covariance).max() < 0.15 * covariance.max()
    np.testing.assert_allclose(mean, 0.3, atol=0.15)


@pytest.mark.parametrize("target_weight", [0.0, 1.0])
def test_missing_pixels_are_not_mean_pixels(target_weight):
    """Missing pixels are encoded differently from pixels that equal the mean."""
    images = gray_images(60, 8, 9)
    incomplete, mean = images.copy(), images.copy()
    incomplete[:, 2:5, 1:4], mean[:, 2:5, 1:4] = nan, images.mean(0)[2:5, 1:4]
    estimator = ConvAutoencoder(
        3,
        allow_nan=True,
        corruption="masking",
        target_weight=target_weight,
        **FAST | {"max_iter": 30},
    )
    estimator.fit(images, np.arange(60) % 3)
    codes, others = estimator.transform(incomplete), estimator.transform(mean)
    assert np.abs(codes - others).max() > 0.01 * codes.std()


def test_imputation_is_in_float32():
    """Imputed rows do not depend on autocast to bfloat16."""
    X_missing = with_missing(low_rank(60, 8, dtype=np.float32))
    network = DenseAutoencoder(3, allow_nan=True, **FAST).fit(X_missing).net_.module_
    x = network.prepare(torch.from_numpy(X_missing))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = network.impute(x)
    assert_array_equal(inside, network.impute(x))


# ------------------------------------------------------------------------------------------------------- corruption


def test_corruption_depends_on_the_seed(rows):
    """Equal seeds give equal bits, other seeds and corruptions give other results."""
    latents = [
        DenseAutoencoder(3, corruption=name, **{**FAST, "random_state": seed})
        .fit(rows)
        .transform(rows)
        for name, seed in [
            ("masking", 0),
            ("masking", 0),
            ("masking", 1),
            ("gaussian", 0),
            (None, 0),
        ]
    ]
    assert_array_equal(latents[0], latents[1])
    assert not any(np.array_equal(latents[0], other) for other in latents[2:])


def test_a_callable_gets_standardized_rows(rows):
    """A callable gets centered rows in units of X's overall deviation, and a generator."""
    calls = []

    def keep(x, generator):
        calls.append((x, generator))
        return x

    estimator = DenseAutoencoder(3, corruption=keep, **FAST).fit(rows)
    x = torch.cat([x for x, _ in calls[: len(calls) // 3]]).numpy()
    assert x.shape == rows.shape
    assert_allclose(x.mean(0), 0, atol=1e-5)
    assert_allclose(np.sqrt(np.square(x).mean()), 1, rtol=0.05)
    expected = (rows - rows.mean(0)) / float(estimator.net_.module_.centre.scale)
    assert_allclose(np.sort(x, 0), np.sort(expected, 0), rtol=1e-3, atol=1e-3)
    assert all(
        isinstance(generator, torch.Generator) and generator.device.type == "cpu"
        for _, generator in calls
    )
    count = len(calls)
    estimator.transform(rows)
    estimator.reconstruct(rows)
    estimator.score(rows)
    assert len(calls) == count


@pytest.mark.parametrize("first", [True, False])
def test_a_callable_gets_images(first):
    """Images have their channels first for any channel_axis."""
    shapes = set()

    def keep(x, generator):
        shapes.add(tuple(x.shape[1:]))
        return x

    X = np.stack([gray_images(20, 6, 5, seed=c) for c in range(3)], 1 if first else -1)
    ConvAutoencoder(3, corruption=keep, channel_axis=1 if first else -1, **FAST).fit(X)
    assert shapes == {(3, 6, 5)}


def test_masking_improves_imputation():
    """Trained with masking, values replaced by the mean are reconstructed better."""
    X = low_rank(400, 12)
    corrupted = X.copy()
    is_missing = np.random.default_rng(0).uniform(size=X.shape) < 0.3
    corrupted[is_missing] = np.broadcast_to(X.mean(0), X.shape)[is_missing]
    errors = [
        np.square(
            DenseAutoencoder(3, corruption=corruption, random_state=0).fit(X).reconstruct(corrupted)
            - X
        ).mean()
        for corruption in (None, Masking(0.3))
    ]
    assert errors[1] < 0.8 * errors[0]


def test_imputation_precedes_corruption(rows):
    """A corruption gets no NaN, and missing values of the target are ignored."""
    calls = []

    def keep(x, generator):
        calls.append(x)
        return x + 0.2

    estimator = DenseAutoencoder(3, corruption=keep, allow_nan=True, **FAST).fit(with_missing(rows))
    assert all(torch.isfinite(x).all() for x in calls)
    assert np.isfinite(estimator.loss_curve_).all()


@pytest.mark.parametrize("name", ["masking", "patches"])
def test_masked_values_become_missing(name):
    """With allow_nan, masked values and patches are NaN, and all others are unchanged."""
    x = torch.rand(6, 2, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    corruption = CORRUPTIONS[name](0.25)
    means, _ = corruption_of_samples(corruption)(x, seeds[0])
    X_missing, _ = corruption_of_samples(corruption, allow_nan=True)(x, seeds[1])
    assert means.eq(0).any()
    torch.testing.assert_close(
        X_missing, means.where(means != 0, nan), equal_nan=True, rtol=0, atol=0
    )


def _shift(x, generator, *, by):
    return x + by


class Shift:
    """A corruption with state."""

    def __call__(self, x, generator):
        """Shift."""
        return x + 0.2


@pytest.mark.parametrize(
    ("corruption", "other"),
    [
        (functools.partial(_shift, by=0.1), functools.partial(_shift, by=0.1)),
        (Shift(), Shift()),
        (Gaussian(0.1), Gaussian(0.4)),
        ("masking", Masking(0.4)),
    ],
)
def test_partial_fit_keeps_its_optimizer_with_any_corruption(corruption, other, rows):
    """The optimizer is kept for the same corruption, and not for another function or level."""
    estimator = DenseAutoencoder(3, corruption=corruption, random_state=0).partial_fit(rows)
    optimizer = estimator.net_.optimizer_
    assert estimator.partial_fit(rows).net_.optimizer_ is optimizer
    assert estimator.set_params(corruption=other).partial_fit(rows).net_.optimizer_ is not optimizer


@pytest.mark.parametrize(
    ("corruption", "expected"),
    [
        (
            Masking(1.5),
            r"level=1\.5 in corruption=Masking, but expected a number from 0 to 1, or a pair of such",
        ),
        (
            Gaussian((0.3, 0.1)),
            r"level=\(0\.3, 0\.1\) in corruption=Gaussian, but expected a number of at least 0, or a pair",
        ),
        (
            Gaussian((0.1,)),
            r"level=\(0\.1,\) in corruption=Gaussian, but expected a number of at least 0, or a pair",
        ),
        (Gaussian(None), r"level=None in corruption=Gaussian, but expected a number of at least 0"),
        (Gaussian("high"), r"level='high' in corruption=Gaussian, but expected a number"),
        ("patches", "corruption='patches', which requires images"),
        (Patches(0.5), r"corruption=Patches\(level=0\.5\), which requires images"),
    ],
)
def test_invalid_levels_are_errors(corruption, expected, rows):
    """Invalid levels, and patches for tables, are errors."""
    with pytest.raises(ValueError, match=expected):
        DenseAutoencoder(2, corruption=corruption).fit(rows)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_allow_nan_after_fit_is_an_error(make):
    """NaN is an error for a network that was built without allow_nan."""
    estimator = make(2, **FAST).fit(with_missing(low_rank(40, 9), 0)).set_params(allow_nan=True)
    for method in (estimator.transform, estimator.reconstruct, estimator.score):
        with pytest.raises(ValueError, match="Input X contains NaN in column"):
            method(with_missing(low_rank(40, 9)))


def test_html_with_missing_values():
    """The HTML of a fit with missing values has its fitted attributes."""
    html = (
        DenseAutoencoder(2, allow_nan=True, **FAST).fit(with_missing(low_rank(40, 6)))._repr_html_()
    )
    assert "n_components_" in html
