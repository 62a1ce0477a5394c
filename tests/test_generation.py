"""LatentSampler: what it makes up, how likely it finds codes, and how it lives in scikit-learn."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from skae import ConvAutoencoder, DenseAutoencoder, LatentSampler

from .cases import colour_images, grey_images, low_rank

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}


@parametrize_with_checks(
    [
        LatentSampler(DenseAutoencoder(3, **FAST), density=GaussianMixture(1)),
        LatentSampler(DenseAutoencoder(2, **FAST), density=KernelDensity()),
        LatentSampler(DenseAutoencoder(max_iter=2)),
        LatentSampler(ConvAutoencoder(2, n_filters=2, **FAST)),
    ]
)
def test_scikit_learns_checks(estimator, check):
    """Every check of scikit-learn's check_estimator passes."""
    check(estimator)


def test_parameters_are_validated():
    """scikit-learn's check of parameter validation passes."""
    check_param_validation("LatentSampler", LatentSampler(DenseAutoencoder(2, **FAST)))


@pytest.fixture(scope="module")
def fitted(digits):
    """A sampler of digits with PCA's codes, fitted once."""
    return LatentSampler(DenseAutoencoder(6, random_state=0), random_state=0).fit(digits[0])


def far(first, second):
    """Give the largest distance of two means, in standard deviations of the first."""
    return np.abs((first.mean(0) - second.mean(0)) / first.std(0)).max()


@pytest.mark.parametrize("density", [None, GaussianMixture(3), KernelDensity(bandwidth=0.2)], ids=str)
def test_codes_of_samples_lie_as_codes_of_rows(digits, density):
    """Mean and covariance of the codes of what is made up are about those of X, whichever density makes it up."""
    X = digits[0]
    autoencoder = DenseAutoencoder(4, hidden_layer_sizes=(), **FAST).fit(X)  # linear: a code is found again
    sampler = LatentSampler(FrozenEstimator(autoencoder), density=density, random_state=0).fit(X)
    codes, found = autoencoder.transform(X), autoencoder.transform(sampler.sample(4000))
    assert far(codes, found) < 0.15
    np.testing.assert_allclose(np.corrcoef(found.T), np.corrcoef(codes.T), atol=0.15)
    np.testing.assert_allclose(found.std(0), codes.std(0), rtol=0.15)


@pytest.mark.parametrize("density", [GaussianMixture(2), KernelDensity()], ids=str)
def test_samples_repeat_as_random_state_says(digits, density):
    """An int gives the same each time, a RandomState or None something else, and NumPy's own generator is left alone."""
    X = digits[0][:100]
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    sampler = LatentSampler(DenseAutoencoder(2, max_iter=1), density=density, random_state=3).fit(X)
    np.testing.assert_array_equal(sampler.sample(5), sampler.sample(5))
    np.testing.assert_array_equal(sampler.sample(5), clone(sampler).fit(X).sample(5))
    for state in (None, np.random.RandomState(0)):
        sampler = clone(sampler).set_params(random_state=state).fit(X)
        assert not np.array_equal(sampler.sample(5), sampler.sample(5))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_seeds_of_ones_own_are_kept(digits):
    """A random_state reaches the parts that have none, also inside a pipeline, and no other."""
    parts = make_pipeline(StandardScaler(), DenseAutoencoder(2, max_iter=1)), GaussianMixture(2, random_state=5)
    sampler = LatentSampler(parts[0], density=parts[1], random_state=3).fit(digits[0][:100])
    assert sampler.autoencoder_[-1].random_state == 3
    assert sampler.density_.random_state == 5
    assert parts[0][-1].random_state is None


@pytest.mark.parametrize(
    ("X", "class_"),
    [
        (low_rank(40, 9), DenseAutoencoder),
        (grey_images(40, 6, 5), ConvAutoencoder),
        (grey_images(40, 6, 5, dtype=np.uint8), ConvAutoencoder),
        (colour_images(40, 6, 5), ConvAutoencoder),
        (torch.from_numpy(low_rank(40, 9)), DenseAutoencoder),
    ],
    ids=["rows", "images", "bytes", "colours", "tensor"],
)
def test_layout(X, class_):
    """Samples and walks lie as X does, for one pair and for several, and a tensor gives arrays."""
    model = class_(2, **FAST)
    sampler = LatentSampler(model, density=GaussianMixture(1), random_state=0).fit(X)
    shape = tuple(X.shape[1:])
    samples = sampler.sample(7)
    assert samples.shape == (7, *shape)
    assert samples.dtype == np.float32
    assert sampler.interpolate(X[0], X[1], steps=4).shape == (4, *shape)
    assert sampler.interpolate(X[:3], X[3:6], steps=4).shape == (4, 3, *shape)
    assert sampler.interpolate(X[:1], X[3:4], steps=4).shape == (4, 1, *shape)
    flat = X.reshape(len(X), -1)
    assert sampler.interpolate(flat[0], flat[1], steps=2).shape == (2, *shape)
    assert sampler.score_samples(X).shape == (40,)


