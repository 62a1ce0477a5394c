"""Measure what codes are worth to a classifier.

PCA and both autoencoders at several sizes; nearest neighbours and an SVC on their codes and on raw pixels. With
`--target-weight`, also an autoencoder whose codes have seen the labels of the training images.

    python benchmarks/classify_images.py --data mnist.npz
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 3 11 31
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 31 --only pca variational --settings max_iter=50
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 3 --only variational-dense --settings max_iter=30
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 64 --target-weight 1 --mirror --svc-rows 20000 --only labels

The SVC is scikit-learn's default one, on codes and pixels as they are, and behind a StandardScaler, which is how scikit-learn
advises to use it. The nearest neighbours see them as they are; how many have a say is chosen on training images, each without
itself.
"""

import argparse
import time

import numpy as np
from common import (
    add_image_source,
    add_settings,
    flat,
    head,
    load_images,
    mean_squared_error,
    row,
    setting,
    timed,
)
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder
from skae.bottlenecks import Variational

NEIGHBOURS = (1, 3, 5, 7, 9, 11, 15, 21, 31)

KINDS = ("pixels", "pca", "dense", "conv", "variational", "variational-dense", "labels")

ASKED = 5000
"""Training images by which the number of neighbours is chosen."""


def shares(near, y, y_true):
    """Score votes of the first 1, 3, 5, ... of sorted neighbours: one accuracy for each number in NEIGHBOURS."""
    votes = np.cumsum(np.eye(int(y.max()) + 1, dtype=np.int32)[y[near]], axis=1)
    return [float((votes[:, n - 1].argmax(1) == y_true).mean()) for n in NEIGHBOURS]


def neighbours(Z, y, Z_test, y_test):
    """Choose how many neighbours have a say, and score that many: (accuracy, number)."""
    Z, Z_test = (np.ascontiguousarray(part, np.float32) for part in (Z, Z_test))
    search = NearestNeighbors(n_neighbors=max(NEIGHBOURS) + 1, algorithm="brute").fit(Z)
    some = np.random.default_rng(0).permutation(len(Z))[:ASKED]
    known = shares(search.kneighbors(Z[some], return_distance=False)[:, 1:], y, y[some])
    best = int(np.argmax(known))
    near = search.kneighbors(Z_test, n_neighbors=max(NEIGHBOURS), return_distance=False)
    return shares(near, y, y_test)[best], NEIGHBOURS[best]


def accuracies(Z, y, Z_test, y_test, chosen):
    """Score the classifiers on codes: nearest neighbours among all rows, the SVCs on the `chosen` ones."""
    score, number = neighbours(Z, y, Z_test, y_test)
    machines = (
        model.fit(Z[chosen], y[chosen]) for model in (SVC(), make_pipeline(StandardScaler(), SVC()))
    )
    return f"{score:.4f} ({number})", *(
        f"{machine.score(Z_test, y_test):.4f}" for machine in machines
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--rows", type=int, help="training rows (default all)")
    parser.add_argument("--test-rows", type=int, help="test rows (default all)")
    parser.add_argument(
        "--svc-rows", type=int, default=10000, help="training rows of the SVC (default 10000)"
    )
    parser.add_argument("--k", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument(
        "--target-weight", type=float, help="of an autoencoder that sees the labels (default: none)"
    )
    parser.add_argument(
        "--mirror", action="store_true", help="that one learns from mirror images, too"
    )
    parser.add_argument("--max-iter", type=int, help="of that one (default: as everywhere)")
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, default=KINDS, help="rows of the table (default all)"
    )
    add_settings(parser)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if "labels" in args.only and args.only is not KINDS and not args.target_weight:
        parser.error("--only labels needs a --target-weight")
    X, y, T, y_test = load_images(args.source)
    X, y, T, y_test = X[: args.rows], y[: args.rows], T[: args.test_rows], y_test[: args.test_rows]
    ceiling = 255.0 if X.dtype == np.uint8 else 1.0
    chosen = np.random.default_rng(args.seed).permutation(len(X))[: args.svc_rows]
    n_svc = f"{len(chosen):,}"
    head(
        "codes of",
        "k",
        "fit, s of processor",
        "test MSE",
        "explained variance",
        "nearest neighbours",
        f"SVC, {n_svc} rows",
        "standardised",
    )

    pixels, test_pixels = ((flat(part) / ceiling).astype(np.float32) for part in (X, T))
    if "pixels" in args.only:
        row(
            "raw pixels",
            pixels.shape[1],
            None,
            None,
            None,
            *accuracies(pixels, y, test_pixels, y_test, chosen),
        )
    spread = float(test_pixels.astype(np.float64).var(axis=0).mean())
    for warm in (DenseAutoencoder, ConvAutoencoder):
        some = X[:600] if warm is ConvAutoencoder else flat(X[:600])
        timed(
            lambda warm=warm, some=some: warm(2, max_iter=1).fit(some)
        )  # what only a first fit pays
    asked = {"target_weight": args.target_weight, "max_iter": args.max_iter or "auto"}
    labelled = (
        (np.concatenate([X, X[:, :, ::-1]]), np.concatenate([y, y])) if args.mirror else (X, y)
    )
    variational = {"bottleneck": Variational(), **dict(args.settings)}
    for k in args.k:
        shared = {"n_components": k, "random_state": args.seed}
        models = [
            ("pca", "PCA", PCA, {"n_components": k, "svd_solver": "covariance_eigh"}, pixels, None),
            ("dense", "DenseAutoencoder", DenseAutoencoder, shared, flat(X), None),
            ("conv", "ConvAutoencoder", ConvAutoencoder, shared, X, None),
            (
                "variational",
                "ConvAutoencoder, variational",
                ConvAutoencoder,
                shared | variational,
                X,
                None,
            ),
            (
                "variational-dense",
                "DenseAutoencoder, variational",
                DenseAutoencoder,
                shared | variational,
                flat(X),
                None,
            ),
        ]
        if args.target_weight:
            name = f"ConvAutoencoder, with labels{' and mirror images' if args.mirror else ''}"
            models.append(("labels", name, ConvAutoencoder, shared | asked, *labelled))
        for kind, name, estimator, parameters, learned, labels in models:
            if kind not in args.only:
                continue
            model = estimator().set_params(**parameters)
            start = time.process_time()
            model.fit(learned, labels)
            seconds = time.process_time() - start
            seen, unseen, unit = X, T, ceiling
            if kind == "pca":
                seen, unseen, unit = pixels, test_pixels, 1.0
            elif "dense" in kind:
                seen, unseen = flat(X), flat(T)
            Z, Z_test = model.transform(seen), model.transform(unseen)
            error = mean_squared_error(unseen, model.inverse_transform(Z_test), unit)
            row(
                name,
                k,
                f"{seconds:.1f}",
                f"{error:.5f}",
                f"{1 - error / spread:.4f}",
                *accuracies(Z, y, Z_test, y_test, chosen),
            )
    print(
        f"\n{len(X):,} training and {len(T):,} test images; errors are of pixels in [0, 1]. {setting()}"
    )


if __name__ == "__main__":
    main()
