"""Features of images: patch filters against NumPy, their principal components, and fits with them."""

import pickle

import numpy as np
import onnxruntime
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder
from skae.export import load, save, to_onnx
from skae.features import FeatureModule, Features, PatchFeatures, resolve_features
from skae.networks.features import MIN_EIGENVALUE, MIN_VARIANCE, PatchFilters, reduction_factors
from skae.networks.features import _pooling_matrix as pooling_matrix
from skae.networks.features import _spherical_kmeans as spherical_kmeans
from skae.networks.features import _zca as zca

from .cases import color_images, gray_images
from .user_options import MixedRowMeans, RowMeans

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}
SMALL = PatchFeatures(4)


def conv(n_components=3, **parameters):
    """Create an autoencoder with features that is fast to fit."""
    return ConvAutoencoder(
        n_components, **{"features": SMALL, "n_filters": 2, **FAST, **parameters}
    )


@pytest.fixture(scope="module")
def digit_images():
    """All of scikit-learn's digits, and their labels."""
    return load_digits().images, load_digits().target


# --------------------------------------------------------------------------------- patch filters


@pytest.fixture(params=["gray", "color", "signals"])
def filters(request, rng):
    """Fitted filters, and images (n, c, h, w) of standard deviation near 1."""
    images = {
        "gray": gray_images(12, 9, 11)[:, None],
        "color": color_images(12, 8, 7, 3).transpose(0, 3, 1, 2),
        "signals": rng.normal(size=(12, 2, 1, 30)).cumsum(-1),
    }[request.param]
    images = torch.from_numpy((images - images.mean()) / images.std()).float()
    size = tuple(images.shape[1:])
    patch, pooling = ((1, 5), (1, 4)) if size[1] == 1 else ((3, 4), (3, 2))
    module = PatchFilters(size, 6, patch, pooling, 0.25)
    module.fit(images, torch.Generator().manual_seed(0))
    return module, images


def features_by_hand(module, image):
    """Return the features of one image (c, h, w), with a loop over patches, in float64."""
    (ph, pw), (h, w), (gh, gw) = module.patch_size, module.shape, module.grid
    filters = module.filters.double().flatten(1).numpy()
    responses = np.empty((h, w, len(filters)))
    for i in range(h):
        for j in range(w):
            patch = image[:, i : i + ph, j : j + pw].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + MIN_VARIANCE)
            responses[i, j] = filters @ patch - module.offsets.double().numpy()
    cells = []
    for i in range(gh):
        for j in range(gw):
            rows = slice(i * h // gh, -(-(i + 1) * h // gh))
            columns = slice(j * w // gw, -(-(j + 1) * w // gw))
            cell = responses[rows, columns].reshape(-1, len(filters))
            positive = np.maximum(cell - module.threshold, 0).mean(0)
            negative = np.maximum(-cell - module.threshold, 0).mean(0)
            cells.append(np.concatenate([positive, negative]))
    return np.sqrt(np.concatenate(cells))


def test_features_against_numpy(filters):
    """Features are those of a loop over patches and cells in NumPy."""
    module, images = filters
    expected = [features_by_hand(module, image) for image in images.double().numpy()]
    features = module(images)
    assert features.shape == (12, module.n_outputs)
    assert float(features.max()) > 0.1
    np.testing.assert_allclose(features, expected, atol=2e-3)


def test_filters_are_whitened_directions(filters):
    """Filters have mean 0, and applied to a patch they are projections of a whitened patch."""
    module, images = filters
    patches = module._sample_patches(module._reduce(images), torch.Generator().manual_seed(0))
    patches = patches.double()
    patches = patches - patches.mean(1, keepdim=True)
    patches = patches / (patches.square().mean(1, keepdim=True) + MIN_VARIANCE).sqrt()
    mean, whitening = zca(patches)
    flat = module.filters.double().flatten(1)
    np.testing.assert_allclose(flat.mean(1), 0, atol=1e-6)
    # a filter is a center of length 1 times the whitening, less the mean
    sums = torch.ones(1, flat.shape[1], dtype=torch.float64) @ torch.linalg.inv(whitening)
    centers = flat @ torch.linalg.inv(whitening)
    projected = centers - (centers @ sums.T) / sums.square().sum() * sums
    rest = 1 - projected.square().sum(1)
    assert (rest > -1e-4).all()
    assert (rest < 0.2).all()
    whitened = (patches - mean) @ whitening
    responses = patches @ flat.T - module.offsets.double()
    cosines = responses / whitened.norm(dim=1, keepdim=True)
    assert (cosines.abs() <= 1 + 1e-4).all()
    assert cosines.amax(0).min() > 0.5


def test_whitening_against_numpy(rng):
    """Whitened patches have the covariance of a ridge: l / (l + c) for each eigenvalue l."""
    patches = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6))
    mean, whitening = zca(torch.from_numpy(patches))
    np.testing.assert_allclose(mean, patches.mean(0))
    np.testing.assert_allclose(whitening, whitening.T, atol=1e-12)
    covariance = np.cov(((torch.from_numpy(patches) - mean) @ whitening).T, ddof=0)
    variances = np.linalg.eigvalsh(np.cov(patches.T, ddof=0))
    expected = variances / (variances + MIN_EIGENVALUE)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), expected, atol=1e-9)


