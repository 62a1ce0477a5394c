"""Compare latent vectors of pixels and of features for classification, clustering and reconstruction.

For raw pixels, PCA, `ConvAutoencoder`, and `ConvAutoencoder` with ``features="patches"``: accuracy of an SVC on standardized
latent vectors with many labels and with ten labels of each class, label spreading, agreement of clusters with classes,
explained variance, and time of the fit.

    python benchmarks/image_codes.py --idx fashion-mnist/ --k 32 64 --seeds 3
    python benchmarks/image_codes.py --data cifar10.npz --k 64 128 256 --svc-rows 20000
    python benchmarks/image_codes.py --data mnist.npz --k 64 --only patches --cache FOLDER
    python benchmarks/image_codes.py --data mnist.npz --k 64 --only conv masked spread --results none
    python benchmarks/image_codes.py --data mnist.npz --k 64 --umap          # needs umap-learn

Each autoencoder is fitted on all training images without labels. Label spreading and clustering use 20,000 of them. With few
labels, each latent dimension is divided by the square root of its standard deviation; otherwise it is standardized. With
``--cache``, the model and the scores of each fit are kept in a folder, and a second run continues an interrupted one.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
from common import (
    Recorder,
    add_image_source,
    flat,
    load_images,
    print_header,
    print_row,
    slug,
    timed,
)
from few_labels import label_spreading_accuracies
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder
from skae.corruptions import Patches

METHODS = ("raw", "pca", "conv", "patches")

OBJECTIVES = {
    "masked": {"corruption": Patches(level=0.3, masked_weight=1.0)},
    "spread": {"penalty": "spread"},
}
"""Training objectives of `ConvAutoencoder`, which ``--only`` adds to the methods."""

N_LABELS = 10
"""Labels of each class in the columns for few labels."""

N_DRAWS = 5
"""Draws of the labeled images."""

N_CLUSTERED = 20_000
"""Training images for label spreading and clustering."""

N_PROJECTED = 5
"""Dimensions of UMAP before k-means."""

MAX_CLUSTERED = 32
"""Latent dimensions for clustering: the first ones, where they are sorted by variance."""

COLUMNS = {
    "svc": "SVC",
    "svc_1000": "SVC, 1,000 labels",
    "few_svc": "SVC, 10 labels per class",
    "few_spreading": "label spreading, 10 labels per class",
    "kmeans_accuracy": "k-means, accuracy",
    "kmeans_nmi": "k-means, NMI",
    "kmeans_ari": "k-means, ARI",
    "mixture_accuracy": "Gaussian mixture, accuracy",
    "umap_accuracy": "UMAP and k-means, accuracy",
    "explained": "explained variance",
    "explained_to_pca": "relative to PCA",
}


class Raw:
    """Pixels as they are, with the methods of a transformer."""

    def fit(self, X):
        """Return the same object."""
        return self

    def transform(self, X):
        """Return flat rows."""
        return flat(X)


class FlatPCA(PCA):
    """PCA of images."""

    def fit(self, X):
        """Fit PCA to flat rows."""
        return super().fit(flat(X).astype(np.float32))

    def transform(self, X):
        """Transform flat rows."""
        return super().transform(flat(X).astype(np.float32))

    def score(self, X):
        """Return the explained fraction of the variance."""
        rows = flat(X).astype(np.float64)
        residual = rows - self.inverse_transform(self.transform(X))
        return 1 - np.square(residual).sum() / np.square(rows - rows.mean(0)).sum()


def make_model(method, k, seed):
    """Return a transformer of images that is not fitted."""
    if method == "raw":
        return Raw()
    if method == "pca":
        return FlatPCA(k, svd_solver="covariance_eigh")
    features = "patches" if method == "patches" else None
    return ConvAutoencoder(k, features=features, random_state=seed, **OBJECTIVES.get(method, {}))


def cluster_accuracy(y, clusters):
    """Return the accuracy of clusters as classes, for the best assignment of clusters to classes."""
    counts = confusion_matrix(y, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


class Cache:
    """Models and scores in a folder; without a folder, nothing is kept."""

    def __init__(self, folder):
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, key, compute):
        """Return a value from the folder, or compute it and write it there."""
        if self.folder is None:
            return compute()
        path = self.folder / f"{key}.joblib"
        if not path.exists():
            joblib.dump(compute(), path)
        return joblib.load(path)


def fit(method, k, seed, X):
    """Fit one method; return the model and the times of the fit."""
    start = time.process_time()
    seconds, model = timed(lambda: make_model(method, k, seed).fit(X))
    return model, {"fit_time": seconds, "fit_cpu_time": time.process_time() - start}


def measure(method, seed, model, images, svc_rows):
    """Return the scores of a fitted model by name."""
    X, y, X_test, y_test = images
    scores = {}
    if method != "raw":
        scores["explained"] = model.score(X_test)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    n_rows = max(svc_rows, N_CLUSTERED)
    rows = order[:n_rows]
    scaler = StandardScaler()
    Z, y = scaler.fit_transform(model.transform(X[rows]).astype(np.float32)), y[rows]
    Z_test = scaler.transform(model.transform(X_test).astype(np.float32))
    for name, n_labels in (("svc", svc_rows), ("svc_1000", 1000)):
        scores[name] = SVC(C=5).fit(Z[:n_labels], y[:n_labels]).score(Z_test, y_test)

    roots = np.sqrt(scaler.scale_).astype(np.float32)
    few, few_test, labels = (Z * roots)[:N_CLUSTERED], Z_test * roots, y[:N_CLUSTERED]
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    draws = [
        np.concatenate([rng.permutation(members)[:N_LABELS] for members in classes])
        for _ in range(N_DRAWS)
    ]
    svc = [SVC(C=5).fit(few[one], labels[one]).score(few_test, y_test) for one in draws]
    scores["few_svc"] = np.mean(svc)
    scores["few_spreading"] = np.mean(
        label_spreading_accuracies(few, labels, few_test, y_test, draws)
    )
    Z = clustered_columns(method, Z[:N_CLUSTERED])
    clusters = KMeans(len(classes), n_init=10, random_state=seed).fit_predict(Z)
    scores["kmeans_accuracy"] = cluster_accuracy(labels, clusters)
    scores["kmeans_nmi"] = normalized_mutual_info_score(labels, clusters)
    scores["kmeans_ari"] = adjusted_rand_score(labels, clusters)
    if method != "raw":
        mixture = GaussianMixture(len(classes), reg_covar=1e-2, random_state=seed)
        scores["mixture_accuracy"] = cluster_accuracy(labels, mixture.fit_predict(Z))
    return {name: float(score) for name, score in scores.items()}


def clustered_columns(method, Z):
    """Return the standardized latent dimensions for clustering."""
    if method in ("pca", "patches"):
        return Z[:, :MAX_CLUSTERED]
    return Z


def measure_umap(method, seed, model, images):
    """Return the accuracy of k-means after UMAP."""
    from umap import UMAP

    X, y, *_ = images
    rows = np.random.default_rng(seed).permutation(len(X))[:N_CLUSTERED]
    Z = StandardScaler().fit_transform(model.transform(X[rows]).astype(np.float32))
    Z = clustered_columns(method, Z)
    projected = UMAP(n_components=N_PROJECTED, min_dist=0.0, random_state=seed).fit_transform(Z)
    kmeans = KMeans(len(np.unique(y)), n_init=10, random_state=seed)
    return {"umap_accuracy": float(cluster_accuracy(y[rows], kmeans.fit_predict(projected)))}


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--rows", type=int, help="training images (default all)")
    parser.add_argument("--test-rows", type=int, help="test images (default all)")
    parser.add_argument(
        "--svc-rows", type=int, default=10000, help="labeled images of the SVC (default 10000)"
    )
    parser.add_argument("--k", type=int, nargs="+", default=[32, 64], help="n_components")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default 3)")
    parser.add_argument("--only", nargs="+", choices=(*METHODS, *OBJECTIVES), default=METHODS)
    parser.add_argument(
        "--cache", type=Path, help="folder that keeps the models and scores of finished fits"
    )
    parser.add_argument(
        "--umap", action="store_true", help="also k-means after UMAP, with the package umap-learn"
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("image_codes", args.results)
    prefix = slug(Path(args.source).stem)
    X, y, X_test, y_test = load_images(args.source)
    images = X[: args.rows], y[: args.rows], X_test[: args.test_rows], y_test[: args.test_rows]
    cache = Cache(args.cache)
    # the first fit of a process takes longer
    timed(lambda: ConvAutoencoder(2, max_iter=1).fit(X[:600]))

    def all_scores(method, k):
        n_seeds = args.seeds
        if method in ("raw", "pca"):
            n_seeds = 1
        scores = []
        for seed in range(n_seeds):
            key = f"{prefix}-{method}-{k}-{seed}"
            model, times = cache.get(f"{key}-model", lambda s=seed: fit(method, k, s, images[0]))
            found = cache.get(
                f"{key}-scores",
                lambda s=seed, m=model: measure(method, s, m, images, args.svc_rows),
            )
            if args.umap:
                found |= cache.get(
                    f"{key}-umap", lambda s=seed, m=model: measure_umap(method, s, m, images)
                )
            scores.append(found | times)
        return scores

    print_header("features", "n_components", *COLUMNS.values(), "fit, s", "fit, CPU s")
    pca = {}
    for k in args.k:
        for method in (*METHODS, *OBJECTIVES):
            if method not in args.only or (method == "raw" and k != args.k[0]):
                continue
            scores = all_scores(method, k)
            means = {name: np.mean([one[name] for one in scores]) for name in scores[0]}
            if method == "pca":
                pca[k] = means["explained"]
            if "explained" in means and k in pca:
                means["explained_to_pca"] = means["explained"] / pca[k]
            name = method if method == "raw" else f"{method}-{k}"
            times = {
                f"{prefix}/{name}/{key}": means.pop(key) for key in ("fit_time", "fit_cpu_time")
            }
            recorder.record_all(
                {f"{prefix}/{name}/{key}": score for key, score in means.items()},
                "ratio",
                len(scores),
            )
            recorder.record_all(times, "s", len(scores))
            cells = [f"{means[key]:.4f}" if key in means else None for key in COLUMNS]
            seconds = [f"{one:.1f}" for one in times.values()]
            print_row(method, k if method != "raw" else X[0].size, *cells, *seconds)
    print(
        f"\n{len(images[0]):,} training and {len(images[2]):,} test images; SVC with {args.svc_rows:,} labels; "
        f"means over {args.seeds} seeds. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
