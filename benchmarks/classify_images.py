"""Compare classifiers on latent features, on PCA features and on raw pixels.

Features of PCA and of autoencoders of several sizes; nearest neighbors and an SVC as classifiers. With `--target-weight`, the
table has a row for an autoencoder with supervised latents.

    python benchmarks/classify_images.py --data mnist.npz
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 3 11 31
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 31 --only pca variational --settings max_iter=50
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 64 --target-weight 1 --mirror --svc-rows 20000 --only labels

The SVC has default settings, on features as they are and behind a StandardScaler, as scikit-learn recommends. Nearest neighbors
use features as they are; the number of neighbors is chosen on training images by leave-one-out validation.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from common import (
    Recorder,
    add_image_source,
    add_settings,
    flat,
    load_images,
    mean_squared_error,
    print_header,
    print_row,
    slug,
    timed,
)
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder
from skae.bottlenecks import Variational

N_NEIGHBORS = (1, 3, 5, 7, 9, 11, 15, 21, 31)

KINDS = ("pixels", "pca", "dense", "conv", "variational", "variational-dense", "labels")

N_VALIDATION = 5000
"""Training images on which the number of neighbors is chosen."""


def vote_accuracies(indices, y, y_true):
    """Return the accuracy of the vote of the first 1, 3, 5, ... neighbors, for each number in N_NEIGHBORS."""
    votes = np.cumsum(np.eye(int(y.max()) + 1, dtype=np.int32)[y[indices]], axis=1)
    return [float((votes[:, n - 1].argmax(1) == y_true).mean()) for n in N_NEIGHBORS]


def neighbors_accuracy(Z, y, Z_test, y_test):
    """Choose the number of neighbors on training samples; return the test accuracy and the number."""
    Z, Z_test = (np.ascontiguousarray(features, np.float32) for features in (Z, Z_test))
    search = NearestNeighbors(n_neighbors=max(N_NEIGHBORS) + 1, algorithm="brute").fit(Z)
    rows = np.random.default_rng(0).permutation(len(Z))[:N_VALIDATION]
    # the nearest neighbor of a training sample is the sample itself
    indices = search.kneighbors(Z[rows], return_distance=False)[:, 1:]
    best = int(np.argmax(vote_accuracies(indices, y, y[rows])))
    indices = search.kneighbors(Z_test, n_neighbors=max(N_NEIGHBORS), return_distance=False)
    return vote_accuracies(indices, y, y_test)[best], N_NEIGHBORS[best]


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--rows", type=int, help="training images (default all)")
    parser.add_argument("--test-rows", type=int, help="test images (default all)")
    parser.add_argument(
        "--svc-rows", type=int, default=10000, help="training images of the SVC (default 10000)"
    )
    parser.add_argument(
        "--k", type=int, nargs="+", default=[16, 32, 64], help="n_components (default 16 32 64)"
    )
    parser.add_argument(
        "--target-weight", type=float, help="add an autoencoder with supervised latents"
    )
    parser.add_argument(
        "--mirror", action="store_true", help="add mirror images to the training set of that one"
    )
    parser.add_argument("--max-iter", type=int, help="epochs of that one (default: its default)")
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, default=KINDS, help="rows of the table (default all)"
    )
    add_settings(parser)
    parser.add_argument("--seed", type=int, default=0)
    Recorder.add_option(parser)
    args = parser.parse_args()
    if "labels" in args.only and args.only is not KINDS and not args.target_weight:
        parser.error("--only labels needs a --target-weight")
    recorder = Recorder("classify_images", args.results)
    prefix = slug(Path(args.source).stem)
    X, y, T, y_test = load_images(args.source)
    X, y, T, y_test = X[: args.rows], y[: args.rows], T[: args.test_rows], y_test[: args.test_rows]
    maximum = 255.0 if X.dtype == np.uint8 else 1.0
    svc_rows = np.random.default_rng(args.seed).permutation(len(X))[: args.svc_rows]
    print_header(
        "features",
        "n_components",
        "fit, CPU s",
        "test MSE",
        "explained variance",
        "nearest neighbors",
        f"SVC, {len(svc_rows):,} images",
        "SVC, standardized",
    )

    def report(name, label, Z, Z_test, *cells):
        accuracy, n_neighbors = neighbors_accuracy(Z, y, Z_test, y_test)
        models = {"svc": SVC(), "svc_scaled": make_pipeline(StandardScaler(), SVC())}
        scores = {
            kind: model.fit(Z[svc_rows], y[svc_rows]).score(Z_test, y_test)
            for kind, model in models.items()
        }
        scores["neighbors"] = accuracy
        recorder.record_all({f"{prefix}/{name}/{kind}": s for kind, s in scores.items()})
        recorder.record(f"{prefix}/{name}/n_svc", len(svc_rows), "count")
        print_row(
            label,
            Z.shape[1],
            *(cells or (None, None, None)),
            f"{accuracy:.4f} ({n_neighbors})",
            f"{scores['svc']:.4f}",
            f"{scores['svc_scaled']:.4f}",
        )

    pixels, test_pixels = ((flat(images) / maximum).astype(np.float32) for images in (X, T))
    if "pixels" in args.only:
        report("pixels", "raw pixels", pixels, test_pixels)
    variance = float(test_pixels.astype(np.float64).var(axis=0).mean())
    # the first fit of a process takes longer
    timed(lambda: DenseAutoencoder(2, max_iter=1).fit(flat(X[:600])))
    timed(lambda: ConvAutoencoder(2, max_iter=1).fit(X[:600]))
    supervised = {"target_weight": args.target_weight, "max_iter": args.max_iter or "auto"}
    X_labeled, y_labeled = X, y
    if args.mirror:
        X_labeled, y_labeled = np.concatenate([X, X[:, :, ::-1]]), np.concatenate([y, y])
    variational = {"bottleneck": Variational(), **dict(args.settings)}
    for k in args.k:
        shared = {"n_components": k, "random_state": args.seed}
        pca = {"n_components": k, "svd_solver": "covariance_eigh"}
        dense, conv = DenseAutoencoder, ConvAutoencoder
        models = [
            ("pca", "PCA", PCA, pca, pixels, None),
            ("dense", "DenseAutoencoder", dense, shared, flat(X), None),
            ("conv", "ConvAutoencoder", conv, shared, X, None),
            ("variational", "ConvAutoencoder, variational", conv, shared | variational, X, None),
            (
                "variational-dense",
                "DenseAutoencoder, variational",
                dense,
                shared | variational,
                flat(X),
                None,
            ),
        ]
        if args.target_weight:
            label = f"ConvAutoencoder, supervised{', with mirror images' if args.mirror else ''}"
            models.append(("labels", label, conv, shared | supervised, X_labeled, y_labeled))
        for kind, label, estimator, parameters, X_train, y_train in models:
            if kind not in args.only:
                continue
            model = estimator().set_params(**parameters)
            start = time.process_time()
            model.fit(X_train, y_train)
            seconds = time.process_time() - start
            X_seen, X_test, unit = X, T, maximum
            if kind == "pca":
                X_seen, X_test, unit = pixels, test_pixels, 1.0
            elif "dense" in kind:
                X_seen, X_test = flat(X), flat(T)
            Z, Z_test = model.transform(X_seen), model.transform(X_test)
            error = mean_squared_error(X_test, model.inverse_transform(Z_test), unit)
            name = f"{kind}-{k}"
            if kind == "labels":
                name = f"supervised-{'mirror-' if args.mirror else ''}{k}"
            recorder.record(f"{prefix}/{name}/fit_time", seconds, "s")
            recorder.record(f"{prefix}/{name}/mse", error, "mse")
            cells = (f"{seconds:.1f}", f"{error:.5f}", f"{1 - error / variance:.4f}")
            report(name, label, Z, Z_test, *cells)
    print(
        f"\n{len(X):,} training and {len(T):,} test images; errors are of pixels in [0, 1]. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
