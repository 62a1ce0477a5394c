"""Compare the prefixes of one ordered latent space with PCA and with separate autoencoders.

The table contains the test error of the first k latent dimensions of one autoencoder with `bottleneck="ordered"`, of PCA with
k components, and of separate autoencoders with some values of k.

    python benchmarks/ordered.py --data mnist.npz
    python benchmarks/ordered.py --idx fashion-mnist/ --conv
"""

import argparse
from pathlib import Path

import numpy as np
from common import (
    Recorder,
    add_image_source,
    flat,
    load_images,
    mean_squared_error,
    print_header,
    print_row,
    slug,
    timed,
)
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--conv", action="store_true", help="use a ConvAutoencoder")
    parser.add_argument("--rows", type=int, help="training images (default all)")
    parser.add_argument("--k", type=int, default=32, help="n_components (default 32)")
    parser.add_argument(
        "--separate",
        type=int,
        nargs="*",
        default=[4, 8, 16, 32],
        help="n_components of separate autoencoders",
    )
    parser.add_argument(
        "--max-iter", type=int, help="epochs of all autoencoders (default: their defaults)"
    )
    parser.add_argument("--seed", type=int, default=0)
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("ordered", args.results)
    data = slug(Path(args.source).stem)
    X, _, T, _ = load_images(args.source)
    X = X[: args.rows]
    if args.conv:
        estimator, X_train, X_test = ConvAutoencoder, X, T
    else:
        estimator, X_train, X_test = DenseAutoencoder, flat(X), flat(T)
    prefix = f"{data}/{'conv' if args.conv else 'dense'}"
    maximum = 255.0 if X.dtype == np.uint8 else 1.0
    settings = {"max_iter": args.max_iter or "auto", "random_state": args.seed}

    pca = PCA(args.k).fit(flat(X).astype(np.float32))
    scores = pca.transform(flat(T))
    ordered = estimator(args.k, bottleneck="ordered", **settings)
    seconds, _ = timed(lambda: ordered.fit(X_train))
    recorder.record(f"{prefix}/fit_time", seconds, "s")
    codes = ordered.transform(X_test)
    print_header(
        "n_components", "PCA", "ordered", "ordered / PCA", "separate", "ordered / separate"
    )
    max_ratio = 0.0
    for k in range(1, args.k + 1):
        linear = scores[:, :k] @ pca.components_[:k] + pca.mean_
        pca_error = mean_squared_error(flat(T), linear, maximum)
        error = mean_squared_error(X_test, ordered.inverse_transform(codes[:, :k]), maximum)
        max_ratio = max(max_ratio, error / pca_error)
        figures = {f"{prefix}/{k}/pca": pca_error, f"{prefix}/{k}/ordered": error}
        cells = (None, None)
        if k in args.separate:
            model = estimator(k, **settings).fit(X_train)
            separate = mean_squared_error(X_test, model.reconstruct(X_test), maximum)
            figures[f"{prefix}/{k}/separate"] = separate
            recorder.record(f"{prefix}/{k}/ratio_to_separate", error / separate)
            cells = (f"{separate:.5f}", f"{error / separate:.3f}")
        recorder.record_all(figures, "mse")
        recorder.record(f"{prefix}/{k}/ratio_to_pca", error / pca_error)
        print_row(k, f"{pca_error:.5f}", f"{error:.5f}", f"{error / pca_error:.3f}", *cells)
    recorder.record(f"{prefix}/max_ratio_to_pca", max_ratio)
    print(
        f"\nOne ordered fit took {seconds:.1f} s; the maximum ratio to PCA is {max_ratio:.3f}. "
        f"{len(X):,} training images. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
