"""Measure what codes are worth to a classifier.

PCA and both autoencoders, with default settings, at several sizes; nearest neighbours and an SVC on their codes and on raw
pixels.

    python benchmarks/classify_images.py --data mnist.npz
    python benchmarks/classify_images.py --idx fashion-mnist/ --k 16 32 64

The SVC is scikit-learn's default one, on codes and pixels as they are, and behind a StandardScaler, which is how scikit-learn
advises to use it. The nearest neighbours see them as they are.
"""

import argparse
import time

import numpy as np
from common import add_image_source, flat, head, load_images, mean_squared_error, row, setting
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder

NEIGHBOURS = (3, 5, 11, 31)


def accuracies(Z, y, Z_test, y_test, chosen):
    """Score the classifiers on codes: nearest neighbours among all rows, the SVCs on the `chosen` ones."""
    near = [KNeighborsClassifier(k, algorithm="brute").fit(Z, y).score(Z_test, y_test) for k in NEIGHBOURS]
    machines = (model.fit(Z[chosen], y[chosen]) for model in (SVC(), make_pipeline(StandardScaler(), SVC())))
    return *(f"{score:.4f}" for score in near), *(f"{machine.score(Z_test, y_test):.4f}" for machine in machines)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_image_source(parser)
    parser.add_argument("--rows", type=int, help="training rows (default all)")
    parser.add_argument("--test-rows", type=int, help="test rows (default all)")
    parser.add_argument("--svc-rows", type=int, default=10000, help="training rows of the SVC (default 10000)")
    parser.add_argument("--k", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    X, y, T, y_test = load_images(args.source)
    X, y, T, y_test = X[: args.rows], y[: args.rows], T[: args.test_rows], y_test[: args.test_rows]
    ceiling = 255.0 if X.dtype == np.uint8 else 1.0
    chosen = np.random.default_rng(args.seed).permutation(len(X))[: args.svc_rows]
    n_svc = f"{len(chosen):,}"
    head(
        "codes of",
        "k",
        "fit, s",
        "test MSE",
        "explained variance",
        *(f"{n}-NN" for n in NEIGHBOURS),
        f"SVC, {n_svc} rows",
        "standardised",
    )

    pixels, test_pixels = ((flat(part) / ceiling).astype(np.float32) for part in (X, T))
    row("raw pixels", pixels.shape[1], None, None, None, *accuracies(pixels, y, test_pixels, y_test, chosen))
    spread = float(test_pixels.astype(np.float64).var(axis=0).mean())
    for warm in (DenseAutoencoder, ConvAutoencoder):
        warm(2, max_iter=1).fit(X[:600] if warm is ConvAutoencoder else flat(X[:600]))  # what only a first fit pays
    for k in args.k:
        for name, model, seen, unseen, unit in (
            ("PCA", PCA(k, svd_solver="covariance_eigh"), pixels, test_pixels, 1.0),
            ("DenseAutoencoder", DenseAutoencoder(k, random_state=args.seed), flat(X), flat(T), ceiling),
            ("ConvAutoencoder", ConvAutoencoder(k, random_state=args.seed), X, T, ceiling),
        ):
            start = time.perf_counter()
            model.fit(seen)
            seconds = time.perf_counter() - start
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
    print(f"\n{len(X):,} training and {len(T):,} test images; errors are of pixels in [0, 1]. {setting()}")


if __name__ == "__main__":
    main()
