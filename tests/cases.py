"""Configurations to test, and the data sets to fit them on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from skae import ConvAutoencoder, DenseAutoencoder, ModuleAutoencoder
from skae.bottlenecks import Quantized
from skae.corruptions import Masking, Patches
from skae.features import PatchFeatures
from skae.losses import Huber

from . import own_modules as own
from .user_options import Channel, LogCosh, RowMeans, Speckle, ViewAgreement, largest_error, shrink

__all__ = ["BY_NAME", "CASES", "Case", "curve", "gray_images", "label", "low_rank"]


@dataclass(frozen=True)
class Case:
    """A configuration and its data.

    Attributes
    ----------
    name : str
        Identifier of the test.
    estimator : BaseAutoencoder
        Estimator that is not fitted, and fast to fit.
    maker : callable
        Function that returns X.
    """

    name: str
    estimator: object
    maker: Callable

    @cached_property
    def X(self):  # noqa: D102
        X = self.maker()
        X.flags.writeable = False
        return X

    @property
    def has_user_options(self):
        """Whether an option is a class or a function of the user."""
        return "-user-" in self.name

    @property
    def modules(self):
        """The user's modules, which `skae.export.load` needs, or None."""
        if not isinstance(self.estimator, ModuleAutoencoder):
            return None
        return {"encoder": self.estimator.encoder, "decoder": self.estimator.decoder}

    @property
    def code_size(self):
        """Number of latent dimensions that the user's modules determine, or None."""
        if self.modules is not None and self.estimator.n_components == "auto":
            return 8
        return None

    @property
    def starts_as_pca(self):
        """Whether the network starts as PCA."""
        parameters = self.estimator.get_params()
        return parameters.get("init") != "random" and parameters.get("residual", "pca") == "pca"

    @property
    def flat(self):
        """X as flat rows, float64."""
        return self.X.reshape(len(self.X), -1).astype(np.float64)


def label(value):
    """Return the name of a test's parameter, the same in every process."""
    if isinstance(value, set):
        value = sorted(value)
    return re.sub(r" at 0x\w+", "", str(value))[:70]


def low_rank(n, d, *, rank=3, dtype=np.float64, seed=0, low=None, high=None):
    """Sample rows of low rank, with curvature, noise and a nonzero mean."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, rank))
    x = (
        z @ rng.normal(size=(rank, d))
        + 0.3 * np.square(z) @ rng.normal(size=(rank, d))
        + 0.1 * rng.normal(size=(n, d))
        + 2
    )
    if low is not None:
        x = low + (x - x.min()) / (x.max() - x.min()) * (high - low)
    if np.dtype(dtype).kind in "iu":
        x = np.rint(x)
    return x.astype(dtype)


def curve(n, *, seed=0):
    """Sample rows along a curve, with a large error of PCA with one component."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-2, 2, n)
    return np.stack([t, np.square(t), np.sin(2 * t)], axis=1) + 0.02 * rng.normal(size=(n, 3))


