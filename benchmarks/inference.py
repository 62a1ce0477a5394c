"""Time `transform` beside the bare module: many rows, and one row.

    python benchmarks/inference.py
    python benchmarks/inference.py --rows 20000 --compile

The bare module gets tensors and runs in chunks of as many rows as skae takes, without gradients; skae gets arrays, checks
them, and gives an array. One row is timed for PCA as well, which says what scikit-learn's own checks cost. Runs are
interleaved, and the tables have medians.
"""

import argparse
import time

import numpy as np
import torch
from common import blobs, flat, head, interleaved, row, setting
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder
from skae._batches import chunks


def clocked(run, number=1):
    """Give the seconds that one of `number` runs takes."""
    start = time.perf_counter()
    for _ in range(number):
        run()
    return (time.perf_counter() - start) / number


def bare(network, X, k, size):
    """Encode a tensor in chunks."""
    out = torch.empty(len(X), k)
    with torch.inference_mode():
        for piece in chunks(len(X), size):
            out[piece] = network.encode(X[piece])
    return out


def main():
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--compile", action="store_true", help="time compiled networks for one row, too; takes a minute")
    args = parser.parse_args()
    images = blobs(args.rows, (28, 28))
    some = images[:20_000]
    fitted = {}
    for settings in [{}, {"net_params": {"compile": True}}] if args.compile else [{}]:
        compiled = ", compiled" if settings else ""
        for estimator in (DenseAutoencoder, ConvAutoencoder):
            model = estimator(32, max_iter=1, device="cpu", random_state=0, early_stopping=False, **settings)
            fitted[estimator.__name__ + compiled] = model.fit(flat(some) if estimator is DenseAutoencoder else some)

    head(f"{len(images):,} rows of 784", "dtype", "bare module, s", "transform, s", "transform / bare", "each run")
    for name, model in fitted.items():
        if "compiled" in name:
            continue
        for dtype in (np.uint8, np.float32):
            X = flat(images).astype(dtype, copy=False)
            tensor, network = torch.from_numpy(X), model.net_.module_
            size = max(784, network.most_numbers)
            runs = {
                "bare": lambda seed, network=network, tensor=tensor, size=size: clocked(
                    lambda: bare(network, tensor, 32, size)
                ),
                "skae": lambda seed, model=model, X=X: clocked(lambda: model.transform(X)),
            }
            interleaved(runs, 1)
            found = interleaved(runs, args.repeats)
            each = np.array(found["skae"]) / np.array(found["bare"])
            times = (f"{np.median(found[which]):.3f}" for which in runs)
            row(name, np.dtype(dtype).name, *times, f"**{np.median(each):.2f}**", " ".join(f"{ratio:.2f}" for ratio in each))

    one = flat(images)[:1]
    pca, floats = PCA(32).fit(flat(some)), one.astype(np.float32)
    runs = {"PCA.transform": lambda seed: clocked(lambda: pca.transform(floats), 200)}
    for name, model in fitted.items():
        network, tensor = model.net_.module_, torch.from_numpy(one.copy())
        if "compiled" not in name:
            runs[f"{name}, bare module"] = lambda seed, n=network, x=tensor: clocked(lambda: bare(n, x, 32, 784), 200)
        runs[f"{name}.transform"] = lambda seed, model=model: clocked(lambda: model.transform(one), 200)
    interleaved(runs, 1)
    found = interleaved(runs, args.repeats)
    print()
    head("one row of 784", "us", "each run")
    for name, times in found.items():
        row(name, f"{np.median(times) * 1e6:.0f}", " ".join(f"{t * 1e6:.0f}" for t in times))
    print(f"\nMedians of {args.repeats} runs. {setting()}")


if __name__ == "__main__":
    main()
