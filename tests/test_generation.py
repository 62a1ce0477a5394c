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
    sampler = LatentSampler(
        FrozenEstimator(autoencoder), density=density, match_quantiles=False, random_state=0
    ).fit(X)
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


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (19, 1), (400, 40)])
def test_the_default_density_grows_with_x(digits, n, expected):
    """The number of Gaussians increases with the number of samples."""
    sampler = LatentSampler(DenseAutoencoder(2, **FAST), random_state=0).fit(digits[0][:n])
    assert sampler.density_.n_components == expected
    assert np.isfinite(sampler.sample(20)).all()


def test_only_the_default_density_has_a_maximum_number_of_rows(digits, monkeypatch):
    """The default density is fitted on at most MAX_DENSITY_ROWS rows, other densities on all."""
    monkeypatch.setattr("skae.generation._density.MAX_DENSITY_ROWS", 100)
    model = FrozenEstimator(DenseAutoencoder(2, **FAST).fit(digits[0]))
    assert LatentSampler(model, random_state=0).fit(digits[0]).density_.n_components == 100 // 10
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


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", True])
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
    monkeypatch.setattr("skae.generation._density.MAX_DENSITY_ROWS", 50)
    X = np.sort(np.random.default_rng(0).normal(size=400))[:, None] * [1.0, 2.0, 3.0]
    # matched quantiles would hide the latent vectors that the density was fitted on
    sampler = LatentSampler(PCA(1), match_quantiles=False, random_state=0)
    samples = sampler.fit(X).sample(2000)
    np.testing.assert_allclose(samples.mean(0) / X.std(0), X.mean(0) / X.std(0), atol=0.4)
    np.testing.assert_allclose(samples.std(0), X.std(0), rtol=0.3)


def test_too_many_samples_are_an_error():
    """A number of samples beyond 32 bits is named before anything is drawn."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0)
    sampler = LatentSampler(autoencoder).fit(np.random.default_rng(0).normal(size=(60, 5)))
    with pytest.raises(ValueError, match="Got n_samples=100000000000000000000, but expected"):
        sampler.sample(10**20)


# ------------------------------------------------------------------------------------- classes


def clusters(n=120, labels=("a", "b", "c")):
    """Return rows around a distant center per class, and labels in random order."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, len(labels), n)
    X = 10.0 * indices[:, None] + rng.normal(size=(n, 4))
    return X, np.array(labels)[indices]


def nearest_class(X):
    """Return the index of the cluster of each row."""
    return np.rint(np.asarray(X).mean(axis=1) / 10).astype(int)


def class_sampler(labels=("a", "b", "c"), **parameters):
    """Return a sampler fitted with classes, and its data."""
    X, y = clusters(labels=labels)
    return LatentSampler(PCA(3), random_state=0, **parameters).fit(X, y), X, y


@pytest.mark.parametrize(
    "labels",
    [("a", "b", "c"), (-1, 0, 7), (1.0, 2.0, 5.0), (False, True)],
    ids=["strings", "ints", "floats", "booleans"],
)
@pytest.mark.parametrize("density", [None, KernelDensity(bandwidth=0.1)], ids=str)
def test_samples_have_the_class_that_is_asked_for(labels, density):
    """One label, one label per sample, and samples of all classes lie in the right clusters."""
    sampler, _, y = class_sampler(labels, density=density)
    np.testing.assert_array_equal(sampler.classes_, np.unique(y))
    assert sampler.classes_.dtype == y.dtype
    for index, label in enumerate(sampler.classes_.tolist()):
        X_new = sampler.sample(8, y=label)
        assert X_new.shape == (8, 4)
        assert (nearest_class(X_new) == index).all()
    order = sampler.classes_[[1, 0, 1, 1, 0]]
    np.testing.assert_array_equal(nearest_class(sampler.sample(y=order)), [1, 0, 1, 1, 0])
    X_new, y_new = sampler.sample(300, return_y=True)
    np.testing.assert_array_equal(sampler.classes_[nearest_class(X_new)], y_new)
    assert y_new.dtype == y.dtype
    np.testing.assert_array_equal(sampler.sample(300), X_new)


