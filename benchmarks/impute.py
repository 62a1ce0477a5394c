"""Measure how well gaps in tables are filled.

A fifth of all cells of standardised tables is hidden, at random; the root of the mean squared error over the hidden cells, in
standard deviations, for each way to fill them. All of them learn from the table with its gaps.

    python benchmarks/impute.py
    python benchmarks/impute.py --tables adbench/ --rows 3000
    python benchmarks/impute.py --tables adbench/ --half 0    # the tables that the rules were chosen on
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from common import head, row, setting, timed
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


def autoencoder(n_features, seed):
    """Give the autoencoder that fills gaps: hidden cells are what it learns from, and codes as long as rows lose nothing."""
    return DenseAutoencoder(n_features, allow_nan=True, corruption="masking", random_state=seed)


def reconstructed(model, X):
    """Fit, and reconstruct the same rows."""
    return model.fit(X).reconstruct(X)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", help="folder of .npz files with an X (default: scikit-learn's own tables)"
    )
    parser.add_argument(
        "--rows", type=int, default=3000, help="rows of each table at the most (default 3000)"
    )
    parser.add_argument(
        "--columns", type=int, default=100, help="larger tables are left out (default 100)"
    )
    parser.add_argument(
        "--missing", type=float, default=0.2, help="share of the cells (default 0.2)"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--half",
        type=int,
        choices=[0, 1],
        help="every second table alone, from the first or the second",
    )
    parser.add_argument(
        "--trees", action="store_true", help="also the iterative imputer with trees"
    )
    args = parser.parse_args()
    tables = {} if args.tables else {name: load().data for name, load in BUNDLED.items()}
    for path in (
        sorted(Path(args.tables).glob("*.npz"))[args.half :: 1 if args.half is None else 2]
        if args.tables
        else ()
    ):
        with np.load(path) as file:
            tables[path.stem] = file["X"]
    ways = {
        "mean": lambda seed: SimpleImputer(),
        "iterative": lambda seed: IterativeImputer(random_state=seed),
        "5 neighbours": lambda seed: KNNImputer(),
    }
    if args.trees:
        ways["iterative, trees"] = lambda seed: IterativeImputer(
            ExtraTreesRegressor(10, random_state=seed), random_state=seed
        )
    head("table", "rows x columns", *ways, "DenseAutoencoder", "best", "its seconds")
    won = []
    for name, table in tables.items():
        X = table.astype(np.float64)
        X = X[np.random.default_rng(0).permutation(len(X))[: args.rows]]
        X = StandardScaler().fit_transform(X[:, X.std(0) > 0])
        if X.shape[1] > args.columns:
            continue
        errors, seconds = [], 0.0
        for seed in range(args.seeds):
            hidden = np.random.default_rng(seed).random(X.shape) < args.missing
            gappy = np.where(hidden, np.nan, X)
            found = [timed(partial(make(seed).fit_transform, gappy))[1] for make in ways.values()]
            model = autoencoder(X.shape[1], seed)
            seconds, filled = timed(partial(reconstructed, model, gappy))
            errors.append(
                [np.sqrt(np.square(some - X)[hidden].mean()) for some in (*found, filled)]
            )
        errors = np.median(errors, axis=0)
        won.append(int(errors.argmin()))
        row(
            name,
            f"{len(X):,} x {X.shape[1]}",
            *(f"{error:.3f}" for error in errors),
            model.best_iter_,
            f"{seconds:.1f}",
        )
    wins = ", ".join(f"{way} {won.count(i)}" for i, way in enumerate([*ways, "DenseAutoencoder"]))
    print(f"\nLowest on so many of {len(won)} tables: {wins}. {setting()}")


if __name__ == "__main__":
    main()
