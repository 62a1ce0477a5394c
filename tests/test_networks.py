"""Networks: the grid of patches, the centre, and that the start is PCA."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from skae import DenseAutoencoder
from skae._principal import principal_components
from skae.networks import ConvNetwork, DenseNetwork
from skae.networks.blocks import (
    ACTIVATIONS,
    Centre,
    Conv2d,
    Linear,
    conditional_means,
    initialise,
    multilayer,
    squash,
    stacked,
)
from skae.networks.grid import CELLS, COARSE, MOST_PIXELS, Grid

from .cases import curve, grey_images, low_rank

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40))


# ----------------------------------------------------------------------------------------------------------- the grid


@settings(deadline=None)
@given(SIZES, st.booleans())
def test_join_undoes_cut(size, first):
    """Patches of an image of any size, put together, are the image again."""
    grid = Grid(*size, first)
    x = torch.rand(2, math.prod(size))
    patches = grid.cut(x)
    assert patches.shape == (2, grid.n_cells * grid.n_patch)
    assert torch.equal(grid.join(patches), x)
    assert torch.equal(grid.cut(x) * grid.inside(), grid.cut(x))
    assert int(grid.inside().sum()) == math.prod(size)


@pytest.mark.parametrize(
    "size",
    [(1, 1, 1), (3, 1, 1), (1, 1, 997), (1, 997, 1), (1, 28, 28), (3, 32, 32), (1, 100, 90), (3, 224, 224), (2, 1, 9000)],
)
@pytest.mark.parametrize("first", [True, False])
def test_grids_of_all_sizes(size, first):
    """From one pixel to large images, tall ones and signals: cutting is undone, and what PCA sees stays small."""
    grid = Grid(*size, first)
    x = torch.rand(2, math.prod(size))
    assert torch.equal(grid.join(grid.cut(x)), x)
    assert grid.view(x).shape == (2, grid.n_cells * grid.n_low)
    assert grid.n_cells * grid.n_low <= 2 * MOST_PIXELS
    if math.prod(size) <= MOST_PIXELS:
        assert grid.block == (1, 1)
        np.testing.assert_array_equal(np.sort(grid.view(x)[grid.inside().expand(2, -1) == 1]), np.sort(x.flatten()))
    assert grid.n_patch >= grid.n_low
    if grid.coarser:
        assert math.prod(grid.coarser[-1]) <= COARSE
    assert grid.patch == (1, 1) or grid.n_cells > CELLS // 8


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 13, 28), (2, 1, 130), (1, 3, 3)])
def test_finer_patches_are_those_of_the_image(size):
    """Patches cut in two along height and width are the image in squares of half the size; a single pixel stays whole."""
    grid = Grid(*size, False)
    x = torch.rand(2, math.prod(size), generator=torch.Generator().manual_seed(0))
    maps = grid.finer(grid.cut(x)).unflatten(-1, (*grid.fine, grid.n_fine))
    (h, w), (c, height, width) = (p // part for p, part in zip(grid.patch, grid.parts, strict=True)), size
    image = torch.zeros(2, grid.fine[0] * h, grid.fine[1] * w, c)
    image[:, :height, :width] = x.unflatten(1, (height, width, c))
    for i, j in ((0, 0), (grid.fine[0] // 2, grid.fine[1] - 1), (grid.fine[0] - 1, grid.fine[1] // 3)):
        assert torch.equal(maps[:, i, j], image[:, i * h : (i + 1) * h, j * w : (j + 1) * w].flatten(1))


def test_channels_first_and_last_are_cut_the_same():
    """The order of the numbers of an image in a row makes no difference for its patches."""
    x = torch.rand(2, 3, 9, 7)
    first = Grid(3, 9, 7, True).cut(x.flatten(1))
    last = Grid(3, 9, 7, False).cut(x.movedim(1, -1).flatten(1))
    assert torch.equal(first, last)


def test_block_means_are_means():
    """What PCA sees of a large image is the mean of each block."""
    grid = Grid(1, 128, 128, False)
    x = torch.rand(1, 128 * 128)
    (bh, bw) = grid.block
    means = x.reshape(1, 128 // bh, bh, 128 // bw, bw).mean((2, 4)).flatten()
    np.testing.assert_allclose(np.sort(grid.view(x)[0]), np.sort(means), rtol=1e-5)


def test_smoothing_keeps_what_is_even():
    """A constant image of block means becomes a constant image of pixels."""
    grid = Grid(2, 100, 90, False)
    kernel = grid.smooth_kernel()
    assert kernel.shape == (grid.n_patch, grid.n_low, 3, 3)
    even = torch.ones(1, grid.n_low, 5, 5)
    np.testing.assert_allclose(torch.nn.functional.conv2d(even, kernel), torch.ones(1, grid.n_patch, 3, 3), rtol=1e-5)


# --------------------------------------------------------------------------------------------------------- the centre


def centre_of(X):
    """Make a centre from the first row, the mean and the spread of X."""
    reference = torch.as_tensor(X[0])
    away = np.mean((X - X[0]).astype(np.float64), axis=0)
    centre = Centre(X.shape[1])
    scale = float(np.std((X - X[0]).astype(np.float64)))
    centre.set(reference, torch.as_tensor(away), scale)
    return centre, (X - X[0]).astype(np.float64) - away, scale


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_the_centre_keeps_the_digits(kind, rng):
    """Time stamps near 1.7e18 (or 1.7e9 in float64) keep their small differences."""
    start = 1_700_000_000_000_000_000 if kind is np.int64 else 1_700_000_000
    X = (start + rng.integers(0, 5000, (50, 3))).astype(kind)
    centre, expected, scale = centre_of(X)
    found = centre(torch.from_numpy(X))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected / scale, atol=2e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.float32, np.float64, np.int64])
def test_the_centre_has_an_inverse(kind):
    """Centred rows, brought back, are the rows."""
    X = low_rank(30, 4, dtype=kind, low=0, high=100)
    centre, expected, scale = centre_of(X.astype(np.float64))
    found = centre(torch.from_numpy(X))
    np.testing.assert_allclose(found.numpy(), expected / scale, atol=1e-5)
    np.testing.assert_allclose(centre.inverse(found).numpy(), X, atol=1e-4)


# ---------------------------------------------------------------------------------------------------------- the parts


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_multilayer(activation):
    """There is an activation between each two layers, and none at the end."""
    layers = multilayer([4, 3, 2], activation)
    assert [type(layer) for layer in layers] == [Linear, ACTIVATIONS[activation], Linear]
    assert layers(torch.rand(5, 4)).shape == (5, 2)


def test_squash_bends_only_what_is_large():
    """Small numbers stay, and large ones are bounded."""
    x = torch.tensor([-1e9, -0.01, 0.0, 0.01, 1e9])
    np.testing.assert_allclose(squash(x, 3.0), [-3, -0.01, 0, 0.01, 3], atol=1e-6)


@pytest.mark.parametrize("d", [1, 2, 7, 16])
def test_gaps_are_filled_with_conditional_means(d, rng):
    """They are the textbook's, for columns of any units and rows with any gaps, also for copies of a network."""
    units = np.geomspace(1e-3, 1e3, d)
    mixed = rng.normal(size=(d, 3)) @ rng.normal(size=(3, d)) + np.eye(d)
    covariance = (mixed @ mixed.T) * units * units[:, None]
    X = rng.multivariate_normal(np.zeros(d), covariance, 30)
    X[rng.random(X.shape) < 0.4] = np.nan
    X[0] = np.nan
    expected = np.zeros_like(X)
    for row, answer in zip(X, expected, strict=True):
        gap = np.isnan(row)
        answer[gap] = covariance[np.ix_(gap, ~gap)] @ np.linalg.solve(covariance[np.ix_(~gap, ~gap)], row[~gap])
    x, precision = torch.from_numpy(X), torch.from_numpy(np.linalg.inv(covariance))
    found = conditional_means(x, precision).numpy()
    np.testing.assert_allclose(found / units, expected / units, atol=0.02 * np.abs(expected / units).max() + 1e-9)
    twice = conditional_means(torch.stack([x, 2 * x]), torch.stack([precision, precision / 4])).numpy()
    np.testing.assert_allclose(twice, np.stack([found, 2 * found]), rtol=1e-6, atol=1e-9)


