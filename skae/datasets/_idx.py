"""Files in IDX, the format of MNIST and of those that took after it."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_idx"]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""What the third byte of a file says of its numbers."""


def load_idx(path: str | Path) -> Any:
    """Load MNIST, Fashion-MNIST, Kuzushiji-MNIST and the like from the files that they are published in.

    Parameters
    ----------
    path : str or Path
        A folder with the four files, as they are called there: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, with or without ``.gz``; or one file of this format.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        Images of shape (n, 28, 28) and labels of shape (n,), uint8; of one file just what it holds.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If one is not in this format, or was cut. The message names it.

    Examples
    --------
    >>> from skae.datasets import load_idx
    >>> X_train, y_train, X_test, y_test = load_idx("fashion-mnist")  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_dir():
        return _read(path)
    names = [f"{part}-{what}" for part in ("train", "t10k") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    return tuple(_read(_find(path, name)) for name in names)


def _find(folder, name):
    """Give the path of a file, which may be compressed, and have a dot in place of the last dash but one."""
    names = [one + end for one in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    for one in names:
        if (folder / one).is_file():
            return folder / one
    raise FileNotFoundError(f"Got the folder {str(folder)!r} without {name}, but expected it there, or {name}.gz.")


def _read(path):
    """Read one file."""
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"Got {str(path)!r}, which can't be decompressed: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or len(content) < 4 + 4 * content[3]:
        raise ValueError(f"Got {str(path)!r}, which is not in the IDX format.")
    dtype, start = np.dtype(DTYPES[content[2]]), 4 + 4 * content[3]
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=content[3], offset=4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(f"Got {str(path)!r} with {len(content)} bytes, but expected {expected}, as its beginning says.")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
