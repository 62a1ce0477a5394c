"""Measure how much memory a fit and a transform take, beside the data.

    python benchmarks/memory.py --folder /var/tmp
    python benchmarks/memory.py --folder /var/tmp --scale 0.02

Each case runs in a process of its own, and a thread looks at RssAnon in /proc/self/status every 5 ms. The figures are its peaks
less what it was once everything is imported and the data is there; pages of a mapped file are not in it. The mapped files are
written first, in full, and deleted at the end: 20 GB for the largest. Of what is too large for memory, codes are asked for in
slices, in a loop. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from common import blobs, flat, head, row, setting

from skae import ConvAutoencoder, DenseAutoencoder

CASES = {
    "dense": ("60,000 rows of 784 bytes in memory, dense", "600"),
    "conv": ("60,000 images of 28 x 28 bytes in memory, conv", "600"),
    "mapped": ("20 GB of rows of 784 bytes, mapped, dense with 128 hidden units, one epoch", "1000"),
    "large": ("2,000 images of 512 x 512 x 3 bytes, mapped, conv", "2500"),
    "large-memory": ("2,000 images of 512 x 512 x 3 bytes in memory, conv", "2500"),
    "larger": ("500 images of 1024 x 1024 bytes, mapped, conv", None),
}


def anonymous():
    """Give the process's anonymous memory in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024 / 1e6


class Peak:
    """The most anonymous memory while in a context, less what it was at the beginning."""

    def __enter__(self):
        self.base, self.most, self.done = anonymous(), 0.0, False
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.start = time.perf_counter()
        self.thread.start()
        return self

    def _watch(self):
        while not self.done:
            self.most = max(self.most, anonymous() - self.base)
            time.sleep(0.005)

    def __exit__(self, *error):
        self.seconds, self.done = time.perf_counter() - self.start, True
        self.thread.join()


def write(folder, n, shape):
    """Write n images into a file, from a thousand that are changed a little from one to the next, and map it."""
    some = blobs(min(n, 1000), shape)
    whole = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.uint8, shape=(n, *shape))
    for i, first in enumerate(range(0, n, len(some))):
        part = some[: n - first]
        whole[first : first + len(part)] = part + np.uint8(i % 16)
    whole.flush()
    del whole
    return np.load(folder / "X.npy", mmap_mode="r")


def measure(case, folder, scale):
    """Run one case in this process, and print what was found as JSON."""
    conv = case != "dense" and case != "mapped"
    estimator = (ConvAutoencoder if conv else DenseAutoencoder)(32, random_state=0, device="cpu")
    if case in ("dense", "conv"):
        X = blobs(round(60_000 * scale), (28, 28))
    elif case == "mapped":
        X = write(folder, round(20e9 / 784 * scale), (28, 28))
        estimator.set_params(max_iter=1, hidden_layer_sizes=(128,))  # so that it takes minutes, not half an hour
    elif case == "larger":
        X = write(folder, round(500 * scale), (1024, 1024))
    else:
        X = write(folder, round(2000 * scale), (512, 512, 3))
        X = X[:] if case == "large" else np.array(X)
    X = X if conv else X.reshape(len(X), -1)
    DenseAutoencoder(2, max_iter=1).fit(flat(blobs(100, (4, 4))))  # what torch loads at the first use is no part of a fit
    with Peak() as fit:
        estimator.fit(X)
    step = 10_000_000 // X[0].size
    with Peak() as transform:
        if case == "mapped":
            for first in range(0, len(X) // 20, step):
                estimator.transform(X[first : first + step])
        else:
            estimator.transform(X)
    found = {"fit": fit.most, "transform": transform.most, "seconds": fit.seconds, "rows": len(X)}
    print(json.dumps({**found, "epochs": estimator.n_iter_, "init": estimator.init_}))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", help="where the mapped files are written (default: the system's temporary folder)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, to try it")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        return measure(args.case, Path(args.folder), args.scale)
    head("", "rows", "fit, MB", "transform, MB", "at most", "fit, s", "epochs", "init_")
    for case in args.only:
        label, most = CASES[case]
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            command = [sys.executable, __file__, "--case", case, "--folder", folder, "--scale", str(args.scale)]
            found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
        peaks = (f"**{found[which]:.0f}**" for which in ("fit", "transform"))
        row(label, f"{found['rows']:,}", *peaks, most, f"{found['seconds']:.1f}", found["epochs"], found["init"])
    print(f"\n1 MB is 10^6 bytes. Of the 20 GB, the codes of the first twentieth were asked for. {setting()}")
    return None


if __name__ == "__main__":
    main()