@pytest.mark.parametrize(("X", "kind"), [(low_rank(40, 9), DenseAutoencoder), (grey_images(20, 4, 4), ConvAutoencoder)])
def test_default_autoencoder(X, kind):
    """Without an autoencoder, rows have a dense one and images a convolutional one."""
    sampler = LatentSampler(random_state=0).fit(X)
    assert type(sampler.autoencoder_) is kind
    assert sampler.sample(3).shape == (3, *X.shape[1:])


def test_interpolation_is_straight_between_reconstructions(fitted, digits):
    """The ends are the reconstructions of both rows, and what is between them decodes evenly spaced codes."""
    a, b = digits[0][:3], digits[0][3:6]
    found = fitted.interpolate(a, b, steps=5)
    model = fitted.autoencoder_
    np.testing.assert_allclose(found[0], model.reconstruct(a), atol=1e-5)
    np.testing.assert_allclose(found[-1], model.reconstruct(b), atol=1e-5)
    middle = (model.transform(a) + model.transform(b)) / 2
    np.testing.assert_allclose(found[2], model.inverse_transform(middle), atol=1e-5)
    np.testing.assert_allclose(fitted.interpolate(a[1], b[1], steps=5), found[:, 1], atol=1e-5)


def test_score_samples_is_the_density_of_codes(digits):
    """For one Gaussian the log density is SciPy's at the codes, in their own units, and score is its mean."""
    from scipy.stats import multivariate_normal

    X = digits[0] * 100
    model = DenseAutoencoder(3, **FAST).fit(X)
    sampler = LatentSampler(FrozenEstimator(model), density=GaussianMixture(1, reg_covar=0)).fit(X)
    codes = model.transform(X).astype(float)
    expected = multivariate_normal(codes.mean(0), np.cov(codes.T, bias=True)).logpdf(codes)
    np.testing.assert_allclose(sampler.score_samples(X), expected, rtol=1e-4)
    assert sampler.score(X) == pytest.approx(expected.mean(), rel=1e-4)
    assert isinstance(sampler.score(X), float)


def test_odd_rows_are_unlikely(fitted, digits):
    """Rows far from X have codes of lower density than all of X."""
    assert fitted.score_samples(digits[0][:20] + 5).max() < fitted.score_samples(digits[0]).min()


def test_the_units_of_codes_do_not_matter_to_a_kernel():
    """A kernel of one width sees standardised codes: X in other units gives the same rows, in other units."""
    X = low_rank(200, 6)
    densities = [LatentSampler(PCA(2), density=KernelDensity(bandwidth=0.1), random_state=0).fit(X * s) for s in (1, 1000)]
    first, second = (sampler.sample(50) for sampler in densities)
    np.testing.assert_allclose(1000 * first, second, rtol=1e-3, atol=1)


@pytest.mark.parametrize("density", [GaussianMixture(2, random_state=1), KernelDensity(bandwidth=0.3)], ids=str)
def test_a_frozen_density_knows_codes_as_they_are(digits, density):
    """A density that was fitted on codes before is sampled and scored as it is, and stays as it was."""
    X = digits[0]
    model = DenseAutoencoder(3, **FAST).fit(X)
    codes = model.transform(X).astype(float)
    density = density.fit(codes)
    sampler = LatentSampler(FrozenEstimator(model), density=FrozenEstimator(density), random_state=0).fit(X)
    np.testing.assert_allclose(sampler.score_samples(X), density.score_samples(codes), rtol=1e-5)
    assert (sampler.code_scale_ == 1).all()
    assert (sampler.code_mean_ == 0).all()
    np.testing.assert_array_equal(sampler.sample(4), sampler.sample(4))
    assert density.get_params().get("random_state", 1) == 1


def test_frozen_autoencoder_is_used_as_it_is(digits):
    """A frozen autoencoder is not fitted again; without it a clone is fitted, and the one given stays unfitted."""
    X = digits[0][:100]
    model = DenseAutoencoder(3, **FAST).fit(X)
    sampler = LatentSampler(FrozenEstimator(model), density=GaussianMixture(1)).fit(X[:50])
    np.testing.assert_array_equal(sampler.autoencoder_.transform(X), model.transform(X))
    fresh = DenseAutoencoder(3, **FAST)
    LatentSampler(fresh, density=GaussianMixture(1)).fit(X)
    assert not hasattr(fresh, "net_")


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (34, 1), (400, 11)])
def test_the_default_density_grows_with_x(digits, n, expected):
    """Few rows have one Gaussian, more rows more."""
    sampler = LatentSampler(DenseAutoencoder(2, **FAST), random_state=0).fit(digits[0][:n])
    assert sampler.density_.n_components == expected
    assert np.isfinite(sampler.sample(20)).all()


