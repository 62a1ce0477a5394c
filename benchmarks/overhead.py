"""Measure what a training step of skae costs beyond the arithmetic: its loop beside a plain one with the same network.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --idx fashion-mnist/ --repeats 9
    python benchmarks/overhead.py --effort 0.1 --images 2048 --repeats 1             # a try

The plain loop draws a new order at every pass, takes its batches out of a tensor by `index_select`, and runs the very network
that skae built, on the same prepared rows, with the same loss, optimizer, precision and number of steps. Nothing is held out.
Every loop is run with few epochs and with many, and the difference is divided by the steps between: what is paid once, such as
PCA, preparing and setting up, falls out. Runs are interleaved.
"""

import argparse
import copy
import functools

import numpy as np
import torch
from common import (
    add_image_source,
    blobs,
    flat,
    head,
    interleaved,
    load_images,
    row,
    setting,
    timed,
)
from sklearn.datasets import load_digits
from skorch import NeuralNetRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skae import ConvAutoencoder, DenseAutoencoder
from skae._training.optimizers import resolve_optimizer
from skae.losses import SquaredError

RATE = 1e-4
"""Of the loops written here: small, so that their weights stay ordinary numbers however long they are run."""

# ----------------------------------------------------------------------------------------------------------- the loops


class InPrecision(nn.Module):
    """A network whose reconstruction in the space of training is computed in a precision, as in skae's steps.

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
    """skae's squared error, as a criterion."""

    def forward(self, x_hat, x):
        """Give the mean over the rows."""
        return SquaredError()(x_hat.float(), x.float()).mean()


class Case:
    """One network, and everything that is to be the same in all loops.

    Parameters
    ----------
    estimator : type
        DenseAutoencoder or ConvAutoencoder.
    X : ndarray
        Its length is a multiple of `batch`, so that all steps are alike.
    batch : int
        Rows per step.
    epochs : tuple of int
        Few and many.
    precision : str
        "float32" or "bfloat16".
    device : str
        As for the estimators.
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
        module = self.fitted(1, 0).net_.module_
        self.start = InPrecision(module, getattr(torch, precision)).train()
        where = next(module.parameters()).device
        with torch.no_grad():
            rows = torch.from_numpy(flat(X))
            # as skae keeps them: prepared once, in the precision of the products
            self.rows = torch.cat([module.prepare(part.to(where)) for part in rows.split(1000)]).to(
                getattr(torch, precision)
            )

    def fitted(self, epochs, seed):
        """Fit skae, with nothing held out."""
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
        """Make skae's optimizer, with its settings."""
        solver, settings, _ = resolve_optimizer("adamw")
        return solver(module.parameters(), lr=RATE, **settings)

    def skae(self, epochs, seed):
        """Train by skae."""
        self.fitted(epochs, seed)

    def sliced(self, epochs, seed):
        """Train by the plain loop."""
        torch.manual_seed(seed)
        self.loop(epochs, lambda: self.chunk_slices())

    def equipped(self, epochs, seed):
        """Train by the plain loop that also does what skae does for the learning: rates that rise and fall, and clipping."""
        torch.manual_seed(seed)
        self.loop(
            epochs,
            lambda: self.chunk_slices(),
            schedule=True,
            clip=self.estimator is ConvAutoencoder,
        )

    def loader(self, epochs, seed):
        """Train by the loop of the textbooks, on batches from a DataLoader."""
        torch.manual_seed(seed)
        batches = DataLoader(TensorDataset(self.rows), batch_size=self.batch, shuffle=True)
        self.loop(epochs, lambda: (x for (x,) in batches))

    def skorch(self, epochs, seed):
        """Train by skorch as it comes, but for the optimizer, the loss and that nothing is held out."""
        torch.manual_seed(seed)
        solver, settings, _ = resolve_optimizer("adamw")
        net = NeuralNetRegressor(
            copy.deepcopy(self.start),
            criterion=Loss,
            optimizer=solver,
            **{f"optimizer__{name}": value for name, value in settings.items()},
            lr=RATE,
            batch_size=self.batch,
            max_epochs=epochs,
            iterator_train__shuffle=True,
            train_split=None,
            device=self.rows.device,
        )
        net.fit(self.rows, self.rows)

    def chunk_slices(self):
        """Take batches out of the rows, in a new order."""
        order = torch.randperm(len(self.rows)).to(self.rows.device)
        for chosen in order.split(self.batch):
            yield self.rows.index_select(0, chosen)

    def loop(self, epochs, batches, *, schedule=False, clip=False):
        """Train, and keep the mean loss, which every loop shows somebody."""
        module, loss_of = copy.deepcopy(self.start), Loss()
        optimizer = self.optimizer(module)
        step, steps = 0, epochs * len(self.rows) // self.batch
        for _ in range(epochs):
            total = torch.zeros((), device=self.rows.device)
            for x in batches():
                if schedule:
                    for group in optimizer.param_groups:
                        group["lr"] = RATE * min(
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
        """Give a function of a seed that measures the seconds per step of one of the loops above."""

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
    "equipped": "plain loop with schedule, and clipping for images",
    "loader": "plain loop, DataLoader",
    "skorch": "skorch, as it comes",
}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, made_up=True)
    parser.add_argument("--images", type=int, default=8192, help="how many (default 8192)")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the epochs (default 1)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="of the large networks",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=list(LOOPS), default=list(LOOPS))
    args = parser.parse_args()
    images = (
        load_images(args.source)[0][: args.images] if args.source else blobs(args.images, (28, 28))
    )
    digits = load_digits().data.astype(np.float32)
    cases = [
        ("digits, dense", DenseAutoencoder, digits, 128, 60, "float32"),
        ("images, dense", DenseAutoencoder, flat(images), 512, 10, args.precision),
        ("images, conv", ConvAutoencoder, images, 512, 5, args.precision),
    ]
    head(
        "network",
        "loop",
        "rows x features",
        "batch",
        "precision",
        "µs per batch",
        "each run",
        "of the plain loop's",
    )
    for label, estimator, X, batch, epochs, precision in cases:
        X = X[: len(X) // batch * batch]
        epochs = (1, 1 + max(1, round(epochs * args.effort)))
        case = Case(estimator, X, batch, epochs, precision, args.device)
        chosen = {
            name: case.cost(getattr(case, name))
            for name in LOOPS
            if name in args.only or name == "sliced"
        }
        for name in chosen:
            timed(functools.partial(getattr(case, name), 1, 0))  # what only a first run pays
        found = interleaved(chosen, args.repeats)
        for name, costs in found.items():
            row(
                label,
                LOOPS[name],
                f"{len(X):,} x {flat(X).shape[1]}",
                batch,
                precision,
                f"{1e6 * np.median(costs):.0f}",
                " ".join(f"{1e6 * cost:.0f}" for cost in costs),
                f"{np.median(np.divide(costs, found['sliced'])):.3f}",
            )
    print(
        f"\nMedians of {args.repeats} runs; the last column has the median of the ratios of each round. {setting()}"
    )


if __name__ == "__main__":
    main()
