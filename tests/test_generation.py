"""LatentSampler: samples, interpolation, densities and integration in scikit-learn."""

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

from .cases import color_images, gray_images, low_rank

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
    """All checks of scikit-learn's check_estimator pass."""
    check(estimator)


def test_parameters_are_validated():
    """scikit-learn's check of parameter validation passes."""
    check_param_validation("LatentSampler", LatentSampler(DenseAutoencoder(2, **FAST)))


@pytest.fixture(scope="module")
def fitted(digits):
    """Return a sampler fitted on digits."""
    return LatentSampler(DenseAutoencoder(6, random_state=0), random_state=0).fit(digits[0])


def mean_difference(first, second):
    """Return the largest difference of two means, in standard deviations of the first."""
    return np.abs((first.mean(0) - second.mean(0)) / first.std(0)).max()


@pytest.mark.parametrize(
    "density", [None, GaussianMixture(3), KernelDensity(bandwidth=0.2)], ids=str
)
def test_samples_have_the_latent_distribution_of_x(digits, density):
    """For each density, mean and covariance of latent vectors of samples are about those of X."""
    X = digits[0]
    # linear, so that encoding a sample returns its latent vector
    autoencoder = DenseAutoencoder(4, hidden_layer_sizes=(), **FAST).fit(X)
    sampler = LatentSampler(FrozenEstimator(autoencoder), density=density, random_state=0).fit(X)
    codes = autoencoder.transform(X)
    new_codes = autoencoder.transform(sampler.sample(4000))
    assert mean_difference(codes, new_codes) < 0.15
    np.testing.assert_allclose(np.corrcoef(new_codes.T), np.corrcoef(codes.T), atol=0.15)
    np.testing.assert_allclose(new_codes.std(0), codes.std(0), rtol=0.15)


@pytest.mark.parametrize("density", [GaussianMixture(2), KernelDensity()], ids=str)
def test_random_state_makes_samples_reproducible(digits, density):
    """An int repeats samples, a RandomState or None does not, and the global state is unchanged."""
    X = digits[0][:100]
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    sampler = LatentSampler(DenseAutoencoder(2, max_iter=1), density=density, random_state=3).fit(X)
    np.testing.assert_array_equal(sampler.sample(5), sampler.sample(5))
    np.testing.assert_array_equal(sampler.sample(5), clone(sampler).fit(X).sample(5))
    for state in (None, np.random.RandomState(0)):
        sampler = clone(sampler).set_params(random_state=state).fit(X)
        assert not np.array_equal(sampler.sample(5), sampler.sample(5))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_random_state_sets_only_unset_seeds(digits):
    """random_state sets each random_state of None, also inside a pipeline, and no other."""
    parts = (
        make_pipeline(StandardScaler(), DenseAutoencoder(2, max_iter=1)),
        GaussianMixture(2, random_state=5),
    )
    sampler = LatentSampler(parts[0], density=parts[1], random_state=3).fit(digits[0][:100])
    assert sampler.autoencoder_[-1].random_state == 3
    assert sampler.density_.random_state == 5
    assert parts[0][-1].random_state is None


@pytest.mark.parametrize(
    ("X", "class_"),
    [
        (low_rank(40, 9), DenseAutoencoder),
        (gray_images(40, 6, 5), ConvAutoencoder),
        (gray_images(40, 6, 5, dtype=np.uint8), ConvAutoencoder),
        (color_images(40, 6, 5), ConvAutoencoder),
        (torch.from_numpy(low_rank(40, 9)), DenseAutoencoder),
    ],
    ids=["rows", "images", "uint8", "color", "tensor"],
)
def test_results_have_the_layout_of_x(X, class_):
    """Samples and interpolations are arrays in the layout of X, for one pair and for several."""
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


@pytest.mark.parametrize(
    ("X", "kind"), [(low_rank(40, 9), DenseAutoencoder), (gray_images(20, 4, 4), ConvAutoencoder)]
)
def test_default_autoencoder(X, kind):
    """The default autoencoder is dense for tables and convolutional for images."""
    sampler = LatentSampler(random_state=0).fit(X)
    assert type(sampler.autoencoder_) is kind
    assert sampler.sample(3).shape == (3, *X.shape[1:])


def test_interpolation_is_linear_between_reconstructions(fitted, digits):
    """The ends are reconstructions of both rows, and points between decode evenly spaced codes."""
    a, b = digits[0][:3], digits[0][3:6]
    interpolated = fitted.interpolate(a, b, steps=5)
    model = fitted.autoencoder_
    np.testing.assert_allclose(interpolated[0], model.reconstruct(a), atol=1e-5)
    np.testing.assert_allclose(interpolated[-1], model.reconstruct(b), atol=1e-5)
    middle = (model.transform(a) + model.transform(b)) / 2
    np.testing.assert_allclose(interpolated[2], model.inverse_transform(middle), atol=1e-5)
    single = fitted.interpolate(a[1], b[1], steps=5)
    np.testing.assert_allclose(single, interpolated[:, 1], atol=1e-5)


