"""Compare the default anomaly detector with detectors of scikit-learn and PyOD.

All detectors are trained on the same normal samples. PyOD's detectors take part if PyOD is installed.

    python benchmarks/detect.py --tables adbench/
    python benchmarks/detect.py --tables adbench/ --only wine glass --seeds 1
    python benchmarks/detect.py --idx fashion-mnist/
    python benchmarks/detect.py --idx fashion-mnist/ --methods skae --seeds 3

Tables: the training set is a random half of the normal samples; the test set is the other half and all anomalies. All methods
see features that are standardized on the training set. Images: the training set contains the training images of one class, the
test set all test images; each class is the normal class once. Other detectors see pixels in [0, 1] as rows.
"""

import argparse
import importlib.util
import re
from pathlib import Path

import numpy as np
from common import (
    Recorder,
    as_floats,
    flat,
    load_images,
    print_header,
    print_row,
    slug,
    timed,
)
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import ReconstructionDetector


def nearest_neighbors(X, T, seed):
    """Return the mean distance to the five nearest training samples."""
    return NearestNeighbors(n_neighbors=5).fit(X).kneighbors(T)[0].mean(axis=1)


def isolation_forest(X, T, seed):
    """Return the scores of an isolation forest."""
    return -IsolationForest(random_state=seed).fit(X).score_samples(T)


def one_class_svm(X, T, seed, max_rows):
    """Return the scores of a one-class support vector machine, trained on at most `max_rows` samples."""
    return -OneClassSVM().fit(X[:max_rows]).score_samples(T)


def local_outlier_factor(X, T, seed):
    """Return the local outlier factors."""
    return -LocalOutlierFactor(novelty=True).fit(X).score_samples(T)


def pyod_auto_encoder(X, T, seed):
    """Return the scores of PyOD's autoencoder, which standardizes its input."""
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(random_state=seed, verbose=0).fit(X).decision_function(T)


def pyod_pca(X, T, seed):
    """Return the scores of PyOD's PCA, which standardizes its input.

    It divides by variances that may be zero. Constant columns are therefore removed, and infinite scores count as the largest.
    """
    from pyod.models.pca import PCA

    varies = np.ptp(X, axis=0) > 0
    X, T = X[:, varies], T[:, varies]
    return np.nan_to_num(PCA(random_state=seed).fit(X).decision_function(T))


def skae_detector(X, T, seed):
    """Return the scores of the default ReconstructionDetector."""
    return -ReconstructionDetector(random_state=seed).fit(X).score_samples(T)


def list_methods(svm_rows):
    """Return the label and the scoring function of each method by its name in keys."""
    methods = {
        "skae": ("ReconstructionDetector", skae_detector),
        "neighbors": ("5 nearest neighbors", nearest_neighbors),
        "isolation_forest": ("IsolationForest", isolation_forest),
        "svm": ("OneClassSVM", lambda X, T, seed: one_class_svm(X, T, seed, svm_rows)),
        "lof": ("LocalOutlierFactor", local_outlier_factor),
    }
    if importlib.util.find_spec("pyod"):
        methods["pyod_autoencoder"] = ("PyOD AutoEncoder", pyod_auto_encoder)
        methods["pyod_pca"] = ("PyOD PCA", pyod_pca)
    return methods


