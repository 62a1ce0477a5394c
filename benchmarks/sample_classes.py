"""Compare samples of classes with real rows: accuracy of classifiers, distinguishability, and distances.

Half of the rows, drawn with equal frequencies of the classes, are the training set. Each method samples as many labeled rows
from it. The table contains

- the test accuracy of gradient boosting and of logistic regression trained on samples, divided by that of the same classifier
  trained on the training set (1 is best),
- the area under the ROC curve of gradient boosting that distinguishes samples from test rows, cross-validated (0.5 is best),
- the median distance from a sample to the nearest training row, divided by that of test rows (below 1: samples resemble
  training rows more closely than test rows do).

    python benchmarks/sample_classes.py
    python benchmarks/sample_classes.py --tables labeled/ --seeds 3

`labeled/` contains CSV files with the class in the last column. Columns of text are categories: they are one-hot encoded for
all methods, and the largest value is the sampled category. CTGAN takes part if the package `ctgan` is installed.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
from common import Recorder, print_header, print_row, slug, timed
from sklearn import datasets
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skae import DenseAutoencoder, LatentSampler

BUNDLED = {
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
MAX_COMPONENTS = 32
N_GAUSSIANS = (1, 2, 3, 5, 8, 12, 20)
BANDWIDTHS = np.geomspace(0.05, 1, 6)


class TableCoding:
    """Numbers of a data frame: standardized numeric columns, then one column per category.

    Parameters
    ----------
    X : DataFrame
        Table with columns of numbers and of text.
    """

    def __init__(self, X):
        self.names = list(X.columns)
        self.numeric = list(X.select_dtypes("number").columns)
        self.categorical = [name for name in X.columns if name not in self.numeric]
        self.scaler = StandardScaler().fit(X[self.numeric].to_numpy(np.float64))
        self.encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
        if self.categorical:
            self.encoder.fit(X[self.categorical].to_numpy(object))

    def encode(self, X):
        """Return the numbers of a table."""
        numbers = self.scaler.transform(X[self.numeric].to_numpy(np.float64))
        if not self.categorical:
            return numbers
        return np.hstack([numbers, self.encoder.transform(X[self.categorical].to_numpy(object))])

    def decode(self, values):
        """Return the table of numbers; the largest number of a category counts."""
        n_numeric = len(self.numeric)
        numbers = self.scaler.inverse_transform(values[:, :n_numeric]).T
        columns = dict(zip(self.numeric, numbers, strict=True))
        start = n_numeric
        for i, name in enumerate(self.categorical):
            categories = self.encoder.categories_[i]
            stop = start + len(categories)
            columns[name] = categories[values[:, start:stop].argmax(axis=1)]
            start = stop
        return pd.DataFrame({name: columns[name] for name in self.names})


class OneHotAutoencoder(BaseEstimator):
    """DenseAutoencoder of tables with categories, which decodes latent vectors as a data frame.

    Parameters
    ----------
    random_state : int, default=None
        Random seed.
    """

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit the encoding and the autoencoder."""
        self.coding_ = TableCoding(X)
        values = self.coding_.encode(X)
        k = min(*values.shape, MAX_COMPONENTS)
        self.autoencoder_ = DenseAutoencoder(k, random_state=self.random_state).fit(values)
        return self

    def transform(self, X):
        """Return latent vectors."""
        return self.autoencoder_.transform(self.coding_.encode(X))

    def inverse_transform(self, Z):
        """Return a data frame."""
        return self.coding_.decode(self.autoencoder_.inverse_transform(Z))


# ------------------------------------------------------------------------------------------------------------ methods


def sample_skae(X, y, seed, **parameters):
    """Sample from a LatentSampler."""
    if X.shape[1] > len(X.select_dtypes("number").columns):
        sampler = LatentSampler(OneHotAutoencoder(), random_state=seed, **parameters)
        return sampler.fit(X, y).sample(len(X), return_y=True)
    sampler = LatentSampler(random_state=seed, **parameters).fit(X.to_numpy(np.float64), y)
    X_new, y_new = sampler.sample(len(X), return_y=True)
    return pd.DataFrame(X_new.astype(np.float64), columns=X.columns), y_new


