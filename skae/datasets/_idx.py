"""Reader of IDX, the file format of MNIST, Fashion-MNIST and Kuzushiji-MNIST."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_idx"]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Dtype for each type code, the third byte of a file."""

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip file."""

FILE_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Names of the four files, in the order of the arrays that `load_idx` returns."""


def load_idx(path: str | Path) -> Any:
    """Load MNIST, Fashion-MNIST, Kuzushiji-MNIST and similar data sets from their original files.

    Parameters
    ----------
    path : str or Path
        A folder with the four files under their original names, ``train-images-idx3-ubyte``,
        ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, with
        or without ``.gz``. Or a single file in the IDX format.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        Images of shape (n, 28, 28) and labels of shape (n,), uint8. For a single file, only its
        array.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is not in the IDX format or is truncated. The message has the file's name.

    Examples
    --------
    >>> from skae.datasets import load_idx
    >>> X_train, y_train, X_test, y_test = load_idx("fashion-mnist")  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_dir():
        return _read_file(path)
    return tuple(_read_file(_resolve_file(path, name)) for name in FILE_NAMES)


def _resolve_file(folder, name):
    """Return the path of a file, with or without ``.gz``, and with ``-idx`` or ``.idx``."""
    for stem in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = folder / (stem + suffix)
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"Got the folder {str(folder)!r} without {name}, but expected {name} or {name}.gz in it."
    )


def _read_file(path):
    """Read the array in one file."""
    content = path.read_bytes()
    if content.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"Got {str(path)!r}, which can't be decompressed: {error}") from error
    if not _has_header(content):
        raise ValueError(f"Got {str(path)!r}, which is not in the IDX format.")
    n_dimensions = content[3]
    header_size = 4 + 4 * n_dimensions
    dtype = np.dtype(DTYPES[content[2]])
    sizes = np.frombuffer(content, ">u4", count=n_dimensions, offset=4)
    shape = tuple(int(size) for size in sizes)
    expected_size = header_size + math.prod(shape) * dtype.itemsize
    if len(content) != expected_size:
        raise ValueError(
            f"Got {str(path)!r} with {len(content)} bytes, but expected {expected_size} bytes for "
            f"the shape {shape} in its header."
        )
    array = np.frombuffer(content, dtype, offset=header_size).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _has_header(content):
    """Return whether content starts with a complete IDX header of a known dtype."""
    if len(content) < 4 or content[:2] != b"\0\0":
        return False
    return content[2] in DTYPES and len(content) >= 4 + 4 * content[3]