def test_classes_are_sampled_by_their_frequency():
    """class_prior_ is the frequency of classes in y, and that of sampled labels."""
    X, y = clusters(200)
    X, y = X[(y != "a") | (np.arange(200) % 4 == 0)], y[(y != "a") | (np.arange(200) % 4 == 0)]
    sampler = LatentSampler(PCA(2), random_state=0).fit(X, y)
    frequencies = [np.mean(y == label) for label in "abc"]
    np.testing.assert_allclose(sampler.class_prior_, frequencies)
    _, y_new = sampler.sample(5000, return_y=True)
    sampled = [np.mean(y_new == label) for label in "abc"]
    np.testing.assert_allclose(sampled, frequencies, atol=0.03)


def test_log_density_of_classes():
    """The density of X is the mean of the densities within classes, weighted by frequency."""
    sampler, X, y = class_sampler()
    within = np.transpose([sampler.score_samples(X, label) for label in "abc"])
    expected = np.log((np.exp(within) * sampler.class_prior_).sum(axis=1))
    np.testing.assert_allclose(sampler.score_samples(X), expected)
    own = within[np.arange(len(X)), np.searchsorted(["a", "b", "c"], y)]
    np.testing.assert_allclose(sampler.score_samples(X, y), own)
    assert sampler.score(X, y) == pytest.approx(own.mean())
    assert (within.argmax(axis=1) == nearest_class(X)).all()


def test_a_search_selects_a_density_of_classes():
    """A grid search with y scores the density within classes."""
    X, y = clusters()
    X[:, 0] += 40 * (np.arange(len(X)) % 2)
    frozen = FrozenEstimator(PCA(4).fit(X))
    sampler = LatentSampler(frozen, density=GaussianMixture(random_state=0), random_state=0)
    search = GridSearchCV(sampler, {"density__n_components": [1, 2]}, error_score="raise")
    assert search.fit(X, y).best_params_ == {"density__n_components": 2}


@pytest.mark.parametrize("n_rows", [1, 2, 5])
@pytest.mark.parametrize(
    "density", [None, GaussianMixture(2), KernelDensity(bandwidth=0.2)], ids=str
)
def test_small_classes_borrow_their_shape(n_rows, density):
    """Samples of a class of few rows vary as much as those of other classes, about its mean."""
    X, y = clusters()
    X = np.vstack([X[y != "c"], X[y == "c"][:n_rows]])
    y = np.append(y[y != "c"], ["c"] * n_rows)
    sampler = LatentSampler(PCA(3), density=density, match_quantiles=False, random_state=0)
    X_new = sampler.fit(X, y).sample(400, y="c")
    assert (nearest_class(X_new) == 2).all()
    assert 0.4 < X_new.std(axis=0).mean() < 1.5
    assert len(np.unique(X_new.round(3), axis=0)) > 300
    matched = clone(sampler).set_params(match_quantiles=True).fit(X, y).sample(400, y="c")
    assert len(np.unique(matched, axis=0)) > 10 * n_rows


def test_a_fit_replaces_the_classes_of_an_earlier_fit():
    """Fits with and without y define different attributes, and nothing of earlier fits remains."""
    sampler, X, _ = class_sampler()
    assert not hasattr(sampler, "density_")
    sampler.fit(X)
    for name in ("classes_", "class_prior_", "densities_"):
        assert not hasattr(sampler, name)
    with pytest.raises(ValueError, match="LatentSampler was fitted without y and has no classes"):
        sampler.sample(3, y="a")
    with pytest.raises(ValueError, match="fitted without y"):
        sampler.sample(3, return_y=True)
    with pytest.raises(ValueError, match="fitted without y"):
        sampler.score_samples(X, "a")