def sample_images(X, y, seed, **parameters):
    """Sample from a LatentSampler of images of 8x8 pixels."""
    sampler = LatentSampler(random_state=seed, **parameters).fit(X.to_numpy().reshape(-1, 8, 8), y)
    X_new, y_new = sampler.sample(len(X), return_y=True)
    return pd.DataFrame(X_new.reshape(len(X), -1).astype(np.float64), columns=X.columns), y_new


def sample_by_class(X, y, seed, sample_class):
    """Sample the standardized numbers of each class by a function ``(values, n, seed) -> values``."""
    coding = TableCoding(X)
    values = coding.encode(X)
    y_new = np.random.default_rng(seed).choice(y, len(y))
    sampled = np.empty_like(values)
    for label in np.unique(y_new):
        is_class = y_new == label
        sampled[is_class] = sample_class(values[y == label], is_class.sum(), seed)
    return coding.decode(sampled), y_new


def sample_mixture(values, n, seed):
    """Sample from the Gaussian mixture with the lowest BIC."""
    mixtures = [
        GaussianMixture(m, reg_covar=1e-3, random_state=seed).fit(values)
        for m in N_GAUSSIANS
        if m == 1 or 3 * m < len(values)
    ]
    best = min(mixtures, key=lambda mixture: mixture.bic(values))
    return np.random.default_rng(seed).permutation(best.sample(n)[0])


def sample_kernels(values, n, seed):
    """Sample from a kernel density with the bandwidth of the highest cross-validated likelihood."""
    folds = min(3, len(values))
    search = GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS}, cv=folds).fit(values)
    return search.best_estimator_.sample(n, random_state=seed)


def sample_smote(values, n, seed):
    """Interpolate between rows and one of their five nearest neighbors."""
    rng = np.random.default_rng(seed)
    neighbors = NearestNeighbors(n_neighbors=min(6, len(values))).fit(values)
    indices = neighbors.kneighbors(values, return_distance=False)[:, 1:]
    first = rng.integers(len(values), size=n)
    second = indices[first, rng.integers(indices.shape[1], size=n)]
    return values[first] + rng.random((n, 1)) * (values[second] - values[first])


def sample_ctgan(X, y, seed):
    """Sample from a CTGAN with its default parameters."""
    import torch
    from ctgan import CTGAN

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    table = X.assign(target=y)
    text = [name for name in table if name == "target" or table[name].dtype.kind not in "iuf"]
    model = CTGAN(enable_gpu=False)
    model.fit(table, discrete_columns=text)
    sampled = model.sample(len(X))
    return sampled[X.columns], sampled["target"].to_numpy()


def list_methods():
    """Return the label and the function of each method."""
    methods = {
        "training": ("training rows", lambda X, y, seed: (X, y)),
        "skae": ("LatentSampler", sample_skae),
        "skae_decoded": (
            "LatentSampler, match_quantiles=False",
            lambda X, y, seed: sample_skae(X, y, seed, match_quantiles=False),
        ),
        "images": (
            "LatentSampler of images",
            sample_images,
        ),
        "images_decoded": (
            "LatentSampler of images, match_quantiles=False",
            lambda X, y, seed: sample_images(X, y, seed, match_quantiles=False),
        ),
    }
    for name, label, function in (
        ("mixture", "GaussianMixture per class", sample_mixture),
        ("kernels", "KernelDensity per class", sample_kernels),
        ("smote", "interpolation (SMOTE)", sample_smote),
    ):
        methods[name] = (
            label,
            lambda X, y, seed, function=function: sample_by_class(X, y, seed, function),
        )
    if importlib.util.find_spec("ctgan"):
        methods["ctgan"] = ("CTGAN", sample_ctgan)
    return methods


# ----------------------------------------------------------------------------------------------------------- measures


def accuracies(X, y, X_test, y_test):
    """Return the test accuracy of gradient boosting and of logistic regression."""
    numeric = list(X_test.select_dtypes("number").columns)
    other = [name for name in X_test.columns if name not in numeric]
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    trees = make_pipeline(
        make_column_transformer((ordinal, other), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=50, random_state=0),
    )
    one_hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    linear = make_pipeline(
        make_column_transformer((one_hot, other), (StandardScaler(), numeric)),
        LogisticRegression(max_iter=1000),
    )
    return np.array([model.fit(X, y).score(X_test, y_test) for model in (trees, linear)])


