"""Measure default fits of small data: digits, breast cancer, 450 images, and a grid search.

    python benchmarks/small_fits.py --images mnist.npz
    python benchmarks/small_fits.py --images mnist.npz --threads 1 2 --repeats 5
    python benchmarks/small_fits.py --other ../earlier-checkout

Each case runs in a new process that has fitted once before, with a number of threads. The time is the lowest of all
repeats, since other programs only add to it. With `--other` the cases of another checkout alternate with those of this
one. The error is that of test samples, as a ratio to PCA's.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[1]
N_IMAGES = 450
N_TEST_IMAGES = 2000

CASES = {
    "digits-dense": "1,400 digits, dense",
    "digits-conv": "1,400 digits, convolutional",
    "breast-cancer": "breast cancer, dense",
    "images-dense": f"{N_IMAGES} images, dense",
    "images-conv": f"{N_IMAGES} images, convolutional",
    "search-conv": "20 convolutional fits of digits in a grid search",
}


def load(case, path):
    """Return training and test samples of a case."""
    if case.startswith("images"):
        from common import load_images

        X, _, T, _ = load_images(path)
        chosen = np.random.default_rng(0).permutation(len(X))[:N_IMAGES]
        return X[chosen], T[:N_TEST_IMAGES]
    if case == "breast-cancer":
        X = datasets.load_breast_cancer().data
        n_training = round(0.8 * len(X))
    else:
        X = datasets.load_digits().images
        n_training = 1400
    X = X[np.random.default_rng(0).permutation(len(X))]
    X, T = X[:n_training], X[n_training:]
    if case == "breast-cancer":
        scaler = StandardScaler().fit(X)
        X, T = scaler.transform(X), scaler.transform(T)
    return X, T


def run_child(task):
    """Fit with the skae that is found first, and print the time and the ratio of errors."""
    import skae

    warnings.simplefilter("ignore")
    case = task["case"]
    X, T = load(case, task["images"])
    if case.endswith("conv"):
        autoencoder = skae.ConvAutoencoder(device="cpu", random_state=0)
    else:
        X, T = X.reshape(len(X), -1), T.reshape(len(T), -1)
        autoencoder = skae.DenseAutoencoder(device="cpu", random_state=0)
    autoencoder.set_params(max_iter=1).fit(X)  # the first fit of a process takes longer
    autoencoder.set_params(max_iter=task["max_iter"] or "auto")
    ratio = None
    start = time.perf_counter()
    if case.startswith("search"):
        grid = {"n_components": [2, 4, 8, 16]}
        GridSearchCV(autoencoder, grid, n_jobs=2, refit=False, error_score="raise").fit(X)
        seconds = time.perf_counter() - start
    else:
        autoencoder.fit(X)
        seconds = time.perf_counter() - start
        rows, test_rows = X.reshape(len(X), -1), T.reshape(len(T), -1)
        pca = PCA(autoencoder.n_components_, svd_solver="full").fit(rows)
        T_pca = pca.inverse_transform(pca.transform(test_rows))
        errors = np.mean((autoencoder.reconstruct(T) - T.astype(float)) ** 2)
        ratio = float(errors / np.mean((T_pca - test_rows) ** 2))
    print(json.dumps({"seconds": seconds, "ratio": ratio, "skae": skae.__file__}))


def measure(case, args, n_threads, folder):
    """Run a case in a new process with the skae of a folder."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(n_threads))}
    environment["PYTHONPATH"] = str(folder)
    task = {"case": case, "images": args.images, "max_iter": args.max_iter}
    command = [sys.executable, __file__, "--task", json.dumps(task)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    if not Path(result["skae"]).is_relative_to(folder):
        raise RuntimeError(f"Imported {result['skae']}, but expected the skae of {folder}.")
    return result


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", help=".npz file or IDX folder; without, two cases are left out")
    parser.add_argument("--only", nargs="*", choices=list(CASES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-iter", type=int, help="epochs of each fit (default: the default)")
    parser.add_argument("--other", type=Path, help="another checkout, whose fits alternate")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    if "--task" in sys.argv:
        run_child(json.loads(sys.argv[sys.argv.index("--task") + 1]))
        return
    from common import Recorder, print_header, print_row

    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("small_fits", args.results)
    folders = {"own": ROOT}
    if args.other is not None:
        folders = {"earlier": args.other.resolve(), "own": ROOT}
    print_header("", "threads", *(f"{name}, s" for name in folders), "test error / PCA's")
    for case in args.only or CASES:
        if case.startswith("images") and args.images is None:
            continue
        for n_threads in args.threads:
            runs = {name: [] for name in folders}
            for _ in range(args.repeats):
                for name, folder in folders.items():
                    runs[name].append(measure(case, args, n_threads, folder))
            seconds = {name: min(run["seconds"] for run in runs[name]) for name in folders}
            for name, value in seconds.items():
                suffix = "" if name == "own" else "_earlier"
                key = f"{case}/threads-{n_threads}/fit_time{suffix}"
                recorder.record(key, value, "s", args.repeats)
            ratios = " / ".join(
                f"{runs[name][0]['ratio']:.3f}" for name in folders if runs[name][0]["ratio"]
            )
            if runs["own"][0]["ratio"]:
                recorder.record(f"{case}/ratio", runs["own"][0]["ratio"], "ratio", 1)
            cells = (f"{value:.2f}" for value in seconds.values())
            print_row(CASES[case], n_threads, *cells, ratios)
    print(f"\nLowest times of {args.repeats} runs. {recorder.describe()}")


if __name__ == "__main__":
    main()
