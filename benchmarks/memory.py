"""Measure the peak memory of a fit and of a transform, for data in memory and in a file larger than memory.

    python benchmarks/memory.py --folder /data                                     # writes up to 20 GB and deletes them
    python benchmarks/memory.py --only first dense conv large large-file gray-file
    python benchmarks/memory.py --folder /data --scale 0.01 --max-iter 1

Each fit and each transform runs in a new process. The script measures anonymous memory (RssAnon in /proc, on Linux): arrays and
tensors, without the pages of a mapped file, which the system can free at any time. The parent process reads it every 5 ms. The
peak is the increase since torch and skae were imported and the data were read or mapped; for a transform, also since the fitted
estimator was loaded. The case `first` contains the memory of any first fit. Everything runs on the CPU.
"""

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import Recorder, blobs, flat, print_header, print_row
from sklearn.decomposition import PCA, IncrementalPCA

from skae import ConvAutoencoder, DenseAutoencoder

MB = 1e6
ESTIMATORS = {
    "dense": DenseAutoencoder,
    "conv": ConvAutoencoder,
    "pca": PCA,
    "ipca": IncrementalPCA,
}


@dataclass
class Case:
    """One fit: the estimator and its images.

    Attributes
    ----------
    label : str
        Label in the table.
    estimator : str
        A key of `ESTIMATORS`.
    images : int
        Number of images; 0 for `--gigabytes` of images.
    shape : tuple of int
        Shape of one image, uint8.
    mapped : bool
        Whether the images are a memory map of a file.
    limit : int
        Maximum increase of memory in a fit, in MB.
    max_iter : int, default=None
        Number of epochs; None uses the default.
    transformed : int, default=60000
        Maximum number of rows in the call of transform.
    hidden : tuple of int or "auto", default="auto"
        Widths of the hidden layers of a dense network.
    """

    label: str
    estimator: str
    images: int
    shape: tuple
    mapped: bool
    limit: int
    max_iter: int | None = None
    transformed: int = 60000
    hidden: tuple | str = "auto"


SMALL, COLOR, GRAY = (28, 28), (512, 512, 3), (1024, 1024)
CASES = {
    "first": Case("first fit of a process", "dense", 1000, (8, 8), False, 500),
    "dense": Case("images in memory", "dense", 60000, SMALL, False, 600),
    "conv": Case("images in memory", "conv", 60000, SMALL, False, 600),
    "pca": Case("images in memory", "pca", 60000, SMALL, False, 600),
    "file": Case("rows in a file", "dense", 0, SMALL, True, 1000, 1, 1000000, (128,)),
    "ipca-file": Case("rows in a file", "ipca", 0, SMALL, True, 1000, None, 1000000),
    "large": Case("large images in memory", "conv", 2000, COLOR, False, 2500, None, 200),
    "large-file": Case("large images in a file", "conv", 2000, COLOR, True, 2500, None, 200),
    "gray-file": Case("large images in a file", "conv", 500, GRAY, True, 2500, None, 200),
}
"""The limits are the design limits of skae. The network for rows in a file is smaller than the default, so that an epoch of 25
million rows takes minutes."""

# -------------------------------------------------------------------------------------------------- in the child process


