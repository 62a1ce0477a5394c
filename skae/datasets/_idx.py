"""Reader of IDX, the file format of MNIST, Fashion-MNIST and Kuzushiji-MNIST."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from skae._files.reading import open_regular_file, read_exactly

__all__ = ["load_idx"]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Dtype for each type code, the third byte of a file."""

MAX_DIMENSIONS = 16
"""Maximum number of dimensions: NumPy has 64, and the data sets have 3."""

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip file."""

FILE_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Names of the four files, in the order of the arrays that `load_idx` returns."""


def load_idx(path: str | Path, *, max_bytes: int | None = 2**31) -> Any:
    """Load MNIST, Fashion-MNIST, Kuzushiji-MNIST and similar data sets from their original files.

    Parameters
    ----------
    path : str or Path
        A folder with the four files under their original names, ``train-images-idx3-ubyte``,
        ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, with
        or without ``.gz``. Or a single file in the IDX format.
    max_bytes : int or None, default=2147483648
        Maximum size of each array in bytes, which is compared with the header before the file is
        decompressed. None: no maximum.

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
        If a file is no regular file, not in the IDX format, or truncated, or if its array exceeds
        `max_bytes`. The message has the file's name.

    Examples
    --------
    >>> from skae.datasets import load_idx
    >>> X_train, y_train, X_test, y_test = load_idx("fashion-mnist")  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_dir():
        return _read_file(path, max_bytes)
    return tuple(_read_file(_resolve_file(path, name), max_bytes) for name in FILE_NAMES)


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


def _read_file(path, max_bytes):
    """Read the array in one file."""
    with open_regular_file(path) as (file, size):
        is_compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        if not is_compressed:
            return _read_array(file, path, size, max_bytes)
        try:
            with gzip.GzipFile(fileobj=file) as decompressed:
                return _read_array(decompressed, path, None, max_bytes)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"Got {str(path)!r}, which can't be decompressed: {error}") from error


def _read_array(file, path, size, max_bytes):
    """Read an array, after its header is compared with the size of the file.

    Parameters
    ----------
    file : file object
        The file, at its beginning.
    path : Path
        Path of the file, for messages.
    size : int or None
        Size of the file in bytes; None if it is unknown, because the file is compressed.
    max_bytes : int or None
        Maximum size of the array.

    Returns
    -------
    array : ndarray
        The array, in the byte order of this machine.
    """
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in DTYPES:
        raise ValueError(f"Got {str(path)!r}, which is not in the IDX format.")
    dtype, n_dimensions = np.dtype(DTYPES[start[2]]), start[3]
    header = file.read(4 * n_dimensions)
    if len(header) < 4 * n_dimensions or n_dimensions > MAX_DIMENSIONS:
        raise ValueError(f"Got {str(path)!r}, which is not in the IDX format.")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
    n_bytes = math.prod(shape) * dtype.itemsize
    header_size = 4 + len(header)
    if size is not None and size != header_size + n_bytes:
        raise _size_error(path, size, header_size + n_bytes, shape)
    if max_bytes is not None and n_bytes > max_bytes:
        raise ValueError(
            f"Got {str(path)!r} with an array of {n_bytes} bytes, but expected at most "
            f"max_bytes={max_bytes}. Increase max_bytes if the origin of the file is known."
        )
    content = read_exactly(file, n_bytes)
    if content is None:
        raise _size_error(path, "more or fewer", header_size + n_bytes, shape)
    array = np.frombuffer(content, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _size_error(path, size, expected_size, shape):
    """Return the error for a file of another size than its header says."""
    return ValueError(
        f"Got {str(path)!r} with {size} bytes, but expected {expected_size} bytes for the shape "
        f"{shape} in its header."
    )
