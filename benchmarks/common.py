"""What the benchmarks share: images, made or loaded, a clock, Markdown tables, and what was run on which machine."""

import argparse
import ast
import contextlib
import io
import os
import platform
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch

import skae
from skae.datasets import load_idx

__all__ = [
    "add_image_source",
    "as_floats",
    "as_maps",
    "blobs",
    "flat",
    "head",
    "in_pieces",
    "interleaved",
    "load_images",
    "mean_squared_error",
    "parameter",
    "row",
    "setting",
    "timed",
    "torch_device",
]

# ------------------------------------------------------------------------------------------------------------- images


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
        return load_idx(path)
    with np.load(path, allow_pickle=False) as file:
        X_train, y_train, X_test, y_test = (
            file[name] for name in ("X_train", "y_train", "X_test", "y_test")
        )
    if X_train.ndim == 2:
        side = round(X_train.shape[1] ** 0.5)
        X_train, X_test = X_train.reshape(-1, side, side), X_test.reshape(-1, side, side)
    return X_train, y_train, X_test, y_test


def add_image_source(parser, *, made_up=False):
    """Let a script be told where its images are; `made_up` where it can do without."""
    source = parser.add_mutually_exclusive_group(required=not made_up)
    default = " (default: made-up images)" if made_up else ""
    source.add_argument("--idx", dest="source", help=f"folder with the four IDX files{default}")
    source.add_argument("--data", dest="source", help=".npz with X_train, y_train, X_test, y_test")


def parameter(text):
    """Read a parameter of an estimator from the command line: ``"max_iter=24"`` becomes ``("max_iter", 24)``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"got {text!r}, but expected NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a word


def add_settings(parser):
    """Add an option for parameters of the variational autoencoders: ``args.settings`` are pairs of name and value.

    The weight of the bottleneck is ``bottleneck__weight``.
    """
    parser.add_argument(
        "--settings",
        type=parameter,
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the variational autoencoders",
    )


def blobs(n, shape, seed=0):
    """Make images of three soft spots at random places, with some noise.

    Parameters
    ----------
    n : int
        How many.
    shape : tuple of int
        (height, width) or (height, width, channels).
    seed : int, default=0
        Of places, widths, brightness and noise.

    Returns
    -------
    X : ndarray of shape (n, *shape)
        uint8. No linear map of few numbers makes such images, but a curved one does.
    """
    rng = np.random.default_rng(seed)
    height, width, channels = (*shape, 1)[:3]
    X = np.empty((n, height, width, channels), np.uint8)
    size = max(1, 2**22 // (height * width * channels))
    for begin in range(0, n, size):
        part = X[begin : begin + size]
        spread = rng.uniform(0.08, 0.2, (len(part), 3, 1)).astype(np.float32)

        def bumps(pixels, spread=spread):
            along = np.linspace(0, 1, pixels, dtype=np.float32)
            return np.exp(
                -np.square((along - rng.random((len(spread), 3, 1), np.float32)) / spread) / 2
            )

        down, right = bumps(height), bumps(width)
        for channel in range(channels):
            brightness = rng.uniform(40, 110, (len(part), 3, 1)).astype(np.float32)
            image = (down * brightness).swapaxes(
                1, 2
            ) @ right  # (images, height, width), at most 330
            part[..., channel] = np.minimum(image, 239)
        part += rng.integers(0, 16, part.shape, np.uint8)
    return X.reshape(n, *shape)


def flat(X):
    """See images as rows."""
    return X.reshape(len(X), -1)


def as_floats(X):
    """Give pixels in [0, 1] as float32."""
    return X.astype(np.float32) / 255


def as_maps(X):
    """Give images as torch's convolutions want them: (n, channels, height, width), float32 in [0, 1]."""
    return np.ascontiguousarray(np.moveaxis(as_floats(X if X.ndim == 4 else X[..., None]), -1, 1))


def mean_squared_error(X, X_hat, ceiling=1.0):
    """Mean over all numbers, in float64, with X and its reconstruction divided by `ceiling`."""
    return float(np.square((np.asarray(X, np.float64) - X_hat) / ceiling).mean())


# ---------------------------------------------------------------------------------------------------------- measuring


def timed(run):
    """Run, and give the seconds it took, and what it gave; what it prints is dropped."""
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        found = run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start, found


def interleaved(contenders, repeats):
    """Run each contender (a function of a seed) once, then each once more, and so on; gives the results of each."""
    results = {name: [] for name in contenders}
    for seed in range(repeats):
        for name, run in contenders.items():
            results[name].append(run(seed))
    return results


def torch_device(device):
    """Say where the loops written here run: "auto" is CUDA if it is there."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def in_pieces(module, x, device):
    """Run a module, or a function, on all of x without gradients."""
    if isinstance(module, torch.nn.Module):
        module.eval()
    with torch.inference_mode():
        return torch.cat([module(part.to(device)).cpu() for part in x.split(1000)]).numpy()


# ------------------------------------------------------------------------------------------------------------- tables


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
    cores = os.cpu_count()
    machine = f"{torch.get_num_threads()} torch threads on {cores} cores of {_processor()}, {bf16} bfloat16 instructions"
    if torch.cuda.is_available():
        machine += f"; {torch.cuda.get_device_name()}"
    return f"{versions}; {machine}."


def _commit():
    """Give the commit of skae where it is run from its repository."""
    folder = Path(skae.__file__).parent

    def git(*words):
        return subprocess.run(
            ["git", "-C", folder, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return f" at {git('rev-parse', '--short', 'HEAD')}{' with changes' if git('status', '--short', '.') else ''}"
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor():
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