@pytest.mark.parametrize("container", [list, pd.Series, pd.Categorical, torch.tensor])
def test_labels_of_any_container(container):
    """Labels may be a list, a series, a categorical or a tensor."""
    X, y = clusters(labels=(0, 1, 2))
    sampler = LatentSampler(PCA(2), random_state=0).fit(X, container(y.tolist()))
    np.testing.assert_array_equal(sampler.classes_, [0, 1, 2])
    assert (nearest_class(sampler.sample(y=container([2, 0, 1]))) == [2, 0, 1]).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.linspace(0, 1, 120), "Got y of type 'continuous', but expected class labels"),
        ([None, *"ab" * 59, "a"], "Got 1 missing values in y, but expected a class label"),
        ([np.nan] * 2 + [1.0] * 118, "Got 2 missing values in y"),
        (["a", 1] * 60, "Got strings and numbers in y, but expected labels of one type"),
        (["a"] * 119, "inconsistent numbers of samples"),
        (np.ones((120, 2)), "y should be a 1d array"),
        ([np.inf] + [1.0] * 119, "Got infinity in y"),
    ],
    ids=["continuous", "None", "NaN", "mixed", "length", "2d", "infinity"],
)
def test_invalid_classes_raise_before_a_fit(y, message):
    """Targets that are no class labels raise an error before the autoencoder is fitted."""
    sampler = LatentSampler(DenseAutoencoder(2, **FAST))
    with pytest.raises(ValueError, match=message):
        sampler.fit(clusters()[0], y)
    assert not hasattr(sampler, "autoencoder_")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "d"}, r"Got the class 'd' in y, but expected one of \['a', 'b', 'c'\]"),
        ({"y": ["a", 1]}, "Got the class 1 in y"),
        ({"y": np.nan}, "Got the class nan in y"),
        ({"y": {"a": 3}}, r"Got the class \{'a': 3\} in y"),
        ({"y": ["a", "b"], "n_samples": 3}, "Got 2 labels in y for 3 samples, but expected"),
        ({"y": []}, "Got y without labels, but expected at least one"),
        ({"y": "a", "n_samples": 0}, "Got n_samples=0, but expected an int >= 1"),
        ({"return_y": "yes"}, "Got return_y='yes', but expected True or False"),
    ],
    ids=str,
)
def test_invalid_requests_of_classes_raise(arguments, message):
    """Unknown classes are errors that list the classes, also a text that looks like a number."""
    sampler, X, _ = class_sampler()
    with pytest.raises(ValueError, match=message):
        sampler.sample(**arguments)
    if "n_samples" not in arguments and arguments.get("y"):
        with pytest.raises(ValueError, match="Got the class"):
            sampler.score_samples(X[:1], arguments["y"])
    with pytest.raises(ValueError, match=r"Got the class '0' in y, but expected one of \[0, 1, 2"):
        class_sampler(range(30))[0].sample(y="0")


def test_a_frozen_density_has_no_classes():
    """A frozen density and y are an error, and a frozen autoencoder is used as it is."""
    X, y = clusters()
    density = FrozenEstimator(GaussianMixture(1).fit(X))
    with pytest.raises(ValueError, match="Got y with a FrozenEstimator as density"):
        LatentSampler(PCA(2), density=density).fit(X, y)
    model = PCA(4).fit(X)
    sampler = LatentSampler(FrozenEstimator(model), random_state=0).fit(X, y)
    assert (nearest_class(sampler.sample(9, y="c")) == 2).all()


def test_a_density_that_does_not_fit_names_the_class():
    """If the density of a class has too few samples, the error names the class."""
    X, y = clusters()
    X, y = np.vstack([X, X[:1]]), np.append(y, "rare")
    with pytest.raises(ValueError, match="The density of class 'rare' was not fitted: Expected"):
        LatentSampler(PCA(2), density=GaussianMixture(10)).fit(X, y)


def test_images_of_a_class():
    """Samples of a class of images are images, and their pixels match quantiles by default."""
    X = np.rint(gray_images(60, 6, 5) * 9)
    y = np.arange(60) % 2
    model = ConvAutoencoder(2, n_filters=2, **FAST)
    sampler = LatentSampler(model, match_quantiles=False, random_state=0).fit(X, y)
    decoded = sampler.sample(50, y=1)
    assert decoded.shape == (50, 6, 5)
    assert not np.array_equal(decoded, decoded.round())
    matched = LatentSampler(model, random_state=0).fit(X, y).sample(50, y=1)
    assert matched.shape == (50, 6, 5)
    np.testing.assert_array_equal(matched, matched.round())
    assert (matched.max(axis=0) <= X[y == 1].max(axis=0)).all()


# ------------------------------------------------------------------------ distributions of columns


