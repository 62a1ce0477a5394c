"""Measure how much memory a fit, and a transform, takes beside the data: in memory, and in a file larger than memory.

    python benchmarks/memory.py --folder /data                                     # writes up to 20 GB there, and deletes them
    python benchmarks/memory.py --only first dense conv large large-file grey-file
    python benchmarks/memory.py --folder /data --scale 0.01 --max-iter 1           # a try

Every fit and every transform is a process of its own. What counts is the anonymous memory (RssAnon in /proc, so only on Linux):
arrays and tensors, but not the pages of a mapped file, which the system takes back when it needs them. The parent reads it
every 5 ms, and gives the peak above what there was when torch and skae were imported and the data read or mapped; for a
transform, when the fitted estimator was loaded as well. The case `first` says what any first fit takes, however small. All is
done on the CPU.
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
from common import blobs, flat, head, row, setting
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
    """What is fitted, on which images.

    Attributes
    ----------
    label : str
        For the table.
    estimator : str
        A key of `ESTIMATORS`.
    images : int
        How many; 0 for as many as make `--gigabytes`.
    shape : tuple of int
        Of one image, uint8.
    mapped : bool
        Whether they stay in a file.
    limit : int
        How many MB a fit may take.
    max_iter : int, default=None
        None for the default.
    transformed : int, default=60000
        At most so many rows go into the call of transform.
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


SMALL, COLOUR, GREY = (28, 28), (512, 512, 3), (1024, 1024)
CASES = {
    "first": Case("whatever is fitted first", "dense", 1000, (8, 8), False, 500),
    "dense": Case("images in memory", "dense", 60000, SMALL, False, 600),
    "conv": Case("images in memory", "conv", 60000, SMALL, False, 600),
    "pca": Case("images in memory", "pca", 60000, SMALL, False, 600),
    "file": Case("rows in a file", "dense", 0, SMALL, True, 1000, 1, 1000000, (128,)),
    "ipca-file": Case("rows in a file", "ipca", 0, SMALL, True, 1000, None, 1000000),
    "large": Case("large images in memory", "conv", 2000, COLOUR, False, 2500, None, 200),
    "large-file": Case("large images in a file", "conv", 2000, COLOUR, True, 2500, None, 200),
    "grey-file": Case("large images in a file", "conv", 500, GREY, True, 2500, None, 200),
}
"""The limits are what skae is meant to keep to. For the rows in a file the network is smaller than by default, so that an
epoch of 25 million rows takes minutes."""

# -------------------------------------------------------------------------------------------------- in the child process


def child(task):
    """Do one task, and tell the parent where it begins and ends."""
    images = task["images"]
    if task["mapped"]:
        X = np.memmap(task["path"], np.uint8, "r", shape=tuple(images))
    else:
        X = np.fromfile(task["path"], np.uint8).reshape(images)
    X = X if task["estimator"] == "conv" else flat(X)
    found = {}
    if task["what"] == "fit":
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
    if task["what"] == "fit":
        model.fit(X)
    else:
        found["result"] = model.transform(X).nbytes
    found["seconds"] = time.perf_counter() - start
    _wait("end")
    if task["what"] == "fit":
        found["n_iter"] = (
            getattr(model, "n_iter_", None) if task["estimator"] in ("dense", "conv") else None
        )
        Path(task["model"]).write_bytes(pickle.dumps(model))
    _wait(json.dumps(found))


def _wait(word):
    """Say a word to the parent, and go on when it has answered: it looks at the memory in between."""
    print(word, flush=True)
    sys.stdin.readline()


# ------------------------------------------------------------------------------------------------- in the parent process


