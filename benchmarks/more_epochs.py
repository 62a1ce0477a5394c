"""Compare fits of more and more epochs: none is to have a larger test error than a fit with fewer epochs.

The table contains the test error divided by that of PCA, for the default number of epochs and for the largest number, and the
largest increase of this ratio from any fit to a fit with more epochs.

    python benchmarks/more_epochs.py --tables adbench/ --jobs 2
    python benchmarks/more_epochs.py --images mnist.npz --photographs kodak/ --only images photographs
    python benchmarks/more_epochs.py --images cifar10.npz --n-samples 50000 --k 64 --max-iter 8 20 --only images
    python benchmarks/more_epochs.py --tables adbench/ --only tables --names glass wine --seeds 1

The smallest tables are split 4 to 1 by the seed and standardized on the training samples. Images keep their pixel values: those
of the digits are split likewise, and of an image set the first ones are used. Crops of photographs are at random positions, and
those for the test come from other photographs.
"""

import argparse
import re
import warnings
from pathlib import Path

import numpy as np
from common import Recorder, flat, load_images, mean_squared_error, print_header, print_row, slug
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import ConvAutoencoder, DenseAutoencoder

MAX_INCREASE = 0.002
"""The largest increase of the ratio that counts as none."""

NETWORKS = {"dense": DenseAutoencoder, "conv": ConvAutoencoder}
TABLE_EPOCHS = (100, 300)
IMAGE_EPOCHS = (20, 50)
N_TABLES, TABLE_COMPONENTS = 8, (1, 2, 8)
CROP_SIZE, N_CROPS = 32, 3000


# ------------------------------------------------------------------------------------------------------------- data


def load(kind, source, seed):
    """Return training and test samples."""
    if kind == "images":
        path, n_samples = source
        X, _, T, _ = load_images(path)
        return X[:n_samples], T[:3000]
    if kind == "photographs":
        return random_crops(source, seed)
    if kind == "digits":
        return train_test_split(datasets.load_digits().images, test_size=0.2, random_state=seed)
    with np.load(source, allow_pickle=False) as file:
        X = np.asarray(file["X"], np.float64)
    X, T = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(T)


