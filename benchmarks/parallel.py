"""Measure the speedup of a grid search by a second process, and two small fits at the same time.

    python benchmarks/parallel.py
    python benchmarks/parallel.py --repeats 5 --folds 5
    python benchmarks/parallel.py --max-iter 3 --folds 2 --repeats 1

The same search with one process and one thread, with one process and torch's default number of threads, and with `n_jobs`
processes. Each search runs in a new process, with OMP_NUM_THREADS=1 or without this variable. joblib's workers
inherit the variable; without it, joblib sets it to the number of cores divided by `n_jobs`. Each process searches twice, since
the first search also starts the workers, which import torch.

Then default fits of digits, dense and convolutional, run in one process with OMP_NUM_THREADS=1, and in two processes at once,
in which no variable is set. The times are those of the fits, without the start of the processes.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import torch
from common import Recorder, interleaved, print_header, print_row, timed
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import ConvAutoencoder, DenseAutoencoder

CLASSIFIERS = {"svc": SVC(), "logistic": LogisticRegression(max_iter=1000)}


def build_search(task):
    """Return the grid search."""
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


def run_child(task):
    """Search twice and print the times."""
    warnings.simplefilter("ignore")
    X, y = load_digits(return_X_y=True)
    # the first fit of a process takes longer
    DenseAutoencoder(2, max_iter=1, device="cpu").fit(X)
    first, _ = timed(lambda: build_search(task).fit(X, y))
    second, search = timed(lambda: build_search(task).fit(X, y))
    threads = Parallel(n_jobs=task["n_jobs"])(
        delayed(torch.get_num_threads)() for _ in range(task["n_jobs"])
    )
    result = {
        "first": first,
        "second": second,
        "threads": max(threads),
        "score": float(search.best_score_),
    }
    print(json.dumps(result))


def run_fit(task):
    """Fit a default autoencoder when all processes are ready, and print the time."""
    warnings.simplefilter("ignore")
    X = load_digits().data.astype(np.float32)
    DenseAutoencoder(2, max_iter=1, device="cpu").fit(X)
    settings = {"device": "cpu", "max_iter": task["max_iter"] or "auto", "random_state": 0}
    autoencoder = DenseAutoencoder(8, **settings)
    if task["fit"] == "conv":
        autoencoder = ConvAutoencoder(8, **settings)
        X = X.reshape(-1, 8, 8)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds, _ = timed(lambda: autoencoder.fit(X))
    print(json.dumps(seconds), flush=True)


def start(task, threads):
    """Start a task in a new process, with a number of threads or with torch's default."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if threads:
        environment.update(dict.fromkeys(names, str(threads)))
    command = [sys.executable, __file__, "--task", json.dumps(task)]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def measure(task, threads):
    """Return the result of a search in a new process."""
    process = start(task, threads)
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"A process ended with {process.returncode}.")
    return json.loads(output.splitlines()[-1])


def measure_fits(task, threads, n_processes):
    """Return the longest time of fits in several processes that begin at the same time."""
    processes = [start(task, threads) for _ in range(n_processes)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    times = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return max(times)


def compare_fits(args, recorder):
    """Print the table of fits in two processes at the same time."""
    print_header("\ndefault fit of digits", "1 process, s", "2 processes, s", "each run", "ratio")
    for name in ("dense", "conv"):
        task = {"fit": name, "max_iter": args.max_iter}
        contenders = {
            "alone": lambda _, task=task: measure_fits(task, 1, 1),
            "together": lambda _, task=task: measure_fits(task, None, 2),
        }
        results = interleaved(contenders, args.repeats)
        alone, together = np.median(results["alone"]), np.median(results["together"])
        ratio = np.median(np.divide(results["together"], results["alone"]))
        recorder.record(f"fits/{name}/ratio", ratio, "ratio", args.repeats)
        print_row(
            name,
            f"{alone:.2f}",
            f"{together:.2f}",
            " ".join(f"{seconds:.2f}" for seconds in results["together"]),
            f"{ratio:.2f}",
        )


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument(
        "--k", type=int, nargs="+", default=[8, 16], help="n_components of the grid"
    )
    parser.add_argument("--classifier", choices=list(CLASSIFIERS), default="svc")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--max-iter", type=int, help="epochs of each fit (default: the default)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    Recorder.add_option(parser)
    args = parser.parse_args()
    if args.task:
        task = json.loads(args.task)
        if "fit" in task:
            run_fit(task)
        else:
            run_child(task)
        return
    recorder = Recorder("parallel", args.results)
    task = {
        "k": args.k,
        "classifier": args.classifier,
        "folds": args.folds,
        "max_iter": args.max_iter,
    }
    cases = {
        "one_thread": (1, 1, "n_jobs=1, one thread"),
        "default_threads": (1, None, "n_jobs=1, default threads"),
        "jobs": (args.n_jobs, 1, f"n_jobs={args.n_jobs}, one thread each"),
        "jobs_default": (args.n_jobs, None, f"n_jobs={args.n_jobs}, joblib's default"),
    }
    contenders = {
        name: lambda _, n_jobs=n_jobs, threads=threads: measure({**task, "n_jobs": n_jobs}, threads)
        for name, (n_jobs, threads, _) in cases.items()
    }
    results = interleaved(contenders, args.repeats)
    print_header(
        "",
        "torch threads",
        "first search, s",
        "second search, s",
        "each run",
        "speedup",
        "best score",
    )
    base = np.array([run["second"] for run in results["one_thread"]])
    for name, (_, _, label) in cases.items():
        column = {key: [run[key] for run in results[name]] for key in results[name][0]}
        speedup = np.median(base / column["second"])
        times = {f"{name}/{key}_search": np.median(column[key]) for key in ("first", "second")}
        recorder.record_all(times, "s", args.repeats)
        recorder.record(f"{name}/speedup", speedup, "ratio", args.repeats)
        print_row(
            label,
            column["threads"][0],
            f"{np.median(column['first']):.2f}",
            f"{np.median(column['second']):.2f}",
            " ".join(f"{seconds:.2f}" for seconds in column["second"]),
            f"{speedup:.2f}",
            " ".join(sorted({f"{score:.4f}" for score in column["score"]})),
        )
    compare_fits(args, recorder)
    n_fits = len(args.k) * 3 * args.folds
    print(
        f"\n{n_fits} fits per search, classifier {args.classifier}; medians of {args.repeats} runs. The speedup compares the "
        f"second search with one process and one thread. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