class Peak(threading.Thread):
    """Read the anonymous memory of another process every 5 ms, from outside: the process itself may be too busy to look.

    Parameters
    ----------
    pid : int
        Of the process.
    """

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = Path(f"/proc/{pid}/status")
        self.highest = self.first = self.now()
        self.going = True

    def now(self):
        """Give RssAnon in bytes."""
        lines = self.path.read_text().splitlines()
        return 1024 * next(
            (int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0
        )

    def run(self):
        """Look until it is enough."""
        while self.going:
            self.highest = max(self.highest, self.now())
            time.sleep(0.005)

    def end(self):
        """Give the peak above the beginning, in bytes."""
        self.highest = max(self.highest, self.now())
        self.going = False
        self.join()
        return self.highest - self.first


def measure(task):
    """Run a task in a new process, and give what it found, with its peak."""
    command = [sys.executable, __file__, "--case", json.dumps(task)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        peak, found = None, {}
        for line in process.stdout:
            word = line.strip()
            if word == "begin":
                peak = Peak(process.pid)
                peak.start()
            elif word == "end":
                found["peak"] = peak.end()
            elif word.startswith("{"):
                found.update(json.loads(word))
            else:
                continue  # nothing of ours, and nobody waits
            process.stdin.write("\n")
            process.stdin.flush()
        if peak is not None:
            peak.going = False
    if process.returncode:
        raise RuntimeError(
            f"The process ended with {process.returncode}: perhaps for want of memory."
        )
    return found


def write_images(path, n, shape):
    """Write images to a file: some are made, the rest are these, shifted, and every other time with light and dark swapped."""
    pool = blobs(min(n, max(1, 2**26 // int(np.prod(shape)))), shape)
    with open(path, "wb") as file:
        for turn, begin in enumerate(range(0, n, len(pool))):
            some = np.roll(pool, (3 * turn, 5 * turn), axis=(1, 2))[: n - begin]
            (255 - some if turn % 2 else some).tofile(file)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="where the files go (default: a temporary folder)")
    parser.add_argument(
        "--gigabytes", type=float, default=20.0, help="of the rows in a file (default 20)"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of all numbers of images (default 1)"
    )
    parser.add_argument(
        "--max-iter",
        type=int,
        help="epochs of all fits (default: 1 for rows in a file, else the estimator's)",
    )
    parser.add_argument(
        "--limit", type=int, help="MB that a fit may take (default: another for each case)"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=1,
        help="of every process; medians, but the largest peak (default 1)",
    )
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        return child(json.loads(args.case))
    if not Path("/proc/self/status").exists():
        parser.error("there is no /proc here to read memory from")
    what = (
        "fit, s",
        "epochs",
        "fit, peak MB",
        "limit, MB",
        "within",
        "transform of",
        "s",
        "peak MB",
        "of these the codes",
    )
    head("data", "estimator", "rows", "numbers each", "data, MB", *what)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for name in args.only:
            case = CASES[name]
            each = int(np.prod(case.shape))
            n = max(20, round(args.scale * (case.images or args.gigabytes * 1e9 / each)))
            path = Path(folder, "images")
            write_images(path, n, case.shape)
            subprocess.run(["sync"], check=False)  # so that writing doesn't go on beside the fit
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
                    [measure({**task, "what": what}) for what in ("fit", "transform")]
                    for _ in range(args.repeats)
                ]
            except RuntimeError as error:
                row(
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
            row(
                case.label,
                ESTIMATORS[case.estimator].__name__,
                f"{n:,}",
                f"{each:,}",
                f"{n * each / MB:,.0f}",
                f"{np.median([run['seconds'] for run in fits]):.1f}",
                fits[0]["n_iter"],
                f"{peaks[0]:,.0f}",
                f"{limit:,}",
                "yes" if peaks[0] <= limit else "**no**",
                f"{min(n, case.transformed):,} rows",
                f"{np.median([run['seconds'] for run in transforms]):.2f}",
                f"{peaks[1]:,.0f}",
                f"{transforms[0]['result'] / MB:.0f}",
            )
    print(
        "\nPeaks are above what was there before, in MB of a million bytes; that of a transform includes the codes it gives."
    )
    print(
        "Of many rows only the first are transformed in one call: for all of them, a caller would go over slices."
    )
    return print(f"Each process was run {args.repeats} times. {setting()}")


if __name__ == "__main__":
    main()