def test_the_default_density_is_fitted_on_some_rows_of_many(digits, monkeypatch):
    """Where there are very many rows the default density sees some of them, and others as many as it is used to."""
    monkeypatch.setattr("skae.generation.MOST_ROWS", 100)
    model = FrozenEstimator(DenseAutoencoder(2, **FAST).fit(digits[0]))
    assert LatentSampler(model, random_state=0).fit(digits[0]).density_.n_components == 100 // 35
    assert len(LatentSampler(model, density=KernelDensity()).fit(digits[0]).density_.tree_.data) == len(digits[0])


def test_searches(digits):
    """A search reaches the parameters of both parts; scores choose the density's."""
    X = digits[0]
    two_heaps = low_rank(200, 5) + 20 * (np.arange(200) % 2)[:, None]
    model = FrozenEstimator(DenseAutoencoder(2, **FAST).fit(two_heaps))
    sampler = LatentSampler(model, density=GaussianMixture(), random_state=0)
    search = GridSearchCV(sampler, {"density__n_components": [1, 2]}, cv=2, error_score="raise").fit(two_heaps)
    assert search.best_params_ == {"density__n_components": 2}
    sampler = LatentSampler(DenseAutoencoder(**FAST), density=GaussianMixture(2), random_state=0)
    search = GridSearchCV(sampler, {"autoencoder__n_components": [2, 3]}, cv=2, error_score="raise").fit(X)
    assert search.best_estimator_.autoencoder_.n_components_ == search.best_params_["autoencoder__n_components"]


def test_pickles_and_later_parameters(fitted, digits):
    """A pickle gives the same samples and scores, and parameters set after fit change none of the parts."""
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.sample(5), fitted.sample(5))
    again.set_params(autoencoder=None, density=KernelDensity())
    np.testing.assert_array_equal(again.sample(5), fitted.sample(5))
    np.testing.assert_array_equal(again.score_samples(digits[0][:5]), fitted.score_samples(digits[0][:5]))


def test_tables_with_names(digits):
    """A table's names are kept, in fit and in each method, without a warning."""
    X = pd.DataFrame(digits[0][:100]).add_prefix("pixel")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = LatentSampler(DenseAutoencoder(2, **FAST).set_output(transform="pandas"), random_state=0).fit(X)
        sampler.score(X)
        sampler.interpolate(X[:2], X[2:4])
        sampler.sample(3)
    assert list(sampler.feature_names_in_) == list(X.columns)
    assert not hasattr(sampler.fit(X.to_numpy()), "feature_names_in_")


def test_constant_codes():
    """Rows that are all the same are what is made up from them."""
    sampler = LatentSampler(DenseAutoencoder(2, **FAST), random_state=0).fit(np.full((30, 4), 7.0))
    np.testing.assert_allclose(sampler.sample(5), 7, atol=0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"autoencoder": LinearRegression()}, r"Got autoencoder=LinearRegression\(\), but expected an estimator with fit, tr"),
        ({"autoencoder": DenseAutoencoder}, "Got autoencoder=<class .* but expected an estimator with fit, transform and inv"),
        ({"density": PCA()}, r"Got density=PCA\(\), but expected an estimator with fit, sample and score_samples"),
        ({"density": "prior"}, "Got density='prior', but expected an estimator"),
    ],
)
def test_wrong_parts_are_refused(digits, parameters, message):
    """An error names the part that lacks a method, and the methods."""
    with pytest.raises(TypeError, match=message):
        LatentSampler(**parameters).fit(digits[0])


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", None, True])
def test_wrong_numbers_of_samples_are_refused(fitted, n_samples):
    """The number of samples is an int of at least 1."""
    with pytest.raises(ValueError, match=f"Got n_samples={n_samples!r}, but expected an int of at least 1"):
        fitted.sample(n_samples)


def test_wrong_walks_are_refused(fitted, digits):
    """An error says what is wrong with the number of steps or with the ends."""
    a, b = digits[0][:2]
    with pytest.raises(ValueError, match="Got steps=1, but expected an int of at least 2"):
        fitted.interpolate(a, b, steps=1)
    with pytest.raises(ValueError, match=r"Got a of shape \(64,\) and b of shape \(2, 64\), but expected rows of X"):
        fitted.interpolate(a, digits[0][:2])
    with pytest.raises(ValueError, match="NaN"):
        fitted.interpolate(a, b * np.nan)
    with pytest.raises(ValueError, match="Got a of shape"):
        fitted.interpolate(3.0, 4.0)


def test_the_density_is_learned_from_rows_of_all_of_x(monkeypatch):
    """Where X has too many rows, the default density learns from a random subset."""
    monkeypatch.setattr("skae.generation.MOST_ROWS", 50)
    X = np.sort(np.random.default_rng(0).normal(size=400))[:, None] * [1.0, 2.0, 3.0]
    found = LatentSampler(PCA(1), random_state=0).fit(X).sample(2000)
    np.testing.assert_allclose(found.mean(0) / X.std(0), X.mean(0) / X.std(0), atol=0.4)
    np.testing.assert_allclose(found.std(0), X.std(0), rtol=0.3)