def test_centers_are_directions_of_groups(rng):
    """Spherical k-means finds the directions of separate groups, whatever their signs and lengths."""
    directions = np.linalg.qr(rng.normal(size=(5, 5)))[0][:3]
    lengths = rng.uniform(1, 3, size=(600, 1))
    patches = lengths * directions[np.arange(600) % 3] + 0.01 * rng.normal(size=(600, 5))
    patches = torch.from_numpy(patches).float()
    centers = spherical_kmeans(patches, 12, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1, atol=1e-5)
    cosines = centers @ directions.T
    assert (cosines.max(1) > 0.98).all()
    assert set(cosines.argmax(1)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("shape", "grid"), [((23, 23), (3, 3)), ((5, 7), (2, 3)), ((1, 9), (1, 4))]
)
def test_cells_are_means(shape, grid):
    """Every position is in a cell, cells have a sum of 1, and those of multiples do not overlap."""
    matrix = pooling_matrix(shape, grid)
    assert matrix.shape == (grid[0] * grid[1], shape[0] * shape[1])
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
    assert (matrix.sum(0) > 0).all()
    halves = pooling_matrix((1, 6), (1, 2))
    np.testing.assert_allclose(halves, [[1 / 3] * 3 + [0] * 3, [0] * 3 + [1 / 3] * 3])


