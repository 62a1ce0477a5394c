"""Compare tables with categories as they are with one-hot encoding by hand, and with PCA.

`DenseAutoencoder` and `ReconstructionDetector` get the data frame. "One-hot" is OneHotEncoder and StandardScaler before the
same estimator, which then gets numbers only, as PCA does. All have a third of the number of columns as components.

* reconstruction: error on a quarter of the rows
* imputation: error on a fifth of the cells, which are hidden; the estimators are fitted on the table with missing values
* classification: accuracy of LogisticRegression on the codes of a quarter of the rows
* anomalies: area under the ROC curve, with half of the largest class as normal rows of fit, and all other rows in the test

The error is a mean over the columns: the mean squared error of numbers relative to the variance, and the rate of wrong
categories relative to the most frequent category. Missing cells are filled by medians and modes before.

    python benchmarks/mixed_tables.py
    python benchmarks/mixed_tables.py --tables FOLDER    # .arff files with the class last
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from common import Recorder, print_header, print_row, slug, timed
from scipy.io import arff
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import DenseAutoencoder, ReconstructionDetector

MAX_CATEGORIES = 60
"""Columns with more categories are identifiers, and are left out."""

MIN_CLASS_ROWS = 60
"""Smallest class that anomalies are compared with."""


class OneHotTable:
    """A table as standardized numbers, encoded by hand, and back."""

    def fit(self, table):
        """Fit the encoder of categories and the scaler."""
        self.numbers = table.select_dtypes("number").columns.tolist()
        self.categories = [name for name in table if name not in self.numbers]
        self.encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
        self.encoder.fit(table[self.categories])
        self.scaler = StandardScaler().fit(self._numbers_of(table))
        return self

    def _numbers_of(self, table):
        indicators = self.encoder.transform(table[self.categories])
        stop = 0
        for name, categories in zip(self.categories, self.encoder.categories_, strict=True):
            start, stop = stop, stop + len(categories)
            indicators[table[name].isna(), start:stop] = np.nan
        return np.hstack([table[self.numbers].to_numpy(float), indicators])

    def transform(self, table):
        """Return the table as numbers; all indicators of a missing value are NaN."""
        return self.scaler.transform(self._numbers_of(table))

    def inverse_transform(self, X):
        """Return numbers as a table, with the category of the largest indicator."""
        X = self.scaler.inverse_transform(X)
        n = len(self.numbers)
        table = pd.DataFrame(X[:, :n], columns=self.numbers)
        table[self.categories] = self.encoder.inverse_transform(X[:, n:])
        return table


def read_arff(path):
    """Return the complete table and the class of each row."""
    table = pd.DataFrame(arff.loadarff(path)[0])
    for name in table.select_dtypes(object):
        table[name] = table[name].str.decode("latin1").replace("?", None).astype("category")
    target = table.columns[-1]
    table = table[table[target].notna()].reset_index(drop=True)
    return complete(table.drop(columns=target)), table[target].astype(str).to_numpy()


def generated_table(n_rows=200):
    """Return a table in which two factors determine numbers and categories, and a class."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n_rows, 2))
    table = pd.DataFrame(z @ rng.normal(size=(2, 3)), columns=["a", "b", "c"])
    table["size"] = pd.Categorical(np.array(["S", "M", "L"])[np.digitize(z[:, 0], [-0.5, 0.5])])
    table["city"] = pd.Categorical(np.where(z[:, 1] > 0, "Rome", "Oslo"))
    return table, np.where(z.sum(axis=1) > 1, "yes", "no")


