"""Networks: patch geometry, standardization, layers, and the initialization by PCA."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from skae import DenseAutoencoder
from skae._training.pca import fit_pca
from skae.bottlenecks import Deterministic
from skae.networks import ConvNetwork, DenseNetwork
from skae.networks.autoencoder import Autoencoder
from skae.networks.hidden_units import HiddenUnits, mlp
from skae.networks.imputation import conditional_means
from skae.networks.layers import (
    ACTIVATIONS,
    Conv2d,
    Linear,
    Standardize,
    initialize_weights,
    squash,
    stack_networks,
)
from skae.networks.patches import (
    MAX_COARSEST_PATCHES,
    MAX_PCA_FEATURES,
    TARGET_PATCHES,
    PatchGrid,
)

from ..cases import curve, gray_images, low_rank

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40))


# ------------------------------------------------------------------------------------------ patches


def test_images_of_many_channels():
    """One block mean of each channel remains, and more channels than features of PCA are an error."""
    grid = PatchGrid(MAX_PCA_FEATURES, 3, 2, False)
    assert grid.n_patches * grid.n_pca_features == MAX_PCA_FEATURES
    for size in ((5000, 1, 1), (5000, 3, 2)):
        with pytest.raises(ValueError, match=r"5000 channels, but expected at most 4096"):
            PatchGrid(*size, False)


@settings(deadline=None)
@given(SIZES, st.booleans())
def test_join_is_the_inverse_of_cut(size, first):
    """Cutting an image of any size into patches and joining them returns the image."""
    grid = PatchGrid(*size, first)
    x = torch.rand(2, math.prod(size))
    patches = grid.cut(x)
    assert patches.shape == (2, grid.n_patches * grid.n_patch_features)
    assert torch.equal(grid.join(patches), x)
    assert torch.equal(grid.cut(x) * grid.inside_mask(), grid.cut(x))
    assert int(grid.inside_mask().sum()) == math.prod(size)


@pytest.mark.parametrize(
    "size",
    [
        (1, 1, 1),
        (3, 1, 1),
        (1, 1, 997),
        (1, 997, 1),
        (1, 28, 28),
        (3, 32, 32),
        (1, 100, 90),
        (3, 224, 224),
        (2, 1, 9000),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_grids_of_all_sizes(size, first):
    """Join inverts cut for all sizes, and the number of features for PCA is bounded."""
    grid = PatchGrid(*size, first)
    x = torch.rand(2, math.prod(size))
    assert torch.equal(grid.join(grid.cut(x)), x)
    assert grid.view(x).shape == (2, grid.n_patches * grid.n_pca_features)
    assert grid.n_patches * grid.n_pca_features <= 2 * MAX_PCA_FEATURES
    if math.prod(size) <= MAX_PCA_FEATURES:
        assert grid.block == (1, 1)
        np.testing.assert_array_equal(
            np.sort(grid.view(x)[grid.inside_mask().expand(2, -1) == 1]), np.sort(x.flatten())
        )
    assert grid.n_patch_features >= grid.n_pca_features
    if grid.coarser_shapes:
        assert math.prod(grid.coarser_shapes[-1]) <= MAX_COARSEST_PATCHES
    assert grid.patch == (1, 1) or grid.n_patches > TARGET_PATCHES // 8


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 13, 28), (2, 1, 130), (1, 3, 3)])
def test_fine_patches_are_patches_of_half_the_size(size):
    """Fine patches have half the height and width of patches, except for single pixels."""
    grid = PatchGrid(*size, False)
    x = torch.rand(2, math.prod(size), generator=torch.Generator().manual_seed(0))
    maps = grid.to_fine_patches(grid.cut(x)).unflatten(-1, (*grid.fine_shape, grid.n_fine_features))
    h, w = (side // factor for side, factor in zip(grid.patch, grid.fine_factor, strict=True))
    c, height, width = size
    image = torch.zeros(2, grid.fine_shape[0] * h, grid.fine_shape[1] * w, c)
    image[:, :height, :width] = x.unflatten(1, (height, width, c))
    for i, j in (
        (0, 0),
        (grid.fine_shape[0] // 2, grid.fine_shape[1] - 1),
        (grid.fine_shape[0] - 1, grid.fine_shape[1] // 3),
    ):
        assert torch.equal(
            maps[:, i, j], image[:, i * h : (i + 1) * h, j * w : (j + 1) * w].flatten(1)
        )


def test_patches_do_not_depend_on_the_position_of_the_channels():
    """Images with channels first and last have the same patches."""
    x = torch.rand(2, 3, 9, 7)
    first = PatchGrid(3, 9, 7, True).cut(x.flatten(1))
    last = PatchGrid(3, 9, 7, False).cut(x.movedim(1, -1).flatten(1))
    assert torch.equal(first, last)


def test_block_means_are_means():
    """The features of a large image for PCA are the means of its blocks."""
    grid = PatchGrid(1, 128, 128, False)
    x = torch.rand(1, 128 * 128)
    (bh, bw) = grid.block
    means = x.reshape(1, 128 // bh, bh, 128 // bw, bw).mean((2, 4)).flatten()
    np.testing.assert_allclose(np.sort(grid.view(x)[0]), np.sort(means), rtol=1e-5)


def test_interpolation_of_a_constant_is_constant():
    """Constant block means are interpolated to a constant image."""
    grid = PatchGrid(2, 100, 90, False)
    kernel = grid.smooth_kernel()
    assert kernel.shape == (grid.n_patch_features, grid.n_pca_features, 3, 3)
    constant = torch.ones(1, grid.n_pca_features, 5, 5)
    np.testing.assert_allclose(
        torch.nn.functional.conv2d(constant, kernel),
        torch.ones(1, grid.n_patch_features, 3, 3),
        rtol=1e-5,
    )


# ---------------------------------------------------------------------------------- standardization


def standardize_of(X):
    """Return a Standardize module of X, and the centered rows and the scale in float64."""
    reference = torch.as_tensor(X[0])
    differences = (X - X[0]).astype(np.float64)
    shift = np.mean(differences, axis=0)
    standardize = Standardize(X.shape[1])
    scale = float(np.std(differences))
    standardize.set(reference, torch.as_tensor(shift), scale)
    return standardize, differences - shift, scale


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_standardize_keeps_small_differences_of_large_numbers(kind, rng):
    """Time stamps near 1.7e18 (or 1.7e9 in float64) keep their small differences."""
    start = 1_700_000_000_000_000_000 if kind is np.int64 else 1_700_000_000
    X = (start + rng.integers(0, 5000, (50, 3))).astype(kind)
    standardize, expected, scale = standardize_of(X)
    standardized = standardize(torch.from_numpy(X))
    assert standardized.dtype == torch.float32
    np.testing.assert_allclose(standardized.numpy(), expected / scale, atol=2e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.float32, np.float64, np.int64])
def test_standardize_has_an_inverse(kind):
    """The inverse of standardized rows is the rows."""
    X = low_rank(30, 4, dtype=kind, low=0, high=100)
    standardize, expected, scale = standardize_of(X.astype(np.float64))
    standardized = standardize(torch.from_numpy(X))
    np.testing.assert_allclose(standardized.numpy(), expected / scale, atol=1e-5)
    np.testing.assert_allclose(standardize.inverse(standardized).numpy(), X, atol=1e-4)


# ------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_has_activations_between_layers(activation):
    """An activation follows each layer but the last."""
    layers = mlp([4, 3, 2], HiddenUnits(activation))
    assert [type(layer) for layer in layers] == [Linear, ACTIVATIONS[activation], Linear]
    assert layers(torch.rand(5, 4)).shape == (5, 2)


def test_squash_bounds_large_numbers():
    """Small numbers do not change, and large numbers are bounded."""
    x = torch.tensor([-1e9, -0.01, 0.0, 0.01, 1e9])
    np.testing.assert_allclose(squash(x, 3.0), [-3, -0.01, 0, 0.01, 3], atol=1e-6)


@pytest.mark.parametrize("d", [1, 2, 7, 16])
def test_conditional_means_agree_with_a_direct_solution(d, rng):
    """Imputed values are conditional means for any units, also for stacked networks."""
    units = np.geomspace(1e-3, 1e3, d)
    mixed = rng.normal(size=(d, 3)) @ rng.normal(size=(3, d)) + np.eye(d)
    covariance = (mixed @ mixed.T) * units * units[:, None]
    X = rng.multivariate_normal(np.zeros(d), covariance, 30)
    X[rng.random(X.shape) < 0.4] = np.nan
    X[0] = np.nan
    expected = np.zeros_like(X)
    for row, imputed in zip(X, expected, strict=True):
        missing = np.isnan(row)
        observed = ~missing
        imputed[missing] = covariance[np.ix_(missing, observed)] @ np.linalg.solve(
            covariance[np.ix_(observed, observed)], row[observed]
        )
    x, precision = torch.from_numpy(X), torch.from_numpy(np.linalg.inv(covariance))
    means = conditional_means(x, precision).numpy()
    np.testing.assert_allclose(
        means / units, expected / units, atol=0.02 * np.abs(expected / units).max() + 1e-9
    )
    twice = conditional_means(
        torch.stack([x, 2 * x]), torch.stack([precision, precision / 4])
    ).numpy()
    np.testing.assert_allclose(twice, np.stack([means, 2 * means]), rtol=1e-6, atol=1e-9)


def test_initial_weights_depend_on_the_generator_only():
    """Weights have a variance of 1 / fan_in, and are sampled from the given generator."""
    before = torch.random.get_rng_state()
    layers = torch.nn.Sequential(Linear(100, 200), Conv2d(10, 50, 3))
    torch.random.set_rng_state(before)
    for layer, fan_in in zip(layers, (100, 90), strict=True):
        initialize_weights(layer, torch.Generator().manual_seed(1))
        assert float(layer.weight.detach().var()) == pytest.approx(1 / fan_in, rel=0.05)
        assert not layer.bias.any()
        first = layer.weight.clone()
        initialize_weights(layer, torch.Generator().manual_seed(1))
        assert torch.equal(layer.weight, first)
    assert torch.equal(torch.random.get_rng_state(), before)


# ------------------------------------------------------------------------------- PCA initialization


def options(d, k, m, **more):
    """Return the parameters of a small network."""
    return {
        "n_features": d,
        "n_components": k,
        "n_coordinates": m,
        "n_inputs": min(m, 5),
        "encoder_sizes": (7,),
        "decoder_sizes": (6, 9),
        "activation": "gelu",
        "bottleneck": Deterministic(),
        **more,
    }


def started(X, k, *, size=None, seed=0, **more):
    """Return a network that is initialized from the rows of X."""
    d = X.shape[1]
    view = None
    if size is not None:
        view = PatchGrid(*size, False).view
    generator = torch.Generator().manual_seed(seed)
    principal = fit_pca(X, None, 512, generator=generator, view=view)
    given = options(d, k, len(principal.components), **more)
    if size is None:
        in_pca_space = given.pop("in_pca_space", True)
        network = DenseNetwork(in_pca_space=in_pca_space, **given)
    else:
        network = ConvNetwork(image_size=size, channels_first=False, n_filters=3, **given)
    network.initialize(principal, generator)
    return network.eval()


DATA = [
    ("dense", low_rank(60, 9), 3, {}),
    ("dense-columns", low_rank(60, 9), 3, {"in_pca_space": False}),
    ("dense-wide", low_rank(20, 40), 3, {}),
    ("dense-no-hidden", low_rank(60, 9), 2, {"encoder_sizes": (), "decoder_sizes": ()}),
    ("dense-far", low_rank(60, 9) + 1e6, 3, {}),
    ("conv", gray_images(40, 7, 13).reshape(40, -1), 4, {"size": (1, 7, 13)}),
    ("conv-fine", gray_images(40, 9, 13).reshape(40, -1), 4, {"size": (1, 9, 13), "fine": True}),
    ("conv-color", low_rank(50, 3 * 5 * 6), 3, {"size": (3, 5, 6)}),
    ("conv-signal", low_rank(50, 130), 3, {"size": (1, 1, 130)}),
    ("conv-pixel", low_rank(50, 2), 1, {"size": (2, 1, 1)}),
]


@pytest.mark.parametrize(
    ("X", "k", "more"), [row[1:] for row in DATA], ids=[row[0] for row in DATA]
)
def test_before_training_the_network_is_pca(X, k, more):
    """Latent vectors are PCA's scores up to sign, and reconstructions are PCA's."""
    network = started(X, k, **more)
    pca = PCA(k, svd_solver="full").fit(X)
    x = torch.from_numpy(X)
    with torch.no_grad():
        Z = network.encode(x)
        X_hat = network.decode(Z)
        residual, centered = network.residual(x)
        in_training = network(network.prepare(x)).x_hat
    scores = pca.transform(X)
    spread = np.abs(scores).max()
    signs = np.sign((Z.numpy() * scores).sum(0))
    np.testing.assert_allclose(Z.numpy() * signs / spread, scores / spread, atol=1e-4)
    expected = pca.inverse_transform(scores)
    np.testing.assert_allclose(X_hat.numpy(), expected, atol=1e-4 * spread + 1e-6 * np.abs(X).max())
    scale = float(network.centre.scale)
    np.testing.assert_allclose(residual.numpy() * scale, expected - X, atol=2e-4 * spread)
    np.testing.assert_allclose(centered.numpy() * scale, X - X.mean(0), atol=1e-4 * spread)
    np.testing.assert_allclose(
        network.from_training_space(in_training).numpy() * scale,
        expected - X.mean(0),
        atol=2e-4 * spread,
    )


@pytest.mark.parametrize("size", [None, (1, 3, 3)])
def test_sigmoid_outputs_are_bounded(size):
    """With a sigmoid, reconstructions of any latent vectors are between 0 and the ceiling."""
    X = low_rank(60, 9, low=0, high=255, dtype=np.uint8)
    more = {}
    if size is None:
        more["in_pca_space"] = False
    network = started(X, 3, size=size, output="sigmoid", ceiling=255.0, **more)
    with torch.no_grad():
        X_hat = network.decode(torch.randn(50, 3) * 1e4)
        middle = network.decode(network.encode(torch.from_numpy(X)))
        target = network.target(network.prepare(torch.from_numpy(X)))
    assert float(X_hat.min()) >= 0
    assert float(X_hat.max()) <= 255
    assert float(middle.std()) > 1
    np.testing.assert_allclose(target.numpy().reshape(60, -1)[:, :9], X / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("X", "k", "more"), [row[1:] for row in DATA], ids=[row[0] for row in DATA]
)
def test_every_parameter_has_a_gradient(X, k, more):
    """After a step from the initialization, the gradient of each parameter is not all zero."""
    network = started(X, k, **more).train()
    x = network.prepare(torch.from_numpy(X))
    with torch.no_grad():
        for parameter in network.parameters():
            generator = torch.Generator().manual_seed(len(parameter))
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    (network(x).x_hat - x).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize(
    ("X", "k", "more"), [row[1:] for row in DATA], ids=[row[0] for row in DATA]
)
def test_stacked_networks_agree_with_single_networks(X, k, more):
    """A stack of networks has the outputs and gradients of each network."""
    networks = []
    for seed in range(3):
        network = started(X, k, seed=seed, **more)
        with torch.no_grad():
            for parameter in network.parameters():
                generator = torch.Generator().manual_seed(seed)
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        networks.append(network)
    stacked = stack_networks(networks)
    inputs = [network.prepare(torch.from_numpy(X))[i : i + 8] for i, network in enumerate(networks)]
    x_hat = stacked(torch.stack(inputs)).x_hat
    losses = (x_hat - torch.stack(inputs)).square().flatten(1).mean(1)
    losses.sum().backward()
    for i, (network, x) in enumerate(zip(networks, inputs, strict=True)):
        expected = network(x).x_hat
        np.testing.assert_allclose(x_hat[i].detach(), expected.detach(), rtol=1e-4, atol=1e-4)
        (expected - x).square().mean().backward()
        for (name, single), (stacked_name, stack) in zip(
            network.named_parameters(), stacked.named_parameters(), strict=True
        ):
            assert name == stacked_name
            size = max(1e-3, float(single.grad.abs().max()))
            np.testing.assert_allclose(stack.grad[i] / size, single.grad / size, atol=2e-3)


@settings(deadline=None, max_examples=25)
@given(SIZES, st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_convolutional_networks_accept_any_size(size, filters, k, fine):
    """Images of any height, width and number of channels have finite reconstructions."""
    d = math.prod(size)
    grid = PatchGrid(*size, False)
    X = torch.randn(5, d, generator=torch.Generator().manual_seed(0)).numpy()
    principal = fit_pca(X, None, 8, generator=torch.Generator(), view=grid.view)
    given = options(d, k, len(principal.components), n_inputs=1)
    network = ConvNetwork(
        image_size=size, channels_first=False, n_filters=filters, fine=fine, **given
    )
    network.initialize(principal, torch.Generator().manual_seed(0))
    with torch.no_grad():
        Z = network.encode(torch.from_numpy(X))
        X_hat = network.decode(Z)
    assert Z.shape == (5, k)
    assert X_hat.shape == (5, d)
    assert torch.isfinite(X_hat).all()


@pytest.mark.parametrize("size", [(1, 64, 128), (1, 128, 64)])
def test_constant_images_are_reconstructed_at_the_border(size, rng):
    """Before training, large constant images are reconstructed exactly up to the border."""
    X = np.repeat(rng.normal(size=(20, 1)) + 3, 64 * 128, axis=1).astype(np.float32)
    network = started(X, 1, size=size)
    assert network.grid.block != (1, 1)
    x = torch.from_numpy(X)
    np.testing.assert_allclose(network.decode(network.encode(x)).detach().numpy(), X, atol=1e-4)


def test_the_residual_of_the_encoder_is_bounded():
    """The nonlinear residual is equal for rows 20 and 100 standard deviations from the mean."""
    X = curve(200)
    fast = {"max_iter": 20, "early_stopping": False, "random_state": 0, "learning_rate_init": 0.01}
    estimator = DenseAutoencoder(2, **fast).fit(X)
    far = X.mean(0) + np.array([[20.0], [100.0]]) * X.std(0)
    network = estimator.net_.module_
    with torch.inference_mode():
        x = network.prepare(torch.from_numpy(far))
        u = x
        if not network.in_pca_space:
            u = x @ network.components.mT
        linear = network.trunk.encoder_linear(u) * network.code_units
    residual = (estimator.transform(far) - linear.numpy()) / X.std()
    assert np.abs(residual).max() > 0.1
    np.testing.assert_allclose(residual[1], residual[0], atol=0.05)


def test_the_base_class_is_abstract():
    """Subclasses must implement code and reconstruct_code."""
    network = Autoencoder(**options(4, 2, 3))
    with pytest.raises(NotImplementedError, match="Autoencoder does not implement code"):
        network.code(torch.zeros(1, 4))
    with pytest.raises(NotImplementedError, match="does not implement reconstruct_code"):
        network.reconstruct_code(torch.zeros(1, 2))