def test_features_of_brighter_images():
    """An offset does not change features, and neither does contrast of patches far above the noise."""
    images = torch.from_numpy(gray_images(10, 12, 12)[:, None]).float() * 1000
    module = PatchFilters((1, 12, 12), 5, (4, 4), (2, 2), 0.25)
    module.fit(images, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(module(images + 7), module(images), atol=1e-3)
    assert float((module(2 * images) - module(images)).abs().mean()) < 0.02


def test_values_of_any_size_are_finite():
    """Constant images have features of 0, and huge values finite ones."""
    images = torch.from_numpy(gray_images(10, 12, 12)[:, None]).float()
    module = PatchFilters((1, 12, 12), 5, (4, 4), (2, 2), 0.25)
    module.fit(images, torch.Generator().manual_seed(0))
    assert torch.isfinite(module(1e30 * images)).all()
    flat = module(torch.full((2, 1, 12, 12), 3.0))
    np.testing.assert_array_equal(flat[0], flat[1])


@pytest.mark.parametrize(
    ("size", "factors"),
    [
        ((28, 28), (1, 1)),
        ((64, 64), (1, 1)),
        ((96, 96), (2, 2)),
        ((1, 9000), (1, 3)),
        ((2**31, 2), None),
    ],
)
def test_large_images_are_reduced(size, factors):
    """Images keep at most 4,096 block means, and smaller ones all pixels."""
    found = reduction_factors(*size)
    assert found == (factors or found)
    assert np.prod([-(-side // factor) for side, factor in zip(size, found, strict=True)]) <= 4096


def test_features_of_large_images_are_those_of_block_means():
    """An image of 96 x 96 has the features of its means of 2 x 2 pixels."""
    images = torch.from_numpy(gray_images(6, 96, 96)[:, None]).float()
    means = torch.nn.functional.avg_pool2d(images, 2)
    options = PatchFeatures(3).resolve((1, 96, 96)), PatchFeatures(3).resolve((1, 48, 48))
    assert options[0] == options[1]
    modules = [options[0].make_module((1, *image.shape[2:])) for image in (images, means)]
    modules[0].fit(images, torch.Generator().manual_seed(0))
    modules[1].load_state_dict(modules[0].state_dict())
    np.testing.assert_allclose(modules[0](images), modules[1](means), atol=1e-4)


# --------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("size", "parameters", "patch_size", "pooling"),
    [
        ((1, 28, 28), {}, (6, 6), (5, 5)),
        ((3, 28, 28), {}, (6, 6), (3, 3)),
        ((3, 48, 48), {}, (6, 6), (4, 4)),
        ((1, 8, 8), {}, (4, 4), (3, 3)),
        ((1, 1, 1), {}, (1, 1), (1, 1)),
        ((2, 1, 100), {}, (1, 12), (1, 9)),
        ((1, 1, 37), {"patch_size": 7, "pooling": 2}, (1, 7), (1, 2)),
        ((1, 9, 20), {"patch_size": (2, 5), "pooling": [1, 2]}, (2, 5), (1, 2)),
    ],
)
def test_auto_follows_from_the_size(size, parameters, patch_size, pooling):
    """Sizes of patches and cells follow from the size of an image; the word stays as it is."""
    option = PatchFeatures(**parameters)
    resolved = option.resolve(size)
    assert (resolved.patch_size, resolved.pooling) == (patch_size, pooling)
    n_filters = 256
    if size[0] == 1 and size[1] > 1:
        n_filters = 128
    assert resolved.n_filters == n_filters
    assert option.n_filters == "auto"
    assert resolved.make_module(size).n_outputs == 2 * n_filters * np.prod(pooling)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (PatchFeatures(patch_size=9), r"patch_size=9 for images of 8 x 8 pixels"),
        (PatchFeatures(patch_size=(2, 9)), r"patch_size=\(2, 9\)"),
        (PatchFeatures(patch_size=(2, 2, 2)), r"expected an int or two ints >= 1"),
        (PatchFeatures(patch_size=(2, 0)), r"expected an int or two ints >= 1"),
        (PatchFeatures(patch_size=6, pooling=10), r"pooling=10 with 9 x 9 positions"),
        (PatchFeatures(n_filters=0), r"n_filters"),
        (PatchFeatures(threshold=-1), r"threshold"),
        (PatchFeatures(pixel_weight=-0.1), r"pixel_weight"),
        ("edges", r"features"),
    ],
)
def test_invalid_features(features, message):
    """Errors name the parameter, its value and the size of the images."""
    with pytest.raises(ValueError, match=message):
        conv(features=features).fit(gray_images(20, 8, 8))


def test_words_and_objects():
    """The word is the default object, None stays None, and classes are refused."""
    assert resolve_features("patches") == PatchFeatures()
    assert resolve_features(None) is None
    with pytest.raises(TypeError, match=r"PatchFeatures\(\)"):
        conv(features=PatchFeatures).fit(gray_images(20, 8, 8))
    with pytest.raises(ValueError, match=r"features=PatchFeatures\(n_filters=8\)"):
        conv(features="patches").set_params(features__n_filters=8)
    estimator = conv(features=PatchFeatures(4)).set_params(features__n_filters=8)
    assert estimator.features.n_filters == 8


class Constant(FeatureModule):
    """Features of a wrong shape."""

    n_outputs = 3

    def forward(self, x):
        """Return two features."""
        return torch.zeros(len(x), 2)


class WrongShape(Features):
    """Features whose module returns too few."""

    def make_module(self, image_size):
        """Build the module."""
        return Constant()


class WrongType(Features):
    """Features whose module has another base class."""

    def make_module(self, image_size):
        """Build the module."""
        return torch.nn.Identity()


class Infinite(RowMeans):
    """Features whose module divides by zero."""

    def make_module(self, image_size):
        """Build the module."""
        module = super().make_module(image_size)
        module.mix.weight.data.fill_(torch.inf)
        return module


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (Infinite(), ValueError, "Got NaN or infinity from .*, but expected finite features"),
        (WrongShape(), ValueError, r"shape \(\d+, 2\) from Constant.*\(n_samples, 3\)"),
        (WrongType(), TypeError, r"Got Identity from make_module of WrongType"),
        (Features(), NotImplementedError, "Features does not implement make_module"),
    ],
)
def test_modules_of_users_are_checked(features, error, message):
    """Messages name the user's class."""
    with pytest.raises(error, match=message):
        conv(features=features).fit(gray_images(20, 8, 8))