def complete(table):
    """Return a table without missing values, constant columns and identifiers."""
    table = table.copy()
    for name in list(table):
        column = table[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            n_categories = column.nunique()
            if n_categories > min(MAX_CATEGORIES, len(table) / 2) or n_categories < 2:
                table = table.drop(columns=name)
            else:
                table[name] = column.fillna(column.mode()[0]).cat.remove_unused_categories()
        elif column.nunique() < 2:
            table = table.drop(columns=name)
        else:
            table[name] = column.fillna(column.median())
    return table


def column_errors(table, table_hat, reference, mask=None):
    """Return the mean over the columns of the error, relative to that of the mean or the mode."""
    errors = []
    for name in table:
        rows = np.ones(len(table), bool) if mask is None else mask[name].to_numpy()
        value, value_hat = table[name].to_numpy()[rows], table_hat[name].to_numpy()[rows]
        if isinstance(table[name].dtype, pd.CategoricalDtype):
            error = (value != value_hat).mean()
            baseline = (value != reference[name].mode()[0]).mean()
        else:
            error = np.square(value - value_hat).mean()
            baseline = np.square(value - reference[name].mean()).mean()
        if baseline > 0:
            errors.append(error / baseline)
    return float(np.mean(errors))


def split(table, seed):
    """Return the rows of fit and a quarter of the rows for the test, by index."""
    order = np.random.default_rng(seed).permutation(len(table))
    n_train = 3 * len(table) // 4
    return order[:n_train], order[n_train:]


def reconstruct_and_classify(table, y, k, seed):
    """Return the reconstruction error and the accuracy of each method."""
    train, test = split(table, seed)
    known, new = table.iloc[train].reset_index(drop=True), table.iloc[test].reset_index(drop=True)
    encoder = OneHotTable().fit(known)
    X, X_new = encoder.transform(known), encoder.transform(new)
    mixed = DenseAutoencoder(k, handle_unknown="ignore", random_state=seed).fit(known)
    dense = DenseAutoencoder(k, random_state=seed).fit(X)
    pca = PCA(k).fit(X)
    tables = {
        "skae": mixed.reconstruct(new),
        "onehot": encoder.inverse_transform(dense.reconstruct(X_new)),
        "pca": encoder.inverse_transform(pca.inverse_transform(pca.transform(X_new))),
    }
    codes = {
        "skae": (mixed.transform(known), mixed.transform(new)),
        "onehot": (dense.transform(X), dense.transform(X_new)),
        "pca": (pca.transform(X), pca.transform(X_new)),
    }
    figures = {}
    for name, table_hat in tables.items():
        figures["reconstruction", name] = column_errors(new, table_hat, known)
        Z, Z_new = codes[name]
        scaler = StandardScaler().fit(Z)
        classifier = LogisticRegression(max_iter=2000).fit(scaler.transform(Z), y[train])
        figures["classification", name] = classifier.score(scaler.transform(Z_new), y[test])
    return figures


def impute(table, k, seed):
    """Return the imputation error of the two autoencoders, and of the mean or mode."""
    mask = pd.DataFrame(
        np.random.default_rng(seed).random(table.shape) < 0.2, columns=table.columns
    )
    missing = table.mask(mask)
    encoder = OneHotTable().fit(missing.dropna() if len(missing.dropna()) > 20 else table)
    parameters = {"allow_nan": True, "corruption": "masking", "random_state": seed}
    imputed = DenseAutoencoder(k, **parameters).fit(missing).reconstruct(missing)
    X = encoder.transform(missing)
    X_hat = DenseAutoencoder(k, **parameters).fit(X).reconstruct(X)
    return {
        ("imputation", "skae"): column_errors(table, imputed, missing, mask),
        ("imputation", "onehot"): column_errors(
            table, encoder.inverse_transform(X_hat), missing, mask
        ),
    }


def find_anomalies(table, y, seed):
    """Return the area under the ROC curve of the two detectors, or nothing without two classes."""
    classes, counts = np.unique(y, return_counts=True)
    is_normal = y == classes[counts.argmax()]
    if is_normal.sum() < MIN_CLASS_ROWS or (~is_normal).sum() < 10:
        return {}
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(is_normal))
    test = np.r_[normal[len(normal) // 2 :], np.flatnonzero(~is_normal)]
    known = table.iloc[normal[: len(normal) // 2]].reset_index(drop=True)
    new = table.iloc[test].reset_index(drop=True)
    encoder = OneHotTable().fit(known)
    mixed = ReconstructionDetector(DenseAutoencoder(handle_unknown="ignore"), random_state=seed)
    onehot = ReconstructionDetector(random_state=seed).fit(encoder.transform(known))
    scores = {
        "skae": mixed.fit(known).score_samples(new),
        "onehot": onehot.score_samples(encoder.transform(new)),
    }
    return {
        ("anomalies", name): roc_auc_score(is_normal[test], score) for name, score in scores.items()
    }


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of .arff files (default: a generated table)")
    parser.add_argument("--rows", type=int, default=2000, help="maximum number of rows")
    parser.add_argument("--seeds", type=int, default=3)
    Recorder.add_option(parser)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    recorder = Recorder("mixed_tables", args.results)
    tables = {"generated": generated_table()}
    if args.tables:
        tables = {path.stem: read_arff(path) for path in sorted(Path(args.tables).glob("*.arff"))}
    columns = [
        *(("reconstruction", name) for name in ("skae", "onehot", "pca")),
        *(("imputation", name) for name in ("skae", "onehot")),
        *(("classification", name) for name in ("skae", "onehot", "pca")),
        *(("anomalies", name) for name in ("skae", "onehot")),
    ]
    print_header("table", "rows x columns", *(" ".join(column) for column in columns), "s")
    all_figures = []
    for table_name, (table, y) in tables.items():
        rows = np.random.default_rng(0).permutation(len(table))[: args.rows]
        table, y = table.iloc[rows].reset_index(drop=True), y[rows]
        k = max(2, table.shape[1] // 3)
        figures = []

        def run(table=table, y=y, k=k, figures=figures):
            """Run all tasks with all seeds."""
            for seed in range(args.seeds):
                figures.append(
                    {
                        **reconstruct_and_classify(table, y, k, seed),
                        **impute(table, table.shape[1], seed),
                        **find_anomalies(table, y, seed),
                    }
                )

        seconds, _ = timed(run)
        means = {key: float(np.mean([one[key] for one in figures])) for key in figures[0]}
        all_figures.append(means)
        recorder.record_all(
            {f"{slug(table_name)}/{task}/{name}": value for (task, name), value in means.items()},
            "ratio",
            args.seeds,
        )
        cells = [f"{means[key]:.3f}" if key in means else "" for key in columns]
        print_row(table_name, f"{len(table):,} x {table.shape[1]}", *cells, f"{seconds:.0f}")
    for task, name in columns:
        values = [figures[task, name] for figures in all_figures if (task, name) in figures]
        recorder.record(f"mean/{task}/{name}", float(np.mean(values)), "ratio", args.seeds)
    for task in ("reconstruction", "imputation", "classification", "anomalies"):
        pairs = [
            (figures[task, "skae"], figures[task, "onehot"])
            for figures in all_figures
            if (task, "skae") in figures
        ]
        sign = -1 if task in ("reconstruction", "imputation") else 1
        n_better = sum(sign * ours >= sign * theirs for ours, theirs in pairs)
        recorder.record(f"summary/{task}/n_better", n_better, "count", args.seeds)
        recorder.record(f"summary/{task}/n_tables", len(pairs), "count", args.seeds)
        print(f"{task}: better or equal on {n_better} of {len(pairs)} tables")
    print(recorder.describe())


if __name__ == "__main__":
    main()
