"""Compare generated images with test images by the Fréchet distance.

The distance between 10,000 generated images and the test images is computed in the features of a small convolutional
classifier, which the script trains first. Lower is better. Each contender is an autoencoder and a density of its latent
vectors, combined by LatentSampler. Pythae's autoencoders take part if Pythae is installed.

    python benchmarks/generate.py --data mnist.npz
    python benchmarks/generate.py --idx fashion-mnist/ --only PCA dense conv

The first row contains the distance of as many training images, a lower bound. "Reconstructions" is the distance of
reconstructed test images; the remaining distance comes from the density. Log densities of the latent vectors of test
images can only be compared for the same autoencoder. Pixels are clipped to their range.
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import (
    Recorder,
    add_image_source,
    as_channels_first,
    flat,
    in_chunks,
    load_images,
    print_header,
    print_row,
    slug,
    timed,
)
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from torch import nn

from skae import ConvAutoencoder, DenseAutoencoder, LatentSampler


def train_classifier(X, y, epochs, seed):
    """Train a classifier of images with 64 features in the layer before the last."""
    images, labels = torch.from_numpy(as_channels_first(X)), torch.from_numpy(y.astype(np.int64))
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
        for batch in torch.randperm(len(images)).split(128):
            loss = nn.functional.cross_entropy(module(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return module


def moments(features, images, shape):
    """Return the mean and the covariance of the features of images, which are clipped and reshaped to `shape`."""
    images = np.clip(images, 0, 255).reshape(-1, *shape)
    values = in_chunks(features, torch.from_numpy(as_channels_first(images)), "cpu")
    values = values.astype(np.float64)
    return values.mean(0), np.cov(values.T)


def frechet(first, second):
    """Return the Fréchet distance of two normal distributions."""
    (mean, cov), (other_mean, other_cov) = first, second
    # the trace of the square root of the product is the sum of the roots of its eigenvalues
    roots = np.sqrt(np.maximum(np.linalg.eigvals(cov @ other_cov).real, 0))
    return float(np.square(mean - other_mean).sum() + np.trace(cov + other_cov) - 2 * roots.sum())


class PythaeAutoencoder(BaseEstimator):
    """Pythae's AE or VAE with its default dense network, for uint8 images; a VAE encodes to its posterior mean.

    Parameters
    ----------
    kind : str, default="AE"
        "AE" or "VAE".
    n_components : int, default=16
        Number of latent dimensions.
    epochs : int, default=10
        Training epochs.
    loss : str, default="mse"
        Reconstruction loss of a VAE, "mse" or "bce".
    seed : int, default=0
        Random seed.
    """

    def __init__(self, kind="AE", n_components=16, epochs=10, loss="mse", seed=0):
        self.kind = kind
        self.n_components = n_components
        self.epochs = epochs
        self.loss = loss
        self.seed = seed

    def fit(self, X, y=None):
        """Train the model."""
        import pythae.models
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import BaseTrainerConfig

        images = as_channels_first(X)
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
        """Return latent vectors."""
        return in_chunks(
            lambda x: self.model_.encoder(x).embedding,
            torch.from_numpy(as_channels_first(X)),
            "cpu",
        )

    def inverse_transform(self, Z):
        """Return images."""
        decoded = in_chunks(
            lambda z: self.model_.decoder(z).reconstruction, torch.from_numpy(Z), "cpu"
        )
        return 255 * decoded.reshape(-1, *self.shape_)


def list_contenders(k, epochs, max_iter, seed):
    """Return each autoencoder by its name in keys: label, whether it takes flat rows, and the estimator."""
    settings = {"max_iter": max_iter or "auto", "random_state": seed}
    contenders = {
        "pca": ("PCA", True, PCA(k, svd_solver="covariance_eigh")),
        "dense": ("DenseAutoencoder", True, DenseAutoencoder(k, **settings)),
        "conv": ("ConvAutoencoder", False, ConvAutoencoder(k, **settings)),
        "variational": (
            "ConvAutoencoder, variational",
            False,
            ConvAutoencoder(k, bottleneck="variational", **settings),
        ),
    }
    if importlib.util.find_spec("pythae"):
        for name, label, model in (
            ("pythae_ae", "Pythae AE", PythaeAutoencoder("AE", k, epochs, seed=seed)),
            ("pythae_vae", "Pythae VAE", PythaeAutoencoder("VAE", k, epochs, seed=seed)),
            (
                "pythae_vae_bce",
                "Pythae VAE with bce",
                PythaeAutoencoder("VAE", k, epochs, "bce", seed=seed),
            ),
        ):
            contenders[name] = (f"{label}, {epochs} epochs", False, model)
    return contenders


def list_densities(name, k):
    """Return the densities for the latent vectors of a contender: name in keys to label and density."""
    densities = {
        "default": ("default", None),
        "gmm10": ("GaussianMixture(10)", GaussianMixture(10, max_iter=2000)),
    }
    if name == "pca":
        densities["gaussian"] = ("Gaussian", GaussianMixture(1))
    if "vae" in name or name == "variational":
        prior = GaussianMixture(1, reg_covar=0)
        prior.weights_, prior.means_, prior.covariances_ = (
            np.ones(1),
            np.zeros((1, k)),
            np.eye(k)[None],
        )
        prior.precisions_cholesky_ = np.eye(k)[None]
        densities["prior"] = ("prior", FrozenEstimator(prior))
    return densities


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--k", type=int, default=16, help="n_components (default 16)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of Pythae (default 10)")
    parser.add_argument("--max-iter", type=int, help="epochs of skae (default: the default)")
    parser.add_argument("--samples", type=int, default=10000, help="generated images")
    parser.add_argument(
        "--only", nargs="+", help="contenders whose labels contain one of these words"
    )
    parser.add_argument("--seed", type=int, default=0)
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("generate", args.results, packages=("pythae",))
    prefix = slug(Path(args.source).stem)
    X, y, T, y_test = load_images(args.source)
    if X.dtype != np.uint8:
        raise SystemExit(f"Got images of dtype {X.dtype}, but expected uint8.")
    classifier = train_classifier(X, y, 3, args.seed)
    accuracy = float(
        (
            in_chunks(classifier, torch.from_numpy(as_channels_first(T)), "cpu").argmax(1) == y_test
        ).mean()
    )
    features = classifier[:-1]
    shape = T.shape[1:]
    test_moments = moments(features, T, shape)
    chosen = np.random.default_rng(args.seed).permutation(len(X))[: args.samples]
    lower_bound = frechet(moments(features, X[chosen], shape), test_moments)
    recorder.record(f"{prefix}/training_images/frechet", lower_bound, "distance")
    print_header(
        "autoencoder",
        "density",
        "fit, s",
        "fit of the density, s",
        "log density, test",
        "reconstructions",
        "Fréchet distance",
    )
    print_row("training images", *[None] * 5, f"{lower_bound:.1f}")

    contenders = list_contenders(args.k, args.epochs, args.max_iter, args.seed)
    for name, (label, as_rows, model) in contenders.items():
        if args.only and not any(word.lower() in label.lower() for word in args.only):
            continue
        X_train, X_test = (flat(X), flat(T)) if as_rows else (X, T)
        seconds, model = timed(lambda model=model, X_train=X_train: model.fit(X_train))
        reconstruction = model.inverse_transform(model.transform(X_test))
        bound = frechet(moments(features, reconstruction, shape), test_moments)
        recorder.record(f"{prefix}/{name}/fit_time", seconds, "s")
        recorder.record(f"{prefix}/{name}/reconstructions", bound, "distance")
        for density_name, (density_label, density) in list_densities(name, args.k).items():
            sampler = LatentSampler(FrozenEstimator(model), density=density, random_state=args.seed)
            density_seconds, sampler = timed(
                lambda sampler=sampler, X_train=X_train: sampler.fit(X_train)
            )
            generated = sampler.sample(args.samples)
            distance = frechet(moments(features, generated, shape), test_moments)
            recorder.record(f"{prefix}/{name}/{density_name}/frechet", distance, "distance")
            print_row(
                label,
                density_label,
                f"{seconds:.0f}",
                f"{density_seconds:.1f}",
                f"{sampler.score(X_test):.2f}",
                f"{bound:.1f}",
                f"{distance:.1f}",
            )
    print(
        f"\n{len(X):,} training images, {len(T):,} test images and {args.samples:,} generated ones, {args.k} components."
    )
    print(f"The accuracy of the classifier is {accuracy:.1%}. {recorder.describe()}")


if __name__ == "__main__":
    main()
