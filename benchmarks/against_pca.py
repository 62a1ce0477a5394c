"""Compare the reconstruction error of default autoencoders with PCA.

The table contains the test error divided by that of PCA with as many components, for tables and images of many sizes. skae
is built for a median of at most 1.001 over seeds.

    python benchmarks/against_pca.py --jobs 2
    python benchmarks/against_pca.py --tables adbench/ --images mnist.npz fashion-mnist/ --seeds 3
    python benchmarks/against_pca.py --only bundled tables --tables adbench/ --quarter     # n_components = n_features // 4

Tables are split 4 to 1 by the seed and standardized on the training samples. Digits, patches and image sets keep their pixel
values. PCA is exact (`covariance_eigh` or `full`). Column `best` contains `best_iter_` of each seed; 0 means that the fitted
model is PCA.
"""

import argparse
import re
import time
import warnings
from pathlib import Path

import numpy as np
from common import (
    Recorder,
    flat,
    load_images,
    mean_squared_error,
    print_header,
    print_row,
    slug,
)
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import ConvAutoencoder, DenseAutoencoder

MAX_MEDIAN_RATIO = 1.001
MIN_RELATIVE_ERROR = 1e-10
"""Smaller errors, relative to the variance, count as this value: such reconstructions are exact up to float32 rounding."""

BUNDLED = ["digits", "breast_cancer", "wine", "iris", "diabetes", "linnerud"]
NETWORKS = {"dense": DenseAutoencoder, "conv": ConvAutoencoder}


# ------------------------------------------------------------------------------------------------------------- data


def load(kind, source, seed):
    """Return training and test samples; sets without a split of their own are split by the seed."""
    if kind == "images":
        X, _, T, _ = load_images(source)
        return X, T
    if kind == "digits":
        return train_test_split(datasets.load_digits().images, test_size=0.2, random_state=seed)
    if kind == "patches":
        return color_patches(seed, disjoint=source == "disjoint")
    X = getattr(datasets, f"load_{source}")().data if kind == "bundled" else read_table(source)
    X, T = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(T)


def read_table(path):
    """Read X of an .npz file."""
    with np.load(path, allow_pickle=False) as file:
        return np.asarray(file["X"], np.float64)


def color_patches(seed, *, disjoint, size=32, block=64):
    """Cut 1,600 training and 400 test patches out of scikit-learn's two photographs.

    With `disjoint`, the photographs are divided into blocks, and no block contains both training and test patches. Otherwise
    test patches may overlap with training patches.
    """
    rng = np.random.default_rng(seed)
    photographs = [np.asarray(image) for image in datasets.load_sample_images().images]
    if not disjoint:
        corners = [
            (i, *(rng.integers(n - size + 1) for n in photographs[i].shape[:2]))
            for i in rng.integers(2, size=2000)
        ]
    else:
        blocks = [
            (i, top, left)
            for i, image in enumerate(photographs)
            for top in range(0, image.shape[0] - block + 1, block)
            for left in range(0, image.shape[1] - block + 1, block)
        ]
        blocks = [blocks[i] for i in rng.permutation(len(blocks))]
        n_test = len(blocks) // 5
        corners = []
        for part, n_patches in ((blocks[n_test:], 1600), (blocks[:n_test], 400)):
            for j in range(n_patches):
                i, top, left = part[j % len(part)]
                down, right = rng.integers(block - size + 1, size=2)
                corners.append((i, top + down, left + right))
    patches = np.stack(
        [photographs[i][top : top + size, left : left + size] for i, top, left in corners]
    )
    return patches[:1600], patches[1600:]


def list_cases(args):
    """List the cases (key, label, kind, source, network, numbers of components or None) and the tables left out."""
    wanted = args.only or ["bundled", "tables", "digits", "patches", "images"]
    cases, left_out = [], []
    if "bundled" in wanted:
        cases += [
            (f"bundled/{name}", name.replace("_", " "), "bundled", name, "dense", None)
            for name in BUNDLED
        ]
    if "tables" in wanted and args.tables:
        for path in sorted(Path(args.tables).glob("*.npz"), key=lambda path: path.stat().st_size):
            n = len(read_table(path))
            name = re.sub(r"^\d+_", "", path.stem)
            if n <= args.max_rows:
                cases.append((f"tables/{slug(name)}", name, "table", str(path), "dense", None))
            else:
                left_out.append(f"{name} ({n:,} rows)")
    if "digits" in wanted:
        ks = (2, 8, 32)
        cases.append(("images/digits", "digits, as images", "digits", None, "conv", ks))
    if "patches" in wanted:
        for source, label in (("random", "color patches"), ("disjoint", "color patches, disjoint")):
            cases += [
                (f"patches/{source}", label, "patches", source, network, (32, 128))
                for network in NETWORKS
            ]
    if "images" in wanted:
        for path in args.images:
            name = Path(path).stem
            cases += [
                (f"images/{slug(name)}", name, "images", path, network, (2, 8, 32))
                for network in NETWORKS
            ]
    return cases, left_out


# --------------------------------------------------------------------------------------------------------- measuring


