"""Measure what the first numbers of an ordered code are worth.

The test error of every prefix of one ordered autoencoder's codes, beside PCA with that many components, and beside separate
autoencoders of some sizes.

    python benchmarks/ordered.py --data mnist.npz
    python benchmarks/ordered.py --idx fashion-mnist/ --conv
"""

import argparse

import numpy as np
from common import (
    add_image_source,
    flat,
    head,
    load_images,
    mean_squared_error,
    row,
    setting,
    timed,
)
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument(
        "--conv", action="store_true", help="a ConvAutoencoder in place of a DenseAutoencoder"
    )
    parser.add_argument("--rows", type=int, help="training rows (default all)")
    parser.add_argument("--k", type=int, default=32, help="longest code (default 32)")
    parser.add_argument(
        "--separate",
        type=int,
        nargs="*",
        default=[4, 8, 16, 32],
        help="sizes of separate autoencoders",
    )
    parser.add_argument("--max-iter", type=int, help="epochs of all autoencoders (default: theirs)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    X, _, T, _ = load_images(args.source)
    X = X[: args.rows]
    make, shaped = (
        (ConvAutoencoder, lambda images: images) if args.conv else (DenseAutoencoder, flat)
    )
    ceiling = 255.0 if X.dtype == np.uint8 else 1.0
    settings = {"max_iter": args.max_iter or "auto", "random_state": args.seed}

    pca = PCA(args.k).fit(flat(X).astype(np.float32))
    scores = pca.transform(flat(T))
    ordered = make(args.k, bottleneck="ordered", **settings)
    seconds, _ = timed(lambda: ordered.fit(shaped(X)))
    codes = ordered.transform(shaped(T))
    head("length", "PCA", "ordered", "of PCA", "separate", "ordered / separate")
    worst = 0.0
    for j in range(1, args.k + 1):
        linear = mean_squared_error(
            flat(T), scores[:, :j] @ pca.components_[:j] + pca.mean_, ceiling
        )
        error = mean_squared_error(shaped(T), ordered.inverse_transform(codes[:, :j]), ceiling)
        worst = max(worst, error / linear)
        separate = None
        if j in args.separate:
            separate = mean_squared_error(
                shaped(T), make(j, **settings).fit(shaped(X)).reconstruct(shaped(T)), ceiling
            )
        cells = (None, None) if separate is None else (f"{separate:.5f}", f"{error / separate:.3f}")
        row(j, f"{linear:.5f}", f"{error:.5f}", f"{error / linear:.3f}", *cells)
    print(
        f"\nOne ordered fit of {seconds:.1f} s; at worst {worst:.3f} of PCA's error. {len(X):,} rows. {setting()}"
    )


if __name__ == "__main__":
    main()
