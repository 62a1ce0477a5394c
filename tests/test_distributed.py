"""Several processes: their fit is the fit of one process, and errors end all of them."""

import functools
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA
from skorch.callbacks import Callback, Freezer, LRScheduler, Unfreezer

import skae._input.batching
import skae._input.streaming
import skae._training.setup
import skae.distributed._shard
from skae import (
    AutoencoderImputer,
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ModuleAutoencoder,
    ReconstructionDetector,
    distributed,
)
from skae._input.partition import Partition
from skae._training import pca
from skae._training.moments import compute_moments
from skae._training.pca import _covariance
from skae._training.process_sums import eigenvectors_of
from skae.augmentations import ColumnSwap
from skae.corruptions import Patches
from skae.datasets import ImageFolder
from skae.distributed._context import joined
from skae.distributed._draws import WholeBatchDraws

from . import own_modules as own
from .processes import run_processes

MAX_CURVE_DIFFERENCE = 1e-5
MAX_CODE_DIFFERENCE = 1e-3
"""Bounds of the relative differences between several processes and one."""


def correlated(n, d, seed=0):
    """Return samples with a curved structure of three dimensions."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(n, 3)) @ rng.normal(size=(3, d))
    return (np.tanh(latents) + 0.05 * rng.normal(size=(n, d))).astype(np.float32)


def waves(n):
    """Return images of 8 x 8 pixels."""
    u = np.random.default_rng(0).normal(size=(n, 3, 1, 1))
    grid = np.linspace(-2, 2, 8)
    images = u[:, 0] * np.sin(2 * grid[:, None]) + u[:, 1] * np.cos(3 * grid)
    return np.tanh(images + u[:, 2] * grid[:, None] * grid).astype(np.float32)


X = correlated(603, 12)
IMAGES = waves(203)
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2, len(X))
CLASSES = np.random.default_rng(2).integers(0, 3, len(X))
MISSING = np.where(np.random.default_rng(3).random(X.shape) < 0.1, np.nan, X).astype(np.float32)


def dense(**parameters):
    """Return an autoencoder with one validation set."""
    settings = {"random_state": 0, "max_iter": 2, "validation_fraction": 0.1, "batch_size": 64}
    return DenseAutoencoder(3, **{**settings, **parameters})


def conv(**parameters):
    """Return an autoencoder of images with one validation set."""
    settings = {"random_state": 0, "max_iter": 1, "validation_fraction": 0.1, "n_filters": 8}
    return ConvAutoencoder(3, **{**settings, **parameters})


def module(encoder, decoder, **parameters):
    """Return an autoencoder with own modules and one validation set."""
    settings = {"random_state": 0, "max_iter": 2, "validation_fraction": 0.1, "batch_size": 64}
    settings["channel_axis"] = 1
    return ModuleAutoencoder(encoder, decoder, 3, **{**settings, **parameters})


def restorer(**parameters):
    """Return a restorer that is trained on a few crops."""
    settings = {"random_state": 0, "max_iter": 2, "n_filters": 4, "patch_size": 6}
    return ImageRestorer(batch_size=64, **{**settings, **parameters})


class NoisyEncoder(torch.nn.Module):
    """An encoder with dropout, and with noise as tutorials of PyTorch have it."""

    def __init__(self, sample_shape, n_components):
        super().__init__()
        self.first = torch.nn.Linear(*sample_shape, 12)
        self.dropout = torch.nn.Dropout(0.2)
        self.last = torch.nn.Linear(12, n_components)

    def forward(self, x):
        """Encode samples."""
        z = self.last(self.dropout(torch.tanh(self.first(x))))
        if not self.training:
            return z
        return z + 0.1 * torch.randn_like(z)


class Experts(torch.nn.Module):
    """An encoder with a layer for some samples, which not every batch uses."""

    def __init__(self, sample_shape, n_components):
        super().__init__()
        self.usual = torch.nn.Linear(*sample_shape, n_components)
        self.special = torch.nn.Linear(*sample_shape, n_components)

    def forward(self, x):
        """Encode samples."""
        z = self.usual(x)
        is_special = x[:, 0] > 1
        if is_special.any():
            z = z + is_special[:, None] * self.special(x)
        return z


class ExponentialEncoder(torch.nn.Module):
    """An encoder that is infinite for samples far from those of fit."""

    def __init__(self, sample_shape, n_components):
        super().__init__()
        self.first = torch.nn.Linear(*sample_shape, 12)
        self.last = torch.nn.Linear(12, n_components)

    def forward(self, x):
        """Encode samples."""
        return self.last(torch.exp(self.first(x)))


class Decay(Callback):
    """A callback of a user that changes the learning rate."""

    def on_epoch_end(self, net, **kwargs):
        """Halve it."""
        for group in net.optimizer_.param_groups:
            group["lr"] = np.float64(group["lr"] / 2)


@functools.cache
def folder_of_images():
    """Return a temporary folder with one file for each image."""
    folder = TemporaryDirectory()
    for i, image in enumerate(IMAGES):
        pixels = (127 * (image + 1)).astype(np.uint8)
        Image.fromarray(pixels).save(Path(folder.name, f"{i:03}.png"))
    return folder


CASES = {
    "dense": lambda: dense().fit(X),
    "conv": lambda: conv().fit(IMAGES),
    "weights": lambda: dense().fit(X, sample_weight=WEIGHTS),
    "timestamps": lambda: dense().fit(X.astype(float) + 1.7e9),
    "memory map": lambda: dense().fit(stored(X)),
    "streamed": lambda: streamed_fit(dense(corruption="gaussian"), X),
    "ordered": lambda: dense(bottleneck="ordered", max_iter=4).fit(X),
    "labels": lambda: dense(target_weight=0.5).fit(X, CLASSES),
    "noise": lambda: dense(bottleneck="variational", corruption="masking").fit(X),
    "missing values": lambda: dense(allow_nan=True).fit(MISSING),
    "rate": lambda: dense(penalty="rate").fit(X),
    "validation set": lambda: dense().fit(X[:500], X_val=X[500:]),
    "no early stopping": lambda: dense(early_stopping=False).fit(X),
    "small batches": lambda: dense(batch_size=3, max_iter=1).fit(X[:101]),
    "wide": lambda: dense().fit(np.tile(X[:41], (1, 10))),
    "scheduler": lambda: dense(net_params={"callbacks": [halving()]}).fit(X),
    "coupled": lambda: dense(penalty="decorrelation").fit(X),
    "codebook": lambda: dense(bottleneck="quantized").fit(X),
    "cross-validated": lambda: dense(validation_fraction="auto").fit(X[:200]),
    "warm start": lambda: dense(warm_start=True).fit(X).fit(X),
    "shard": lambda: dense().fit(*shard_of(X, WEIGHTS)),
    "streamed shard": lambda: streamed_shard_fit(dense(corruption="gaussian")),
    "clipped shard": lambda: streamed_shard_fit(dense(loss="log_loss"), (X + 3) / 6),
    "masked loss": lambda: conv(corruption=Patches(masked_weight=1.0)).fit(IMAGES),
    "partial_fit": lambda: dense().partial_fit(X[:300]).partial_fit(X[300:]),
    "numeric targets": lambda: dense(target_weight=0.5).fit(X, MISSING[:, :2]),
    "spread": lambda: dense(penalty="spread", max_iter=1).fit(X),
    "augmentation": lambda: conv(augmentation="crop").fit(IMAGES),
    "swapped columns": lambda: conv(augmentation=ColumnSwap()).fit(IMAGES),
    "patches": lambda: conv(features="patches").fit(IMAGES),
    "folder": lambda: fit_to_folder(conv()),
    "own network": lambda: module(own.ResidualEncoder, own.ConvDecoder).fit(IMAGES[:, None]),
    "own variational network": lambda: module(
        own.NormalEncoder, own.DenseDecoder, bottleneck="variational", residual=None
    ).fit(X),
    "own network with noise": lambda: module(NoisyEncoder, own.DenseDecoder).fit(X),
    "own network with experts": lambda: module(
        Experts, own.DenseDecoder, residual=None, batch_size=16
    ).fit(X),
    "frozen layers": lambda: dense(net_params={"callbacks": freezing()}, max_iter=3).fit(X),
    "partial_fit with a callback": lambda: partial_fits(dense(net_params={"callbacks": [Decay()]})),
    "empty shard": lambda: streamed_shard_fit(
        module(ExponentialEncoder, own.DenseDecoder, residual=None),
        X.astype(float) + 1.7e9,
        rows_of_last,
    ),
    "restorer": lambda: restorer().fit(IMAGES),
    "restorer of masked regions": lambda: restorer(corruption="patches", allow_nan=True).fit(
        IMAGES
    ),
    "restorer of pairs": lambda: restorer(augment=True).fit(IMAGES + 0.1, IMAGES),
}
"""Fits by name."""

CASES_OF_FOUR = ["dense", "conv", "streamed", "noise", "small batches", "streamed shard"]
CASES_OF_FOUR += ["folder", "own network with noise", "restorer"]


def halving():
    """Return a callback that changes the learning rate in each epoch."""
    return LRScheduler(policy="StepLR", step_size=1, gamma=0.5)


def freezing():
    """Return callbacks that freeze some weights, and release them in the next epoch."""
    return [Freezer("*weight*", at=1), Unfreezer("*weight*", at=2)]


def partial_fits(autoencoder):
    """Call partial_fit three times."""
    for _ in range(3):
        autoencoder.partial_fit(X)
    return autoencoder


def stored(rows):
    """Return rows as a memory map of a file without a name."""
    with TemporaryFile() as file:
        file.write(rows.tobytes())
        file.flush()
        return np.memmap(file, rows.dtype, "r", shape=rows.shape)


def fit_in_blocks(autoencoder, rows):
    """Fit to rows that are read in small blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skae._input.streaming, "STREAMED_BYTES", 0)
        patch.setattr(skae._input.streaming, "BLOCK_BYTES", 512)
        patch.setattr(skae._input.batching, "BUFFER_BYTES", 2**13)
        patch.setattr(skae._training.setup, "MAX_PREPARED_BYTES", 0)
        return autoencoder.fit(rows)


