"""Measure how the time of a default fit grows with the number of samples and of pixels, compared with PCA.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --only images --max-side 256
    python benchmarks/scaling.py --max-rows 10000 --max-wide-rows 1000 --max-side 64 --repeats 1

Tables contain noisy samples of a curved 8-dimensional surface in 32 dimensions. Wide tables of 784 bytes and images contain
Gaussian blobs. The exponent between two sizes is the logarithm of the ratio of fit times over that of the ratio of sizes. Fits
longer than `--long` seconds are not repeated.
"""

import argparse

import numpy as np
from common import Recorder, as_floats, blobs, flat, print_header, print_row, timed
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder


def curved_surface(n, d=32, n_dimensions=8, seed=0):
    """Generate `n` samples of `d` features near a curved surface of `n_dimensions` dimensions, as float32."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((n_dimensions, d)) / np.sqrt(n_dimensions)
    second = rng.standard_normal((d, d)) / np.sqrt(d)
    X = np.empty((n, d), np.float32)
    for start in range(0, n, 100000):
        chunk = X[start : start + 100000]
        chunk[:] = np.tanh(2 * rng.standard_normal((len(chunk), n_dimensions)) @ first) @ second
        chunk += 0.1 * rng.standard_normal(chunk.shape, np.float32)
    return X


def list_cases(args):
    """List the cases: (key, label, size, estimator, function that returns X)."""
    cases = []
    if "tables" in args.only:
        for n in (1000, 10000, 100000, 1000000):
            if n <= args.max_rows:
                label = "table, 32 float32 features"
                cases.append(("table", label, n, DenseAutoencoder, lambda n=n: curved_surface(n)))
    if "wide" in args.only:
        for n in (1000, 10000, 100000):
            if n <= args.max_wide_rows:
                label = "table, 784 uint8 features"
                make = lambda n=n: flat(blobs(n, (28, 28)))  # noqa: E731
                cases.append(("wide", label, n, DenseAutoencoder, make))
    if "images" in args.only:
        for side in (32, 64, 128, 256, 512):
            if side <= args.max_side:
                make = lambda side=side: blobs(args.images, (side, side))  # noqa: E731
                label = f"{args.images} images"
                cases.append(("images", label, side**2, ConvAutoencoder, make))
    return cases


def measure(estimator, X, seed, device, max_iter="auto"):
    """Return the seconds of a fit of the autoencoder and of PCA, and the epochs."""
    model = estimator(device=device, random_state=seed, max_iter=max_iter)
    seconds, _ = timed(lambda: model.fit(X))
    # PCA needs half of the time and memory on float32 pixels compared with float64
    X_pca = as_floats(flat(X)) if X.dtype == np.uint8 else X
    pca_seconds, _ = timed(lambda: PCA(model.n_components_).fit(X_pca))
    return {
        "seconds": seconds,
        "pca_seconds": pca_seconds,
        "n_iter": model.n_iter_,
        "best_iter": model.best_iter_,
    }


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--max-rows", type=int, default=1000000, help="of 32 features (default 1000000)"
    )
    parser.add_argument(
        "--max-wide-rows", type=int, default=100000, help="of 784 bytes (default 100000)"
    )
    parser.add_argument(
        "--max-side", type=int, default=512, help="side of gray images (default 512)"
    )
    parser.add_argument("--images", type=int, default=500, help="number of images (default 500)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--long", type=float, default=120.0, help="do not repeat longer fits (default 120 s)"
    )
    parser.add_argument("--device", default="auto")
    kinds = ["tables", "wide", "images"]
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("scaling", args.results)
    cases = list_cases(args)
    # the first fit of a process takes longer
    measure(DenseAutoencoder, flat(blobs(300, (8, 8))), 0, args.device, max_iter=1)
    measure(ConvAutoencoder, blobs(300, (8, 8)), 0, args.device, max_iter=1)
    results = [[] for _ in cases]
    for seed in range(args.repeats):
        for (key, _, size, estimator, make), runs in zip(cases, results, strict=True):
            if runs and runs[0]["seconds"] > args.long:
                continue
            runs.append(measure(estimator, make(), seed, args.device))
            for quantity, column in (("fit_time", "seconds"), ("pca_fit_time", "pca_seconds")):
                median = np.median([run[column] for run in runs])
                recorder.record(f"{key}/{size}/{quantity}", median, "s", len(runs))
    print_header(
        "data",
        "estimator",
        "samples or pixels",
        "fit, s",
        "each run, s",
        "exponent",
        "PCA, s",
        "exponent",
        "fit / PCA",
        "epochs",
        "best",
    )
    previous = None
    for (key, label, size, estimator, _), runs in zip(cases, results, strict=True):
        column = {name: [run[name] for run in runs] for name in runs[0]}
        medians = {name: np.median(column[name]) for name in ("seconds", "pca_seconds")}
        exponents = dict.fromkeys(medians)
        if previous is not None and previous[0] == key:
            for name, median in medians.items():
                growth = np.log(median / previous[2][name]) / np.log(size / previous[1])
                exponents[name] = f"{growth:.2f}"
            recorder.record(
                f"{key}/{size}/exponent", float(exponents["seconds"]), "ratio", len(runs)
            )
        print_row(
            label,
            estimator.__name__,
            f"{size:,}",
            f"{medians['seconds']:.2f}",
            " ".join(f"{seconds:.2f}" for seconds in column["seconds"]),
            exponents["seconds"],
            f"{medians['pca_seconds']:.4f}",
            exponents["pca_seconds"],
            f"{medians['seconds'] / medians['pca_seconds']:.0f}",
            " ".join(map(str, column["n_iter"])),
            " ".join(map(str, column["best_iter"])),
        )
        previous = key, size, medians
    print(f"\nDefault n_components; medians of up to {args.repeats} runs. {recorder.describe()}")


if __name__ == "__main__":
    main()
