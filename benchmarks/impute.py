"""Compare imputation of missing values by an autoencoder with scikit-learn's imputers.

Cells of standardized tables are removed, at random or depending on values. The error is the root mean squared error over the
removed cells, in standard deviations of the columns. All methods are fitted on the table with missing values.

    python benchmarks/impute.py                                       # tables of scikit-learn
    python benchmarks/impute.py --tables adbench/ --rows 500 --rates 0.1 0.2 0.4 --mechanisms random values
    python benchmarks/impute.py --wide --data mnist.npz --rows 400    # tables of 129 to 1,000 columns
    python benchmarks/impute.py --classify                            # accuracy of a classifier behind the imputer
    python benchmarks/impute.py --tables adbench/ --half 0            # the tables on which settings were chosen
"""

import argparse
import re
from functools import partial
from pathlib import Path

import numpy as np
from common import Recorder, flat, load_images, print_header, print_row, slug, timed
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skae import AutoencoderImputer

BUNDLED = {
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
}

MAX_COLUMNS_OF_ALL = 50
"""Most columns of a table for which IterativeImputer regresses each column on all others."""


def make_imputers(n_columns, seed):
    """Return the imputers by name. For wide tables, IterativeImputer has fewer regressors and iterations."""
    nearest, n_rounds, n_trees = None, 15, 4
    if n_columns > MAX_COLUMNS_OF_ALL:
        nearest, n_trees = 30, 4
    if n_columns > 128:
        nearest, n_rounds, n_trees = 50, 5, 2
    trees = ExtraTreesRegressor(30, random_state=seed)
    return {
        "mean": SimpleImputer(),
        "knn": KNNImputer(n_neighbors=10, weights="distance"),
        "iterative": IterativeImputer(
            max_iter=n_rounds,
            tol=0.01,
            n_nearest_features=None if n_columns <= 128 else nearest,
            random_state=seed,
        ),
        "iterative-trees": IterativeImputer(
            trees, max_iter=n_trees, tol=0.01, n_nearest_features=nearest, random_state=seed
        ),
        "skae": AutoencoderImputer(random_state=seed),
    }


LABELS = {
    "mean": "mean",
    "knn": "KNNImputer",
    "iterative": "IterativeImputer",
    "iterative-trees": "IterativeImputer, trees",
    "skae": "AutoencoderImputer",
}


# ------------------------------------------------------------------------------------------------------ tables


def read_tables(args):
    """Return X and y of the tables by name."""
    if args.wide:
        return wide_tables(args.data)
    if not args.tables:
        return {name: load(return_X_y=True) for name, load in BUNDLED.items()}
    paths = sorted(Path(args.tables).glob("*.npz"))
    if args.half is not None:
        paths = paths[args.half :: 2]
    tables = {}
    for path in paths:
        with np.load(path) as file:
            tables[re.sub(r"^\d+_", "", path.stem)] = file["X"], file["y"]
    return tables


def wide_tables(images):
    """Return tables of 129 to 1,000 columns, without labels: polynomials, low rank, and images if given."""
    tables = {}
    for name, load, degree in (
        ("breast cancer, degree 2", datasets.load_breast_cancer, 2),
        ("wine, degree 3", datasets.load_wine, 3),
        ("diabetes, degree 3", datasets.load_diabetes, 3),
    ):
        X = StandardScaler().fit_transform(load().data)
        tables[name] = PolynomialFeatures(degree, include_bias=False).fit_transform(X)
    tables["low rank"] = datasets.make_low_rank_matrix(
        2000, 300, effective_rank=15, tail_strength=0.2, random_state=0
    )
    rng = np.random.default_rng(0)
    hidden = np.tanh(rng.normal(size=(2000, 6)) @ rng.normal(size=(6, 60)))
    tables["nonlinear"] = hidden @ rng.normal(size=(60, 400)) + 1.5 * rng.normal(size=(2000, 400))
    for side, name in ((16, "photograph, 16 x 16"), (24, "photograph, 24 x 24")):
        photograph = datasets.load_sample_image("china.jpg").mean(2)
        corners = rng.integers(0, np.array(photograph.shape) - side, (2000, 2))
        patches = [photograph[i : i + side, j : j + side].ravel() for i, j in corners]
        tables[name] = np.array(patches)
    for path in images:
        X = flat(load_images(path)[0][:6000]).astype(np.float64)
        tables[Path(path).stem] = X[:, (X > 0).mean(0) > 0.02]
    return {name: (X, None) for name, X in tables.items()}


