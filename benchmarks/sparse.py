"""Compare DenseAutoencoder with TruncatedSVD and PCA on sparse matrices: time, memory, error, and codes for a classifier.

    python benchmarks/sparse.py
    python benchmarks/sparse.py --only text --seeds 5
    python benchmarks/sparse.py --only large --rows 100000

`large` fits generated counts of words, 1,000,000 x 10,000 with 10 words a row, each fit in a new process. The memory is that of
memory.py: the increase of RssAnon from the data in memory to the peak. The error is the share of the variance that the
reconstructions of other rows lose. The error of TruncatedSVD and of PCA is that of their orthogonal projections.

`text` takes the docstrings of the installed packages numpy, scipy, sklearn, torch and of the standard library as documents.
TfidfVectorizer turns them into 10,000 columns. A logistic regression predicts the subpackage from 32 latent dimensions. The
documents of a file are in the training set or in the test set.
"""

import argparse
import ast
import importlib.util
import json
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path

import numpy as np
from common import Recorder, print_header, print_row, timed
from memory import MB, Peak
from scipy.sparse import csr_array
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import DenseAutoencoder

N_COLUMNS = 10_000
N_TEST_ROWS = 50_000
MIN_WORDS = 20
N_CLASSES = 20
PACKAGES = ("numpy", "scipy", "sklearn", "torch")


def make_methods(k, seed):
    """Return unfitted estimators by name."""
    return {
        "skae": DenseAutoencoder(k, random_state=seed, device="cpu"),
        "truncated_svd": TruncatedSVD(k, random_state=seed),
        "pca": PCA(k, svd_solver="arpack", random_state=seed),
    }


# -------------------------------------------------------------------------------------------------- generated word counts


def word_counts(n_rows, n_words, seed, n_topics=50):
    """Generate counts (n_rows, N_COLUMNS), float32: the words of a row are from one of two topics, mixed at random."""
    probabilities = 1 / np.arange(1, N_COLUMNS + 1)
    generator = np.random.default_rng(0)  # the topics do not depend on the seed of the rows
    topics = probabilities * generator.gamma(0.1, size=(n_topics, N_COLUMNS))
    topics = np.cumsum(topics / topics.sum(1, keepdims=True), axis=1)
    rng = np.random.default_rng(seed)
    first, second = rng.integers(n_topics, size=(2, n_rows))
    mix = rng.random((n_rows, 1))
    topic_of_word = np.where(rng.random((n_rows, n_words)) < mix, first[:, None], second[:, None])
    columns = np.empty((n_rows, n_words), np.int32)
    positions = rng.random((n_rows, n_words))
    for topic in range(n_topics):
        mask = topic_of_word == topic
        columns[mask] = np.searchsorted(topics[topic], positions[mask])
    columns = np.minimum(columns, N_COLUMNS - 1).ravel()
    indptr = np.arange(0, n_rows * n_words + 1, n_words)
    counts = csr_array((np.ones(len(columns), np.float32), columns, indptr), (n_rows, N_COLUMNS))
    counts.sum_duplicates()
    return counts


def lost_share(model, X, mean):
    """Return the share of the variance of X around a mean that reconstructions lose."""
    squares = float(np.square(X.data, dtype=np.float64).sum())
    total = squares - 2 * float((X @ mean).sum()) + X.shape[0] * float(mean @ mean)
    if isinstance(model, DenseAutoencoder):
        return float(model.reconstruction_error(X).sum() * X.shape[1] / total)
    projected = float(np.square(model.transform(X), dtype=np.float64).sum())
    if isinstance(model, PCA):
        return 1 - projected / total
    return (squares - projected) / total