def random_crops(folder, seed):
    """Cut 3,000 training crops and 1,000 test crops of 32x32 pixels; every third photograph is for the test."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    paths = sorted(Path(folder).glob("*.png"))
    crops = []
    for part, n_crops in ((set(paths) - set(paths[1::3]), N_CROPS), (paths[1::3], N_CROPS // 3)):
        photographs = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(part)]
        cut = np.empty((n_crops, CROP_SIZE, CROP_SIZE, 3), np.uint8)
        for i in range(n_crops):
            photograph = photographs[i % len(photographs)]
            top, left = (rng.integers(n - CROP_SIZE + 1) for n in photograph.shape[:2])
            cut[i] = photograph[top : top + CROP_SIZE, left : left + CROP_SIZE]
        crops.append(cut)
    return crops


def list_cases(args):
    """List the cases: key, label, kind, source, network, number of components, and values of `max_iter`."""
    cases = []
    if "tables" in args.only and args.tables:
        paths = sorted(Path(args.tables).glob("*.npz"), key=lambda path: path.stat().st_size)
        for path in paths[:N_TABLES]:
            name = re.sub(r"^\d+_", "", path.stem)
            if args.names and slug(name) not in args.names:
                continue
            n_features = load("table", path, 0)[0].shape[1]
            for k in TABLE_COMPONENTS:
                if k < n_features:
                    key = f"tables/{slug(name)}"
                    cases.append((key, name, "table", path, "dense", k, TABLE_EPOCHS))
    for network in args.networks:
        if "digits" in args.only:
            for k in (2, 8):
                key = f"digits/{network}"
                cases.append((key, "digits", "digits", None, network, k, TABLE_EPOCHS))
        if "images" in args.only and args.images:
            for n in args.n_samples:
                stem = Path(args.images).stem
                key = f"images/{slug(stem)}-{n}/{network}"
                source = (args.images, n)
                cases.append(
                    (key, f"{stem}, {n:,} images", "images", source, network, args.k, IMAGE_EPOCHS)
                )
        if "photographs" in args.only and args.photographs:
            source, key = args.photographs, f"photographs/{network}"
            cases.append((key, "crops", "photographs", source, network, args.k, IMAGE_EPOCHS))
    if args.max_iter:
        cases = [(*case[:-1], tuple(args.max_iter)) for case in cases]
    return cases


# --------------------------------------------------------------------------------------------------------- measuring


def measure(kind, source, network, k, max_iter, seed):
    """Fit PCA and autoencoders of more and more epochs; return the ratios of test errors by the number of epochs.

    The first one has the default number of epochs. Fewer epochs are left out.
    """
    X, T = load(kind, source, seed)
    rows, test_rows = flat(X).astype(np.float64), flat(T).astype(np.float64)
    pca = PCA(k, svd_solver="covariance_eigh").fit(rows)
    pca_error = mean_squared_error(test_rows, pca.inverse_transform(pca.transform(test_rows)))
    if network == "dense":
        X, T = rows, test_rows
    ratios, default = {}, 0
    for epochs in ("auto", *max_iter):
        if epochs != "auto" and epochs <= default:
            continue
        model = NETWORKS[network](k, max_iter=epochs, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X)
        default = default or model.max_iter_
        ratios[model.max_iter_] = mean_squared_error(T, model.reconstruct(T)) / pca_error
    return ratios


def largest_increase(ratios):
    """Return the largest difference of a ratio and one of fewer epochs; the least is 0."""
    values = [ratios[epochs] for epochs in sorted(ratios)]
    lowest = np.minimum.accumulate(values)
    return float(np.max(values - lowest))


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", help="folder of .npz files with X")
    parser.add_argument("--names", nargs="*", help="some of the eight smallest tables")
    parser.add_argument("--images", help=".npz file or IDX folder")
    parser.add_argument(
        "--n-samples", type=int, nargs="*", default=[2000, 10_000], help="numbers of images"
    )
    parser.add_argument("--photographs", help="folder of .png photographs")
    parser.add_argument("--k", type=int, default=32, help="n_components of images (default 32)")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--max-iter", type=int, nargs="*", help="replaces all numbers of epochs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="fits at the same time (default 1)")
    parser.add_argument(
        "--only",
        nargs="*",
        choices=["tables", "digits", "images", "photographs"],
        default=["tables", "digits", "images", "photographs"],
    )
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("more_epochs", args.results)
    cases = list_cases(args)
    runs = [(*case[2:], seed) for case in cases for seed in range(args.seeds)]
    measured = Parallel(n_jobs=args.jobs, return_as="generator")(delayed(measure)(*r) for r in runs)
    by_key = {}
    for case in cases:
        by_key.setdefault(case[0], (case[1], case[4], []))[2].extend(
            next(measured) for _ in range(args.seeds)
        )
        print(f"{case[1]}, {case[4]}, {case[5]} components: measured", flush=True)
    print_header("test error / PCA's", "network", "default", "most epochs", "increase", "series")
    for key, (label, network, results) in by_key.items():
        increases = [largest_increase(ratios) for ratios in results]
        ratios = {
            "default": np.mean([one[min(one)] for one in results]),
            "most": np.mean([one[max(one)] for one in results]),
            "increase": max(increases),
        }
        counts = {
            "default_epochs": round(np.median([min(one) for one in results])),
            "most_epochs": max(max(one) for one in results),
            "n_fits": len(results),
            "n_above": sum(increase > MAX_INCREASE for increase in increases),
        }
        recorder.record_all({f"{key}/{n}": v for n, v in ratios.items()}, "ratio", args.seeds)
        recorder.record_all({f"{key}/{n}": v for n, v in counts.items()}, "count", args.seeds)
        cells = [f"{value:.3f}" for value in ratios.values()]
        print_row(label, network, *cells, f"{counts['n_above']} of {len(results)} above")
    print(f"\n{recorder.describe()}")


if __name__ == "__main__":
    main()
