"""Compare results and times of two states of the code.

    python benchmarks/baselines.py write before.npz --idx fashion-mnist/
    python benchmarks/baselines.py write after.npz --idx fashion-mnist/
    python benchmarks/baselines.py compare before.npz after.npz
    python benchmarks/baselines.py times ../other-checkout --repeats 5

`write` fits every case of `tests/cases.py`, digits and Fashion-MNIST, and saves latent vectors, reconstructions, losses
and best epochs. `compare` prints the largest differences, and exits with 1 if one of them is above 1e-5 of the largest
number. `times` runs fit, transform and import of this checkout and of another one alternately, and prints ratios. The
script is a tool for development; it writes no figures.
"""

import argparse
import statistics
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TOLERANCE = 1e-5
N_SAVED = 500
"""Samples for which latent vectors and reconstructions are saved."""

TIMED = """
import sys, time
sys.path.insert(0, sys.argv[1])
start = time.perf_counter()
import skae
print("import", time.perf_counter() - start)
import numpy, warnings
from sklearn.datasets import load_digits
warnings.simplefilter("ignore")
assert skae.__file__.startswith(sys.argv[1]), skae.__file__
digits = load_digits().data.astype("uint8")
large = numpy.random.default_rng(0).integers(0, 256, (60_000, 784), dtype="uint8")
for name, make in (("dense", skae.DenseAutoencoder), ("conv", skae.ConvAutoencoder)):
    for data, X, parameters in (
        ("digits", digits, {}),
        ("60000 x 784", large, {"n_components": 32, "max_iter": 1}),
    ):
        start = time.perf_counter()
        autoencoder = make(random_state=0, **parameters).fit(X)
        print(f"fit {name} {data}", time.perf_counter() - start)
        for n_samples in (1, 100, len(X)):
            times = []
            for _ in range(200 if n_samples <= 100 else 5):
                start = time.perf_counter()
                autoencoder.transform(X[:n_samples])
                times.append(time.perf_counter() - start)
            print(f"transform {name} {data}, {n_samples}", sorted(times)[len(times) // 2])
"""


def estimators(folder):
    """Yield names, estimators and data."""
    sys.path.insert(0, str(ROOT))
    from sklearn.base import clone
    from sklearn.datasets import load_digits

    from skae import ConvAutoencoder, DenseAutoencoder
    from tests.cases import CASES

    for case in CASES:
        yield case.name, clone(case.estimator), case.X
    digits = load_digits()
    yield "digits-dense", DenseAutoencoder(random_state=0), digits.data
    yield "digits-conv", ConvAutoencoder(random_state=0), digits.images
    if folder is not None:
        from common import load_images

        X = load_images(folder)[0]
        yield "fashion-mnist-dense", DenseAutoencoder(32, random_state=0), X.reshape(len(X), -1)
        yield "fashion-mnist-conv", ConvAutoencoder(32, random_state=0), X.reshape(-1, 28, 28)


def write(path, folder):
    """Fit all cases and save the results."""
    results = {}
    for name, estimator, X in estimators(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X)
        results[f"{name}/latent vectors"] = np.asarray(estimator.transform(X[:N_SAVED]))
        results[f"{name}/reconstructions"] = np.asarray(estimator.reconstruct(X[:N_SAVED]))
        results[f"{name}/loss curve"] = np.asarray(estimator.loss_curve_)
        results[f"{name}/validation scores"] = np.asarray(
            estimator.validation_scores_ or [], dtype=float
        )
        results[f"{name}/score"] = np.asarray(estimator.score(X[:N_SAVED]))
        results[f"{name}/best epoch"] = np.asarray(estimator.best_iter_)
        print(
            f"{name:40} epoch {estimator.best_iter_:3}  score {float(results[f'{name}/score']):.5f}",
            flush=True,
        )
    np.savez_compressed(path, **results)


def compare(before, after):
    """Print the largest difference of each kind of result; return how many results differ by more than the tolerance."""
    first, second = np.load(before), np.load(after)
    if set(first.files) != set(second.files):
        raise SystemExit(
            f"The files hold different results: {sorted(set(first.files) ^ set(second.files))}."
        )
    worst, n_different = {}, 0
    for key in first.files:
        a, b = first[key], second[key]
        kind = key.split("/")[1]
        if a.shape != b.shape:
            difference = np.inf
        else:
            largest = np.abs(a[np.isfinite(a)]).max(initial=0) or 1.0
            difference = np.abs(np.nan_to_num(a - b)).max(initial=0) / largest
        worst[kind] = max(worst.get(kind, 0.0), difference)
        if difference > (0 if kind == "best epoch" else TOLERANCE):
            n_different += 1
            print(f"{key:60} {difference:.1e}")
    for kind, difference in worst.items():
        print(f"largest difference of {kind:20} {difference:.1e}")
    return n_different


def compare_times(other, repeats):
    """Print the times of another checkout and of this one, and the median of their ratios."""
    times = {}
    for _ in range(repeats):
        for position, folder in enumerate((Path(other).resolve(), ROOT)):
            command = [sys.executable, "-c", TIMED, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
            for line in done.stdout.splitlines():
                name, seconds = line.rsplit(" ", 1)
                times.setdefault(name, ([], []))[position].append(float(seconds))
    print(f"{'':40} {'other, ms':>10} {'this, ms':>10} {'ratio':>6}")
    for name, (others, own) in times.items():
        ratio = statistics.median(b / a for a, b in zip(others, own, strict=True))
        print(
            f"{name:40} {1e3 * statistics.median(others):10.2f} {1e3 * statistics.median(own):10.2f} {ratio:6.2f}"
        )


def main():
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="fit everything and save the results")
    writing.add_argument("file")
    writing.add_argument(
        "--idx", type=Path, default=None, metavar="FOLDER", help="folder of Fashion-MNIST's files"
    )
    comparing = commands.add_parser("compare", help="compare two files of results")
    comparing.add_argument("before")
    comparing.add_argument("after")
    timing = commands.add_parser("times", help="compare times with another checkout")
    timing.add_argument("other")
    timing.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.file, arguments.idx)
    elif arguments.command == "compare":
        sys.exit(int(compare(arguments.before, arguments.after) > 0))
    else:
        compare_times(arguments.other, arguments.repeats)


if __name__ == "__main__":
    main()