def child(task):
    """Run one fit, and report its start and its end to the parent."""
    X = word_counts(task["rows"], task["words"], seed=1)
    X_test = word_counts(N_TEST_ROWS, task["words"], seed=2)
    model = make_methods(task["k"], task["seed"])[task["method"]]
    _wait("begin")
    seconds, _ = timed(lambda: model.fit(X))
    _wait("end")
    transform_seconds, _ = timed(lambda: model.transform(X))
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
    result = {
        "data": (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / MB,
        "fit_time": seconds,
        "transform_time": transform_seconds,
        "lost_share": lost_share(model, X_test, mean),
        "init": str(getattr(model, "init_", "")),
        "best_iter": int(getattr(model, "best_iter_", 0)),
    }
    _wait(json.dumps(result))


def _wait(word):
    """Write a word to the parent, and continue after its answer."""
    print(word, flush=True)
    sys.stdin.readline()


def measure(task):
    """Run a fit in a new process; return its result and its peak memory."""
    command = [sys.executable, __file__, "--case", json.dumps(task)]
    result = {}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            word = line.strip()
            if word == "begin":
                peak = Peak(process.pid)
                peak.start()
            elif word == "end":
                result["fit_peak"] = peak.end() / MB
                result["total"] = peak.highest / MB
            elif word.startswith("{"):
                result.update(json.loads(word))
            process.stdin.write("\n")
            process.stdin.flush()
    if process.returncode:
        raise RuntimeError(f"The process ended with exit status {process.returncode}.")
    return result


def run_large(args, recorder):
    """Compare fits of a large sparse matrix."""
    columns = (
        "data, MB",
        "fit, s",
        "peak of the fit, MB",
        "process, MB",
        "transform, s",
        "variance lost",
    )
    print_header("method", *columns, "start", "epoch")
    for method in make_methods(args.k, 0):
        task = {"method": method, "rows": args.rows, "words": args.words, "k": args.k, "seed": 0}
        result = measure(task)
        print_row(
            method,
            f"{result['data']:.0f}",
            f"{result['fit_time']:.1f}",
            f"{result['fit_peak']:.0f}",
            f"{result['total']:.0f}",
            f"{result['transform_time']:.1f}",
            f"{result['lost_share']:.4f}",
            result["init"],
            result["best_iter"],
        )
        prefix = f"large/{method}"
        recorder.record(f"{prefix}/lost_share", result["lost_share"], "ratio")
        recorder.record_all(
            {f"{prefix}/{name}": result[name] for name in ("fit_time", "transform_time")}, "s"
        )
        recorder.record_all(
            {f"{prefix}/{name}": result[name] for name in ("data", "fit_peak", "total")}, "MB"
        )


# -------------------------------------------------------------------------------------------------------------- docstrings


def docstrings():
    """Return documents, their subpackages and their files.

    The packages are read as files and not imported.
    """
    folders = [(None, Path(sysconfig.get_paths()["stdlib"]))]
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        folders.append((name, Path(spec.origin).parent))
    documents, labels, files = [], [], []
    for name, folder in folders:
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if {"tests", "test", "site-packages", "dist-packages"} & set(parts):
                continue
            label = "python" if name is None else ".".join([name, *parts[: len(parts) - 1][:1]])
            for text in _docstrings_of(path):
                documents.append(text)
                labels.append(label)
                files.append(str(path))
    return np.array(documents, object), np.array(labels), np.array(files)


def _docstrings_of(path):
    """Return the docstrings of a file with at least `MIN_WORDS` words."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return []
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)
    texts = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
    return [text for text in texts if text and len(text.split()) >= MIN_WORDS]


def run_text(args, recorder):
    """Compare 32 latent dimensions of tf-idf vectors of docstrings in a logistic regression."""
    documents, labels, files = docstrings()
    common = [label for label, _ in Counter(labels).most_common(N_CLASSES)]
    is_common = np.isin(labels, common)
    documents, labels, files = documents[is_common], labels[is_common], files[is_common]
    vectorizer = TfidfVectorizer(max_features=N_COLUMNS, sublinear_tf=True, dtype=np.float32)
    accuracies, times, lost = {}, {}, {}
    for seed in range(args.seeds):
        split = GroupShuffleSplit(1, test_size=0.3, random_state=seed)
        train, test = next(split.split(documents, labels, files))
        X, X_test = (
            vectorizer.fit_transform(documents[train]),
            vectorizer.transform(documents[test]),
        )
        X, X_test = csr_array(X), csr_array(X_test)
        if seed == 0:
            print(
                f"{X.shape[0]} documents, {X.nnz / X.shape[0]:.0f} words each, {X.shape[1]} columns\n"
            )
        mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
        methods = {"tfidf": None, **make_methods(args.k, seed)}
        for name, model in methods.items():
            Z, Z_test = X, X_test
            if model is not None:
                seconds, Z = timed(lambda model=model, X=X: model.fit_transform(X))
                Z_test = model.transform(X_test)
                times.setdefault(name, []).append(seconds)
                lost.setdefault(name, []).append(lost_share(model, X_test, mean))
            scaler = StandardScaler(with_mean=model is not None)
            classifier = make_pipeline(scaler, LogisticRegression(max_iter=1000))
            if model is None:
                classifier = LogisticRegression(max_iter=1000)
            timed(lambda classifier=classifier, Z=Z, y=labels[train]: classifier.fit(Z, y))
            accuracies.setdefault(name, []).append(classifier.score(Z_test, labels[test]))
    print_header("method", "accuracy", "standard deviation", "variance lost", "fit, s")
    for name, values in accuracies.items():
        mean_accuracy = float(np.mean(values))
        recorder.record(f"text/{name}/accuracy", mean_accuracy, "ratio", args.seeds)
        cells = [name, f"{mean_accuracy:.4f}", f"{np.std(values):.4f}", None, None]
        if name in times:
            share, seconds = float(np.mean(lost[name])), float(np.median(times[name]))
            recorder.record(f"text/{name}/lost_share", share, "ratio", args.seeds)
            recorder.record(f"text/{name}/fit_time", seconds, "s", args.seeds)
            cells[3:] = [f"{share:.4f}", f"{seconds:.1f}"]
        print_row(*cells)


def main():
    """Print the tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=("large", "text"), default=("large", "text"))
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows (default 1,000,000)")
    parser.add_argument("--words", type=int, default=10, help="words of a row (default 10)")
    parser.add_argument("--k", type=int, default=32, help="latent dimensions (default 32)")
    parser.add_argument("--seeds", type=int, default=3, help="splits of the text (default 3)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    Recorder.add_option(parser)
    args = parser.parse_args()
    if args.case:
        child(json.loads(args.case))
        return
    recorder = Recorder("sparse", args.results)
    start = time.perf_counter()
    if "large" in args.only:
        run_large(args, recorder)
    if "text" in args.only:
        run_text(args, recorder)
    print(f"\n{time.perf_counter() - start:.0f} s. {recorder.describe()}")


if __name__ == "__main__":
    main()