def standardized(X, n_rows):
    """Return a sample of rows with standardized columns, without constant columns, and its indices."""
    rows = np.random.default_rng(0).permutation(len(X))[:n_rows]
    X = X[rows].astype(np.float64)
    X = X[:, X.std(0) > 1e-9 * np.abs(X).max(0)]
    return StandardScaler().fit_transform(X), rows


def missing_cells(X, mechanism, rate, seed):
    """Return a mask of removed cells.

    The mechanism "random" is independent of X. With "values", the logit of the probability is twice the mean of the value
    itself and of a random linear combination of all columns, so that large values are missing more often.
    """
    rng = np.random.default_rng([seed, 1])
    probability = np.full(X.shape, rate)
    if mechanism == "values":
        others = StandardScaler().fit_transform(X @ rng.normal(size=(X.shape[1], X.shape[1])))
        logits = 2 * np.clip((X + others) / np.sqrt(2), -3, 3)
        low, high = np.full((2, X.shape[1]), [[-20.0], [20.0]])
        for _ in range(40):  # the offset of each column that gives the rate
            offset = (low + high) / 2
            probability = 1 / (1 + np.exp(-logits - offset))
            is_low = probability.mean(0) < rate
            low, high = np.where(is_low, offset, low), np.where(is_low, high, offset)
    mask = rng.random(X.shape) < probability
    mask[:, (~mask).sum(0) < 5] = False
    return mask


# ------------------------------------------------------------------------------------------------------ measuring


def measure_errors(X, mechanism, rate, seeds):
    """Return the median error and the median time of each imputer."""
    errors, times = {}, {}
    for seed in range(seeds):
        mask = missing_cells(X, mechanism, rate, seed)
        X_missing = np.where(mask, np.nan, X)
        for name, imputer in make_imputers(X.shape[1], seed).items():
            seconds, imputed = timed(partial(imputer.fit_transform, X_missing))
            errors.setdefault(name, []).append(np.sqrt(np.square(imputed - X)[mask].mean()))
            times.setdefault(name, []).append(seconds)
    return (
        {name: np.median(values) for name, values in errors.items()},
        {name: np.median(values) for name, values in times.items()},
    )


def measure_accuracy(X, y, mechanism, rate, seeds):
    """Return the mean test accuracy of a classifier behind each imputer."""
    accuracies = {}
    for seed in range(seeds):
        X_missing = np.where(missing_cells(X, mechanism, rate, seed), np.nan, X)
        X_train, X_test, y_train, y_test = train_test_split(
            X_missing, y, test_size=0.4, random_state=seed, stratify=y
        )
        for name, imputer in make_imputers(X.shape[1], seed).items():
            pipeline = make_pipeline(imputer, HistGradientBoostingClassifier(random_state=seed))
            _, accuracy = timed(lambda p=pipeline: p.fit(X_train, y_train).score(X_test, y_test))  # noqa: B023
            accuracies.setdefault(name, []).append(accuracy)
    return {name: float(np.mean(values)) for name, values in accuracies.items()}