def gray_images(n, height, width, *, dtype=np.float64, seed=0):
    """Sample images of a blob on a gradient, in [0, 1], or [0, 255] for integers."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width]
    y, x, size = rng.uniform(0, height, n), rng.uniform(0, width, n), rng.uniform(1, 3, n)
    distances = np.square(i - y[:, None, None]) + np.square(j - x[:, None, None])
    bright = (
        np.exp(-distances / size[:, None, None]) * rng.uniform(0.5, 0.9, n)[:, None, None]
        + 0.1 * i / height
    )
    if np.dtype(dtype).kind in "iu":
        bright = np.rint(255 * bright)
    return bright.astype(dtype)


def color_images(n, height, width, channels=3, *, dtype=np.float64):
    """Sample images with channels last, and an independent blob in each channel."""
    return np.stack(
        [gray_images(n, height, width, dtype=dtype, seed=c) for c in range(channels)], axis=-1
    )


def _dense(n_components=3, **parameters):
    return DenseAutoencoder(n_components, **{"max_iter": 3, "random_state": 0, **parameters})


def _conv(n_components=3, **parameters):
    return ConvAutoencoder(
        n_components, **{"max_iter": 3, "random_state": 0, "n_filters": 4, **parameters}
    )


def _module(encoder, decoder, n_components="auto", **parameters):
    parameters = {"max_iter": 2, "early_stopping": False, "random_state": 0, **parameters}
    return ModuleAutoencoder(encoder, decoder, n_components, **parameters)


def _table(n=60, d=8, **settings):
    return lambda: low_rank(n, d, **settings)


def _grey(n=40, height=8, width=8, **settings):
    return lambda: gray_images(n, height, width, **settings)


def _colour(n=40, height=6, width=5, channels=3, *, first=False, flat=False, **settings):
    def make():
        X = color_images(n, height, width, channels, **settings)
        if first:
            X = np.ascontiguousarray(np.moveaxis(X, -1, 1))
        if flat:
            X = X.reshape(n, -1)
        return X

    return make


def _flat(n=40, height=8, width=8, **settings):
    return lambda: gray_images(n, height, width, **settings).reshape(n, -1)


def _signals():
    """Signals (40, 30, 2) whose channels have units of 100 and 1."""
    return gray_images(40, 30, 2) * [100, 1]


def _constant_column():
    X = low_rank(60, 8)
    X[:, 2] = 7
    return X


CASES = [
    Case("dense-defaults", DenseAutoencoder(random_state=0), _table()),
    Case("dense-absolute-error", _dense(loss="absolute_error"), _table()),
    Case("dense-huber", _dense(loss="huber"), _table()),
    Case("dense-log-loss", _dense(loss="log_loss"), _table(low=0, high=1)),
    Case("dense-log-loss-uint8", _dense(loss="log_loss"), _table(low=0, high=255, dtype=np.uint8)),
    Case("dense-adam", _dense(solver="adam"), _table()),
    Case("dense-rmsprop", _dense(solver="rmsprop"), _table()),
    Case("dense-sgd", _dense(solver="sgd"), _table()),
    Case("dense-torch-class", _dense(solver=torch.optim.NAdam, early_stopping=False), _table()),
    Case("dense-no-early-stopping", _dense(early_stopping=False), _table()),
    Case("dense-many-rows", _dense(batch_size=200), _table(n=3100, d=5)),
    Case("dense-one-component", _dense(1, hidden_layer_sizes=(16,)), _table()),
    Case("dense-over-complete", _dense(9), _table(d=4)),
    Case("dense-no-hidden-layer", _dense(hidden_layer_sizes=()), _table()),
    Case(
        "dense-two-hidden-layers-relu",
        _dense(hidden_layer_sizes=(16, 12), activation="relu"),
        _table(),
    ),
    Case("dense-silu", _dense(activation="silu", early_stopping=False, batch_size=7), _table()),
    Case(
        "dense-tanh-random",
        _dense(activation="tanh", init="random", early_stopping=False),
        _table(),
    ),
    Case("dense-identity", _dense(activation="identity", early_stopping=False), _table()),
    Case(
        "dense-layer-norm-dropout",
        _dense(decoder_hidden_layer_sizes=(12, 9), normalization="layer", dropout=0.2),
        _table(),
    ),
    Case("dense-prelu-cosine", _dense(activation=torch.nn.PReLU, learning_rate="cosine"), _table()),
    Case("dense-bfloat16", _dense(precision="bfloat16", early_stopping=False), _table()),
    Case("dense-float32", _dense(validation_fraction=0.3), _table(dtype=np.float32)),
    Case("dense-int64", _dense(), _table(dtype=np.int64, low=-50, high=50)),
    Case("dense-uint8", _dense(early_stopping=False), _table(dtype=np.uint8, low=0, high=255)),
    Case("dense-wide", _dense(), _table(n=20, d=50)),
    Case("dense-one-column", _dense(1), _table(d=1)),
    Case("dense-two-rows", _dense(1), _table(n=2)),
    Case("dense-constant-column", _dense(), _constant_column),
    Case("dense-ordered", _dense(4, bottleneck="ordered"), _table()),
    Case("dense-ordered-share", _dense(0.9, bottleneck="ordered"), _table()),
    Case("dense-variational", _dense(bottleneck="variational"), _table()),
    Case(
        "dense-variational-no-hidden-layer",
        _dense(bottleneck="variational", hidden_layer_sizes=()),
        _table(),
    ),
    Case("dense-quantized", _dense(4, bottleneck=Quantized(8)), _table()),
    Case("dense-gaussian", _dense(corruption="gaussian"), _table()),
    Case(
        "dense-masking",
        _dense(corruption=Masking((0.0, 0.5), masked_weight=0.7), early_stopping=False),
        _table(),
    ),
    Case(
        "dense-salt-and-pepper",
        _dense(corruption="salt_and_pepper", loss="absolute_error"),
        _table(),
    ),
    Case("dense-sparsity", _dense(penalty="sparsity"), _table()),
    Case("dense-contraction", _dense(penalty="contraction"), _table()),
    Case("dense-decorrelation", _dense(penalty="decorrelation", early_stopping=False), _table()),
    Case("dense-rate", _dense(penalty="rate"), _table()),
    Case("dense-user-loss", _dense(loss=LogCosh()), _table()),
    Case("dense-user-penalty", _dense(penalty=ViewAgreement(width=5)), _table()),
    Case("dense-user-bottleneck", _dense(bottleneck=Channel(weight=0.02)), _table()),
    Case("dense-user-corruption", _dense(corruption=Speckle((0.1, 0.3))), _table()),
    Case("dense-user-functions", _dense(loss=largest_error, corruption=shrink), _table()),
    Case("dense-allow-nan", _dense(allow_nan=True), _table()),
    Case("conv-defaults", ConvAutoencoder(max_iter=3, random_state=0), _grey()),
    Case("conv-absolute-error", _conv(loss="absolute_error"), _grey()),
    Case("conv-huber", _conv(loss=Huber(0.3), early_stopping=False), _grey(height=7, width=13)),
    Case("conv-log-loss", _conv(loss="log_loss"), _grey()),
    Case("conv-log-loss-uint8", _conv(loss="log_loss"), _grey(dtype=np.uint8)),
    Case("conv-rmsprop", _conv(solver="rmsprop", early_stopping=False), _grey()),
    Case("conv-sgd-relu", _conv(solver="sgd", activation="relu", early_stopping=False), _grey()),
    Case("conv-torch-class", _conv(solver=torch.optim.NAdam, early_stopping=False), _grey()),
    Case("conv-one-component", _conv(1), _grey()),
    Case("conv-over-complete", _conv(40), _grey(height=5, width=4)),
    Case("conv-random", _conv(init="random", early_stopping=False, activation="tanh"), _grey()),
    Case("conv-one-filter", _conv(n_filters=1, early_stopping=False), _grey()),
    Case(
        "conv-stages-kernel-dropout",
        _conv(n_filters=(3, 4), kernel_size=5, dropout=0.2, normalization="layer"),
        _grey(height=12, width=16),
    ),
    Case(
        "conv-leaky-relu-constant",
        _conv(activation=torch.nn.LeakyReLU, learning_rate="constant", n_stages=2),
        _colour(),
    ),
    Case("conv-odd", _conv(early_stopping=False), _grey(height=7, width=13)),
    Case("conv-one-channel", _conv(early_stopping=False), _colour(channels=1)),
    Case("conv-channels-last", _conv(), _colour()),
    Case("conv-channels-first", _conv(channel_axis=1), _colour(first=True)),
    Case("conv-many-channels", _conv(early_stopping=False), _colour(channels=9)),
    Case("conv-flat-square", _conv(), _flat()),
    Case(
        "conv-flat-grey",
        _conv(image_shape=(7, 13), early_stopping=False),
        _flat(height=7, width=13),
    ),
    Case(
        "conv-flat-channels-last",
        _conv(image_shape=(6, 5, 3), early_stopping=False),
        _colour(flat=True),
    ),
    Case(
        "conv-flat-channels-first",
        _conv(image_shape=(3, 6, 5), channel_axis=1, early_stopping=False),
        _colour(first=True, flat=True),
    ),
    Case("conv-signal", _conv(early_stopping=False), _flat(height=1, width=37)),
    Case("conv-signals", _conv(signals=True, early_stopping=False), _signals),
    Case("conv-one-pixel", _conv(1, early_stopping=False), _grey(height=1, width=1)),
    Case("conv-tall", _conv(early_stopping=False), _grey(height=41, width=2)),
    Case(
        "conv-block-means",
        _conv(early_stopping=False, max_iter=1),
        _grey(n=24, height=70, width=75, dtype=np.float32),
    ),
    Case("conv-float32", _conv(), _grey(dtype=np.float32)),
    Case("conv-int64", _conv(early_stopping=False), _grey(dtype=np.int64)),
    Case("conv-ordered", _conv(bottleneck="ordered"), _grey()),
    Case(
        "conv-variational",
        _conv(bottleneck="variational", loss="log_loss", early_stopping=False),
        _grey(),
    ),
    Case("conv-quantized", _conv(bottleneck=Quantized(5)), _grey()),
    Case(
        "conv-patches",
        _conv(corruption=Patches(masked_weight=1.0), channel_axis=1, early_stopping=False),
        _colour(first=True),
    ),
    Case(
        "conv-contraction",
        _conv(penalty="contraction", early_stopping=False),
        _grey(height=7, width=13),
    ),
    Case("conv-rate", _conv(penalty="rate", early_stopping=False), _grey(dtype=np.uint8)),
    Case(
        "conv-user-loss-and-bottleneck",
        _conv(loss=LogCosh(), bottleneck=Channel()),
        _grey(height=7, width=13),
    ),
    Case(
        "conv-user-penalty-and-corruption",
        _conv(penalty=ViewAgreement(), corruption=Speckle(), early_stopping=False),
        _grey(height=7, width=13),
    ),
    Case(
        "conv-user-functions",
        _conv(loss=largest_error, corruption=shrink, early_stopping=False),
        _colour(first=False),
    ),
    Case("conv-allow-nan", _conv(allow_nan=True, early_stopping=False), _grey()),
    Case("conv-uint8", _conv(), _grey(dtype=np.uint8)),
    Case(
        "module-dense",
        _module(own.DenseEncoder, own.DenseDecoder, 3, encoder__hidden=5, max_iter=20),
        _table(),
    ),
    Case(
        "module-alone",
        _module(own.DenseEncoder, own.DenseDecoder, 3, residual=None, early_stopping=True),
        _table(),
    ),
    Case("module-lazy", _module(own.LazyEncoder, own.LazyDecoder, 3, allow_nan=True), _table()),
    Case(
        "module-variational",
        _module(own.NormalEncoder, own.DenseDecoder, 3, bottleneck="variational", residual=None),
        _table(),
    ),
    Case("module-conv", _module(own.ConvEncoder, own.ConvDecoder, 4), _colour(width=6)),
    Case(
        "module-residual-channels-first",
        _module(own.ResidualEncoder, own.ConvDecoder, 4, channel_axis=1),
        _colour(width=6, first=True),
    ),
    Case(
        "module-tutorial",
        _module(own.TutorialEncoder, own.TutorialDecoder, residual=None),
        _colour(height=8, width=8, dtype=np.uint8),
    ),
    Case(
        "module-flat-images",
        _module(own.ConvEncoder, own.ConvDecoder, 4, sample_shape=(1, 8, 8), penalty="rate"),
        _flat(),
    ),
    Case("module-lstm", _module(own.LSTMEncoder, own.LSTMDecoder, 3), _grey(height=9, width=2)),
    Case(
        "module-transformer",
        _module(own.TransformerEncoder, own.LSTMDecoder, 3, channel_axis=1),
        _grey(height=2, width=9),
    ),
    Case(
        "module-set",
        _module(own.SetEncoder, own.SetDecoder, 3, corruption="gaussian", loss="huber"),
        _grey(height=9, width=2),
    ),
    Case(
        "module-units",
        _module(own.ConvEncoder, own.SigmoidDecoder, 4, residual=None, standardize=False),
        _colour(width=6),
    ),
    Case("conv-features", _conv(features=PatchFeatures(4)), _grey()),
    Case(
        "conv-features-channels-first",
        _conv(features=PatchFeatures(4, patch_size=3), channel_axis=1, bottleneck="ordered"),
        _colour(first=True, dtype=np.uint8),
    ),
    Case(
        "conv-features-signals",
        _conv(features=PatchFeatures(3), signals=True, penalty="rate", early_stopping=False),
        _signals,
    ),
    Case(
        "conv-features-allow-nan",
        _conv(features=PatchFeatures(3), allow_nan=True, early_stopping=False),
        _grey(height=7, width=13),
    ),
    Case(
        "conv-user-features",
        _conv(features=RowMeans(), bottleneck="variational", early_stopping=False),
        _grey(height=7, width=13),
    ),
]

BY_NAME = {case.name: case for case in CASES}
