"""What users write, as type checkers see it: all of this is right. It is checked, not run."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentDisplay,
    LatentSampler,
    ReconstructionDetector,
    ReconstructionDisplay,
    SpectrumDisplay,
    TrainingDisplay,
    TraversalDisplay,
)
from skae.bottlenecks import Variational
from skae.corruptions import JPEG, Gaussian, Masking, Patches
from skae.export import load, save, to_onnx
from skae.losses import Huber, Loss
from skae.penalties import Penalty, PenaltyInputs, Sparsity

rows = np.zeros((20, 4))
images = np.zeros((20, 8, 8), np.uint8)

# codes and reconstructions are arrays for arrays, and tensors for tensors
dense = DenseAutoencoder(
    2, hidden_layer_sizes=(16, 8), solver=torch.optim.NAdam, random_state=0
).fit(rows)
assert_type(dense, DenseAutoencoder)
assert_type(dense.transform(rows), NDArray[np.float32])
assert_type(dense.transform(torch.zeros(20, 4)), torch.Tensor)
assert_type(dense.inverse_transform(dense.transform(rows)), NDArray[Any])
assert_type(dense.reconstruct(torch.zeros(20, 4)), torch.Tensor)
assert_type(dense.reconstruct([[0.0, 1.0, 2.0, 3.0]]), NDArray[Any])
assert_type(dense.reconstruction_error(rows), NDArray[np.float64])
assert_type(dense.score(rows), float)
assert_type(dense.n_components_, int)
assert_type(dense.loss_curve_, list[float])

conv = ConvAutoencoder("auto", image_shape=(8, 8), corruption=Patches((0.1, 0.3)), penalty="rate")
assert_type(
    conv.fit(images, X_val=images).partial_fit(images, sample_weight=np.ones(20)), ConvAutoencoder
)
assert_type(conv.image_shape_, tuple[int, ...])
DenseAutoencoder(corruption=Gaussian(), net_params={"callbacks": []}).fit(
    list(rows), [0, 1, None] * 7
)


# options are words, objects, functions, or objects of a class of one's own
def half(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Corrupt samples."""
    return x / 2


def largest_error(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Compute one loss for each sample."""
    return (x_hat - x).abs().flatten(1).amax(1)


class LogCosh(Loss):
    """Loss of one's own."""

    def elementwise(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each value."""
        return (x_hat - x).cosh().log()


class Shrinkage(Penalty):
    """Penalty of one's own."""

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty of each sample."""
        return inputs.z.square().mean(1)


assert_type(Huber(0.5).delta, float)
assert_type(Masking((0.1, 0.3))(torch.zeros(2, 3), torch.Generator()), torch.Tensor)
assert_type(LogCosh()(torch.zeros(2, 3), torch.zeros(2, 3)), torch.Tensor)
DenseAutoencoder(2, loss=LogCosh(), penalty=Shrinkage(0.2), corruption=half)
DenseAutoencoder(2, loss=largest_error, bottleneck=Variational(weight=0.3))
dense.set_params(penalty=Sparsity(), loss=Huber(delta=0.5)).set_params(penalty__weight=0.2)


class Blocks:
    """Rows that are read, or made, when they are asked for."""

    shape = (10, 4)
    dtype = np.dtype(np.float32)

    def __getitem__(self, piece: slice) -> NDArray[np.float32]:
        """Make some."""
        return np.zeros((len(range(*piece.indices(10))), 4), np.float32)


assert_type(dense.transform(Blocks()), NDArray[np.float32])

# uses
assert_type(
    ReconstructionDetector(conv, contamination=0.1).fit(images).predict(images), NDArray[np.int64]
)
assert_type(LatentSampler(FrozenEstimator(dense)).fit(rows).sample(3), NDArray[np.float32])
sampler = LatentSampler(FrozenEstimator(dense), match_quantiles=False).fit(rows, ["a", "b"] * 10)
assert_type(sampler.sample(3, y="a"), NDArray[np.float32])
assert_type(sampler.sample(y=["a", "b"], return_y=True), tuple[NDArray[np.float32], NDArray[Any]])
codec = LatentCodec(PCA(2), step=0.5).fit(rows)
assert_type(codec.compress(rows), bytes)
assert_type(codec.compress_each(rows), list[bytes])
print(codec.decompress(codec.compress(rows)).shape)
restorer = ImageRestorer(JPEG((10, 90)), data_range=(0, 255)).fit(images, images)
assert_type(restorer.predict(images), NDArray[Any])
assert_type(restorer.score(images, images), float)
ImageRestorer("blur", loss=Huber())

# pictures
assert_type(ReconstructionDisplay.from_estimator(conv, images, n_samples=4), ReconstructionDisplay)
LatentDisplay.from_estimator(dense, rows, list("ab" * 10)).figure_.savefig("codes.png")
TrainingDisplay.from_estimator(dense).plot(loss_kw={"color": "k"})
TraversalDisplay.from_estimator(dense, rows, start=[0.0, 0.0])
SpectrumDisplay.from_estimator([dense, conv], rows, X_train=rows).ax_.set_title("explained")

# files
save(dense, "autoencoder.safetensors")
print(load(Path("autoencoder.safetensors")).transform(rows))
to_onnx(dense, "decoder.onnx", method="inverse_transform")