def compare_errors(args, recorder, tables, group, mechanism, rate):
    """Print and record the errors of all tables for one mechanism and rate."""
    setting = f"{group}-{mechanism}-{round(100 * rate)}"
    print(f"\n{rate:.0%} missing, {mechanism}\n")
    print_header("table", "rows x columns", *LABELS.values(), "fit, s")
    n_lowest = dict.fromkeys(LABELS, 0)
    log_ratios = []
    for table_name, (table, _) in tables.items():
        X, _ = standardized(table, args.rows)
        if X.shape[1] > args.columns:
            continue
        errors, times = measure_errors(X, mechanism, rate, args.seeds)
        n_lowest[min(errors, key=errors.get)] += 1
        log_ratios.append(np.log(errors["skae"] / errors["iterative"]))
        prefix = f"{setting}/{slug(table_name)}"
        recorder.record_all(
            {f"{prefix}/{name}/rmse": error for name, error in errors.items()}, "ratio", args.seeds
        )
        recorder.record_all(
            {f"{prefix}/{name}/fit_time": seconds for name, seconds in times.items()},
            "s",
            args.seeds,
        )
        print_row(
            table_name,
            f"{len(X):,} x {X.shape[1]}",
            *(f"{error:.3f}" for error in errors.values()),
            f"{times['skae']:.1f}",
        )
    counts = {f"{setting}/summary/{name}/n_lowest": n for name, n in n_lowest.items()}
    counts[f"{setting}/summary/n_tables"] = len(log_ratios)
    recorder.record_all(counts, "count", args.seeds)
    ratio = float(np.exp(np.mean(log_ratios)))
    recorder.record(f"{setting}/summary/ratio_to_iterative", ratio, "ratio", args.seeds)
    lowest = ", ".join(f"{name} {n}" for name, n in n_lowest.items())
    print(
        f"\nTables with the lowest error, of {len(log_ratios)}: {lowest}. The geometric mean of the "
        f"error is {ratio:.3f} of IterativeImputer's."
    )


def compare_accuracies(args, recorder, tables, mechanism, rate):
    """Print and record the accuracy of a classifier behind each imputer."""
    setting = f"classify-{mechanism}-{round(100 * rate)}"
    print(f"\nAccuracy, {rate:.0%} missing, {mechanism}\n")
    print_header("table", "rows x columns", *LABELS.values())
    n_highest = dict.fromkeys(LABELS, 0)
    n_tables = 0
    for table_name, (table, y) in tables.items():
        X, rows = standardized(table, args.rows)
        labels, counts = np.unique(y[rows], return_counts=True)
        if len(labels) > 20 or counts.min() < 10 or X.shape[1] > args.columns:
            continue
        accuracies = measure_accuracy(X, y[rows], mechanism, rate, args.seeds)
        n_highest[max(accuracies, key=accuracies.get)] += 1
        n_tables += 1
        recorder.record_all(
            {f"{setting}/{slug(table_name)}/{name}/accuracy": a for name, a in accuracies.items()},
            "ratio",
            args.seeds,
        )
        print_row(
            table_name, f"{len(X):,} x {X.shape[1]}", *(f"{a:.3f}" for a in accuracies.values())
        )
    counts = {f"{setting}/summary/{name}/n_highest": n for name, n in n_highest.items()}
    counts[f"{setting}/summary/n_tables"] = n_tables
    recorder.record_all(counts, "count", args.seeds)


def main():
    """Print the tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", help="folder of .npz files with X and y (default: scikit-learn's own tables)"
    )
    parser.add_argument("--wide", action="store_true", help="tables of 129 to 1,000 columns")
    parser.add_argument("--data", nargs="*", default=[], help="images for --wide")
    parser.add_argument(
        "--classify", action="store_true", help="accuracy of a classifier behind the imputers"
    )
    parser.add_argument("--rows", type=int, default=1000, help="maximum number of rows")
    parser.add_argument("--columns", type=int, default=1000, help="leave out wider tables")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.2])
    parser.add_argument("--mechanisms", nargs="+", choices=["random", "values"], default=["random"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--half", type=int, choices=[0, 1], help="every second table, from the first or the second"
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("impute", args.results)
    group = "wide" if args.wide else "tables" if args.tables else "bundled"
    tables = read_tables(args)
    for mechanism in args.mechanisms:
        for rate in args.rates:
            if args.classify:
                compare_accuracies(args, recorder, tables, mechanism, rate)
            else:
                compare_errors(args, recorder, tables, group, mechanism, rate)
    print(f"\n{recorder.describe()}")


if __name__ == "__main__":
    main()