def test_initialise_uses_its_generator_only():
    """Weights have a variance of 1 / fan_in and come from the generator given."""
    before = torch.random.get_rng_state()
    layers = torch.nn.Sequential(Linear(100, 200), Conv2d(10, 50, 3))
    torch.random.set_rng_state(before)
    for layer, fan_in in zip(layers, (100, 90), strict=True):
        initialise(layer, torch.Generator().manual_seed(1))
        assert float(layer.weight.detach().var()) == pytest.approx(1 / fan_in, rel=0.05)
        assert not layer.bias.any()
        first = layer.weight.clone()
        initialise(layer, torch.Generator().manual_seed(1))
        assert torch.equal(layer.weight, first)
    assert torch.equal(torch.random.get_rng_state(), before)


# ------------------------------------------------------------------------------------------------- the start is PCA


def options(d, k, m, **more):
    """Options of a small network."""
    return {
        "n_features": d,
        "n_components": k,
        "n_coordinates": m,
        "n_inputs": min(m, 5),
        "encoder_sizes": (7,),
        "decoder_sizes": (6, 9),
        "activation": "gelu",
        **more,
    }


def started(X, k, *, size=None, seed=0, **more):
    """Build and start a network on rows."""
    d = X.shape[1]
    grid = None if size is None else Grid(*size, False)
    generator = torch.Generator().manual_seed(seed)
    principal = principal_components(X, None, 512, generator=generator, view=None if grid is None else grid.view)
    given = options(d, k, len(principal.components), **more)
    if size is None:
        network = DenseNetwork(rotated=more.pop("rotated", True), **{key: v for key, v in given.items() if key != "rotated"})
    else:
        network = ConvNetwork(image_size=size, channels_first=False, n_filters=3, **given)
    network.start(principal, generator)
    return network.eval()


