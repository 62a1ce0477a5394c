"""Measure how much generated images are like real ones.

The Fréchet distance between 10,000 generated images and the test images, in the features of a small convolutional classifier
that is trained here first: lower is better. Every contender is an autoencoder and a density over its codes, put together by
LatentSampler; Pythae's, if it is installed, as well.

    python benchmarks/generate.py --data mnist.npz
    python benchmarks/generate.py --idx fashion-mnist/ --only PCA dense conv

The floor is the distance of as many training images. "Reconstructions" is the distance of reconstructed test images: what is
above it the density adds. The log density of the codes of test images compares densities on the same codes only. Pixels are
clipped to their range.
"""

import argparse
import tempfile

import numpy as np
import torch
from common import (
    add_image_source,
    as_maps,
    flat,
    head,
    in_pieces,
    load_images,
    row,
    setting,
    timed,
)
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from torch import nn

from skae import ConvAutoencoder, DenseAutoencoder, LatentSampler


def train_classifier(X, y, epochs, seed):
    """Train a classifier of images; its last layer but one has 64 features."""
    images, labels = torch.from_numpy(as_maps(X)), torch.from_numpy(y.astype(np.int64))
    height, width = (size // 2 // 2 for size in images.shape[2:])
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(images.shape[1], 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * height * width, 64),
        nn.ReLU(),
        nn.Linear(64, int(labels.max()) + 1),
    )
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(128):
            loss = nn.functional.cross_entropy(module(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return module


def moments(features, images, like):
    """Mean and covariance of the features of images, in the range and the shape of those `like` them."""
    images = np.clip(images, 0, 255).reshape(-1, *like.shape[1:])
    found = in_pieces(features, torch.from_numpy(as_maps(images)), "cpu").astype(np.float64)
    return found.mean(0), np.cov(found.T)


def frechet(first, second):
    """Fréchet distance of two normal distributions."""
    (mean, cov), (other_mean, other_cov) = first, second
    roots = np.sqrt(
        np.maximum(np.linalg.eigvals(cov @ other_cov).real, 0)
    )  # of the eigenvalues of a product of covariances
    return float(np.square(mean - other_mean).sum() + np.trace(cov + other_cov) - 2 * roots.sum())


class PythaeAutoencoder(BaseEstimator):
    """Pythae's AE or VAE with its own dense network, for bytes; the code of a VAE is its mean."""

    def __init__(self, kind="AE", n_components=16, epochs=10, loss="mse", seed=0):
        self.kind = kind
        self.n_components = n_components
        self.epochs = epochs
        self.loss = loss
        self.seed = seed

    def fit(self, X, y=None):
        """Train."""
        import pythae.models
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import BaseTrainerConfig

        images = as_maps(X)
        options = {"reconstruction_loss": self.loss} if self.kind == "VAE" else {}
        config = getattr(pythae.models, f"{self.kind}Config")
        model = getattr(pythae.models, self.kind)(
            config(input_dim=images.shape[1:], latent_dim=self.n_components, **options)
        )
        with tempfile.TemporaryDirectory() as folder:
            settings = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=self.epochs,
                learning_rate=1e-3,
                per_device_train_batch_size=100,
                seed=self.seed,
                no_cuda=True,
            )
            TrainingPipeline(model=model, training_config=settings)(images)
        self.model_, self.n_features_in_, self.shape_ = model, images[0].size, X.shape[1:]
        return self

    def transform(self, X):
        """Encode."""
        return in_pieces(
            lambda x: self.model_.encoder(x).embedding, torch.from_numpy(as_maps(X)), "cpu"
        )

    def inverse_transform(self, Z):
        """Decode."""
        found = in_pieces(
            lambda z: self.model_.decoder(z).reconstruction, torch.from_numpy(Z), "cpu"
        )
        return 255 * found.reshape(-1, *self.shape_)


def contenders(k, epochs, max_iter, seed):
    """Give each autoencoder: its name, whether it takes flat rows, and how to make it."""
    ours = {"max_iter": max_iter or "auto", "random_state": seed}
    return {
        "PCA": (True, PCA(k, svd_solver="covariance_eigh")),
        "DenseAutoencoder": (True, DenseAutoencoder(k, **ours)),
        "ConvAutoencoder": (False, ConvAutoencoder(k, **ours)),
        "ConvAutoencoder, variational": (
            False,
            ConvAutoencoder(k, bottleneck="variational", **ours),
        ),
        f"Pythae AE, {epochs} epochs": (False, PythaeAutoencoder("AE", k, epochs, seed=seed)),
        f"Pythae VAE, {epochs} epochs": (False, PythaeAutoencoder("VAE", k, epochs, seed=seed)),
        f"Pythae VAE with bce, {epochs} epochs": (
            False,
            PythaeAutoencoder("VAE", k, epochs, "bce", seed=seed),
        ),
    }


def densities(name, k, seed):
    """Give the densities to try on the codes of a contender."""
    found = {"default": None, "GaussianMixture(10)": GaussianMixture(10, max_iter=2000)}
    if name == "PCA":
        found["Gaussian"] = GaussianMixture(1)
    if "VAE" in name or "variational" in name:
        prior = GaussianMixture(1, reg_covar=0)
        prior.weights_, prior.means_, prior.covariances_ = (
            np.ones(1),
            np.zeros((1, k)),
            np.eye(k)[None],
        )
        prior.precisions_cholesky_ = np.eye(k)[None]
        found["its prior"] = FrozenEstimator(prior)
    return found


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--k", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=10, help="of Pythae's training (default 10)")
    parser.add_argument("--max-iter", type=int, help="epochs of ours (default: as everywhere)")
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument(
        "--only", nargs="+", help="words: contenders that have one of them in their names"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    X, y, T, y_test = load_images(args.source)
    if X.dtype != np.uint8:
        raise SystemExit(f"Got images of dtype {X.dtype}, but expected uint8.")
    classifier = train_classifier(X, y, 3, args.seed)
    accuracy = float(
        (in_pieces(classifier, torch.from_numpy(as_maps(T)), "cpu").argmax(1) == y_test).mean()
    )
    features = classifier[:-1]
    real = moments(features, T, T)
    chosen = np.random.default_rng(args.seed).permutation(len(X))[: args.samples]
    head(
        "autoencoder",
        "density",
        "fit, s",
        "density's fit, s",
        "log density, test",
        "reconstructions",
        "Fréchet distance",
    )
    row(
        "training images",
        None,
        None,
        None,
        None,
        None,
        f"{frechet(moments(features, X[chosen], T), real):.1f}",
    )

    for name, (as_rows, model) in contenders(args.k, args.epochs, args.max_iter, args.seed).items():
        if args.only and not any(word.lower() in name.lower() for word in args.only):
            continue
        seen, unseen = (flat(X), flat(T)) if as_rows else (X, T)
        seconds, model = timed(lambda model=model, seen=seen: model.fit(seen))
        again = model.inverse_transform(model.transform(unseen))
        bound = frechet(moments(features, again, T), real)
        for label, density in densities(name, args.k, args.seed).items():
            sampler = LatentSampler(FrozenEstimator(model), density=density, random_state=args.seed)
            more, sampler = timed(lambda sampler=sampler, seen=seen: sampler.fit(seen))
            distance = frechet(moments(features, sampler.sample(args.samples), T), real)
            cells = (
                f"{seconds:.0f}",
                f"{more:.1f}",
                f"{sampler.score(unseen):.2f}",
                f"{bound:.1f}",
                f"{distance:.1f}",
            )
            row(name, label, *cells)
    print(
        f"\n{len(X):,} training images, {len(T):,} test images and {args.samples:,} generated ones, {args.k} components."
    )
    print(f"The classifier is right for {accuracy:.1%} of the test images. {setting()}")


if __name__ == "__main__":
    main()