def test_modules_of_users_are_not_trained():
    """The weights of a user's module are the same before and after a fit, in evaluation mode."""
    X = gray_images(40, 8, 8)
    estimator = conv(features=RowMeans(), penalty="decorrelation").fit(X)
    module = estimator.net_.module_.features.module
    assert not module.training
    weight = module.mix.weight.clone()
    estimator.partial_fit(X)
    assert torch.equal(estimator.net_.module_.features.module.mix.weight, weight)


# -------------------------------------------------------------------------- principal components


def test_codes_are_principal_components():
    """Codes are PCA scores of standardized features and weighted pixels, up to one unit."""
    X = color_images(60, 9, 8, 3)
    weight = 0.3
    estimator = conv(5, features=PatchFeatures(3, pixel_weight=weight)).fit(X)
    network = estimator.net_.module_
    x = network.centre(torch.from_numpy(X.reshape(60, -1)))
    pixels = network.grid.cut(x).double().numpy()
    pattern = network.features.pattern
    features = network.features.module(network.grid.images(x + pattern)).double().numpy()
    variances = features.var(0)
    features = (features - features.mean(0)) / np.sqrt(variances + variances.mean())
    pixels = pixels * np.sqrt(weight * features.var(0).sum() / pixels.var(0).sum())
    joint = np.hstack([features, pixels - pixels.mean(0)])
    directions = np.linalg.svd(joint, full_matrices=False)[2][:5]
    scores = joint @ directions.T
    codes = estimator.transform(X)
    slopes = (codes * scores).sum(0) / np.square(scores).sum(0)
    np.testing.assert_allclose(np.abs(slopes), np.abs(slopes[0]), rtol=1e-3)
    np.testing.assert_allclose(codes, scores * slopes, atol=1e-3 * np.abs(codes).max())


def test_the_decoder_starts_as_a_regression():
    """Before training, reconstructions are the linear regression of pixels on codes."""
    X = gray_images(50, 8, 8)
    estimator = conv(4, learning_rate_init=1e-12, max_iter=1).fit(X)
    codes, pixels = estimator.transform(X), X.reshape(50, -1)
    expected = LinearRegression().fit(codes, pixels).predict(codes)
    np.testing.assert_allclose(estimator.reconstruct(X).reshape(50, -1), expected, atol=1e-3)
    # the codes have the variance of the pixels that they explain
    explained = expected.var(0).sum()
    assert codes.var(0).sum() == pytest.approx(explained, rel=1e-2)


@pytest.mark.parametrize("n_samples", [2, 5])
def test_more_components_than_samples(n_samples):
    """Fewer images than components span fewer directions: the other codes are 0."""
    X = gray_images(n_samples, 8, 8)
    estimator = conv(8, early_stopping=True).fit(X)
    codes = estimator.transform(X)
    assert codes.shape == (n_samples, 8)
    np.testing.assert_allclose(codes[:, n_samples - 1 :], 0, atol=1e-4)
    np.testing.assert_allclose(estimator.reconstruct(X), X, atol=0.05)


def test_without_pixels():
    """A pixel weight of 0 leaves only the features, and the decoder still learns the pixels."""
    X = gray_images(60, 8, 8)
    estimator = conv(4, features=PatchFeatures(3, pixel_weight=0)).fit(X)
    assert (estimator.net_.module_.features.pixel_components == 0).all()
    assert estimator.score(X) > 0.3


def test_subspace_iteration_is_close_to_exact_components():
    """With many features, components come from subspace iteration, and explain as much."""
    from skae._training.features import _principal_directions

    generator = torch.Generator().manual_seed(0)
    values = torch.randn(200, 1500, generator=generator) @ torch.diag(0.99 ** torch.arange(1500))
    directions, variances = _principal_directions(values, 10, generator)
    exact = np.linalg.svd(values.double().numpy(), compute_uv=False)[:10] ** 2
    np.testing.assert_allclose(variances, exact, rtol=0.02)
    np.testing.assert_allclose(directions.T @ directions, np.eye(10), atol=1e-4)


# ------------------------------------------------------------------------------------------ fits