def child(task):
    """Run one task, and report its start and its end to the parent."""
    images = task["images"]
    if task["mapped"]:
        X = np.memmap(task["path"], np.uint8, "r", shape=tuple(images))
    else:
        X = np.fromfile(task["path"], np.uint8).reshape(images)
    X = X if task["estimator"] == "conv" else flat(X)
    result = {}
    if task["method"] == "fit":
        settings = {} if task["max_iter"] is None else {"max_iter": task["max_iter"]}
        if task["estimator"] in ("dense", "conv"):
            settings.update(random_state=0, device="cpu")
        if task["estimator"] == "dense":
            settings["hidden_layer_sizes"] = task["hidden"]
        model = ESTIMATORS[task["estimator"]](min(32, X[0].size // 2), **settings)
    else:
        model = pickle.loads(Path(task["model"]).read_bytes())
        X = X[: task["transformed"]]
    warnings.simplefilter("ignore")
    _wait("begin")
    start = time.perf_counter()
    if task["method"] == "fit":
        model.fit(X)
    else:
        result["n_bytes"] = model.transform(X).nbytes
    result["seconds"] = time.perf_counter() - start
    _wait("end")
    if task["method"] == "fit":
        result["n_iter"] = (
            getattr(model, "n_iter_", None) if task["estimator"] in ("dense", "conv") else None
        )
        Path(task["model"]).write_bytes(pickle.dumps(model))
    _wait(json.dumps(result))


def _wait(word):
    """Write a word to the parent, and continue after its answer; the parent reads the memory in between."""
    print(word, flush=True)
    sys.stdin.readline()


# ------------------------------------------------------------------------------------------------- in the parent process


class Peak(threading.Thread):
    """Read the anonymous memory of another process every 5 ms.

    Parameters
    ----------
    pid : int
        Process identifier.
    """

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = Path(f"/proc/{pid}/status")
        self.highest = self.first = self.current()
        self.running = True

    def current(self):
        """Return RssAnon in bytes."""
        lines = self.path.read_text().splitlines()
        return 1024 * next(
            (int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0
        )

    def run(self):
        """Read the memory until `end` is called."""
        while self.running:
            self.highest = max(self.highest, self.current())
            time.sleep(0.005)

    def end(self):
        """Return the increase from the start to the peak, in bytes."""
        self.highest = max(self.highest, self.current())
        self.running = False
        self.join()
        return self.highest - self.first


def measure(task):
    """Run a task in a new process; return its result and its peak memory."""
    command = [sys.executable, __file__, "--case", json.dumps(task)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        peak, result = None, {}
        for line in process.stdout:
            word = line.strip()
            if word == "begin":
                peak = Peak(process.pid)
                peak.start()
            elif word == "end":
                result["peak"] = peak.end()
            elif word.startswith("{"):
                result.update(json.loads(word))
            else:
                continue  # output of a library
            process.stdin.write("\n")
            process.stdin.flush()
        if peak is not None:
            peak.running = False
    if process.returncode:
        raise RuntimeError(f"The process ended with exit status {process.returncode}.")
    return result


def write_images(path, n, shape):
    """Write images to a file: some are generated, the others are shifted and partly inverted copies."""
    pool = blobs(min(n, max(1, 2**26 // int(np.prod(shape)))), shape)
    with open(path, "wb") as file:
        for i, start in enumerate(range(0, n, len(pool))):
            images = np.roll(pool, (3 * i, 5 * i), axis=(1, 2))[: n - start]
            (255 - images if i % 2 else images).tofile(file)


def main():
    """Print the table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="folder of the data files (default: a temporary folder)")
    parser.add_argument(
        "--gigabytes", type=float, default=20.0, help="size of the rows in a file (default 20)"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor for all numbers of images (default 1)"
    )
    parser.add_argument(
        "--max-iter",
        type=int,
        help="epochs of all fits (default: 1 for rows in a file, else the estimator's)",
    )
    parser.add_argument(
        "--limit", type=int, help="maximum MB of a fit (default: depends on the case)"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=1,
        help="runs of each process; medians of times, maxima of peaks (default 1)",
    )
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    Recorder.add_option(parser)
    args = parser.parse_args()
    if args.case:
        child(json.loads(args.case))
        return
    if not Path("/proc/self/status").exists():
        parser.error("/proc is required to read the memory of a process")
    recorder = Recorder("memory", args.results)
    columns = (
        "fit, s",
        "epochs",
        "fit, peak MB",
        "limit, MB",
        "within",
        "transform of",
        "s",
        "peak MB",
        "latent vectors, MB",
    )
    print_header("data", "estimator", "rows", "features", "data, MB", *columns)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for name in args.only:
            case = CASES[name]
            each = int(np.prod(case.shape))
            n = max(20, round(args.scale * (case.images or args.gigabytes * 1e9 / each)))
            path = Path(folder, "images")
            write_images(path, n, case.shape)
            subprocess.run(["sync"], check=False)  # the fit starts after the file is written
            task = {
                **{
                    key: getattr(case, key)
                    for key in ("estimator", "mapped", "transformed", "hidden")
                },
                "images": [n, *case.shape],
                "path": str(path),
                "model": str(Path(folder, "model")),
                "max_iter": (args.max_iter or case.max_iter)
                if case.estimator in ("dense", "conv")
                else None,
            }
            try:
                rounds = [
                    [measure({**task, "method": method}) for method in ("fit", "transform")]
                    for _ in range(args.repeats)
                ]
            except RuntimeError as error:
                print_row(
                    case.label,
                    ESTIMATORS[case.estimator].__name__,
                    f"{n:,}",
                    f"{each:,}",
                    f"{n * each / MB:,.0f}",
                    str(error),
                )
                continue
            fits, transforms = zip(*rounds, strict=True)
            peaks = [max(run["peak"] for run in runs) / MB for runs in (fits, transforms)]
            limit = args.limit or case.limit
            seconds = float(np.median([run["seconds"] for run in fits]))
            sizes = {"data": n * each / MB, "fit_peak": peaks[0], "transform_peak": peaks[1]}
            recorder.record_all({f"{name}/{key}": mb for key, mb in sizes.items()}, "MB", len(fits))
            recorder.record(f"{name}/fit_time", seconds, "s", len(fits))
            recorder.record_all({f"{name}/n_samples": n, f"{name}/n_features": each}, "count")
            print_row(
                case.label,
                ESTIMATORS[case.estimator].__name__,
                f"{n:,}",
                f"{each:,}",
                f"{n * each / MB:,.0f}",
                f"{seconds:.1f}",
                fits[0]["n_iter"],
                f"{peaks[0]:,.0f}",
                f"{limit:,}",
                "yes" if peaks[0] <= limit else "**no**",
                f"{min(n, case.transformed):,} rows",
                f"{np.median([run['seconds'] for run in transforms]):.2f}",
                f"{peaks[1]:,.0f}",
                f"{transforms[0]['n_bytes'] / MB:.0f}",
            )
    print(
        "\nPeaks are increases in MB of a million bytes; that of a transform includes the latent vectors. At most the first "
        f"1,000,000 rows are transformed in one call. Runs of each process: {args.repeats}. {recorder.describe()}"
    )


if __name__ == "__main__":
    main()
