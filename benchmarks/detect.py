"""Measure how well anomalies are told from normal rows and images that were not seen.

The default detector, beside scikit-learn's and, where PyOD is installed, two of PyOD's, all trained on the same normal rows.

    python benchmarks/detect.py --tables adbench/
    python benchmarks/detect.py --tables adbench/ --only wine glass --seeds 1          # a try
    python benchmarks/detect.py --idx fashion-mnist/
    python benchmarks/detect.py --idx fashion-mnist/ --methods skae --seeds 3          # how much fits differ

Tables: trained on a random half of the normal rows, tested on the other half and all anomalies, all standardised on the
training rows for all methods. Images: trained on the training images of one class, tested on the test images of all, each class
in turn; the others see pixels between 0 and 1 as rows.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from common import as_floats, flat, head, load_images, row, setting, timed
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import ReconstructionDetector


def nearest(X, T, seed):
    """Mean distance to the five nearest training rows."""
    return NearestNeighbors(n_neighbors=5).fit(X).kneighbors(T)[0].mean(axis=1)


def forest(X, T, seed):
    """Isolation forest."""
    return -IsolationForest(random_state=seed).fit(X).score_samples(T)


def support(X, T, seed, most):
    """One-class support vector machine, trained on at most `most` rows."""
    return -OneClassSVM().fit(X[:most]).score_samples(T)


def local(X, T, seed):
    """Local outlier factor."""
    return -LocalOutlierFactor(novelty=True).fit(X).score_samples(T)


def pyod_auto_encoder(X, T, seed):
    """PyOD's autoencoder, which standardises by itself."""
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(random_state=seed, verbose=0).fit(X).decision_function(T)


def pyod_pca(X, T, seed):
    """PyOD's PCA, which standardises by itself.

    It divides by variances that may be zero: constant columns are kept from it, and infinite scores are taken for the largest.
    """
    from pyod.models.pca import PCA

    varies = np.ptp(X, axis=0) > 0
    X, T = X[:, varies], T[:, varies]
    return np.nan_to_num(PCA(random_state=seed).fit(X).decision_function(T))


def detector(X, T, seed):
    """Give the scores of the default detector."""
    return -ReconstructionDetector(random_state=seed).fit(X).score_samples(T)


def methods(most):
    """List what is compared."""
    found = {
        "skae": detector,
        "5 nearest": nearest,
        "isolation forest": forest,
        "one-class SVM": lambda X, T, seed: support(X, T, seed, most),
        "local outlier factor": local,
    }
    if importlib.util.find_spec("pyod"):
        found |= {"PyOD AutoEncoder": pyod_auto_encoder, "PyOD PCA": pyod_pca}
    return found


def split(path, seed, most):
    """Give training rows, test rows, and which of those are anomalies."""
    with np.load(path, allow_pickle=False) as file:
        X, y = file["X"], file["y"].astype(bool)
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~y))[:most]
    train, test = np.split(normal, [len(normal) // 2])
    scaler = StandardScaler().fit(X[train].astype(np.float64))
    test = np.concatenate([test, np.flatnonzero(y)])
    return (
        scaler.transform(X[train].astype(np.float64)),
        scaler.transform(X[test].astype(np.float64)),
        y[test],
    )


def measure(name, sources, compared):
    """Run all methods on all splits; print the row of a table, and give (methods, [ROC-AUC, AUCPR, seconds])."""
    found = np.zeros((len(compared), 3))
    for seed, (given, T, others, T_others, odd) in enumerate(sources):
        for number, (method, run) in enumerate(compared.items()):
            parts = (given, T) if method == "skae" else (others, T_others)
            seconds, scores = timed(lambda run=run, parts=parts, seed=seed: run(*parts, seed))
            found[number] += (
                roc_auc_score(odd, scores),
                average_precision_score(odd, scores),
                seconds,
            )
    found /= seed + 1
    row(
        name,
        len(given),
        int(odd.sum()),
        *(f"{100 * auc:.1f} / {100 * precision:.1f}" for auc, precision in found[:, :2]),
    )
    return found


def means(name, results):
    """Print the means over some data sets."""
    values = 100 * np.mean(results, axis=0)
    row(
        f"**mean, {name}**",
        "",
        "",
        *(f"**{auc:.2f} / {precision:.2f}**" for auc, precision in values[:, :2]),
    )


def main():
    """Print a table for each kind of data."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of .npz files with X and y, where 1 is an anomaly")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="parts of the names of the tables to take"
    )
    parser.add_argument("--idx", dest="images", help="folder with the four IDX files")
    parser.add_argument("--data", dest="images", help=".npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--classes", type=int, nargs="+", default=list(range(10)))
    parser.add_argument(
        "--methods", nargs="+", choices=list(methods(0)), help="which columns (default all)"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        help="splits of each table (default 3), or fits for each class (default 1)",
    )
    parser.add_argument(
        "--most", type=int, default=20000, help="normal rows drawn from a table (default 20000)"
    )
    parser.add_argument(
        "--svm-rows", type=int, default=10000, help="training rows of the SVM (default 10000)"
    )
    parser.add_argument("--test-rows", type=int, help="test images (default all)")
    args = parser.parse_args()
    compared = methods(args.svm_rows)
    compared = {name: compared[name] for name in args.methods or compared}
    timed(
        lambda: detector(np.random.default_rng(0).normal(size=(50, 4)), np.zeros((1, 4)), 0)
    )  # what only a first fit pays

    if args.tables:
        paths = [
            path
            for path in sorted(Path(args.tables).glob("*.npz"))
            if any(part in path.stem for part in args.only)
        ]
        head("ROC-AUC / AUCPR, x 100", "training rows", "anomalies", *compared)
        results, seeds = [], args.seeds or 3
        for path in paths:
            splits = (split(path, seed, args.most) for seed in range(seeds))
            results.append(
                measure(path.stem, ((X, T, X, T, odd) for X, T, odd in splits), compared)
            )
        means("all", results)
        if len(results) > 1:
            means("those that the rule was chosen on", results[1::2])
            means("the others", results[::2])
        row(
            "seconds, all",
            "",
            "",
            *(f"{seconds:.0f}" for seconds in seeds * np.sum(results, axis=0)[:, 2]),
        )

    if args.images:
        X, y, T, y_test = load_images(args.images)
        T, y_test = T[: args.test_rows], y_test[: args.test_rows]
        others, T_others = (flat(as_floats(part)) for part in (X, T))
        head("ROC-AUC / AUCPR, x 100", "training images", "anomalies", *compared)
        results, seeds = [], args.seeds or 1
        for label in args.classes:
            chosen = y == label
            source = (X[chosen], T, others[chosen], T_others, y_test != label)
            results.append(measure(f"class {label}", [source] * seeds, compared))
        means("all", results)
        if args.classes == list(range(10)):
            means("even classes, that the rule was chosen on", results[::2])
            means("odd classes", results[1::2])
        row(
            "seconds, all",
            "",
            "",
            *(f"{seconds:.0f}" for seconds in seeds * np.sum(results, axis=0)[:, 2]),
        )
    print(
        f"\nThe SVM sees at most {args.svm_rows:,} rows, of tables at most {args.most:,} normal rows are drawn. {setting()}"
    )


if __name__ == "__main__":
    main()
