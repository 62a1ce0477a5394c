"""Compare imputation of missing values by an autoencoder with scikit-learn's imputers.

A fifth of all cells of standardized tables is removed at random. The table contains the root mean squared error over the
removed cells, in standard deviations of the columns. All methods are fitted on the table with missing values.

    python benchmarks/impute.py
    python benchmarks/impute.py --tables adbench/ --rows 600
    python benchmarks/impute.py --tables adbench/ --half 0    # the tables on which settings were chosen
"""

import argparse
import re
from functools import partial
from pathlib import Path

import numpy as np
from common import Recorder, print_header, print_row, slug, timed
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from skae import DenseAutoencoder

BUNDLED = {
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
}

IMPUTERS = {
    "mean": ("mean", lambda seed: SimpleImputer()),
    "iterative": ("IterativeImputer", lambda seed: IterativeImputer(random_state=seed)),
    "knn": ("KNNImputer", lambda seed: KNNImputer()),
}


def fit_reconstruct(model, X):
    """Fit an autoencoder and reconstruct the training samples."""
    return model.fit(X).reconstruct(X)


def read_tables(args):
    """Return the tables by name."""
    if not args.tables:
        return {name: load().data for name, load in BUNDLED.items()}
    paths = sorted(Path(args.tables).glob("*.npz"))
    if args.half is not None:
        paths = paths[args.half :: 2]
    tables = {}
    for path in paths:
        with np.load(path) as file:
            tables[re.sub(r"^\d+_", "", path.stem)] = file["X"]
    return tables


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", help="folder of .npz files with an X (default: scikit-learn's own tables)"
    )
    parser.add_argument(
        "--rows", type=int, default=3000, help="maximum number of rows of a table (default 3000)"
    )
    parser.add_argument(
        "--columns", type=int, default=100, help="leave out wider tables (default 100)"
    )
    parser.add_argument(
        "--missing", type=float, default=0.2, help="fraction of missing cells (default 0.2)"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--half", type=int, choices=[0, 1], help="every second table, from the first or the second"
    )
    parser.add_argument(
        "--trees", action="store_true", help="add IterativeImputer with ExtraTreesRegressor"
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("impute", args.results)
    group = "tables" if args.tables else "bundled"
    imputers = dict(IMPUTERS)
    if args.trees:
        imputers["iterative-trees"] = (
            "IterativeImputer, trees",
            lambda seed: IterativeImputer(
                ExtraTreesRegressor(10, random_state=seed), random_state=seed
            ),
        )
    names = [*imputers, "skae"]
    labels = [label for label, _ in imputers.values()]
    print_header("table", "rows x columns", *labels, "DenseAutoencoder", "best", "fit, s")
    n_lowest = dict.fromkeys(names, 0)
    log_ratios = []
    for table_name, table in read_tables(args).items():
        X = table.astype(np.float64)
        X = X[np.random.default_rng(0).permutation(len(X))[: args.rows]]
        X = StandardScaler().fit_transform(X[:, X.std(0) > 0])
        if X.shape[1] > args.columns:
            continue
        errors, times = [], []
        for seed in range(args.seeds):
            mask = np.random.default_rng(seed).random(X.shape) < args.missing
            X_missing = np.where(mask, np.nan, X)
            imputed = [
                timed(partial(make(seed).fit_transform, X_missing))[1]
                for _, make in imputers.values()
            ]
            model = DenseAutoencoder(
                X.shape[1], allow_nan=True, corruption="masking", random_state=seed
            )
            seconds, reconstruction = timed(partial(fit_reconstruct, model, X_missing))
            times.append(seconds)
            errors.append(
                [np.sqrt(np.square(found - X)[mask].mean()) for found in (*imputed, reconstruction)]
            )
        errors = dict(zip(names, np.median(errors, axis=0), strict=True))
        n_lowest[min(errors, key=errors.get)] += 1
        log_ratios.append(np.log(errors["skae"] / errors["iterative"]))
        prefix = f"{group}/{slug(table_name)}"
        recorder.record_all(
            {f"{prefix}/{name}/rmse": error for name, error in errors.items()},
            "ratio",
            args.seeds,
        )
        recorder.record(f"{prefix}/skae/fit_time", np.median(times), "s", args.seeds)
        print_row(
            table_name,
            f"{len(X):,} x {X.shape[1]}",
            *(f"{error:.3f}" for error in errors.values()),
            model.best_iter_,
            f"{np.median(times):.1f}",
        )
    counts = {f"{group}/summary/{name}/n_lowest": n for name, n in n_lowest.items()}
    counts[f"{group}/summary/n_tables"] = len(log_ratios)
    recorder.record_all(counts, "count", args.seeds)
    ratio = float(np.exp(np.mean(log_ratios)))
    recorder.record(f"{group}/summary/ratio_to_iterative", ratio, "ratio", args.seeds)
    lowest = ", ".join(f"{name} {n}" for name, n in n_lowest.items())
    print(
        f"\nTables with the lowest error, of {len(log_ratios)}: {lowest}. The geometric mean of the "
        f"error is {ratio:.3f} of IterativeImputer's. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