def test_training_does_not_change_the_codes(digit_images):
    """The encoder is fixed: more epochs change reconstructions, and leave the codes as they are."""
    X = digit_images[0][:300]
    fits = [conv(6, max_iter=n, early_stopping=True).fit(X) for n in (1, 12)]
    codes = [estimator.transform(X) for estimator in fits]
    np.testing.assert_allclose(codes[0], codes[1], rtol=1e-5, atol=1e-4)
    assert fits[1].score(X) > fits[0].score(X)


def test_features_are_computed_once(monkeypatch):
    """A fit computes the features of each image once for all epochs, while the images fit into memory."""
    X = gray_images(40, 8, 8)
    counts = []
    forward = MixedRowMeans.forward

    def count(module, x):
        counts[-1] += len(x)
        return forward(module, x)

    monkeypatch.setattr(MixedRowMeans, "forward", count)
    prepared_bytes = 40 * (64 + 3) * 4
    for max_bytes in (prepared_bytes // 8 + 1, prepared_bytes // 8 - 1):
        monkeypatch.setattr("skae._training.setup.MAX_PREPARED_BYTES", max_bytes)
        counts.append(0)
        conv(features=RowMeans(), max_iter=5).fit(X)
    # once for the principal components, and once for training
    assert counts == [2 * 40, 6 * 40]


@pytest.mark.parametrize(
    "parameters", [{"penalty": "decorrelation"}, {"target_weight": 1.0}], ids=str
)
def test_objectives_on_latent_vectors_train_the_encoder(parameters, digit_images):
    """With a penalty or targets, the residual of the encoder is trained."""
    X, y = digit_images[0][:300], digit_images[1][:300]
    fits = [conv(6, max_iter=n, **parameters).fit(X, y) for n in (1, 8)]
    codes = [estimator.transform(X) for estimator in fits]
    assert np.abs(codes[0] - codes[1]).mean() > 0.05 * np.abs(codes[0]).mean()
    assert np.isfinite(codes[1]).all()


def test_few_labels(digit_images):
    """With 100 labels, a classifier is better by 3 points on codes of features than on those of pixels."""
    X, y = digit_images
    scores = []
    for features in (None, PatchFeatures(64)):
        autoencoder = ConvAutoencoder(16, features=features, max_iter=3, random_state=0)
        codes = autoencoder.fit(X[:1000]).transform(X)
        classifier = make_pipeline(StandardScaler(), SVC(C=5)).fit(codes[:100], y[:100])
        scores.append(classifier.score(codes[1000:], y[1000:]))
    assert scores[1] > scores[0] + 0.03


@pytest.mark.parametrize(
    "parameters",
    [
        {"bottleneck": "ordered"},
        {"bottleneck": "variational"},
        {"bottleneck": "quantized"},
        {"loss": "log_loss"},
        {"loss": "absolute_error"},
        {"corruption": "masking"},
        {"penalty": "rate"},
        {"allow_nan": True, "corruption": "gaussian"},
    ],
    ids=str,
)
def test_with_other_options(parameters):
    """Bottlenecks, losses, corruptions, penalties and missing values go with features."""
    X = gray_images(60, 9, 8)
    estimator = conv(4, **{**parameters, "max_iter": 4}).fit(X)
    assert estimator.transform(X).shape == (60, 4)
    assert np.isfinite(estimator.reconstruct(X)).all()
    assert estimator.score(X) > 0


def test_missing_values_are_means():
    """Features of an image with missing pixels are those of the image with mean pixels."""
    X = gray_images(40, 8, 8)
    X_missing = X.copy()
    X_missing[::2, 2:5, 3] = np.nan
    estimator = conv(allow_nan=True).fit(X_missing)
    imputed = np.where(np.isnan(X_missing), np.nanmean(X_missing, axis=0), X_missing)
    codes = estimator.transform(imputed)
    np.testing.assert_allclose(
        estimator.transform(X_missing), codes, atol=1e-4 * np.abs(codes).max()
    )


def test_samples_of_weight_zero():
    """Samples of weight 0 have no part in filters and components; other weights have."""
    X = gray_images(60, 8, 8)
    weights = np.r_[np.ones(40), np.zeros(20)]
    other = X.copy()
    other[40:] = 1 - other[40:]
    fits = [conv().fit(one, sample_weight=weights) for one in (X, other)]
    means = [estimator.net_.module_.features.mean for estimator in fits]
    assert torch.equal(means[0], means[1])
    unweighted = conv().fit(X).net_.module_.features.mean
    assert not torch.equal(unweighted, means[0])


def test_streamed_images(tmp_path):
    """Memory maps have the codes of arrays in memory."""
    X = gray_images(80, 8, 8, dtype=np.float32)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    codes = [conv().fit(one).transform(one) for one in (X, mapped)]
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-5)


