"""Time a fit, and say what it reaches: skae, PCA, the loop of the textbooks, and the packages that one might take instead.

    python benchmarks/speed.py --idx fashion-mnist/
    python benchmarks/speed.py --data mnist.npz --repeats 3 --peers mlp keras pyod pythae encdr

All get the same images, as bytes; what each must do with them first is part of its time. All are fitted on a few images before
the clock runs. Runs are interleaved, and the table has medians. The textbook loop's test error after each epoch, which takes no
part in its time, stands in a table of its own; from it comes after how many seconds that loop is as good as another contender.
"""

import argparse

import numpy as np
import torch
from common import (
    add_image_source,
    as_floats,
    as_maps,
    flat,
    head,
    in_pieces,
    interleaved,
    load_images,
    mean_squared_error,
    row,
    setting,
    timed,
    torch_device,
)
from peers import PEERS, present
from sklearn.decomposition import PCA, IncrementalPCA
from skorch import NeuralNetRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skae import ConvAutoencoder, DenseAutoencoder


class Textbook(nn.Module):
    """Two convolutions with pooling, a dense code, two transposed convolutions; for images with sides that divide by 4.

    Parameters
    ----------
    k : int
        Size of the code.
    channels, height, width : int
        Of an image.
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
    """DenseAutoencoder as it comes."""
    model = DenseAutoencoder(args.k, device=args.device, random_state=seed, **args.settings)
    seconds, model = timed(lambda: model.fit(flat(X)))
    return seconds, [mean_squared_error(flat(T), model.reconstruct(flat(T)), 255)]


def run_conv(X, T, args, seed):
    """ConvAutoencoder as it comes."""
    model = ConvAutoencoder(args.k, device=args.device, random_state=seed, **args.settings)
    seconds, model = timed(lambda: model.fit(X))
    return seconds, [mean_squared_error(T, model.reconstruct(T), 255)]


def run_pca(X, T, args, seed):
    """PCA as it comes."""
    return run_linear(PCA(args.k, random_state=seed), X, T)


def run_ipca(X, T, args, seed):
    """IncrementalPCA as it comes: the one of scikit-learn's that takes X piece by piece."""
    return run_linear(IncrementalPCA(args.k), X, T)


def run_linear(model, X, T):
    """Fit one of scikit-learn's on pixels in [0, 1]."""
    seconds, model = timed(lambda: model.fit(as_floats(flat(X))))
    tests = as_floats(flat(T))
    return seconds, [mean_squared_error(tests, model.inverse_transform(model.transform(tests)))]


def run_textbook(X, T, args, seed):
    """Adam with a rate of 1e-3, batches of 64 from a DataLoader, squared error."""
    torch.manual_seed(seed)
    device = torch_device(args.device)
    tests = torch.from_numpy(as_maps(T))
    seconds, loop = 0.0, None
    errors, clock = [], []
    for _ in range(args.epochs):
        now, loop = timed(lambda loop=loop: textbook_epoch(loop, X, args.k, device))
        seconds += now
        errors.append(mean_squared_error(tests, in_pieces(loop[0], tests, device)))
        clock.append(seconds)
    return seconds, errors, clock


def textbook_epoch(loop, X, k, device):
    """Make one pass, the first time after setting up."""
    if loop is None:
        images = torch.from_numpy(as_maps(X))
        module = Textbook(k, *images.shape[1:]).to(device)
        batches = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)
        loop = module, torch.optim.Adam(module.parameters(), lr=1e-3), batches
    module, optimizer, batches = loop
    module.train()
    for (x,) in batches:
        x = x.to(device)
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x), x).backward()
        optimizer.step()
    return loop


def run_skorch(X, T, args, seed):
    """Train the same module by skorch as it comes, which holds out a fifth of the images."""
    torch.manual_seed(seed)
    device = torch_device(args.device)

    def fit():
        images = as_maps(X)
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
    tests = torch.from_numpy(as_maps(T))
    return seconds, [mean_squared_error(tests, in_pieces(net.module_, tests, device))]


CONTENDERS = {
    "dense": ("DenseAutoencoder", run_dense),
    "conv": ("ConvAutoencoder", run_conv),
    "pca": ("PCA", run_pca),
    "ipca": ("IncrementalPCA", run_ipca),
    "textbook": ("textbook loop, {epochs} epochs", run_textbook),
    "skorch": ("the same in skorch, {epochs} epochs", run_skorch),
}


def compared(name, results):
    """Say how many times faster than the textbook loop a contender is, and when that loop is as good.

    The first is a ratio of seconds, whatever the errors; the second is the time after which the loop's median test error is no
    larger than that of the contender.
    """
    if "textbook" not in results:
        return None, None
    seconds, error = (
        np.median([pick(run) for run in results[name]])
        for pick in (lambda run: run[0], lambda run: run[1][-1])
    )
    errors, clock = (np.median([run[i] for run in results["textbook"]], axis=0) for i in (1, 2))
    times = f"{np.median([run[0] for run in results['textbook']]) / seconds:.2f}"
    good = np.flatnonzero(errors <= error)
    if name == "textbook":
        return times, None
    return times, f"{clock[good[0]]:.1f} (epoch {good[0] + 1})" if len(
        good
    ) else f"not in {clock[-1]:.1f}"


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument(
        "--epochs",
        type=int,
        default=10,
        help="of the loops that have no rule of their own (default 10)",
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, help="training rows (default all)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=[])
    args = parser.parse_args()
    X, _, T, _ = load_images(args.source)
    X = X[: args.rows]
    found, missing = present(args.peers)
    contenders = {**{name: CONTENDERS[name] for name in args.only}, **found}
    args.settings = {}
    short = argparse.Namespace(**{**vars(args), "epochs": 1, "settings": {"max_iter": 1}})
    for name, (label, run) in list(contenders.items()):
        try:
            run(X[:512], T[:64], short, 0)  # a process pays for its first fit
        except Exception as error:
            if name in CONTENDERS:
                raise
            missing.append(f"{label.split(',')[0]} ({type(error).__name__}: {error})")
            del contenders[name]
    chosen = {
        name: lambda seed, run=run: run(X, T, args, seed) for name, (_, run) in contenders.items()
    }
    results = interleaved(chosen, args.repeats)

    loop = ("times faster than the textbook loop", "textbook loop as good after, s")
    head("", "fit, s", "each run, s", "test MSE", "each run", *loop)
    for name, (label, _) in contenders.items():
        seconds, errors = [run[0] for run in results[name]], [run[1][-1] for run in results[name]]
        row(
            label.format(epochs=args.epochs),
            f"{np.median(seconds):.2f}",
            " ".join(f"{value:.2f}" for value in seconds),
            f"{np.median(errors):.5f}",
            " ".join(f"{value:.5f}" for value in errors),
            *compared(name, results),
        )
    if "textbook" in results:
        print()
        head("textbook loop, epoch", "seconds so far", "test MSE")
        for epoch in range(args.epochs):
            clock = np.median([run[2][epoch] for run in results["textbook"]])
            row(
                epoch + 1,
                f"{clock:.1f}",
                f"{np.median([run[1][epoch] for run in results['textbook']]):.5f}",
            )
    if missing:
        print(f"\nLeft out: {'; '.join(missing)}.")
    print(
        f"\n{len(X):,} training and {len(T):,} test images, k = {args.k}, medians of {args.repeats} runs. {setting()}"
    )


if __name__ == "__main__":
    main()
