"""Look whether an autoencoder with default settings is ever worse than PCA.

Test error over PCA's, on tables and images of many sizes. What skae promises is a median over seeds of at most 1.001.

    python benchmarks/against_pca.py --jobs 2
    python benchmarks/against_pca.py --tables FOLDER --images mnist.npz fashion-mnist/ --seeds 3
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from common import flat, head, load_images, mean_squared_error, row, setting
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import ConvAutoencoder, DenseAutoencoder

PROMISED = 1.001
ROUNDING = 1e-10
"""Errors below this share of the variance count as that share: such reconstructions are exact, to rounding of float32."""

BUNDLED = ["digits", "breast_cancer", "wine", "iris", "diabetes", "linnerud"]
NETWORKS = {"dense": DenseAutoencoder, "conv": ConvAutoencoder}


# ------------------------------------------------------------------------------------------------------------- data


def load(kind, where, seed):
    """Give training and test rows; all but those with a split of their own are split by the seed."""
    if kind == "images":
        X, _, T, _ = load_images(where)
        return X, T
    if kind == "digits":
        return train_test_split(datasets.load_digits().images, test_size=0.2, random_state=seed)
    if kind == "patches":
        return colour_patches(seed, apart=where == "apart")
    X = getattr(datasets, f"load_{where}")().data if kind == "bundled" else read_table(where)
    X, T = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(T)


def read_table(path):
    """Read X of an .npz file."""
    with np.load(path, allow_pickle=False) as file:
        return np.asarray(file["X"], np.float64)


def colour_patches(seed, *, apart, size=32, block=64):
    """Cut 1,600 and 400 patches out of scikit-learn's two photographs.

    Where they lie `apart`, the photographs are cut into blocks first, and no patch of the one kind is from a block of the
    other. If not, a test patch may overlap with patches that were learned from.
    """
    rng = np.random.default_rng(seed)
    photos = [np.asarray(photo) for photo in datasets.load_sample_images().images]
    if not apart:
        places = [
            (i, *(rng.integers(n - size + 1) for n in photos[i].shape[:2]))
            for i in rng.integers(2, size=2000)
        ]
    else:
        corners = [
            (photo, top, left)
            for photo, pixels in enumerate(photos)
            for top in range(0, pixels.shape[0] - block + 1, block)
            for left in range(0, pixels.shape[1] - block + 1, block)
        ]
        corners = [corners[i] for i in rng.permutation(len(corners))]
        n_test = len(corners) // 5
        places = []
        for chosen, count in ((corners[n_test:], 1600), (corners[:n_test], 400)):
            for i in range(count):
                photo, top, left = chosen[i % len(chosen)]
                down, right = rng.integers(block - size + 1, size=2)
                places.append((photo, top + down, left + right))
    patches = np.stack(
        [photos[photo][top : top + size, left : left + size] for photo, top, left in places]
    )
    return patches[:1600], patches[1600:]


def all_cases(args):
    """List what is measured: (name, kind, where, network, numbers of components or None)."""
    wanted = args.only or ["bundled", "tables", "digits", "patches", "images"]
    cases, left_out = [], []
    if "bundled" in wanted:
        cases += [(name.replace("_", " "), "bundled", name, "dense", None) for name in BUNDLED]
    if "tables" in wanted and args.tables:
        for path in sorted(Path(args.tables).glob("*.npz"), key=lambda path: path.stat().st_size):
            n = len(read_table(path))
            if n <= args.max_rows:
                cases.append((path.stem, "table", str(path), "dense", None))
            else:
                left_out.append(f"{path.stem} ({n:,} rows)")
    if "digits" in wanted:
        cases += [("digits, as images", "digits", None, "conv", (2, 8, 32))]
    if "patches" in wanted:
        for where, words in ((None, "colour patches"), ("apart", "colour patches, test apart")):
            cases += [(words, "patches", where, network, (32, 128)) for network in NETWORKS]
    if "images" in wanted:
        for path in args.images:
            cases += [
                (Path(path).stem, "images", path, network, (2, 8, 32)) for network in NETWORKS
            ]
    return cases, left_out


# --------------------------------------------------------------------------------------------------------- measuring


def sizes(X, quarter):
    """Give the numbers of components to try on a table: a quarter of the features, and 2, 8, 32 as far as they reduce it."""
    n, d = X.shape
    return sorted({k for k in (max(1, d // 4), *(() if quarter else (2, 8, 32))) if k < min(n, d)})


def measure(kind, where, network, k, seed):
    """Fit both on the same rows, and compare them on others."""
    X, T = load(kind, where, seed)
    rows, tests = flat(X), flat(T)
    start = time.perf_counter()
    # both are exact
    pca = PCA(k, svd_solver="covariance_eigh" if len(rows) >= rows.shape[1] else "full").fit(rows)
    pca_seconds = time.perf_counter() - start
    pca_error = mean_squared_error(tests, pca.inverse_transform(pca.transform(tests)))
    model = NETWORKS[network](k, random_state=seed)
    seen, unseen = (rows, tests) if network == "dense" else (X, T)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(seen)
    seconds = time.perf_counter() - start
    error = mean_squared_error(unseen, model.reconstruct(unseen))
    least = ROUNDING * float(np.var(tests, axis=0).mean())
    return {
        "ratio": max(error, least) / max(pca_error, least),
        "error": error,
        "pca_error": pca_error,
        "seconds": seconds,
        "pca_seconds": pca_seconds,
        "n_iter": model.n_iter_,
        "best_iter": model.best_iter_,
        "shape": rows.shape,
    }


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of .npz files with X")
    parser.add_argument(
        "--max-rows", type=int, default=60000, help="leave out tables with more (default 60000)"
    )
    parser.add_argument("--images", nargs="*", default=[], help=".npz files or IDX folders")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time")
    parser.add_argument(
        "--quarter",
        action="store_true",
        help="of tables only a quarter of the features as components",
    )
    parser.add_argument(
        "--only", nargs="*", choices=["bundled", "digits", "patches", "tables", "images"]
    )
    args = parser.parse_args()
    cases, left_out = all_cases(args)
    runs = []
    for name, kind, where, network, ks in cases:
        for k in ks or sizes(load(kind, where, 0)[0], args.quarter):
            runs += [(name, kind, where, network, k, seed) for seed in range(args.seeds)]
    found = Parallel(n_jobs=args.jobs, return_as="generator")(
        delayed(measure)(*run[1:]) for run in runs
    )
    seeds = [f"seed {seed}" for seed in range(args.seeds)]
    columns = [
        "network",
        "rows",
        "features",
        "k",
        *seeds,
        "median",
        "PCA's error",
        "fit, s",
        "PCA, s",
        "epochs",
        "best",
    ]
    head("test error / PCA's", *columns)
    medians, worse = [], []
    for name, _, _, network, k, seed in runs:
        if seed == 0:
            results = []
        results.append(next(found))
        if seed < args.seeds - 1:
            continue
        column = {key: [result[key] for result in results] for key in results[0]}
        medians.append(np.median(column["ratio"]))
        if medians[-1] > PROMISED:
            worse.append(f"{name} ({network}, k={k}): {medians[-1]:.4f}")
        row(
            name,
            network,
            *column["shape"][0],
            k,
            *(f"{ratio:.3f}" for ratio in column["ratio"]),
            f"**{medians[-1]:.3f}**",
            f"{np.median(column['pca_error']):.4g}",
            f"{np.median(column['seconds']):.2f}",
            f"{np.median(column['pca_seconds']):.3f}",
            " ".join(map(str, column["n_iter"])),
            " ".join(map(str, column["best_iter"])),
        )
    print(
        f"\n{len(worse)} of {len(medians)} sets have a median above {PROMISED}; the median of the medians is "
        f"{np.median(medians):.3f}."
    )
    for line in worse:
        print(f"- {line}")
    if left_out:
        print(f"\nLeft out, for more than {args.max_rows:,} rows: {', '.join(left_out)}.")
    print(f"\n{args.jobs} fits at a time. {setting()}")


if __name__ == "__main__":
    main()