def test_score_samples_is_the_density_of_codes(digits):
    """For one Gaussian, score_samples is SciPy's log density of codes, and score is its mean."""
    from scipy.stats import multivariate_normal

    X = digits[0] * 100
    model = DenseAutoencoder(3, **FAST).fit(X)
    sampler = LatentSampler(FrozenEstimator(model), density=GaussianMixture(1, reg_covar=0)).fit(X)
    codes = model.transform(X).astype(float)
    expected = multivariate_normal(codes.mean(0), np.cov(codes.T, bias=True)).logpdf(codes)
    np.testing.assert_allclose(sampler.score_samples(X), expected, rtol=1e-4)
    assert sampler.score(X) == pytest.approx(expected.mean(), rel=1e-4)
    assert isinstance(sampler.score(X), float)


def test_outliers_have_a_low_density(fitted, digits):
    """Rows far from X have a lower latent density than all rows of X."""
    assert fitted.score_samples(digits[0][:20] + 5).max() < fitted.score_samples(digits[0]).min()


def test_scaling_x_scales_samples_of_a_kernel_density():
    """A kernel density is fitted on standardized codes, so that scaling X scales the samples."""
    X = low_rank(200, 6)
    samplers = [
        LatentSampler(PCA(2), density=KernelDensity(bandwidth=0.1), random_state=0).fit(X * s)
        for s in (1, 1000)
    ]
    first, second = (sampler.sample(50) for sampler in samplers)
    np.testing.assert_allclose(1000 * first, second, rtol=1e-3, atol=1)


@pytest.mark.parametrize(
    "density", [GaussianMixture(2, random_state=1), KernelDensity(bandwidth=0.3)], ids=str
)
def test_a_frozen_density_is_used_on_unscaled_codes(digits, density):
    """A frozen density is not fitted again, and is used on unscaled codes."""
    X = digits[0]
    model = DenseAutoencoder(3, **FAST).fit(X)
    codes = model.transform(X).astype(float)
    density = density.fit(codes)
    sampler = LatentSampler(
        FrozenEstimator(model), density=FrozenEstimator(density), random_state=0
    ).fit(X)
    np.testing.assert_allclose(sampler.score_samples(X), density.score_samples(codes), rtol=1e-5)
    assert (sampler.code_scale_ == 1).all()
    assert (sampler.code_mean_ == 0).all()
    np.testing.assert_array_equal(sampler.sample(4), sampler.sample(4))
    assert density.get_params().get("random_state", 1) == 1


def test_frozen_autoencoder_is_used_as_it_is(digits):
    """A frozen autoencoder is not fitted again; otherwise a clone of the autoencoder is fitted."""
    X = digits[0][:100]
    model = DenseAutoencoder(3, **FAST).fit(X)
    sampler = LatentSampler(FrozenEstimator(model), density=GaussianMixture(1)).fit(X[:50])
    np.testing.assert_array_equal(sampler.autoencoder_.transform(X), model.transform(X))
    fresh = DenseAutoencoder(3, **FAST)
    LatentSampler(fresh, density=GaussianMixture(1)).fit(X)
    assert not hasattr(fresh, "net_")


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (34, 1), (400, 11)])
def test_the_default_density_grows_with_x(digits, n, expected):
    """The number of Gaussians increases with the number of samples."""
    sampler = LatentSampler(DenseAutoencoder(2, **FAST), random_state=0).fit(digits[0][:n])
    assert sampler.density_.n_components == expected
    assert np.isfinite(sampler.sample(20)).all()


def test_only_the_default_density_has_a_maximum_number_of_rows(digits, monkeypatch):
    """The default density is fitted on at most MAX_DENSITY_ROWS rows, other densities on all."""
    monkeypatch.setattr("skae.generation.MAX_DENSITY_ROWS", 100)
    model = FrozenEstimator(DenseAutoencoder(2, **FAST).fit(digits[0]))
    assert LatentSampler(model, random_state=0).fit(digits[0]).density_.n_components == 100 // 35
    assert len(
        LatentSampler(model, density=KernelDensity()).fit(digits[0]).density_.tree_.data
    ) == len(digits[0])


