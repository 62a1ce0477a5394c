"""What the benchmarks share: loading images, printing Markdown tables, and saying what was run on which machine."""

import gzip
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch

import skae

__all__ = ["flat", "head", "load_images", "mean_squared_error", "row", "setting"]


def load_images(path):
    """Load images that are on disk already.

    Parameters
    ----------
    path : str or Path
        A .npz file with `X_train`, `y_train`, `X_test` and `y_test`, or a folder with the four IDX files of MNIST or
        Fashion-MNIST, gzipped or not.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        Images (n, height, width) or (n, height, width, channels) and labels (n,), in the dtypes of the file.
    """
    path = Path(path)
    if path.is_dir():
        return tuple(
            _read_idx(path, f"{part}-{what}")
            for part in ("train", "t10k")
            for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
    with np.load(path, allow_pickle=False) as file:
        X_train, y_train, X_test, y_test = (file[name] for name in ("X_train", "y_train", "X_test", "y_test"))
    if X_train.ndim == 2:
        side = round(X_train.shape[1] ** 0.5)
        X_train, X_test = X_train.reshape(-1, side, side), X_test.reshape(-1, side, side)
    return X_train, y_train, X_test, y_test


def _read_idx(folder, name):
    """Read one IDX file of unsigned bytes."""
    path = folder / f"{name}.gz"
    content = gzip.decompress(path.read_bytes()) if path.exists() else (folder / name).read_bytes()
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def flat(X):
    """See images as rows."""
    return X.reshape(len(X), -1)


def mean_squared_error(X, X_hat, ceiling=1.0):
    """Mean over all numbers, in float64, with X and its reconstruction divided by `ceiling`."""
    return float(np.square((np.asarray(X, np.float64) - X_hat) / ceiling).mean())


def head(*columns):
    """Print the head of a Markdown table; the first column is aligned left, numbers right."""
    print("| " + " | ".join(columns) + " |")
    print("|---|" + "--:|" * (len(columns) - 1), flush=True)


def row(*cells):
    """Print a row of a Markdown table as soon as it is there."""
    print("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |", flush=True)


def setting():
    """Say with which versions, threads and processor a table was measured."""
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, scikit-learn {sklearn.__version__}, "
    versions += f"skorch {skorch.__version__}, torch {torch.__version__}, skae {skae.__version__}{_commit()}"
    able = getattr(torch.cpu, "get_capabilities", dict)()
    bf16 = "with" if able.get("avx512_bf16") or able.get("amx_bf16") else "without"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"{torch.get_num_threads()} torch threads on {cores} cores of {_processor()}, {bf16} bfloat16 instructions"
    if torch.cuda.is_available():
        machine += f"; {torch.cuda.get_device_name()}"
    return f"{versions}; {machine}."


def _commit():
    """Give the commit of skae where it is run from its repository."""
    folder = Path(skae.__file__).parent

    def git(*words):
        return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return f" at {git('rev-parse', '--short', 'HEAD')}{' with changes' if git('status', '--short', '.') else ''}"
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor():
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