def split(path, seed, max_rows):
    """Return training samples, test samples, and a mask of the anomalies among the test samples."""
    with np.load(path, allow_pickle=False) as file:
        X, y = file["X"], file["y"].astype(bool)
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~y))[:max_rows]
    train, test = np.split(normal, [len(normal) // 2])
    scaler = StandardScaler().fit(X[train].astype(np.float64))
    test = np.concatenate([test, np.flatnonzero(y)])
    return (
        scaler.transform(X[train].astype(np.float64)),
        scaler.transform(X[test].astype(np.float64)),
        y[test],
    )


def measure(label, key, splits, methods, recorder):
    """Run all methods on all splits, print and write a row; return (methods, [ROC-AUC, average precision, seconds])."""
    scores_of = np.zeros((len(methods), 3))
    n_splits = 0
    for seed, (X, T, X_rows, T_rows, is_anomaly) in enumerate(splits):
        for i, (name, (_, run)) in enumerate(methods.items()):
            data = (X, T) if name == "skae" else (X_rows, T_rows)
            seconds, scores = timed(lambda run=run, data=data, seed=seed: run(*data, seed))
            scores_of[i] += (
                roc_auc_score(is_anomaly, scores),
                average_precision_score(is_anomaly, scores),
                seconds,
            )
        n_splits += 1
    scores_of /= n_splits
    record_scores(recorder, key, methods, scores_of, n_splits)
    counts = {f"{key}/n_train": len(X), f"{key}/n_anomalies": int(is_anomaly.sum())}
    recorder.record_all(counts, "count", n_splits)
    print_row(
        label,
        len(X),
        int(is_anomaly.sum()),
        *(f"{100 * auc:.1f} / {100 * precision:.1f}" for auc, precision in scores_of[:, :2]),
    )
    return scores_of


def record_scores(recorder, key, methods, scores, n_seeds):
    """Write ROC-AUC and average precision of all methods."""
    for name, (auc, precision) in zip(methods, scores[:, :2], strict=True):
        figures = {
            f"{key}/{name}/roc_auc": auc,
            f"{key}/{name}/average_precision": precision,
        }
        recorder.record_all(figures, "ratio", n_seeds)


def summarize(label, key, results, methods, recorder, n_seeds):
    """Print and write the means over data sets."""
    means = np.mean(results, axis=0)
    record_scores(recorder, key, methods, means, n_seeds)
    print_row(
        f"**mean, {label}**",
        "",
        "",
        *(f"**{100 * auc:.2f} / {100 * precision:.2f}**" for auc, precision in means[:, :2]),
    )


def record_seconds(key, results, methods, recorder, n_seeds):
    """Print and write the total time of each method over data sets and seeds."""
    seconds = n_seeds * np.sum(results, axis=0)[:, 2]
    print_row("seconds, total", "", "", *(f"{value:.0f}" for value in seconds))
    figures = {f"{key}/{name}/total_time": s for name, s in zip(methods, seconds, strict=True)}
    recorder.record_all(figures, "s", n_seeds)


def compare_tables(args, methods, recorder):
    """Print the table of the tables."""
    paths = [
        path
        for path in sorted(Path(args.tables).glob("*.npz"))
        if any(part in path.stem for part in args.only)
    ]
    labels = [label for label, _ in methods.values()]
    print_header("ROC-AUC / average precision, x 100", "training samples", "anomalies", *labels)
    results, n_seeds = [], args.seeds or 3
    for path in paths:
        splits = (split(path, seed, args.max_rows) for seed in range(n_seeds))
        name = re.sub(r"^\d+_", "", path.stem)
        results.append(
            measure(
                name,
                f"tables/{slug(name)}",
                ((X, T, X, T, is_anomaly) for X, T, is_anomaly in splits),
                methods,
                recorder,
            )
        )
    if args.only != [""]:
        return
    summarize("all", "mean/tables", results, methods, recorder, n_seeds)
    recorder.record("mean/tables/n_tables", len(results), "count", n_seeds)
    record_seconds("mean/tables", results, methods, recorder, n_seeds)


def compare_images(args, methods, recorder):
    """Print the table of the classes of a set of images."""
    X, y, T, y_test = load_images(args.images)
    T, y_test = T[: args.test_rows], y_test[: args.test_rows]
    X_rows, T_rows = (flat(as_floats(images)) for images in (X, T))
    data = slug(Path(args.images).stem)
    labels = [label for label, _ in methods.values()]
    print_header("ROC-AUC / average precision, x 100", "training images", "anomalies", *labels)
    results, n_seeds = [], args.seeds or 1
    for label in args.classes:
        chosen = y == label
        splits = [(X[chosen], T, X_rows[chosen], T_rows, y_test != label)] * n_seeds
        key = f"{data}/class-{label}"
        results.append(measure(f"class {label}", key, splits, methods, recorder))
    if args.classes != list(range(10)):
        return
    for label, key, part in (
        ("all", data, results),
        ("even classes, used for development", f"{data}-development", results[::2]),
        ("odd classes", f"{data}-other", results[1::2]),
    ):
        summarize(label, f"mean/{key}", part, methods, recorder, n_seeds)
    record_seconds(f"mean/{data}", results, methods, recorder, n_seeds)


def main():
    """Print a table for each kind of data and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of .npz files with X and y, where 1 is an anomaly")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="parts of the names of tables; no means are written"
    )
    parser.add_argument("--idx", dest="images", help="folder with the four IDX files")
    parser.add_argument("--data", dest="images", help=".npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--classes", type=int, nargs="+", default=list(range(10)))
    parser.add_argument(
        "--methods", nargs="+", choices=list(list_methods(0)), help="columns (default all)"
    )
    parser.add_argument(
        "--seeds", type=int, help="splits of a table (default 3), or fits of a class (default 1)"
    )
    parser.add_argument(
        "--max-rows", type=int, default=20000, help="normal samples of a table (default 20000)"
    )
    parser.add_argument(
        "--svm-rows",
        type=int,
        default=10000,
        help="training samples of OneClassSVM (default 10000)",
    )
    parser.add_argument("--test-rows", type=int, help="test images (default all)")
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("detect", args.results, packages=("pyod",))
    methods = list_methods(args.svm_rows)
    methods = {name: methods[name] for name in args.methods or methods}
    # the first fit of a process takes longer
    warm_up = np.random.default_rng(0).normal(size=(50, 4))
    timed(lambda: skae_detector(warm_up, np.zeros((1, 4)), 0))
    if args.tables:
        compare_tables(args, methods, recorder)
    if args.images:
        compare_images(args, methods, recorder)
    print(
        f"\nOneClassSVM is trained on at most {args.svm_rows:,} samples; at most {args.max_rows:,} normal samples "
        f"of a table are used. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
