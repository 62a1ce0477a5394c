"""Time default fits against the number of rows, and against the number of pixels.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --most-rows 100000 --most-pixels 256

Tables have 32 features that are curved functions of 6 hidden ones, images are soft spots. `exponent` is that of the power of
rows, or of pixels, with which the time grew from the row above: 1 is linear, less is better.
"""

import argparse
import math
import time

import numpy as np
from common import blobs, head, row, setting
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder


def table(n, d=32, seed=0):
    """Make rows of d features that depend on 6 hidden numbers, with noise."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(2, 6, d)).astype(np.float32)
    hidden = rng.normal(size=(n, 6)).astype(np.float32)
    return hidden @ maps[0] + np.sin(2 * hidden) @ maps[1] + 0.1 * rng.normal(size=(n, d)).astype(np.float32)


def clocked(run):
    """Give the seconds it took, and what it gave."""
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def measure(label, sizes, make, model, size):
    """Print a table: one row for each size."""
    head(label, "fit, s", "exponent", "epochs", "init_", "explained by PCA, held out", "by this, test", "PCA's fit, s")
    before = None
    for n in sizes:
        X, T = make(n)
        seconds, fitted = clocked(lambda X=X: model().fit(X))
        pca = None
        if X.size <= 2**28:
            rows = X.reshape(len(X), -1)
            pca = clocked(lambda rows=rows: PCA(min(16, *rows.shape)).fit(rows.astype(np.float32)))[0]
        scores = fitted.validation_scores_
        row(
            size(n),
            f"{seconds:.2f}",
            "" if before is None else f"{math.log(seconds / before[0]) / math.log(n / before[1]):.2f}",
            fitted.n_iter_,
            fitted.init_,
            f"{scores[0]:.3f}" if scores else "",
            f"{fitted.score(T):.3f}",
            "" if pca is None else f"{pca:.2f}",
        )
        before = seconds, n


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most-rows", type=int, default=10**6)
    parser.add_argument("--most-pixels", type=int, default=512, help="along a side")
    parser.add_argument("--images", type=int, default=400)
    args = parser.parse_args()
    clocked(lambda: DenseAutoencoder(2, max_iter=1).fit(table(100)))  # a process pays for its first fit
    everything = table(args.most_rows + 2000)
    sizes = [n for n in (10**3, 10**4, 10**5, 10**6) if n <= args.most_rows]
    measure(
        "rows of 32 features",
        sizes,
        lambda n: (everything[:n], everything[-2000:]),
        lambda: DenseAutoencoder(6, random_state=0),
        lambda n: f"{n:,}",
    )
    print()
    sides = [side for side in (32, 64, 128, 256, 512) if side <= args.most_pixels]

    def images(pixels):
        side = math.isqrt(pixels)
        X = blobs(args.images + 40, (side, side))
        return X[: args.images], X[args.images :]

    measure(
        f"{args.images} grey images",
        [side**2 for side in sides],
        images,
        lambda: ConvAutoencoder(16, random_state=0),
        lambda pixels: f"{math.isqrt(pixels)} x {math.isqrt(pixels)}",
    )
    print(f"\n{setting()}")


if __name__ == "__main__":
    main()