DATA = [
    ("dense", low_rank(60, 9), 3, {}),
    ("dense-columns", low_rank(60, 9), 3, {"rotated": False}),
    ("dense-wide", low_rank(20, 40), 3, {}),
    ("dense-no-hidden", low_rank(60, 9), 2, {"encoder_sizes": (), "decoder_sizes": ()}),
    ("dense-far", low_rank(60, 9) + 1e6, 3, {}),
    ("conv", grey_images(40, 7, 13).reshape(40, -1), 4, {"size": (1, 7, 13)}),
    ("conv-fine", grey_images(40, 9, 13).reshape(40, -1), 4, {"size": (1, 9, 13), "fine": True}),
    ("conv-colour", low_rank(50, 3 * 5 * 6), 3, {"size": (3, 5, 6)}),
    ("conv-signal", low_rank(50, 130), 3, {"size": (1, 1, 130)}),
    ("conv-pixel", low_rank(50, 2), 1, {"size": (2, 1, 1)}),
]


@pytest.mark.parametrize(("X", "k", "more"), [row[1:] for row in DATA], ids=[row[0] for row in DATA])
def test_before_training_the_network_is_pca(X, k, more):
    """Codes are PCA's scores up to sign, and reconstructions are PCA's."""
    network = started(X, k, **more)
    pca = PCA(k, svd_solver="full").fit(X)
    x = torch.from_numpy(X)
    with torch.no_grad():
        Z = network.encode(x)
        X_hat = network.decode(Z)
        residual, centred = network.residual(x)
        in_training = network(network.prepare(x)).x_hat
    scores = pca.transform(X)
    spread = np.abs(scores).max()
    signs = np.sign((Z.numpy() * scores).sum(0))
    np.testing.assert_allclose(Z.numpy() * signs / spread, scores / spread, atol=1e-4)
    expected = pca.inverse_transform(scores)
    np.testing.assert_allclose(X_hat.numpy(), expected, atol=1e-4 * spread + 1e-6 * np.abs(X).max())
    scale = float(network.centre.scale)
    np.testing.assert_allclose(residual.numpy() * scale, expected - X, atol=2e-4 * spread)
    np.testing.assert_allclose(centred.numpy() * scale, X - X.mean(0), atol=1e-4 * spread)
    np.testing.assert_allclose(network.restore(in_training).numpy() * scale, expected - X.mean(0), atol=2e-4 * spread)


@pytest.mark.parametrize("size", [None, (1, 3, 3)])
def test_sigmoid_gives_numbers_in_the_unit_interval(size):
    """With a sigmoid, reconstructions lie between 0 and the ceiling, whatever the code."""
    X = low_rank(60, 9, low=0, high=255, dtype=np.uint8)
    network = started(X, 3, size=size, output="sigmoid", ceiling=255.0, **({} if size else {"rotated": False}))
    with torch.no_grad():
        X_hat = network.decode(torch.randn(50, 3) * 1e4)
        middle = network.decode(network.encode(torch.from_numpy(X)))
        target = network.target(network.prepare(torch.from_numpy(X)))
    assert float(X_hat.min()) >= 0
    assert float(X_hat.max()) <= 255
    assert float(middle.std()) > 1
    np.testing.assert_allclose(target.numpy().reshape(60, -1)[:, :9], X / 255, atol=1e-5)