def streamed_fit(autoencoder, rows, wrap=lambda rows: rows):
    """Fit to a memory map that is read in small blocks."""
    return fit_in_blocks(autoencoder, wrap(stored(rows)))


def fit_to_folder(autoencoder):
    """Fit to a folder of images that is read in small blocks."""
    return fit_in_blocks(autoencoder, ImageFolder(folder_of_images().name, mode="L"))


def own_rows(rows):
    """Return the rows of this process as in a shard: of two processes, the first has a third."""
    if not torch.distributed.is_initialized():
        return rows
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
    bounds = [0, len(rows) // 3, len(rows)] + [len(rows)] * (size - 2)
    return rows[bounds[rank] : bounds[rank + 1]]


def shard_of(rows, weights):
    """Return arguments of fit: a shard of rows, no targets, and weights."""
    return distributed.Shard(own_rows(rows)), None, own_rows(weights)


def rows_of_last(rows):
    """Return the rows of this process if only the last one has any."""
    if torch.distributed.is_initialized() and torch.distributed.get_rank() == 0:
        return rows[:0]
    return rows


def streamed_shard_fit(autoencoder, rows=X, select=own_rows):
    """Fit to shards that are not gathered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skae.distributed._shard, "MAX_GATHERED_BYTES", 0)
        return streamed_fit(autoencoder, rows, lambda rows: distributed.Shard(select(rows)))


def fit_cases(rank, names):
    """Fit each case; return the results that are compared."""
    warnings.simplefilter("ignore")
    return {name: result_of(CASES[name]()) for name in names}


def result_of(autoencoder):
    """Return the fitted attributes that are compared, and all weights."""
    if isinstance(autoencoder, ImageRestorer):
        codes = autoencoder.predict(IMAGES)
    else:
        codes = autoencoder.transform(sample_of(autoencoder))
    return {
        "curve": np.array(autoencoder.loss_curve_),
        "validation": np.array(getattr(autoencoder, "validation_scores_", None) or [0.0]),
        "best": getattr(autoencoder, "best_iter_", autoencoder.n_iter_),
        "init": getattr(autoencoder, "init_", None),
        "codes": codes,
        "weights": {
            name: weight.numpy() for name, weight in autoencoder.net_.module_.state_dict().items()
        },
    }


def sample_of(autoencoder):
    """Return samples that suit an autoencoder."""
    if isinstance(autoencoder, ConvAutoencoder):
        return IMAGES
    if isinstance(autoencoder, ModuleAutoencoder) and len(autoencoder.sample_shape_) == 3:
        return IMAGES[:, None]
    if autoencoder.n_features_in_ > 12:
        return np.tile(X[:41], (1, 10))
    if autoencoder._spec.max_abs > 1e9:
        return X[:100].astype(float) + 1.7e9
    return X[:100]


@pytest.fixture(scope="module")
def alone():
    """The results of one process."""
    with warnings.catch_warnings():
        return fit_cases(0, CASES)


@pytest.fixture(scope="module")
def results_of_two(alone):
    """The results of two processes."""
    return run_processes(fit_cases, 2, list(CASES))


@pytest.fixture(scope="module")
def results_of_four(alone):
    """The results of four processes."""
    return run_processes(fit_cases, 4, CASES_OF_FOUR)


def check_equal(name, one, several):
    """Check that the processes agree in all bits, and with one process up to rounding."""
    assert all(isinstance(result, dict) for result in several), several
    several = [result[name] for result in several]
    one, first = one[name], several[0]
    for other in several[1:]:
        for key, weight in first["weights"].items():
            np.testing.assert_array_equal(weight, other["weights"][key])
        np.testing.assert_array_equal(first["codes"], other["codes"])
        assert first["curve"].tolist() == other["curve"].tolist()
        assert (first["best"], first["init"]) == (other["best"], other["init"])
    np.testing.assert_allclose(first["curve"], one["curve"], rtol=MAX_CURVE_DIFFERENCE)
    np.testing.assert_allclose(first["validation"], one["validation"], atol=MAX_CURVE_DIFFERENCE)
    largest = np.abs(one["codes"]).max()
    assert np.abs(first["codes"] - one["codes"]).max() <= MAX_CODE_DIFFERENCE * largest
    assert (first["best"], first["init"]) == (one["best"], one["init"])


@pytest.mark.parametrize("name", CASES)
def test_two_processes_fit_as_one(name, alone, results_of_two):
    """Two processes have the result of one process, and equal bits."""
    check_equal(name, alone, results_of_two)


@pytest.mark.parametrize("name", CASES_OF_FOUR)
def test_four_processes_fit_as_one(name, alone, results_of_four):
    """Four processes have the result of one process, and equal bits."""
    check_equal(name, alone, results_of_four)


def test_cases_train(alone):
    """The cases compare trained networks: most of them are better than PCA."""
    n_trained = sum(result["best"] > 0 for result in alone.values())
    assert n_trained >= 2 / 3 * len(CASES)


USERS = {
    "detector": lambda seed: ReconstructionDetector(dense(random_state=seed), random_state=seed),
    "imputer": lambda seed: AutoencoderImputer(dense(random_state=seed), random_state=seed),
    "sampler": lambda seed: LatentSampler(dense(random_state=seed), random_state=seed),
    "codec": lambda seed: LatentCodec(dense(random_state=seed), random_state=seed),
}
"""Estimators that fit autoencoders, by name."""


def results_of_users(rank, seed):
    """Fit each estimator that fits autoencoders; return results and loss curves."""
    warnings.simplefilter("ignore")
    fitted = {name: make(seed) for name, make in USERS.items()}
    detector, imputer = fitted["detector"].fit(X), fitted["imputer"].fit(MISSING)
    sampler, codec = fitted["sampler"].fit(X, CLASSES), fitted["codec"].fit(X)
    results = {
        "detector": detector.score_samples(X),
        "imputer": imputer.transform(MISSING),
        "sampler": sampler.set_params(random_state=0).sample(50),
        "codec": codec.decompress(codec.compress(X)),
    }
    curves = [one.autoencoder_.loss_curve_ for one in fitted.values()]
    return results, np.array(curves)


def test_estimators_that_fit_autoencoders():
    """Detectors, imputers, samplers and codecs fit their autoencoders in all processes."""
    (results, curves), (others, other_curves) = run_processes(results_of_users, 2, 0)
    expected, expected_curves = results_of_users(0, 0)
    np.testing.assert_array_equal(curves, other_curves)
    np.testing.assert_allclose(curves, expected_curves, rtol=MAX_CURVE_DIFFERENCE)
    for name, values in results.items():
        np.testing.assert_array_equal(values, others[name])
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(values, expected[name], atol=MAX_CODE_DIFFERENCE * scale)


def test_estimators_without_a_seed_agree_on_one():
    """Without a seed, all processes use that of the first."""
    (results, _), (others, _) = run_processes(results_of_users, 2, None)
    for name, values in results.items():
        np.testing.assert_array_equal(values, others[name])


def decompose(rank, rows):
    """Return mean, standardized rows, principal directions and variances."""
    with joined("decompose"):
        moments = compute_moments(rows, None)
        _, _, covariance = _covariance(rows, None, moments, "cpu", None, rows.shape[1])
        variances, vectors = eigenvectors_of(covariance)
    standardized = moments.standardize(torch.from_numpy(rows), "cpu").double().numpy()
    return moments.mean.numpy(), standardized, vectors.flip(1).T.numpy(), variances.flip(0).numpy()


@pytest.mark.parametrize("constant", [False, True])
def test_gram_matrices_are_summed(constant):
    """Three processes compute the components of scikit-learn's PCA, also if one has constant rows."""
    rows = correlated(9000, 60).astype(np.float64)
    if constant:
        rows[:3000] = rows[0]
    results = run_processes(decompose, 3, rows)
    mean, standardized, components, variances = results[1]
    np.testing.assert_allclose(mean, np.average(rows, axis=0), atol=1e-10)
    expected = PCA(20).fit(standardized)
    n = len(rows)
    expected_variances = expected.explained_variance_ * (n - 1) / n
    np.testing.assert_allclose(variances[:20], expected_variances, rtol=1e-10)
    similarity = np.abs((components[:3] * expected.components_[:3]).sum(1))
    np.testing.assert_allclose(similarity, 1, atol=1e-10)
    for _, _, other, other_variances in results:
        np.testing.assert_array_equal(components, other)
        np.testing.assert_array_equal(variances, other_variances)


def covariance_in_float32(rank, rows):
    """Return the covariance of standardized rows, whose products are computed in float32."""
    with mock.patch.object(pca, "MAX_DOUBLE_FLOPS", 0), joined("covariance"):
        moments = compute_moments(rows, None)
        return _covariance(rows, None, moments, "cpu", None, rows.shape[1])[2].numpy()


def test_covariances_of_float32_products_are_equal():
    """Three processes have the covariance of one process to the bit, though products are rounded."""
    rows = np.tile(correlated(9000, 60), (1, 2))
    expected = covariance_in_float32(0, rows)
    assert expected.dtype == np.float32
    for covariance in run_processes(covariance_in_float32, 3, rows):
        np.testing.assert_array_equal(covariance, expected)


def test_partition_covers_each_sample_once():
    """The parts of a batch are contiguous, equal up to one sample, and cover the batch."""
    for n in range(1, 20):
        parts = [Partition(rank, 4).own_slice(n) for rank in range(4)]
        assert [i for part in parts for i in range(n)[part]] == list(range(n))
        sizes = [part.stop - part.start for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n_blocks", [2, 3, 9, 40])
def test_each_block_is_read_once(n_blocks):
    """The blocks of a buffer are divided among the processes, also if they are few."""
    blocks = [slice(10 * i, 10 * i + 10) for i in range(n_blocks)]
    rows = []
    for rank in range(3):
        own = Partition(rank, 3).own_blocks(blocks)
        assert len(own) == n_blocks
        rows += [i for block in own for i in range(block.start, block.stop)]
    assert sorted(rows) == list(range(10 * n_blocks))


DRAWS = {
    "rand": lambda g, n: torch.rand(n, 3, generator=g),
    "randn of a shape": lambda g, n: torch.randn(torch.Size((n, 2)), generator=g),
    "size": lambda g, n: torch.rand(size=(n,), generator=g),
    "randint": lambda g, n: torch.randint(2, (n, 3), generator=g),
    "randint of a range": lambda g, n: torch.randint(1, 7, (n, 3), generator=g),
    "bernoulli": lambda g, n: torch.bernoulli(torch.full((n, 2), 0.5), generator=g),
    "in place": lambda g, n: torch.zeros(n, 3).normal_(generator=g),
    "other shape": lambda g, n: torch.rand(4, generator=g).expand(n, 4),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_draws_are_those_of_the_whole_batch(draw):
    """A process with some samples of a batch draws the numbers that one process has for them."""
    whole_generator, generator = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    whole = draw(whole_generator, 10)
    positions = torch.tensor([1, 4, 9])
    with WholeBatchDraws(generator, 10, positions):
        part = draw(generator, 3)
        other = torch.rand(3, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(part, whole[positions], rtol=0, atol=0)
    assert torch.equal(generator.get_state(), whole_generator.get_state())
    assert torch.equal(other, torch.rand(3, generator=torch.Generator().manual_seed(5)))
