"""Compare classifiers on latent features where few images have a label.

Autoencoders are fitted on all training images without labels; classifiers are fitted on ten labeled images of each class. The
table contains means over five draws of the labeled images. Label spreading also uses the images without a label: the labels
spread along a graph that connects each training image with its nearest neighbors.

    python benchmarks/few_labels.py --data mnist.npz
    python benchmarks/few_labels.py --idx fashion-mnist/ --labels 20
    python benchmarks/few_labels.py --idx fashion-mnist/ --k 16 --normalize
    python benchmarks/few_labels.py --idx fashion-mnist/ --k 16 --only variational --ensemble 5 --settings max_iter=12

With ``--normalize``, every image is divided by its Euclidean norm for all methods. With ``--ensemble 5``, the table has a row
for the concatenated latent features of five variational autoencoders with different random states.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from common import (
    Recorder,
    add_image_source,
    add_settings,
    flat,
    load_images,
    print_header,
    print_row,
    slug,
)
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder
from skae.bottlenecks import Variational

CLASSIFIERS = {
    "knn": ("1-NN", lambda: KNeighborsClassifier(1)),
    "svc": ("SVC", SVC),
    "svc_scaled": ("SVC, standardized", lambda: make_pipeline(StandardScaler(), SVC())),
    "logistic_scaled": (
        "LogisticRegression, standardized",
        lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    ),
}

N_NEIGHBORS = 7
"""Neighbors of an image in the graph of label spreading."""


def neighbor_graph(Z, Z_query, *, exclude_self):
    """Return edge weights from each query to its nearest samples of Z, as a sparse array (n_queries, n).

    The weight decreases with the distance divided by that to the farthest of the neighbors.
    """
    n_neighbors = N_NEIGHBORS + exclude_self
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(Z)
    distances, indices = (array[:, int(exclude_self) :] for array in search.kneighbors(Z_query))
    weights = np.exp(-4 * np.square(distances / np.maximum(distances[:, -1:], 1e-12)))
    return sparse.csr_array(
        (weights.ravel(), indices.ravel(), np.arange(0, indices.size + 1, N_NEIGHBORS)),
        shape=(len(Z_query), len(Z)),
    )


def label_spreading_accuracies(Z, y, Z_test, y_test, draws):
    """Return the accuracy of label spreading for each draw of labeled samples of Z."""
    Z, Z_test = (np.ascontiguousarray(features, np.float32) for features in (Z, Z_test))
    # the graph is the same for all draws
    graph = neighbor_graph(Z, Z, exclude_self=True)
    graph = (graph + graph.T) / 2
    test_graph = neighbor_graph(Z, Z_test, exclude_self=False).T
    accuracies = []
    for labeled in draws:
        y_partial = np.full(len(y), -1)
        y_partial[labeled] = y[labeled]
        # kernel="knn" of scikit-learn has neither symmetric edges nor weights by distance
        model = LabelSpreading(
            kernel=lambda A, B: graph if len(B) == len(Z) else test_graph, alpha=0.99, max_iter=100
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            accuracies.append(model.fit(Z, y_partial).score(Z_test, y_test))
    return accuracies


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--labels", type=int, default=10, help="labels per class (default 10)")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--k", type=int, nargs="+", default=[16, 64], help="n_components")
    parser.add_argument(
        "--normalize", action="store_true", help="divide each image by its Euclidean norm"
    )
    parser.add_argument("--ensemble", type=int, help="number of variational autoencoders")
    add_settings(parser)
    parser.add_argument(
        "--only", nargs="+", default=[""], help="methods whose names contain one of these words"
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("few_labels", args.results)
    prefix = f"{slug(Path(args.source).stem)}/{args.labels}-labels"
    if args.normalize:
        prefix += "-normalized"
    X, y, T, y_test = load_images(args.source)
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate(
            [rng.permutation(np.flatnonzero(y == label))[: args.labels] for label in np.unique(y)]
        )
        for _ in range(args.draws)
    ]

    def report(name, label, Z, Z_test, seconds=None):
        scores = {
            kind: np.mean([make().fit(Z[one], y[one]).score(Z_test, y_test) for one in draws])
            for kind, (_, make) in CLASSIFIERS.items()
        }
        spreading = label_spreading_accuracies(Z, y, Z_test, y_test, draws)
        scores["label_spreading"] = np.mean(spreading)
        recorder.record_all(
            {f"{prefix}/{name}/{kind}": score for kind, score in scores.items()},
            "ratio",
            args.draws,
        )
        if seconds is not None:
            recorder.record(f"{prefix}/{name}/fit_time", seconds, "s")
        cells = [f"{score:.3f}" for score in scores.values()]
        print_row(label, Z.shape[1], *cells, seconds and f"{seconds:.1f}")

    def variational(k, seed):
        autoencoder = ConvAutoencoder(k, bottleneck=Variational(), random_state=seed)
        return autoencoder.set_params(**dict(args.settings))

    labels = [label for label, _ in CLASSIFIERS.values()]
    print_header("features", "number", *labels, "label spreading", "fit, CPU s")
    maximum = 255.0 if X.dtype == np.uint8 else 1.0
    pixels, test_pixels = flat(X) / np.float32(maximum), flat(T) / np.float32(maximum)
    if args.normalize:
        pixels, test_pixels = normalize(pixels), normalize(test_pixels)
        X, T = pixels.reshape(X.shape), test_pixels.reshape(T.shape)
    contenders = [("pixels", "raw pixels", None, pixels, test_pixels)]
    for k in args.k:
        contenders += [
            (f"pca-{k}", "PCA", PCA(k, random_state=0), pixels, test_pixels),
            (
                f"dense-{k}",
                "DenseAutoencoder",
                DenseAutoencoder(k, random_state=0),
                flat(X),
                flat(T),
            ),
            (f"conv-{k}", "ConvAutoencoder", ConvAutoencoder(k, random_state=0), X, T),
            (f"variational-{k}", "ConvAutoencoder, variational", variational(k, 0), X, T),
        ]
        if args.ensemble:
            union = FeatureUnion(
                [(str(seed), variational(k, seed)) for seed in range(args.ensemble)]
            )
            label = f"{args.ensemble} of ConvAutoencoder, variational"
            contenders.append((f"variational-{k}-x{args.ensemble}", label, union, X, T))
    for name, label, model, X_train, X_test in contenders:
        if not any(word.lower() in label.lower() for word in args.only):
            continue
        if model is None:
            report(name, label, X_train, X_test)
            continue
        start = time.process_time()
        Z = model.fit(X_train).transform(X_train)
        seconds = time.process_time() - start
        report(name, label, Z, model.transform(X_test), seconds)
    print(
        f"\nMeans over {args.draws} draws of {args.labels} labels per class, {len(T):,} test images. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
