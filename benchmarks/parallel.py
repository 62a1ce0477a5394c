"""Time a grid search in one process and in two.

    python benchmarks/parallel.py

`GridSearchCV` over a Pipeline of DenseAutoencoder and LogisticRegression on digits: with n_jobs=2, in which joblib gives each
worker one thread; with n_jobs=1 and one thread; and with n_jobs=1 and as many threads as torch takes by itself. The workers are
started before the clock runs, unless it says otherwise. Runs are interleaved, and the table has medians.
"""

import argparse
import time

import numpy as np
import torch
from common import head, interleaved, row, setting
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skae import DenseAutoencoder


def search(n_jobs, threads, X, y, *, started=True):
    """Give the seconds that a search takes."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    get_reusable_executor().shutdown()
    if started and n_jobs > 1:
        Parallel(n_jobs)(delayed(DenseAutoencoder(2, max_iter=1).fit)(X[:50]) for _ in range(4 * n_jobs))
    pipeline = Pipeline([("ae", DenseAutoencoder(random_state=0)), ("clf", LogisticRegression(max_iter=500))])
    grid = {"ae__n_components": [4, 8, 16, 32]}
    start = time.perf_counter()
    GridSearchCV(pipeline, grid, cv=4, n_jobs=n_jobs, refit=False).fit(X, y)
    seconds = time.perf_counter() - start
    torch.set_num_threads(before)
    return seconds


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    usual = torch.get_num_threads()
    runs = {
        "n_jobs=1, one thread": lambda seed: search(1, 1, X, y),
        f"n_jobs=1, {usual} threads": lambda seed: search(1, usual, X, y),
        "n_jobs=2": lambda seed: search(2, 1, X, y),
        "n_jobs=2, workers started on the clock": lambda seed: search(2, 1, X, y, started=False),
    }
    found = interleaved(runs, args.repeats)
    head("16 fits", "s", "each run", "n_jobs=1 with one thread / this")
    for name, times in found.items():
        ratio = np.median(found["n_jobs=1, one thread"]) / np.median(times)
        row(name, f"{np.median(times):.1f}", " ".join(f"{t:.1f}" for t in times), f"**{ratio:.2f}**")
    print(f"\nMedians of {args.repeats} runs. {setting()}")


if __name__ == "__main__":
    main()
