"""Measure the overhead of a training step: skae and other loops with the same network.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --idx fashion-mnist/ --repeats 9
    python benchmarks/overhead.py --effort 0.1 --images 2048 --repeats 1

The plain loop draws a new order for every epoch, takes its batches by `index_select`, and trains the network of skae on
the same prepared rows, with the same loss, optimizer, precision and number of steps. No loop has a validation set.
Every loop runs with few and with many epochs, and the difference of the times is divided by the difference of the
steps. Fixed costs, such as PCA and data preparation, cancel out. Runs are interleaved.
"""

import argparse
import copy
import functools

import numpy as np
import torch
from common import (
    Recorder,
    add_image_source,
    blobs,
    flat,
    interleaved,
    load_images,
    print_header,
    print_row,
    timed,
)
from sklearn.datasets import load_digits
from skorch import NeuralNetRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skae import ConvAutoencoder, DenseAutoencoder
from skae._training.optimizers import resolve_optimizer
from skae.losses import SquaredError

LEARNING_RATE = 1e-4
"""Learning rate of the loops of this script, which keeps weights finite for any number of epochs."""

# ----------------------------------------------------------------------------------------------------------- the loops


class InPrecision(nn.Module):
    """A network that reconstructs prepared rows in a given precision, as in training steps of skae.

    Parameters
    ----------
    network : torch.nn.Module
        Maps prepared rows to their reconstruction.
    precision : torch.dtype
        float32 or bfloat16.
    """

    def __init__(self, network, precision):
        super().__init__()
        self.network = network
        self.precision = precision

    def forward(self, x):
        """Reconstruct prepared rows."""
        with torch.autocast(
            x.device.type, dtype=self.precision, enabled=self.precision != torch.float32
        ):
            return self.network(x).x_hat


class Loss(nn.Module):
    """Squared error of skae as a criterion of skorch."""

    def forward(self, x_hat, x):
        """Return the mean over the rows."""
        return SquaredError()(x_hat.float(), x.float()).mean()


