"""Compare anomaly detectors on hundreds of tables, with tests of significance.

    python benchmarks/detect_many.py --tables FOLDER
    python benchmarks/detect_many.py --tables FOLDER --limit 20 --methods skae neighbors

The folder contains .npz files with the arrays `train` of normal rows, `test`, and `test_labels`, where 1 is an anomaly.
OddBench and OvRBench (https://github.com/psorus/Outformer) have such files. Tables without both labels in the test rows are
left out. All methods see the same random training rows, standardized.
"""

import argparse
from pathlib import Path

import detect
import numpy as np
from common import Recorder, print_header, print_row, timed
from scipy.stats import rankdata, wilcoxon
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler


def pyod_ecod(X, T, seed):
    """Return the scores of PyOD's ECOD: empirical tail probabilities of each column."""
    from pyod.models.ecod import ECOD

    return ECOD().fit(X).decision_function(T)


def list_methods():
    """Return the label and the scoring function of each method by its name in keys."""
    methods = detect.list_methods(svm_rows=10_000)
    if "pyod_pca" in methods:
        del methods["pyod_pca"]
        methods["pyod_ecod"] = ("PyOD ECOD", pyod_ecod)
    return methods


def load(path, max_train, max_test):
    """Return standardized training and test rows and the mask of anomalies, or None without both labels."""
    with np.load(path, allow_pickle=False) as file:
        X, T = file["train"].astype(np.float64), file["test"].astype(np.float64)
        is_anomaly = file["test_labels"].astype(int) == 1
    rng = np.random.default_rng(0)
    X = X[rng.permutation(len(X))[:max_train]]
    kept = rng.permutation(len(T))[:max_test]
    T, is_anomaly = T[kept], is_anomaly[kept]
    if is_anomaly.all() or not is_anomaly.any():
        return None
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(T), is_anomaly


def measure(path, methods, args):
    """Return ROC-AUC, average precision and seconds of each method, or None."""
    data = load(path, args.max_train, args.max_test)
    if data is None:
        return None
    X, T, is_anomaly = data
    row = []
    for _, run in methods.values():
        seconds, scores = timed(lambda run=run: run(X, T, 0))
        scores = np.nan_to_num(scores)
        row.append(
            (
                roc_auc_score(is_anomaly, scores),
                average_precision_score(is_anomaly, scores),
                seconds,
            )
        )
    return row


def summarize(results, methods, recorder):
    """Print and write means, ranks, and p-values of Wilcoxon tests of the first method against the others."""
    results = np.asarray(results)  # (tables, methods, 3)
    aucs = results[:, :, 0]
    ranks = rankdata(-aucs, axis=1)
    n_tables = len(results)
    recorder.record("n_tables", n_tables, "count")
    print_header("method", "ROC-AUC", "average precision", "mean rank", "ahead on", "p", "seconds")
    for i, (name, (label, _)) in enumerate(methods.items()):
        figures = {
            f"{name}/roc_auc": aucs[:, i].mean(),
            f"{name}/average_precision": results[:, i, 1].mean(),
            f"{name}/rank": ranks[:, i].mean(),
        }
        ahead, p_value = "", ""
        if i > 0:
            difference = aucs[:, 0] - aucs[:, i]
            ahead = (difference > 0).mean() + 0.5 * (difference == 0).mean()
            p_value = wilcoxon(difference).pvalue
            figures[f"{name}/skae_ahead"] = ahead
            figures[f"{name}/p_value"] = p_value
            ahead, p_value = f"{ahead:.2f}", f"{p_value:.1e}"
        recorder.record_all(figures, "ratio")
        recorder.record(f"{name}/fit_time", results[:, i, 2].mean(), "s")
        print_row(
            label,
            f"{figures[f'{name}/roc_auc']:.4f}",
            f"{figures[f'{name}/average_precision']:.4f}",
            f"{figures[f'{name}/rank']:.2f}",
            ahead,
            p_value,
            f"{results[:, i, 2].mean():.2f}",
        )


def main():
    """Measure all tables, print the summary and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, help="folder of .npz files")
    parser.add_argument("--limit", type=int, help="number of tables (default all)")
    parser.add_argument("--max-train", type=int, default=2000, help="training rows (default 2000)")
    parser.add_argument("--max-test", type=int, default=4000, help="test rows (default 4000)")
    parser.add_argument("--methods", nargs="+", choices=list(list_methods()), help="default all")
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("detect_many", args.results, packages=("pyod",))
    methods = list_methods()
    methods = {name: methods[name] for name in args.methods or methods}
    results = []
    for path in sorted(args.tables.glob("*.npz"))[: args.limit]:
        row = measure(path, methods, args)
        if row is None:
            continue
        results.append(row)
        print(path.stem, *(f"{auc:.4f}" for auc, _, _ in row), flush=True)
    summarize(results, methods, recorder)
    print(f"\n{recorder.describe()}")


if __name__ == "__main__":
    main()
