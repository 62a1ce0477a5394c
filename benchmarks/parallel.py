"""Measure what a second process gains in a search: a grid of a DenseAutoencoder and a classifier on digits.

    python benchmarks/parallel.py
    python benchmarks/parallel.py --repeats 5 --folds 5
    python benchmarks/parallel.py --max-iter 3 --folds 2 --repeats 1                # a try

The same search with one process and one thread, with one process and as many threads as torch takes by itself, and with
`n_jobs` processes of one thread each. Threads are counted where they start: each search is run by a new Python, in whose
environment OMP_NUM_THREADS is 1 or missing. joblib's processes inherit it, and where it is missing joblib sets it to the cores
over `n_jobs`, which on a machine with as many cores as jobs is 1 as well. How many threads torch then had in a worker is in the
table. Each Python searches twice: the first search also starts the workers, which import torch; the second finds them there.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import torch
from common import head, interleaved, row, setting, timed
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import DenseAutoencoder

CLASSIFIERS = {"svc": SVC(), "logistic": LogisticRegression(max_iter=1000)}


def search(task):
    """Make the search."""
    autoencoder = DenseAutoencoder(
        max_iter=task["max_iter"] or "auto", device="cpu", random_state=0
    )
    steps = [
        ("ae", autoencoder),
        ("scaler", StandardScaler()),
        ("clf", CLASSIFIERS[task["classifier"]]),
    ]
    grid = {"ae__n_components": task["k"], "clf__C": [0.1, 1, 10]}
    return GridSearchCV(Pipeline(steps), grid, cv=task["folds"], n_jobs=task["n_jobs"], refit=False)


def child(task):
    """Search twice, and print what it took."""
    warnings.simplefilter("ignore")
    X, y = load_digits(return_X_y=True)
    DenseAutoencoder(2, max_iter=1, device="cpu").fit(
        X
    )  # what only a first fit pays; the workers have yet to pay it
    first, _ = timed(lambda: search(task).fit(X, y))
    second, done = timed(lambda: search(task).fit(X, y))
    threads = Parallel(n_jobs=task["n_jobs"])(
        delayed(torch.get_num_threads)() for _ in range(task["n_jobs"])
    )
    print(
        json.dumps(
            {
                "first": first,
                "second": second,
                "threads": max(threads),
                "score": float(done.best_score_),
            }
        )
    )


def measure(task, threads):
    """Run a task in a new Python, with one thread or with torch's default."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    settings = {name: value for name, value in os.environ.items() if name not in names}
    if threads:
        settings.update(dict.fromkeys(names, str(threads)))
    command = [sys.executable, __file__, "--task", json.dumps(task)]
    done = subprocess.run(command, env=settings, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument(
        "--k", type=int, nargs="+", default=[8, 16], help="numbers of components to search"
    )
    parser.add_argument("--classifier", choices=list(CLASSIFIERS), default="svc")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument(
        "--max-iter", type=int, help="epochs of each fit (default: the estimator's)"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        return child(json.loads(args.task))
    task = {
        "k": args.k,
        "classifier": args.classifier,
        "folds": args.folds,
        "max_iter": args.max_iter,
    }
    labels = {
        (1, 1): "n_jobs=1, one thread",
        (1, None): "n_jobs=1, torch's default",
        (args.n_jobs, 1): f"n_jobs={args.n_jobs}, one thread each",
        (args.n_jobs, None): f"n_jobs={args.n_jobs}, joblib's default",
    }
    ways = {key: lambda _, key=key: measure({**task, "n_jobs": key[0]}, key[1]) for key in labels}
    found = interleaved(ways, args.repeats)
    columns = (
        "torch threads",
        "first search, s",
        "second search, s",
        "each run",
        "times faster",
        "best score",
    )
    head("", *columns)
    base = np.array([run["second"] for run in found[1, 1]])
    for key, label in labels.items():
        column = {name: [run[name] for run in found[key]] for name in found[key][0]}
        row(
            label,
            column["threads"][0],
            f"{np.median(column['first']):.2f}",
            f"{np.median(column['second']):.2f}",
            " ".join(f"{seconds:.2f}" for seconds in column["second"]),
            f"{np.median(base / column['second']):.2f}",
            " ".join(sorted({f"{score:.4f}" for score in column["score"]})),
        )
    fits = len(args.k) * 3 * args.folds
    print(
        f"\n{fits} fits a search, with the classifier {args.classifier}; medians of {args.repeats} runs. Times faster: the"
    )
    return print(
        f"second search, against one process with one thread, the median of the rounds' ratios. {setting()}"
    )


if __name__ == "__main__":
    main()
