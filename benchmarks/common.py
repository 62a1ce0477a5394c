"""Shared parts of the benchmarks: images, timing, Markdown tables, and the record of measured figures."""

import argparse
import ast
import contextlib
import datetime
import io
import os
import platform
import shlex
import subprocess
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from results import RESULTS_PATH, describe_run, merge, slug

import skae
from skae.datasets import load_idx

__all__ = [
    "Recorder",
    "add_image_source",
    "add_settings",
    "as_channels_first",
    "as_floats",
    "blobs",
    "flat",
    "in_chunks",
    "interleaved",
    "load_images",
    "mean_squared_error",
    "parameter",
    "print_header",
    "print_row",
    "slug",
    "timed",
    "torch_device",
]

# ------------------------------------------------------------------------------------------------------------- images


def load_images(path):
    """Load a set of images from disk.

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


def add_image_source(parser, *, generated=False):
    """Add the options ``--idx`` and ``--data``; they are optional if the script can use `generated` images."""
    source = parser.add_mutually_exclusive_group(required=not generated)
    default = " (default: generated images)" if generated else ""
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
        return name, value


def add_settings(parser):
    """Add the option ``--settings`` with parameters of the variational autoencoders, as pairs of name and value.

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
    """Generate images of three Gaussian blobs at random positions, with noise.

    Parameters
    ----------
    n : int
        Number of images.
    shape : tuple of int
        (height, width) or (height, width, channels).
    seed : int, default=0
        Seed of positions, widths, brightness and noise.

    Returns
    -------
    X : ndarray of shape (n, *shape)
        uint8. The images lie near a curved surface of low dimension, which a linear map represents poorly.
    """
    rng = np.random.default_rng(seed)
    height, width, channels = (*shape, 1)[:3]
    X = np.empty((n, height, width, channels), np.uint8)
    size = max(1, 2**22 // (height * width * channels))
    for start in range(0, n, size):
        chunk = X[start : start + size]
        spread = rng.uniform(0.08, 0.2, (len(chunk), 3, 1)).astype(np.float32)

        def bumps(n_pixels, spread=spread):
            position = np.linspace(0, 1, n_pixels, dtype=np.float32)
            center = rng.random((len(spread), 3, 1), np.float32)
            return np.exp(-np.square((position - center) / spread) / 2)

        vertical, horizontal = bumps(height), bumps(width)
        for channel in range(channels):
            brightness = rng.uniform(40, 110, (len(chunk), 3, 1)).astype(np.float32)
            image = (vertical * brightness).swapaxes(
                1, 2
            ) @ horizontal  # (n, height, width), <= 330
            chunk[..., channel] = np.minimum(image, 239)
        chunk += rng.integers(0, 16, chunk.shape, np.uint8)
    return X.reshape(n, *shape)


def flat(X):
    """Return images as rows of a table."""
    return X.reshape(len(X), -1)


def as_floats(X):
    """Return pixels in [0, 1] as float32."""
    return X.astype(np.float32) / 255


def as_channels_first(X):
    """Return images as (n, channels, height, width) for torch, float32 in [0, 1]."""
    X = X if X.ndim == 4 else X[..., None]
    return np.ascontiguousarray(np.moveaxis(as_floats(X), -1, 1))


def mean_squared_error(X, X_hat, maximum=1.0):
    """Return the mean squared error in float64, with X and its reconstruction divided by `maximum`."""
    return float(np.square((np.asarray(X, np.float64) - X_hat) / maximum).mean())


# ---------------------------------------------------------------------------------------------------------- measuring


def timed(run):
    """Run a function without its output; return the seconds and the result."""
    silence = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        result = run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start, result


def interleaved(contenders, n_repeats):
    """Run each contender (a function of a seed) once, then each once more, and so on; return the results of each."""
    results = {name: [] for name in contenders}
    for seed in range(n_repeats):
        for name, run in contenders.items():
            results[name].append(run(seed))
    return results


def torch_device(device):
    """Return the device of the plain PyTorch loops; "auto" is CUDA if it is available."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def in_chunks(module, x, device):
    """Apply a module or a function to all of x without gradients."""
    if isinstance(module, torch.nn.Module):
        module.eval()
    with torch.inference_mode():
        return torch.cat([module(chunk.to(device)).cpu() for chunk in x.split(1000)]).numpy()


# ------------------------------------------------------------------------------------------------------------- tables


def print_header(*columns):
    """Print the header of a Markdown table; the first column is aligned left, the others right."""
    print("| " + " | ".join(columns) + " |")
    print("|---|" + "--:|" * (len(columns) - 1), flush=True)


def print_row(*cells):
    """Print a row of a Markdown table at once."""
    print("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |", flush=True)


# -------------------------------------------------------------------------------------------------- measured figures


class Recorder:
    """Write the figures of one run of a script into a data file.

    Every figure is written at once, so that an interrupted run keeps its figures. Each figure refers to the run, with its
    date, commit, versions, threads and processor.

    Parameters
    ----------
    script : str
        Name of the script. All keys begin with it.
    path : str or Path
        Data file; "none" writes nothing.
    packages : tuple of str, default=()
        Peers; the run contains their versions if they are installed.
    arguments : list of str, default=None
        Command line; None uses the one of the process. Paths are shortened to their last part.
    """

    def __init__(self, script, path=RESULTS_PATH, *, packages=(), arguments=None):
        self.script = script
        self.path = None if str(path) == "none" else Path(path)
        self.run = {
            "script": script,
            "arguments": _shortened(sys.argv[1:] if arguments is None else arguments),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "commit": _commit(),
            "processor": _processor(),
            "threads": torch.get_num_threads(),
            "versions": {"skae": skae.__version__, **_versions(packages)},
        }

    @staticmethod
    def add_option(parser):
        """Add the option ``--results`` to a parser."""
        parser.add_argument(
            "--results",
            default=RESULTS_PATH,
            metavar="FILE",
            help='data file for the figures (default benchmarks/results.json); "none" writes nothing',
        )

    def record(self, key, value, unit="ratio", n_seeds=1):
        """Write one figure.

        Parameters
        ----------
        key : str
            Key without the name of the script.
        value : float
            Figure, in natural units: seconds, bytes, or ratios between 0 and 1.
        unit : str, default="ratio"
            One of `results.UNITS`.
        n_seeds : int, default=1
            Number of seeds or repeats behind the figure.
        """
        self.record_all({key: value}, unit, n_seeds)

    def record_all(self, values, unit="ratio", n_seeds=1):
        """Write several figures with the same unit and number of seeds."""
        if self.path is None:
            return
        entries = {
            f"{self.script}/{key}": {
                "value": _rounded(value),
                "unit": unit,
                "seeds": int(n_seeds),
            }
            for key, value in values.items()
        }
        merge(entries, self.run, self.path)

    def describe(self):
        """Return a sentence on the date, the versions, the threads and the processor of the run."""
        return f"Measured on {describe_run(self.run)}"


def _rounded(value):
    """Return an int, or a float with six significant digits."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(f"{float(value):.6g}")


def _shortened(arguments):
    """Join command-line arguments; the data file is left out, and paths keep their last part."""
    kept, skip = [], False
    for argument in map(str, arguments):
        if skip or argument == "--results":
            skip = not skip
            continue
        kept.append(Path(argument).name if os.sep in argument else argument)
    return shlex.join(kept)


def _versions(packages):
    """Return the versions of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "scikit-learn", "skorch", "torch", *packages):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _commit():
    """Return the commit of skae if it is imported from its repository, else an empty string."""
    folder = Path(skae.__file__).parent

    def git(*words):
        return subprocess.run(
            ["git", "-C", folder, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        changes = " with changes" if git("status", "--short", ".") else ""
        return git("rev-parse", "--short", "HEAD") + changes
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor():
    """Return a generic description: number of cores, architecture and vector instructions, and the GPU."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    words = [f"{os.cpu_count()} {platform.machine()} cores"]
    if capabilities.get("avx512_f"):
        words.append("AVX-512")
    elif capabilities.get("avx2"):
        words.append("AVX2")
    has_bfloat16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    words.append("with bfloat16 instructions" if has_bfloat16 else "without bfloat16 instructions")
    if capabilities.get("amx_bf16"):
        words[-1] = "with AMX bfloat16 instructions"
    if torch.cuda.is_available():
        words.append(torch.cuda.get_device_name())
    return ", ".join(words)
