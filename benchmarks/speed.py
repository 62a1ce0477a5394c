"""Compare fit times and test errors: skae, PCA, a textbook training loop, and other packages.

    python benchmarks/speed.py --idx fashion-mnist/
    python benchmarks/speed.py --data mnist.npz --repeats 3 --peers mlp keras pyod pythae encdr

All contenders get the same images as bytes; the conversion of the images is part of the fit time. Each contender fits a few
images before the measurement. Runs are interleaved, and the table contains medians. The second table contains the test error of
the textbook loop after each epoch; its evaluation is not part of the fit time. From it follows the time after which the
textbook loop reaches the error of another contender.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common import (
    Recorder,
    add_image_source,
    as_channels_first,
    as_floats,
    flat,
    in_chunks,
    interleaved,
    load_images,
    mean_squared_error,
    print_header,
    print_row,
    slug,
    timed,
    torch_device,
)
from peers import PEERS, available_peers
from sklearn.decomposition import PCA, IncrementalPCA
from skorch import NeuralNetRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skae import ConvAutoencoder, DenseAutoencoder


class Textbook(nn.Module):
    """Autoencoder of two convolutions with pooling, a dense latent layer and two transposed convolutions.

    Parameters
    ----------
    k : int
        Number of latent dimensions.
    channels, height, width : int
        Shape of an image; height and width are multiples of 4.
    """

    def __init__(self, k, channels=1, height=28, width=28):
        super().__init__()
        h, w = height // 4, width // 4
        self.encoder = nn.Sequential(
            *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * h * w, k)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(k, 64 * h * w), nn.ReLU(), nn.Unflatten(1, (64, h, w))),
            *(nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
            nn.ConvTranspose2d(32, channels, 3, stride=2, padding=1, output_padding=1),
        )

    def forward(self, x):
        """Encode and decode."""
        return self.decoder(self.encoder(x))


# ------------------------------------------------------------------------------- contenders: seconds, and test errors


def run_dense(X, T, args, seed):
    """Fit a DenseAutoencoder with default settings."""
    model = DenseAutoencoder(args.k, device=args.device, random_state=seed, **args.settings)
    seconds, model = timed(lambda: model.fit(flat(X)))
    return seconds, [mean_squared_error(flat(T), model.reconstruct(flat(T)), 255)]


def run_conv(X, T, args, seed):
    """Fit a ConvAutoencoder with default settings."""
    model = ConvAutoencoder(args.k, device=args.device, random_state=seed, **args.settings)
    seconds, model = timed(lambda: model.fit(X))
    return seconds, [mean_squared_error(T, model.reconstruct(T), 255)]


def run_pca(X, T, args, seed):
    """Fit PCA with default settings."""
    return run_linear(PCA(args.k, random_state=seed), X, T)


def run_ipca(X, T, args, seed):
    """Fit IncrementalPCA with default settings."""
    return run_linear(IncrementalPCA(args.k), X, T)


def run_linear(model, X, T):
    """Fit a linear model of scikit-learn on pixels in [0, 1]."""
    seconds, model = timed(lambda: model.fit(as_floats(flat(X))))
    X_test = as_floats(flat(T))
    return seconds, [mean_squared_error(X_test, model.inverse_transform(model.transform(X_test)))]


def run_textbook(X, T, args, seed):
    """Train with Adam at a learning rate of 1e-3, batches of 64 from a DataLoader, squared error."""
    torch.manual_seed(seed)
    device = torch_device(args.device)
    X_test = torch.from_numpy(as_channels_first(T))
    seconds, state = 0.0, None
    errors, elapsed = [], []
    for _ in range(args.epochs):
        epoch_seconds, state = timed(lambda state=state: textbook_epoch(state, X, args.k, device))
        seconds += epoch_seconds
        errors.append(mean_squared_error(X_test, in_chunks(state[0], X_test, device)))
        elapsed.append(seconds)
    return seconds, errors, elapsed


def textbook_epoch(state, X, k, device):
    """Train one epoch; the first one also builds module, optimizer and batches."""
    if state is None:
        images = torch.from_numpy(as_channels_first(X))
        module = Textbook(k, *images.shape[1:]).to(device)
        batches = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)
        state = module, torch.optim.Adam(module.parameters(), lr=1e-3), batches
    module, optimizer, batches = state
    module.train()
    for (x,) in batches:
        x = x.to(device)
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x), x).backward()
        optimizer.step()
    return state


def run_skorch(X, T, args, seed):
    """Train the textbook module by skorch with default settings, including its validation set of a fifth."""
    torch.manual_seed(seed)
    device = torch_device(args.device)

    def fit():
        images = as_channels_first(X)
        net = NeuralNetRegressor(
            Textbook(args.k, *images.shape[1:]),
            optimizer=torch.optim.Adam,
            lr=1e-3,
            batch_size=64,
            max_epochs=args.epochs,
            device=device,
        )
        return net.fit(images, images)

    seconds, net = timed(fit)
    X_test = torch.from_numpy(as_channels_first(T))
    return seconds, [mean_squared_error(X_test, in_chunks(net.module_, X_test, device))]


CONTENDERS = {
    "dense": ("DenseAutoencoder", run_dense),
    "conv": ("ConvAutoencoder", run_conv),
    "pca": ("PCA", run_pca),
    "ipca": ("IncrementalPCA", run_ipca),
    "textbook": ("textbook loop, {epochs} epochs", run_textbook),
    "skorch": ("textbook module in skorch, {epochs} epochs", run_skorch),
}


def compare_with_textbook(name, results):
    """Return the ratio of fit times to the textbook loop, and the time and epoch at which that loop reaches the same error.

    Both are None without a textbook loop. The time is infinite if the loop does not reach the error.
    """
    if "textbook" not in results:
        return None, None
    seconds = np.median([run[0] for run in results[name]])
    error = np.median([run[1][-1] for run in results[name]])
    errors = np.median([run[1] for run in results["textbook"]], axis=0)
    elapsed = np.median([run[2] for run in results["textbook"]], axis=0)
    speedup = float(np.median([run[0] for run in results["textbook"]]) / seconds)
    if name == "textbook":
        return speedup, None
    reached = np.flatnonzero(errors <= error)
    if not len(reached):
        return speedup, (np.inf, len(errors))
    return speedup, (float(elapsed[reached[0]]), int(reached[0]) + 1)


def describe_reached(reached, total):
    """Return the time at which the textbook loop reaches an error as text."""
    if reached is None:
        return None
    seconds, epoch = reached
    return f"not in {total:.1f}" if np.isinf(seconds) else f"{seconds:.1f} (epoch {epoch})"


def main():
    """Print the tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--k", type=int, default=32, help="n_components (default 32)")
    parser.add_argument(
        "--epochs", type=int, default=10, help="epochs of the other loops (default 10)"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, help="training images (default all)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=[])
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("speed", args.results, packages=("keras", "pyod", "pythae", "encdr"))
    prefix = slug(Path(args.source).stem)
    X, _, T, _ = load_images(args.source)
    X = X[: args.rows]
    peers, missing = available_peers(args.peers)
    contenders = {**{name: CONTENDERS[name] for name in args.only}, **peers}
    args.settings = {}
    short = argparse.Namespace(**{**vars(args), "epochs": 1, "settings": {"max_iter": 1}})
    for name, (label, run) in list(contenders.items()):
        try:
            run(X[:512], T[:64], short, 0)  # the first fit of a process takes longer
        except Exception as error:
            if name in CONTENDERS:
                raise
            missing.append(f"{label.split(',')[0]} ({type(error).__name__}: {error})")
            del contenders[name]
    runs = {
        name: lambda seed, run=run: run(X, T, args, seed) for name, (_, run) in contenders.items()
    }
    results = interleaved(runs, args.repeats)

    print_header(
        "",
        "fit, s",
        "each run, s",
        "test MSE",
        "each run",
        "speedup over the textbook loop",
        "textbook loop reaches the error after, s",
    )
    total = np.median([run[0] for run in results["textbook"]]) if "textbook" in results else None
    for name, (label, _) in contenders.items():
        seconds, errors = [run[0] for run in results[name]], [run[1][-1] for run in results[name]]
        speedup, reached = compare_with_textbook(name, results)
        recorder.record(f"{prefix}/{name}/fit_time", np.median(seconds), "s", args.repeats)
        recorder.record(f"{prefix}/{name}/mse", np.median(errors), "mse", args.repeats)
        if speedup is not None:
            recorder.record(f"{prefix}/{name}/speedup", speedup, "ratio", args.repeats)
        print_row(
            label.format(epochs=args.epochs),
            f"{np.median(seconds):.2f}",
            " ".join(f"{value:.2f}" for value in seconds),
            f"{np.median(errors):.5f}",
            " ".join(f"{value:.5f}" for value in errors),
            speedup and f"{speedup:.2f}",
            describe_reached(reached, total),
        )
    if "textbook" in results:
        print()
        print_header("textbook loop, epoch", "elapsed seconds", "test MSE")
        for epoch in range(args.epochs):
            elapsed = np.median([run[2][epoch] for run in results["textbook"]])
            error = np.median([run[1][epoch] for run in results["textbook"]])
            key = f"{prefix}/textbook/epoch-{epoch + 1:02d}"
            recorder.record(f"{key}/elapsed", elapsed, "s", args.repeats)
            recorder.record(f"{key}/mse", error, "mse", args.repeats)
            print_row(epoch + 1, f"{elapsed:.1f}", f"{error:.5f}")
    if missing:
        print(f"\nLeft out: {'; '.join(missing)}.")
    print(
        f"\n{len(X):,} training and {len(T):,} test images, n_components={args.k}, medians of {args.repeats} runs. "
        f"{recorder.describe()}"
    )


if __name__ == "__main__":
    main()