def mixed_columns(n=400):
    """Return a table of a whole, a skewed, a mostly zero, a coarse, a constant, and a binary column."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=n)
    return np.column_stack(
        [
            np.rint(5 * base + 40),
            np.exp(base + 0.3 * rng.normal(size=n)),
            np.maximum(0, base - 1),
            (base + rng.normal(size=n)).round(1),
            np.full(n, 3.25),
            (base > 0.5).astype(float),
        ]
    )


def test_samples_have_the_distribution_of_each_column():
    """By default, samples of a table have the range, decimals and frequencies of the columns."""
    X = mixed_columns()
    X_new = LatentSampler(random_state=0).fit(X).sample(3000)
    X_new = X_new.astype(np.float64)
    assert (X_new.min(0) >= X.min(0) - 1e-6).all()
    assert (X_new.max(0) <= X.max(0) * (1 + 1e-6)).all()
    np.testing.assert_array_equal(X_new[:, 0], X_new[:, 0].round())
    np.testing.assert_allclose(X_new[:, 3], X_new[:, 3].round(1), atol=1e-5)
    np.testing.assert_array_equal(X_new[:, 4], 3.25)
    assert set(np.unique(X_new[:, 5])) == {0, 1}
    np.testing.assert_allclose((X_new == 0).mean(0), (X == 0).mean(0), atol=0.03)
    levels = np.linspace(0.05, 0.95, 19)
    difference = np.quantile(X_new, levels, axis=0) - np.quantile(X, levels, axis=0)
    assert (np.abs(difference[:, :4]).max(0) <= 0.35 * X[:, :4].std(0)).all()
    np.testing.assert_allclose(np.corrcoef(X_new[:, :4].T), np.corrcoef(X[:, :4].T), atol=0.15)


def test_match_quantiles_is_within_classes_and_can_be_left_out():
    """Quantiles are those of the class, and False returns decoded latent vectors."""
    X, y = clusters()
    X[:, 1] = np.rint(X[:, 1])
    sampler = LatentSampler(PCA(4), random_state=0).fit(X, y)
    X_new = sampler.sample(500, y="b")
    assert X_new[:, 0].min() >= X[y == "b", 0].min() - 1e-5
    assert X_new[:, 0].max() <= X[y == "b", 0].max() + 1e-5
    plain = clone(sampler).set_params(match_quantiles=False).fit(X, y)
    decoded = plain.sample(500, y="b")
    assert not (decoded[:, 1] == decoded[:, 1].round()).any()
    codes = plain.autoencoder_.transform(decoded)
    np.testing.assert_allclose(plain.autoencoder_.inverse_transform(codes), decoded, atol=1e-4)


def test_a_sample_is_independent_of_other_samples():
    """Quantiles are computed in fit, so that each class's samples are independent of the others."""
    sampler, _, _ = class_sampler(density=KernelDensity(bandwidth=0.2))
    alone = sampler.sample(y=["b"])
    np.testing.assert_array_equal(sampler.sample(y=["a", "b", "c", "a"])[1:2], alone)


def test_missing_values_are_left_out_of_quantiles():
    """Quantiles are those of the known values of each column."""
    X = mixed_columns(200)[:, :4]
    X[::5, 1] = np.nan
    model = DenseAutoencoder(3, allow_nan=True, **FAST)
    for table in (X, pd.DataFrame(X).convert_dtypes()):
        X_new = LatentSampler(model, random_state=0).fit(table).sample(500)
        assert np.isfinite(X_new).all()
        assert X_new[:, 1].max() <= np.nanmax(X[:, 1]) * (1 + 1e-6)
        np.testing.assert_array_equal(X_new[:, 0], X_new[:, 0].round())


def test_quantiles_of_rows_that_are_not_in_memory(tmp_path, monkeypatch):
    """Quantiles of a sparse array, a tensor and a streamed file are those of the array."""
    from scipy.sparse import csr_array

    from skae._input.streaming import StreamedRows
    from skae.generation._quantiles import _observed_rows

    X = mixed_columns(300)
    np.save(tmp_path / "x.npy", X)
    streamed = StreamedRows(np.load(tmp_path / "x.npy", mmap_mode="r"))
    for rows in (csr_array(X), torch.from_numpy(X), streamed):
        observed, indices = _observed_rows(rows, None, 0)
        np.testing.assert_array_equal(observed, X)
        np.testing.assert_array_equal(indices, np.arange(300))
    monkeypatch.setattr("skae.generation._quantiles.MAX_ROWS", 100)
    for rows in (csr_array(X), X, streamed):
        observed, indices = _observed_rows(rows, None, 0)
        assert 60 <= len(indices) <= 100
        np.testing.assert_array_equal(observed, X[indices])


class FrameAutoencoder(PCA):
    """PCA whose inverse_transform returns a data frame with a category, as for mixed tables."""

    package = pd

    def inverse_transform(self, Z):
        """Return a whole number, a number and a category."""
        values = super().inverse_transform(Z)
        kind = np.where(values[:, 2] > 0.5, "yes", "no")
        return self.package.DataFrame(
            {"age": np.rint(values[:, 0]).astype(np.int64), "pay": values[:, 1], "kind": kind}
        )