def test_searches_set_parameters_of_both_estimators(digits):
    """A search sets parameters of the autoencoder and of the density."""
    X = digits[0]
    two_clusters = low_rank(200, 5) + 20 * (np.arange(200) % 2)[:, None]
    model = FrozenEstimator(DenseAutoencoder(2, **FAST).fit(two_clusters))
    sampler = LatentSampler(model, density=GaussianMixture(), random_state=0)
    search = GridSearchCV(
        sampler, {"density__n_components": [1, 2]}, cv=2, error_score="raise"
    ).fit(two_clusters)
    assert search.best_params_ == {"density__n_components": 2}
    sampler = LatentSampler(DenseAutoencoder(**FAST), density=GaussianMixture(2), random_state=0)
    search = GridSearchCV(
        sampler, {"autoencoder__n_components": [2, 3]}, cv=2, error_score="raise"
    ).fit(X)
    assert (
        search.best_estimator_.autoencoder_.n_components_
        == search.best_params_["autoencoder__n_components"]
    )


def test_pickles_and_later_parameters(fitted, digits):
    """A pickle has the same samples and scores, and set_params after fit changes neither."""
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.sample(5), fitted.sample(5))
    again.set_params(autoencoder=None, density=KernelDensity())
    np.testing.assert_array_equal(again.sample(5), fitted.sample(5))
    np.testing.assert_array_equal(
        again.score_samples(digits[0][:5]), fitted.score_samples(digits[0][:5])
    )


def test_feature_names_are_kept(digits):
    """Feature names are kept in fit, and each method accepts them without a warning."""
    X = pd.DataFrame(digits[0][:100]).add_prefix("pixel")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = LatentSampler(
            DenseAutoencoder(2, **FAST).set_output(transform="pandas"), random_state=0
        ).fit(X)
        sampler.score(X)
        sampler.interpolate(X[:2], X[2:4])
        sampler.sample(3)
    assert list(sampler.feature_names_in_) == list(X.columns)
    assert not hasattr(sampler.fit(X.to_numpy()), "feature_names_in_")


def test_identical_rows_are_sampled_again():
    """If all rows are identical, samples are about equal to them."""
    sampler = LatentSampler(DenseAutoencoder(2, **FAST), random_state=0).fit(np.full((30, 4), 7.0))
    np.testing.assert_allclose(sampler.sample(5), 7, atol=0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"autoencoder": LinearRegression()},
            r"'fit', 'transform' and 'inverse_transform' or None. Got LinearRegression\(\)",
        ),
        ({"autoencoder": DenseAutoencoder}, "should provide an instance"),
        (
            {"density": PCA()},
            r"'fit', 'sample' and 'score_samples' or None. Got PCA\(\)",
        ),
        ({"density": "prior"}, "'density' parameter of LatentSampler.* Got 'prior'"),
    ],
)
def test_estimators_without_a_method_raise(digits, parameters, message):
    """A class, or an estimator without a method, raises an error that states what is accepted."""
    with pytest.raises(TypeError, match=message):
        LatentSampler(**parameters).fit(digits[0])


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", None, True])
def test_an_invalid_number_of_samples_raises(fitted, n_samples):
    """The number of samples is an int >= 1."""
    with pytest.raises(ValueError, match=f"Got n_samples={n_samples!r}, but expected an int >= 1"):
        fitted.sample(n_samples)


def test_invalid_interpolations_raise(fitted, digits):
    """Invalid steps and invalid or unequal shapes raise an error."""
    a, b = digits[0][:2]
    with pytest.raises(ValueError, match="Got steps=1, but expected an int >= 2"):
        fitted.interpolate(a, b, steps=1)
    with pytest.raises(
        ValueError, match=r"Got a of shape \(64,\) and b of shape \(2, 64\), but expected samples"
    ):
        fitted.interpolate(a, digits[0][:2])
    with pytest.raises(ValueError, match="NaN"):
        fitted.interpolate(a, b * np.nan)
    with pytest.raises(ValueError, match="Got a of shape"):
        fitted.interpolate(3.0, 4.0)


def test_the_default_density_is_fitted_on_a_random_subset(monkeypatch):
    """With more than MAX_DENSITY_ROWS rows, the default density is fitted on a random subset."""
    monkeypatch.setattr("skae.generation.MAX_DENSITY_ROWS", 50)
    X = np.sort(np.random.default_rng(0).normal(size=400))[:, None] * [1.0, 2.0, 3.0]
    samples = LatentSampler(PCA(1), random_state=0).fit(X).sample(2000)
    np.testing.assert_allclose(samples.mean(0) / X.std(0), X.mean(0) / X.std(0), atol=0.4)
    np.testing.assert_allclose(samples.std(0), X.std(0), rtol=0.3)


def test_too_many_samples_are_an_error():
    """A number of samples beyond 32 bits is named before anything is drawn."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0)
    sampler = LatentSampler(autoencoder).fit(np.random.default_rng(0).normal(size=(60, 5)))
    with pytest.raises(ValueError, match="Got n_samples=100000000000000000000, but expected"):
        sampler.sample(10**20)