def test_equal_seeds_and_dtypes():
    """Equal seeds have equal bits; integers and floats of the same values have equal codes."""
    X = gray_images(40, 8, 8, dtype=np.uint8)
    first, second = (conv().fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert first.loss_curve_ == second.loss_curve_
    as_float = conv().fit(X.astype(np.float64))
    np.testing.assert_allclose(
        as_float.transform(X.astype(np.float64)), first.transform(X), atol=1e-2
    )


def test_equal_patches_give_one_filter():
    """Centers of k-means do not start at equal patches, where rounding would part their members."""
    patches = torch.eye(6).repeat(50, 1)
    centers = spherical_kmeans(patches, 6, torch.Generator().manual_seed(0))
    torch.testing.assert_close(centers @ centers.T, torch.eye(6))


def test_offsets_do_not_matter():
    """Values far from 0 in float64 have the codes of values near 0."""
    X = gray_images(40, 8, 8)
    codes = [conv().fit(X + offset).transform(X + offset) for offset in (0, 1e6)]
    np.testing.assert_allclose(codes[1], codes[0], atol=1e-3 * np.abs(codes[0]).max())


def test_partial_fit_and_warm_start():
    """Later passes keep features and codes, and other features are refused."""
    X = gray_images(60, 8, 8)
    estimator = conv(warm_start=True).partial_fit(X)
    codes = estimator.transform(X)
    estimator.partial_fit(X[:20]).fit(X[:40])
    np.testing.assert_allclose(estimator.transform(X), codes, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"features=None.*PatchFeatures"):
        clone_of_state(estimator).set_params(features=None).fit(X)
    with pytest.raises(ValueError, match=r"n_filters=5"):
        clone_of_state(estimator).set_params(features=PatchFeatures(5)).fit(X)


def clone_of_state(estimator):
    """Return a copy of a fitted estimator."""
    return pickle.loads(pickle.dumps(estimator))


def test_checkpoints(tmp_path):
    """A finished fit is read with its features."""
    X = gray_images(40, 8, 8)
    estimator = conv(checkpoint_dir=tmp_path).fit(X)
    again = clone(estimator).fit(X)
    np.testing.assert_array_equal(again.transform(X), estimator.transform(X))
    assert again.init_ == estimator.init_ == "pca of features"
    assert len(list(tmp_path.iterdir())) == 1
    clone(estimator).set_params(features=PatchFeatures(5)).fit(X)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("way", ["pickle", "skops", "safetensors"])
def test_files(way, tmp_path):
    """Pickles and files have the same codes and reconstructions."""
    X = color_images(40, 8, 7, 3)
    estimator = conv(features=PatchFeatures(4, patch_size=(2, 3))).fit(X)
    if way == "pickle":
        loaded = clone_of_state(estimator)
    elif way == "skops":
        content = skops.io.dumps(estimator)
        loaded = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    else:
        save(estimator, tmp_path / "x.safetensors")
        loaded = load(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))
    np.testing.assert_array_equal(loaded.reconstruct(X), estimator.reconstruct(X))
    assert loaded.get_params()["features__patch_size"] == (2, 3)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "reconstruct"])
def test_onnx(method, tmp_path):
    """ONNX models have the codes and reconstructions of the estimator, for any number of images."""
    X = color_images(20, 9, 8, 3, dtype=np.uint8)
    estimator = conv().fit(X)
    to_onnx(estimator, tmp_path / "x.onnx", method=method, dtype="uint8")
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    for inputs in (X, X[:1]):
        if method == "inverse_transform":
            inputs = estimator.transform(inputs)
        (found,) = session.run(None, {"X": inputs})
        expected = getattr(estimator, method)(inputs)
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_summary_names_the_features():
    """The HTML representation shows the start, and counts the fixed encoder as fixed."""
    estimator = conv().fit(gray_images(40, 8, 8))
    html = estimator._repr_html_()
    assert "pca of features" in html
    assert "PatchFeatures(n_filters=4" in html
