"""Measure what codes are worth where few images have a label.

Codes are learned from all images, without labels; a classifier from ten images of each class. Five draws of the ten. With
`--normalise` every image is first divided by its length, as scikit-learn's Normalizer does, for all of them alike.

    python benchmarks/few_labels.py --data mnist.npz
    python benchmarks/few_labels.py --idx fashion-mnist/ --labels 20
    python benchmarks/few_labels.py --idx fashion-mnist/ --k 16 --normalise
"""

import argparse

import numpy as np
from common import add_image_source, flat, head, load_images, row, setting, timed
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder

CLASSIFIERS = {
    "1-NN": lambda: KNeighborsClassifier(1),
    "SVC": SVC,
    "SVC, standardised": lambda: make_pipeline(StandardScaler(), SVC()),
    "logistic, standardised": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_image_source(parser)
    parser.add_argument("--labels", type=int, default=10, help="of each class (default 10)")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--k", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--normalise", action="store_true", help="divide each image by its length first")
    args = parser.parse_args()
    X, y, T, y_test = load_images(args.source)
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate([rng.permutation(np.flatnonzero(y == label))[: args.labels] for label in np.unique(y)])
        for _ in range(args.draws)
    ]

    def accuracies(Z, Z_test):
        found = [[make().fit(Z[one], y[one]).score(Z_test, y_test) for one in draws] for make in CLASSIFIERS.values()]
        return [f"{np.mean(scores):.3f}" for scores in found]

    head("codes of", "k", *CLASSIFIERS, "fit, s")
    ceiling = 255.0 if X.dtype == np.uint8 else 1.0
    pixels, test_pixels = flat(X) / np.float32(ceiling), flat(T) / np.float32(ceiling)
    if args.normalise:
        pixels, test_pixels = normalize(pixels), normalize(test_pixels)
        X, T = pixels.reshape(X.shape), test_pixels.reshape(T.shape)
    row("raw pixels", pixels.shape[1], *accuracies(pixels, test_pixels), None)
    for k in args.k:
        for name, model, seen, unseen in (
            ("PCA", PCA(k, random_state=0), pixels, test_pixels),
            ("DenseAutoencoder", DenseAutoencoder(k, random_state=0), flat(X), flat(T)),
            ("ConvAutoencoder", ConvAutoencoder(k, random_state=0), X, T),
            ("ConvAutoencoder, variational", ConvAutoencoder(k, bottleneck="variational", random_state=0), X, T),
        ):
            seconds, codes = timed(lambda model=model, seen=seen: model.fit(seen).transform(seen))
            row(name, k, *accuracies(codes, model.transform(unseen)), f"{seconds:.1f}")
    print(f"\nMeans over {args.draws} draws of {args.labels} labels a class, {len(T):,} test images. {setting()}")


if __name__ == "__main__":
    main()
