"""Estimators that are fuzzed: parameters, data of fit, and the methods of each."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skae import (
    AutoencoderImputer,
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ModuleAutoencoder,
    ReconstructionDetector,
)
from skae.bottlenecks import Quantized

from ..own_modules import (
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    LSTMDecoder,
    LSTMEncoder,
    NormalEncoder,
)
from ..user_options import Channel
from .arrays import Data

__all__ = ["SUBJECTS", "Subject", "fitted"]

TABLE = Data((24, 4))
IMAGES = Data((16, 6, 6), "unit")
COLORS = Data((16, 6, 6, 3), "unit")


@dataclass(frozen=True)
class Subject:
    """An estimator with its data.

    Attributes
    ----------
    make : callable
        Function without arguments that returns an unfitted estimator.
    data : Data
        Data of fit.
    y : tuple, default=None
        Class labels of fit.
    """

    make: object
    data: Data
    y: tuple | None = None


def dense(n_components=2, **parameters):
    """Return a small autoencoder of tables."""
    parameters = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0, **parameters}
    return DenseAutoencoder(n_components, **parameters)


def conv(n_components=2, **parameters):
    """Return a small autoencoder of images."""
    parameters = {"n_filters": 2, "max_iter": 1, "random_state": 0, **parameters}
    return ConvAutoencoder(n_components, **parameters)


def module(encoder=DenseEncoder, decoder=DenseDecoder, n_components=2, **parameters):
    """Return a small autoencoder of modules of the user."""
    parameters = {"max_iter": 1, "random_state": 0, **parameters}
    return ModuleAutoencoder(encoder, decoder, n_components, **parameters)


def restorer(**parameters):
    """Return a small restorer."""
    return ImageRestorer(**{"n_filters": 2, "max_iter": 1, "random_state": 0, **parameters})


def detector(autoencoder, **parameters):
    """Return a detector without cross-fitting."""
    parameters = {"cross_fit": False, "random_state": 0, **parameters}
    return ReconstructionDetector(autoencoder, **parameters)


def sampler(autoencoder, **parameters):
    """Return a sampler with a small density."""
    parameters = {"density": GaussianMixture(reg_covar=0.1), "random_state": 0, **parameters}
    return LatentSampler(autoencoder, **parameters)


def imputer(autoencoder, **parameters):
    """Return an imputer."""
    return AutoencoderImputer(autoencoder, **{"random_state": 0, **parameters})


def codec(autoencoder, **parameters):
    """Return a codec without a network."""
    parameters = {"context": False, "step": 1.0, "random_state": 0, **parameters}
    return LatentCodec(autoencoder, **parameters)


def _fitted_pca():
    return FrozenEstimator(PCA(2).fit(TABLE.array()))


SUBJECTS = {
    "dense": Subject(dense, TABLE),
    "dense of a frame": Subject(dense, Data((24, 4), container="pandas")),
    "dense ordered": Subject(lambda: dense(3, bottleneck="ordered"), TABLE),
    "dense variational": Subject(lambda: dense(bottleneck="variational"), TABLE),
    "dense quantized": Subject(lambda: dense(bottleneck=Quantized(4)), TABLE),
    "dense of a user": Subject(lambda: dense(bottleneck=Channel()), TABLE),
    "dense NaN": Subject(lambda: dense(allow_nan=True), Data((24, 4), "NaN")),
    "dense log loss": Subject(lambda: dense(loss="log_loss"), Data((24, 4), "unit")),
    "dense rate": Subject(lambda: dense(penalty="rate"), TABLE),
    "dense uint8": Subject(
        lambda: dense(output_dtype="input"), Data((24, 4), "counts", dtype="uint8")
    ),
    "dense int64": Subject(
        lambda: dense(output_dtype="input"), Data((24, 4), "counts", dtype="int64")
    ),
    "dense offset": Subject(dense, Data((24, 4), "offset")),
    "dense small": Subject(dense, Data((24, 4), "small")),
    "dense large": Subject(dense, Data((24, 4), "large")),
    "dense constant": Subject(dense, Data((24, 4), "constant")),
    "conv": Subject(conv, IMAGES),
    "conv colors": Subject(conv, COLORS),
    "conv channels first": Subject(
        lambda: conv(channel_axis=1, penalty="rate"), Data((16, 3, 6, 5), "unit")
    ),
    "conv flat": Subject(lambda: conv(image_shape=(2, 2)), TABLE),
    "conv signals": Subject(lambda: conv(signals=True), Data((16, 12, 2), "normal")),
    "conv signals in other units": Subject(
        lambda: conv(signals=True, channel_axis=1), Data((16, 2, 12), "scales")
    ),
    "conv signals NaN": Subject(
        lambda: conv(signals=True, allow_nan=True), Data((16, 12, 2), "NaN")
    ),
    "conv NaN": Subject(lambda: conv(allow_nan=True), Data((16, 6, 6), "NaN")),
    "conv uint8": Subject(
        lambda: conv(output_dtype="input", bottleneck="variational"),
        Data((16, 6, 6), "counts", dtype="uint8"),
    ),
    "module": Subject(module, TABLE),
    "module alone": Subject(
        lambda: module(NormalEncoder, bottleneck="variational", residual=None, standardize=False),
        TABLE,
    ),
    "module of images": Subject(lambda: module(ConvEncoder, ConvDecoder), COLORS),
    "module of sequences NaN": Subject(
        lambda: module(LSTMEncoder, LSTMDecoder, allow_nan=True), Data((16, 6, 2), "NaN")
    ),
    "detector of modules": Subject(lambda: detector(module()), TABLE),
    "detector": Subject(lambda: detector(dense()), TABLE),
    "detector of images": Subject(lambda: detector(conv(), smoothing=0.8), IMAGES),
    "detector of signals": Subject(
        lambda: detector(conv(signals=True)), Data((16, 12, 2), "normal")
    ),
    "detector of PCA": Subject(lambda: detector(PCA(2), standardize=False), TABLE),
    "detector frozen": Subject(lambda: detector(_fitted_pca(), contamination=0.1), TABLE),
    "imputer": Subject(lambda: imputer(dense(allow_nan=True)), Data((24, 4), "NaN")),
    "imputer of images": Subject(lambda: imputer(conv(allow_nan=True)), Data((16, 6, 6), "NaN")),
    "sampler": Subject(lambda: sampler(dense()), TABLE),
    "sampler of images": Subject(lambda: sampler(conv()), IMAGES),
    "sampler of kernels": Subject(lambda: sampler(dense(), density=KernelDensity()), TABLE),
    "sampler of classes": Subject(lambda: sampler(dense()), TABLE, ("a", "b") * 12),
    "codec": Subject(lambda: codec(dense(penalty="rate"), step="auto"), TABLE),
    "codec of PCA": Subject(lambda: codec(PCA(2)), TABLE),
    "codec of images": Subject(lambda: codec(conv()), Data((16, 6, 6), "counts", dtype="uint8")),
    "codec with tiles": Subject(lambda: codec(conv(), tile=4), IMAGES),
    "restorer": Subject(restorer, IMAGES),
    "restorer of colors": Subject(restorer, COLORS),
    "restorer NaN": Subject(lambda: restorer(allow_nan=True, corruption="masking"), IMAGES),
    "restorer uint8": Subject(
        lambda: restorer(output_dtype="input"), Data((16, 6, 6), "counts", dtype="uint8")
    ),
}


@cache
def fitted(name):
    """Return the fitted estimator of a subject; all calls share it."""
    subject = SUBJECTS[name]
    estimator = subject.make()
    X, _ = subject.data.build()
    np.random.seed(0)  # noqa: NPY002
    if subject.y is not None:
        return estimator.fit(X, list(subject.y))
    return estimator.fit(X)


@cache
def message(name):
    """Return a message of a codec."""
    X, _ = SUBJECTS[name].data.build()
    return fitted(name).compress(X)
