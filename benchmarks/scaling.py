"""Measure how the time of a default fit grows with the rows and with the pixels, and PCA's beside it.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --only images --most-side 256
    python benchmarks/scaling.py --most-rows 10000 --most-wide-rows 1000 --most-side 64 --repeats 1      # a try

Tables are curved sheets of 8 dimensions in 32, with noise; wide ones, of 784 bytes, and images are soft spots at random places.
The exponent between two neighbours is the logarithm of the ratio of their seconds over that of their sizes: 1 is in proportion,
0.5 with the root. One pass over all sizes follows the other; a size whose first run takes longer than `--long` is run once.
"""

import argparse

import numpy as np
from common import as_floats, blobs, flat, head, row, setting, timed
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder


def sheet(n, d=32, inner=8, seed=0):
    """Make a table of `n` rows of `d` numbers that lie near a curved sheet of `inner` dimensions, as float32."""
    rng = np.random.default_rng(seed)
    first, second = (
        rng.standard_normal((inner, d)) / np.sqrt(inner),
        rng.standard_normal((d, d)) / np.sqrt(d),
    )
    X = np.empty((n, d), np.float32)
    for begin in range(0, n, 100000):
        part = X[begin : begin + 100000]
        part[:] = np.tanh(2 * rng.standard_normal((len(part), inner)) @ first) @ second
        part += 0.1 * rng.standard_normal(part.shape, np.float32)
    return X


def all_cases(args):
    """List what is measured: (kind, size that grows, estimator, function that gives X)."""
    cases = []
    if "tables" in args.only:
        sizes = (n for n in (1000, 10000, 100000, 1000000) if n <= args.most_rows)
        cases += [("tables, 32 float32", n, DenseAutoencoder, lambda n=n: sheet(n)) for n in sizes]
    if "wide" in args.only:
        sizes = [n for n in (1000, 10000, 100000) if n <= args.most_wide_rows]
        cases += [
            ("tables, 784 uint8", n, DenseAutoencoder, lambda n=n: flat(blobs(n, (28, 28))))
            for n in sizes
        ]
    if "images" in args.only:
        for side in (32, 64, 128, 256, 512):
            if side <= args.most_side:
                cases.append(
                    (
                        f"{args.images} images",
                        side**2,
                        ConvAutoencoder,
                        lambda s=side: blobs(args.images, (s, s)),
                    )
                )
    return cases


def measure(estimator, X, seed, device):
    """Give the seconds of both fits, and how many epochs there were."""
    settings = {"max_iter": 1} if seed is None else {"random_state": seed}
    model = estimator(device=device, **settings)
    seconds, _ = timed(lambda: model.fit(X))
    # bytes in [0, 1] take PCA half of the memory, and of the time, that float64 takes
    pca_seconds, _ = timed(
        lambda: PCA(model.n_components_).fit(as_floats(flat(X)) if X.dtype == np.uint8 else X)
    )
    return {
        "seconds": seconds,
        "pca_seconds": pca_seconds,
        "n_iter": model.n_iter_,
        "best_iter": model.best_iter_,
    }


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--most-rows", type=int, default=1000000, help="of 32 numbers (default 1000000)"
    )
    parser.add_argument(
        "--most-wide-rows", type=int, default=100000, help="of 784 bytes (default 100000)"
    )
    parser.add_argument("--most-side", type=int, default=512, help="of grey images (default 512)")
    parser.add_argument("--images", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--long",
        type=float,
        default=120.0,
        help="seconds after which a fit isn't repeated (default 120)",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=["tables", "wide", "images"],
        default=["tables", "wide", "images"],
    )
    args = parser.parse_args()
    cases = all_cases(args)
    for estimator, shape in ((DenseAutoencoder, (8, 8)), (ConvAutoencoder, (8, 8))):
        X = blobs(300, shape)
        measure(
            estimator, flat(X) if estimator is DenseAutoencoder else X, None, args.device
        )  # what only a first fit pays
    results = [[] for _ in cases]
    for seed in range(args.repeats):
        for (_, _, estimator, make), found in zip(cases, results, strict=True):
            if not found or found[0]["seconds"] <= args.long:
                found.append(measure(estimator, make(), seed, args.device))
    columns = (
        "rows or pixels",
        "fit, s",
        "each run, s",
        "exponent",
        "PCA, s",
        "exponent",
        "fit / PCA",
        "epochs",
        "best",
    )
    head("data", "estimator", *columns)
    before = None
    for (kind, size, estimator, _), found in zip(cases, results, strict=True):
        column = {key: [result[key] for result in found] for key in found[0]}
        now = {key: np.median(column[key]) for key in ("seconds", "pca_seconds")}
        exponents = dict.fromkeys(now, "")
        if before is not None and before[0] == kind:
            exponents = {
                key: f"{np.log(now[key] / before[2][key]) / np.log(size / before[1]):.2f}"
                for key in now
            }
        row(
            kind,
            estimator.__name__,
            f"{size:,}",
            f"{now['seconds']:.2f}",
            " ".join(f"{seconds:.2f}" for seconds in column["seconds"]),
            exponents["seconds"],
            f"{now['pca_seconds']:.4f}",
            exponents["pca_seconds"],
            f"{now['seconds'] / now['pca_seconds']:.0f}",
            " ".join(map(str, column["n_iter"])),
            " ".join(map(str, column["best_iter"])),
        )
        before = kind, size, now
    print(
        f"\nAs many components as is the default; medians of {args.repeats} runs, but for those that take long. {setting()}"
    )


if __name__ == "__main__":
    main()
