"""Measure what skae's training loop costs beside a plain loop that runs the same module on slices of a tensor.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --rows 60000 --repeats 5

The plain loop takes the network that skae built, prepared rows in memory, the same loss, optimizer, learning rates along the
way and gradient clipping where skae has it. What a step costs is the slope of the time over the number of epochs, so that
starting and ending, which the plain loop does not have, take no part. A loop over torch's DataLoader stands beside it. Runs are
interleaved, and the table has medians.
"""

import argparse
import copy
import time

import numpy as np
import torch
from common import blobs, flat, head, interleaved, row, setting
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from skae import ConvAutoencoder, DenseAutoencoder


def slope(run, few, many):
    """Give the seconds that an epoch takes: of two runs, the difference."""
    times = []
    for epochs in (few, many):
        start = time.perf_counter()
        run(epochs)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / (many - few)


def plain(network, X, batch_size, clip, epochs, *, loader=False):
    """Train a copy of a network with prepared rows, by hand."""
    network = copy.deepcopy(network).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.85, 0.98), weight_decay=0.0, fused=True)
    weights = list(network.parameters())
    bfloat16 = X.dtype == torch.bfloat16
    batches = DataLoader(TensorDataset(X), batch_size=batch_size, shuffle=True)
    step, usual = 0, None
    for _ in range(epochs):
        order = torch.randperm(len(X))
        total = torch.zeros(())
        for x in (x for (x,) in batches) if loader else (X[rows] for rows in order.split(batch_size)):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 / (1 + step)
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                x_hat = network(x)
            loss = (x_hat.float() - x.float()).square().mean()
            loss.backward()
            if clip:
                norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights])
                usual = norm if usual is None else torch.minimum(0.95 * usual + 0.05 * norm, 1.05 * usual)
                torch.nn.utils.clip_grads_with_norm_(weights, clip * usual, norm)
            optimizer.step()
            total += loss.detach() * len(x)
        float(total)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20480, help="images to make (default 20,480)")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    digits, images = load_digits().data.astype(np.float32)[:1792], blobs(args.rows, (28, 28))
    cases = [
        ("dense, 64 features", DenseAutoencoder(16), digits, 128, 10, 60),
        ("dense, 784 features", DenseAutoencoder(32), flat(images), 512, 1, 4),
        ("conv, 28 x 28", ConvAutoencoder(32), images, 512, 1, 3),
    ]
    head("", "batch", "plain loop, us a batch", "skae", "skae / plain", "each run", "with a DataLoader / plain")
    for label, estimator, X, batch_size, few, many in cases:
        settings = {"device": "cpu", "early_stopping": False, "batch_size": batch_size, "learning_rate_init": 1e-4}
        estimator.set_params(random_state=0, max_iter=1, **settings)
        fitted = estimator.fit(X)
        network = fitted.net_.module_.train()
        precision = torch.bfloat16 if fitted.net_.precision == torch.bfloat16 else torch.float32
        with torch.no_grad():
            prepared = network.prepare(torch.from_numpy(flat(X))).to(precision)
        clip = 2.0 if isinstance(estimator, ConvAutoencoder) else 0.0
        batches = len(X) // batch_size

        def skae(seed, estimator=estimator, X=X, few=few, many=many):
            return slope(lambda epochs: estimator.set_params(max_iter=epochs).fit(X), few, many)

        def sliced(seed, loader=False, network=network, prepared=prepared, b=batch_size, clip=clip, few=few, many=many):
            return slope(lambda epochs: plain(network, prepared, b, clip, epochs, loader=loader), few, many)

        found = interleaved(
            {"plain": sliced, "skae": skae, "loader": lambda seed, f=sliced: f(seed, loader=True)}, args.repeats
        )
        each = np.array(found["skae"]) / np.array(found["plain"])
        row(
            label,
            batch_size,
            *(f"{np.median(found[name]) / batches * 1e6:.0f}" for name in ("plain", "skae")),
            f"**{np.median(each):.2f}**",
            " ".join(f"{ratio:.2f}" for ratio in each),
            f"{np.median(np.array(found['loader']) / np.array(found['plain'])):.2f}",
        )
    print(f"\n{args.rows:,} images, medians of {args.repeats} runs. {setting()}")


if __name__ == "__main__":
    main()