class PolarsAutoencoder(FrameAutoencoder):
    """The same with polars."""

    package = pytest.importorskip("polars")


@pytest.mark.parametrize("class_", [FrameAutoencoder, PolarsAutoencoder])
def test_samples_are_the_data_frame_of_the_autoencoder(class_):
    """A data frame of inverse_transform is returned, with quantiles matched in numeric columns."""
    X = class_.package.DataFrame(
        dict(zip(["age", "pay", "kind"], mixed_columns()[:, [0, 1, 5]].T, strict=True))
    )
    y = np.where(np.asarray(X["age"]) > 40, "old", "young")
    sampler = LatentSampler(class_(3), random_state=0).fit(X, y)
    X_new = sampler.sample(200, y="old")
    assert type(X_new) is class_.package.DataFrame
    assert list(X_new.columns) == ["age", "pay", "kind"]
    assert np.asarray(X_new["age"]).dtype == np.int64
    assert np.asarray(X_new["age"]).min() >= 41
    assert np.asarray(X_new["pay"]).min() > 0
    assert set(X_new["kind"]) == {"yes", "no"}
    assert sampler.interpolate(X[:1], X[1:2], steps=3).shape == (3, 3)


def test_default_autoencoder_of_a_table_keeps_all_dimensions():
    """The default autoencoder has one latent dimension per column, up to a maximum."""
    assert LatentSampler(random_state=0).fit(low_rank(90, 7)).autoencoder_.n_components == 7
    assert LatentSampler(random_state=0).fit(low_rank(60, 50)).autoencoder_.n_components == 32


def test_a_classifier_of_samples_classifies_real_rows():
    """A classifier trained on samples is nearly as accurate on held-out rows as one on real rows."""
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression

    X, y = load_wine(return_X_y=True)
    train, test = np.arange(0, 178, 2), np.arange(1, 178, 2)
    X_new, y_new = LatentSampler(random_state=0).fit(X[train], y[train]).sample(89, return_y=True)
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    real = classifier.fit(X[train], y[train]).score(X[test], y[test])
    assert classifier.fit(X_new, y_new).score(X[test], y[test]) >= 0.95 * real


def test_quantiles_of_large_samples_are_not_matched_by_default(monkeypatch):
    """By default, samples of more than MAX_MATCHED_VALUES values are decoded latent vectors."""
    monkeypatch.setattr("skae.generation._sampler.MAX_MATCHED_VALUES", 29)
    X = np.rint(gray_images(30, 6, 5) * 9)
    frozen = FrozenEstimator(ConvAutoencoder(2, n_filters=2, **FAST).fit(X))
    decoded = LatentSampler(frozen, match_quantiles=False, random_state=0).fit(X).sample(5)
    np.testing.assert_array_equal(LatentSampler(frozen, random_state=0).fit(X).sample(5), decoded)
    matched = LatentSampler(frozen, match_quantiles=True, random_state=0).fit(X).sample(5)
    np.testing.assert_array_equal(matched, matched.round())


def test_samples_of_a_table_with_categories():
    """Samples of a mixed table have its columns and data types, and the numbers of the class."""
    X = pd.DataFrame(mixed_columns()[:, :2], columns=["age", "pay"]).astype({"age": int})
    X["kind"] = np.where(mixed_columns()[:, 5] > 0, "yes", "no")
    y = np.where(X["age"] > 40, "old", "young")
    X_new = LatentSampler(DenseAutoencoder(3, **FAST), random_state=0).fit(X, y).sample(99, "old")
    pd.testing.assert_series_equal(X_new.dtypes, X.dtypes)
    assert X_new["age"].min() >= 41
    assert X_new["pay"].min() > 0
    assert set(X_new["kind"]) <= {"yes", "no"}


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, torch.from_numpy])
def test_the_default_autoencoder_accepts_missing_values(container):
    """NaN in X of fit sets allow_nan of the default autoencoder, and samples are finite."""
    X = low_rank(60, 5)
    X[::4, 2] = np.nan
    sampler = LatentSampler(random_state=0).fit(container(X))
    assert sampler.autoencoder_.allow_nan
    assert np.isfinite(sampler.sample(20)).all()
    assert np.isfinite(sampler.score_samples(container(X))).all()