def component_counts(X, quarter):
    """Return n_components for a table: a quarter of the features and, without `quarter`, 2, 8 and 32 if they reduce it."""
    n, d = X.shape
    candidates = {max(1, d // 4), *(() if quarter else (2, 8, 32))}
    return sorted(k for k in candidates if k < min(n, d))


def measure(kind, source, network, k, seed):
    """Fit PCA and an autoencoder on the same training samples, and compare their errors on the test samples."""
    X, T = load(kind, source, seed)
    rows, test_rows = flat(X), flat(T)
    solver = "covariance_eigh" if len(rows) >= rows.shape[1] else "full"
    start = time.perf_counter()
    pca = PCA(k, svd_solver=solver).fit(rows)
    pca_seconds = time.perf_counter() - start
    pca_error = mean_squared_error(test_rows, pca.inverse_transform(pca.transform(test_rows)))
    model = NETWORKS[network](k, random_state=seed)
    X_train, X_test = (rows, test_rows) if network == "dense" else (X, T)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X_train)
    seconds = time.perf_counter() - start
    error = mean_squared_error(X_test, model.reconstruct(X_test))
    minimum = MIN_RELATIVE_ERROR * float(np.var(test_rows, axis=0).mean())
    return {
        "ratio": max(error, minimum) / max(pca_error, minimum),
        "error": error,
        "pca_error": pca_error,
        "seconds": seconds,
        "pca_seconds": pca_seconds,
        "n_iter": model.n_iter_,
        "best_iter": model.best_iter_,
        "shape": rows.shape,
    }


def record_case(recorder, key, network, k, results):
    """Write the medians over seeds of one case; a quarter of the features is also written as `quarter`."""
    n_seeds = len(results)
    n_samples, n_features = results[0]["shape"]
    names = [f"{network}-{k}"]
    if key.startswith(("bundled", "tables")) and k == max(1, n_features // 4):
        names.append("quarter")
    for name in names:
        prefix = f"{key}/{name}"
        recorder.record(
            f"{prefix}/ratio", np.median([r["ratio"] for r in results]), "ratio", n_seeds
        )
        for quantity, column in (("fit_time", "seconds"), ("pca_fit_time", "pca_seconds")):
            median = np.median([r[column] for r in results])
            recorder.record(f"{prefix}/{quantity}", median, "s", n_seeds)
    counts = {"n_samples": n_samples, "n_features": n_features}
    if names[-1] == "quarter":
        counts["quarter/n_components"] = k
    recorder.record_all({f"{key}/{name}": n for name, n in counts.items()}, "count", n_seeds)


def record_summary(recorder, ratios, quarter, n_seeds):
    """Write the median ratio and the number of sets above the maximum."""
    prefix = f"summary/{'quarter' if quarter else 'all'}"
    recorder.record(f"{prefix}/ratio", np.median(ratios), "ratio", n_seeds)
    n_above = sum(ratio > MAX_MEDIAN_RATIO for ratio in ratios)
    counts = {f"{prefix}/n_sets": len(ratios), f"{prefix}/n_above": n_above}
    recorder.record_all(counts, "count", n_seeds)


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of .npz files with X")
    parser.add_argument(
        "--max-rows", type=int, default=60000, help="leave out larger tables (default 60000)"
    )
    parser.add_argument("--images", nargs="*", default=[], help=".npz files or IDX folders")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="fits at the same time (default 1)")
    parser.add_argument(
        "--quarter",
        action="store_true",
        help="for tables, only n_components = n_features // 4",
    )
    parser.add_argument(
        "--only", nargs="*", choices=["bundled", "digits", "patches", "tables", "images"]
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("against_pca", args.results)
    cases, left_out = list_cases(args)
    runs = []
    for key, label, kind, source, network, ks in cases:
        for k in ks or component_counts(load(kind, source, 0)[0], args.quarter):
            runs += [(key, label, kind, source, network, k, seed) for seed in range(args.seeds)]
    measured = Parallel(n_jobs=args.jobs, return_as="generator")(
        delayed(measure)(*run[2:]) for run in runs
    )
    columns = ["network", "samples", "features", "n_components"]
    columns += [f"seed {seed}" for seed in range(args.seeds)]
    columns += ["median", "PCA's error", "fit, s", "PCA, s", "epochs", "best"]
    print_header("test error / PCA's", *columns)
    medians, above = [], []
    results = []
    for key, label, _, _, network, k, seed in runs:
        results.append(next(measured))
        if seed < args.seeds - 1:
            continue
        column = {name: [result[name] for result in results] for name in results[0]}
        median = float(np.median(column["ratio"]))
        medians.append(median)
        if median > MAX_MEDIAN_RATIO:
            above.append(f"{label} ({network}, n_components={k}): {median:.4f}")
        print_row(
            label,
            network,
            *column["shape"][0],
            k,
            *(f"{ratio:.3f}" for ratio in column["ratio"]),
            f"**{median:.3f}**",
            f"{np.median(column['pca_error']):.4g}",
            f"{np.median(column['seconds']):.2f}",
            f"{np.median(column['pca_seconds']):.3f}",
            " ".join(map(str, column["n_iter"])),
            " ".join(map(str, column["best_iter"])),
        )
        record_case(recorder, key, network, k, results)
        results = []
    record_summary(recorder, medians, args.quarter, args.seeds)
    print(
        f"\n{len(above)} of {len(medians)} sets have a median above {MAX_MEDIAN_RATIO}; "
        f"the median of the medians is {np.median(medians):.3f}."
    )
    for line in above:
        print(f"- {line}")
    if left_out:
        print(f"\nLeft out, with more than {args.max_rows:,} rows: {', '.join(left_out)}.")
    print(f"\n{args.jobs} fits at the same time. {recorder.describe()}")


if __name__ == "__main__":
    main()