def distinguishability(X_new, y_new, X_test, y_test):
    """Return the cross-validated area under the ROC curve of a classifier of samples and test rows."""
    n = min(len(X_new), len(X_test))
    table = pd.concat([X_new.assign(label=y_new)[:n], X_test.assign(label=y_test)[:n]])
    text = [name for name in table if table[name].dtype.kind not in "iuf"]
    encode = make_column_transformer((OrdinalEncoder(), text), remainder="passthrough")
    is_real = np.repeat([0, 1], n)
    values = encode.fit_transform(table)
    classifier = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_predict(classifier, values, is_real, cv=folds, method="predict_proba")
    return roc_auc_score(is_real, scores[:, 1])


def distance_ratio(X_new, X, X_test):
    """Return the median distance of samples to the nearest training row, divided by that of test rows."""
    coding = TableCoding(X)
    search = NearestNeighbors(n_neighbors=1).fit(coding.encode(X))
    new, test = (np.median(search.kneighbors(coding.encode(rows))[0]) for rows in (X_new, X_test))
    return new / test


def read_tables(args):
    """Return the rows and the labels of each table by name."""
    tables = {}
    if args.tables:
        for path in sorted(Path(args.tables).glob("*.csv")):
            X = pd.read_csv(path)
            y = X.pop(X.columns[-1]).astype(str).to_numpy(str)
            tables[path.stem] = X, y
    else:
        for name, load in BUNDLED.items():
            X, y = load(return_X_y=True)
            tables[name] = pd.DataFrame(X).add_prefix("x"), y
    if args.only_tables:
        tables = {name: table for name, table in tables.items() if name in args.only_tables}
    return tables


def split_halves(X, y, args):
    """Return the training rows, training labels, test rows and test labels for each seed."""
    halves = []
    for seed in range(args.seeds):
        indices = np.random.default_rng(seed).permutation(len(X))[: args.max_rows]
        train, test = train_test_split(
            indices, test_size=0.5, random_state=seed, stratify=y[indices]
        )
        halves.append((X.iloc[train], y[train], X.iloc[test], y[test]))
    return halves


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of CSV files (default: data of scikit-learn)")
    parser.add_argument("--only-tables", nargs="+", help="names of tables")
    parser.add_argument("--methods", nargs="+", help="names of methods (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-rows", type=int, default=2000, help="rows of each table")
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("sample_classes", args.results, packages=("ctgan",))
    methods = list_methods()
    print_header(
        "table", "method", "gradient boosting", "logistic regression", "AUC", "distance", "time, s"
    )
    for table, (X, y) in read_tables(args).items():
        halves = split_halves(X, y, args)
        real = [accuracies(*half) for half in halves]
        for name, (label, sample) in methods.items():
            if args.methods and name not in args.methods:
                continue
            if name.startswith("images") and table != "digits":
                continue
            measured = []
            for seed, (X_train, y_train, X_test, y_test) in enumerate(halves):
                seconds, (X_new, y_new) = timed(
                    lambda X=X_train, y=y_train, seed=seed, sample=sample: sample(X, y, seed)
                )
                measured.append(
                    [
                        *accuracies(X_new, y_new, X_test, y_test) / real[seed],
                        distinguishability(X_new, y_new, X_test, y_test),
                        distance_ratio(X_new, X_train, X_test),
                        seconds,
                    ]
                )
            boosting, logistic, auc, distance, seconds = np.mean(measured, axis=0)
            key = f"{slug(table)}/{name}"
            ratios = {
                f"{key}/boosting": boosting,
                f"{key}/logistic": logistic,
                f"{key}/auc": auc,
                f"{key}/distance": distance,
            }
            recorder.record_all(ratios, "ratio", args.seeds)
            print_row(
                *(table, label, f"{boosting:.3f}", f"{logistic:.3f}", f"{auc:.3f}"),
                *(f"{distance:.2f}", f"{seconds:.1f}"),
            )
    print(f"\n{args.seeds} random halves of each table. {recorder.describe()}")


if __name__ == "__main__":
    main()