@pytest.mark.parametrize(("X", "k", "more"), [row[1:] for row in DATA], ids=[row[0] for row in DATA])
def test_every_weight_of_a_trained_network_learns(X, k, more):
    """After a step away from the start, every parameter has a gradient that is not all zero."""
    network = started(X, k, **more).train()
    x = network.prepare(torch.from_numpy(X))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(parameter))))
    (network(x).x_hat - x).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize(("X", "k", "more"), [row[1:] for row in DATA], ids=[row[0] for row in DATA])
def test_stacked_copies_are_the_copies(X, k, more):
    """Copies of a network in one stack give each copy's outputs and gradients."""
    copies = []
    for seed in range(3):
        network = started(X, k, seed=seed, **more)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
        copies.append(network)
    together = stacked(copies)
    inputs = [network.prepare(torch.from_numpy(X))[i : i + 8] for i, network in enumerate(copies)]
    found = together(torch.stack(inputs)).x_hat
    losses = (found - torch.stack(inputs)).square().flatten(1).mean(1)
    losses.sum().backward()
    for i, (network, x) in enumerate(zip(copies, inputs, strict=True)):
        expected = network(x).x_hat
        np.testing.assert_allclose(found[i].detach(), expected.detach(), rtol=1e-4, atol=1e-4)
        (expected - x).square().mean().backward()
        for (name, one), (other_name, pile) in zip(network.named_parameters(), together.named_parameters(), strict=True):
            assert name == other_name
            size = max(1e-3, float(one.grad.abs().max()))
            np.testing.assert_allclose(pile.grad[i] / size, one.grad / size, atol=2e-3)


@settings(deadline=None, max_examples=25)
@given(SIZES, st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_any_size_goes_through_a_convolutional_network(size, filters, k, fine):
    """Encoding and decoding work for every height, width, and number of channels, and give finite numbers of that size."""
    d = math.prod(size)
    grid = Grid(*size, False)
    X = torch.randn(5, d, generator=torch.Generator().manual_seed(0)).numpy()
    principal = principal_components(X, None, 8, generator=torch.Generator(), view=grid.view)
    given = options(d, k, len(principal.components), n_inputs=1)
    network = ConvNetwork(image_size=size, channels_first=False, n_filters=filters, fine=fine, **given)
    network.start(principal, torch.Generator().manual_seed(0))
    with torch.no_grad():
        Z = network.encode(torch.from_numpy(X))
        X_hat = network.decode(Z)
    assert Z.shape == (5, k)
    assert X_hat.shape == (5, d)
    assert torch.isfinite(X_hat).all()


@pytest.mark.parametrize("size", [(1, 64, 128), (1, 128, 64)])
def test_images_of_one_brightness_keep_it_at_the_border(size, rng):
    """Before training, large images of one brightness are reconstructed exactly at the border."""
    X = np.repeat(rng.normal(size=(20, 1)) + 3, 64 * 128, axis=1).astype(np.float32)
    network = started(X, 1, size=size)
    assert network.grid.block != (1, 1)
    x = torch.from_numpy(X)
    np.testing.assert_allclose(network.decode(network.encode(x)).detach().numpy(), X, atol=1e-4)


def test_the_correction_to_the_encoder_is_bounded():
    """Codes of rows 20 and 100 standard deviations away differ as the trained linear map says."""
    X = curve(200)
    fast = {"max_iter": 20, "early_stopping": False, "random_state": 0, "learning_rate_init": 0.01}
    estimator = DenseAutoencoder(2, **fast).fit(X)
    far = X.mean(0) + np.array([[20.0], [100.0]]) * X.std(0)
    network = estimator.net_.module_
    with torch.inference_mode():
        x = network.prepare(torch.from_numpy(far))
        u = x if network.rotated else x @ network.components.mT
        linear = network.trunk.encoder_linear(u) * network.code_units
    correction = (estimator.transform(far) - linear.numpy()) / X.std()
    assert np.abs(correction).max() > 0.1
    np.testing.assert_allclose(correction[1], correction[0], atol=0.05)
