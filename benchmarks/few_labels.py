"""Measure what codes are worth where few images have a label.

Codes are learned from all images, without labels; a classifier from ten images of each class. Five draws of the ten. "Label
spreading" is a classifier that looks at the images without a label, too: labels spread along a graph that joins each of the
training images to its nearest ones. With `--normalise` every image is first divided by its length, as scikit-learn's Normalizer
does, for all of them alike; with `--together 5` there are also five variational autoencoders that differ in their random state
alone, and their codes side by side.

    python benchmarks/few_labels.py --data mnist.npz
    python benchmarks/few_labels.py --idx fashion-mnist/ --labels 20
    python benchmarks/few_labels.py --idx fashion-mnist/ --k 16 --normalise
    python benchmarks/few_labels.py --idx fashion-mnist/ --k 16 --only variational --together 5 --settings max_iter=12
"""

import argparse
import time
import warnings

import numpy as np
from common import add_image_source, add_settings, flat, head, load_images, row, setting
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
    "1-NN": lambda: KNeighborsClassifier(1),
    "SVC": SVC,
    "SVC, standardised": lambda: make_pipeline(StandardScaler(), SVC()),
    "logistic, standardised": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
}

JOINED = 7
"""Images to which the graph joins each one."""


def joined(Z, others, *, itself):
    """Weigh the nearest of Z for each of `others`, by distances over that to the farthest of them: (n_others, n), sparse."""
    search = NearestNeighbors(n_neighbors=JOINED + itself, algorithm="brute").fit(Z)
    distances, near = (part[:, int(itself) :] for part in search.kneighbors(others))
    weights = np.exp(-4 * np.square(distances / np.maximum(distances[:, -1:], 1e-12)))
    return sparse.csr_array(
        (weights.ravel(), near.ravel(), np.arange(0, near.size + 1, JOINED)),
        shape=(len(others), len(Z)),
    )


def spreading(Z, y, Z_test, y_test, draws):
    """Score label spreading over all rows of Z, of which those of a draw have a label: one accuracy for each draw."""
    Z, Z_test = (np.ascontiguousarray(part, np.float32) for part in (Z, Z_test))
    graph = joined(Z, Z, itself=True)
    graph, beyond = (
        (graph + graph.T) / 2,
        joined(Z, Z_test, itself=False).T,
    )  # found once, for all draws
    found = []
    for one in draws:
        known = np.full(len(y), -1)
        known[one] = y[one]
        # scikit-learn's own graph counts neighbours that are chosen on one side only, and no distances
        model = LabelSpreading(
            kernel=lambda A, B: graph if len(B) == len(Z) else beyond, alpha=0.99, max_iter=100
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # by a thousandth of the sum over all images
            found.append(model.fit(Z, known).score(Z_test, y_test))
    return found


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser)
    parser.add_argument("--labels", type=int, default=10, help="of each class (default 10)")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--k", type=int, nargs="+", default=[16, 64])
    parser.add_argument(
        "--normalise", action="store_true", help="divide each image by its length first"
    )
    parser.add_argument(
        "--together",
        type=int,
        help="so many variational autoencoders' codes side by side (default: none)",
    )
    add_settings(parser)
    parser.add_argument(
        "--only",
        nargs="+",
        default=[""],
        help="words: contenders that have one of them in their names",
    )
    args = parser.parse_args()
    X, y, T, y_test = load_images(args.source)
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate(
            [rng.permutation(np.flatnonzero(y == label))[: args.labels] for label in np.unique(y)]
        )
        for _ in range(args.draws)
    ]

    def accuracies(Z, Z_test):
        found = [
            [make().fit(Z[one], y[one]).score(Z_test, y_test) for one in draws]
            for make in CLASSIFIERS.values()
        ]
        return [
            f"{np.mean(scores):.3f}" for scores in (*found, spreading(Z, y, Z_test, y_test, draws))
        ]

    def variational(k, seed):
        autoencoder = ConvAutoencoder(k, bottleneck=Variational(), random_state=seed)
        return autoencoder.set_params(**dict(args.settings))

    head("codes of", "numbers", *CLASSIFIERS, "label spreading", "fit, s of processor")
    ceiling = 255.0 if X.dtype == np.uint8 else 1.0
    pixels, test_pixels = flat(X) / np.float32(ceiling), flat(T) / np.float32(ceiling)
    if args.normalise:
        pixels, test_pixels = normalize(pixels), normalize(test_pixels)
        X, T = pixels.reshape(X.shape), test_pixels.reshape(T.shape)
    contenders = [("raw pixels", None, pixels, test_pixels)]
    for k in args.k:
        contenders += [
            ("PCA", PCA(k, random_state=0), pixels, test_pixels),
            ("DenseAutoencoder", DenseAutoencoder(k, random_state=0), flat(X), flat(T)),
            ("ConvAutoencoder", ConvAutoencoder(k, random_state=0), X, T),
            ("ConvAutoencoder, variational", variational(k, 0), X, T),
        ]
        if args.together:
            union = FeatureUnion(
                [(str(seed), variational(k, seed)) for seed in range(args.together)]
            )
            contenders.append((f"{args.together} of ConvAutoencoder, variational", union, X, T))
    for name, model, seen, unseen in contenders:
        if not any(word.lower() in name.lower() for word in args.only):
            continue
        if model is None:
            row(name, seen.shape[1], *accuracies(seen, unseen), None)
            continue
        start = time.process_time()
        codes = model.fit(seen).transform(seen)
        seconds = time.process_time() - start
        row(name, codes.shape[1], *accuracies(codes, model.transform(unseen)), f"{seconds:.1f}")
    print(
        f"\nMeans over {args.draws} draws of {args.labels} labels a class, {len(T):,} test images. {setting()}"
    )


if __name__ == "__main__":
    main()