class Case:
    """One network with the settings that all loops share.

    Parameters
    ----------
    estimator : type
        DenseAutoencoder or ConvAutoencoder.
    X : ndarray
        Samples; their number is a multiple of `batch`, so that all batches have the same size.
    batch : int
        Rows per step.
    epochs : tuple of int
        Small and large number of epochs.
    precision : str
        "float32" or "bfloat16".
    device : str
        Device, as for the estimators.
    """

    def __init__(self, estimator, X, batch, epochs, precision, device):
        self.estimator, self.X, self.batch, self.epochs, self.precision = (
            estimator,
            X,
            batch,
            epochs,
            precision,
        )
        self.device = device
        module = self.fit(1, 0).net_.module_
        self.start = InPrecision(module, getattr(torch, precision)).train()
        device = next(module.parameters()).device
        with torch.no_grad():
            rows = torch.from_numpy(flat(X))
            # skae prepares rows once, in the precision of the matrix products
            prepared = [module.prepare(chunk.to(device)) for chunk in rows.split(1000)]
            self.rows = torch.cat(prepared).to(getattr(torch, precision))

    def fit(self, epochs, seed):
        """Fit the estimator without a validation set."""
        model = self.estimator(
            batch_size=self.batch,
            max_iter=epochs,
            early_stopping=False,
            precision=self.precision,
            device=self.device,
            random_state=seed,
        )
        return model.fit(self.X)

    def optimizer(self, module):
        """Build the optimizer of skae with its settings."""
        solver, settings, _ = resolve_optimizer("adamw")
        return solver(module.parameters(), lr=LEARNING_RATE, **settings)

    def skae(self, epochs, seed):
        """Train with skae."""
        self.fit(epochs, seed)

    def sliced(self, epochs, seed):
        """Train with the plain loop."""
        torch.manual_seed(seed)
        self.loop(epochs, lambda: self.chunk_slices())

    def equipped(self, epochs, seed):
        """Train with the plain loop and skae's learning rate schedule and, for images, gradient clipping."""
        torch.manual_seed(seed)
        self.loop(
            epochs,
            lambda: self.chunk_slices(),
            schedule=True,
            clip=self.estimator is ConvAutoencoder,
        )

    def loader(self, epochs, seed):
        """Train with the plain loop on batches of a DataLoader."""
        torch.manual_seed(seed)
        batches = DataLoader(TensorDataset(self.rows), batch_size=self.batch, shuffle=True)
        self.loop(epochs, lambda: (x for (x,) in batches))

    def skorch(self, epochs, seed):
        """Train with skorch with the same optimizer and loss and without a validation set."""
        torch.manual_seed(seed)
        solver, settings, _ = resolve_optimizer("adamw")
        net = NeuralNetRegressor(
            copy.deepcopy(self.start),
            criterion=Loss,
            optimizer=solver,
            **{f"optimizer__{name}": value for name, value in settings.items()},
            lr=LEARNING_RATE,
            batch_size=self.batch,
            max_epochs=epochs,
            iterator_train__shuffle=True,
            train_split=None,
            device=self.rows.device,
        )
        net.fit(self.rows, self.rows)

    def chunk_slices(self):
        """Yield batches in a new order."""
        order = torch.randperm(len(self.rows)).to(self.rows.device)
        for indices in order.split(self.batch):
            yield self.rows.index_select(0, indices)

    def loop(self, epochs, batches, *, schedule=False, clip=False):
        """Train and sum the loss, as a loop with a progress report."""
        module, loss_of = copy.deepcopy(self.start), Loss()
        optimizer = self.optimizer(module)
        step, steps = 0, epochs * len(self.rows) // self.batch
        for _ in range(epochs):
            total = torch.zeros((), device=self.rows.device)
            for x in batches():
                if schedule:
                    for group in optimizer.param_groups:
                        group["lr"] = LEARNING_RATE * min(
                            (step + 1) / steps / 0.25, (1 - step / steps) / 0.75
                        )
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(module(x), x)
                loss.backward()
                if clip:
                    nn.utils.clip_grad_norm_(module.parameters(), 1.0)
                optimizer.step()
                total += loss.detach()
                step += 1
            float(total)

    def cost(self, loop):
        """Return a function of a seed that measures the seconds per step of a loop."""

        def run(seed):
            few, many = (
                timed(lambda epochs=epochs: loop(epochs, seed))[0] for epochs in self.epochs
            )
            return (many - few) / (
                (self.epochs[1] - self.epochs[0]) * (len(self.rows) // self.batch)
            )

        return run


LOOPS = {
    "sliced": "plain loop",
    "skae": "skae",
    "equipped": "plain loop with schedule and clipping",
    "loader": "plain loop, DataLoader",
    "skorch": "skorch",
}


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, generated=True)
    parser.add_argument("--images", type=int, default=8192, help="number of images (default 8192)")
    parser.add_argument(
        "--effort", type=float, default=1.0, help="factor for the epochs (default 1)"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="precision of the large networks",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=list(LOOPS), default=list(LOOPS))
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("overhead", args.results)
    images = (
        load_images(args.source)[0][: args.images] if args.source else blobs(args.images, (28, 28))
    )
    digits = load_digits().data.astype(np.float32)
    cases = [
        ("digits-dense", "digits, dense", DenseAutoencoder, digits, 128, 60, "float32"),
        ("images-dense", "images, dense", DenseAutoencoder, flat(images), 512, 10, args.precision),
        ("images-conv", "images, conv", ConvAutoencoder, images, 512, 5, args.precision),
    ]
    print_header(
        "network",
        "loop",
        "rows x features",
        "batch",
        "precision",
        "µs per batch",
        "each run",
        "ratio to the plain loop",
    )
    for key, label, estimator, X, batch, epochs, precision in cases:
        X = X[: len(X) // batch * batch]
        epochs = (1, 1 + max(1, round(epochs * args.effort)))
        case = Case(estimator, X, batch, epochs, precision, args.device)
        chosen = {
            name: case.cost(getattr(case, name))
            for name in LOOPS
            if name in args.only or name == "sliced"
        }
        for name in chosen:
            timed(functools.partial(getattr(case, name), 1, 0))  # the first run takes longer
        results = interleaved(chosen, args.repeats)
        for name, costs in results.items():
            ratio = np.median(np.divide(costs, results["sliced"]))
            recorder.record(f"{key}/{name}/ratio", ratio, "ratio", args.repeats)
            recorder.record(f"{key}/{name}/time", 1e6 * np.median(costs), "us", args.repeats)
            print_row(
                label,
                LOOPS[name],
                f"{len(X):,} x {flat(X).shape[1]}",
                batch,
                precision,
                f"{1e6 * np.median(costs):.0f}",
                " ".join(f"{1e6 * cost:.0f}" for cost in costs),
                f"{ratio:.3f}",
            )
    print(
        f"\nMedians of {args.repeats} runs; the last column contains medians of the ratios of each round. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
