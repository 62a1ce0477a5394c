"""Bounded reading of regular files, and the versions of their formats."""

import os
import stat
from contextlib import contextmanager

__all__ = ["check_format", "open_regular_file", "read_exactly", "read_file"]

CHUNK_BYTES = 2**20
"""Bytes that are read at once."""


@contextmanager
def open_regular_file(path):
    """Open a regular file for reading, and refuse pipes and devices, which may block or not end.

    Parameters
    ----------
    path : str or path-like
        Path of the file.

    Yields
    ------
    file : file object
        The file, opened in binary mode.
    size : int
        Its size in bytes.
    """
    # without O_NONBLOCK, opening a pipe waits for its writer
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    _check_regular(path, os.stat(path))
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        _check_regular(path, status)
        yield file, status.st_size


def _check_regular(path, status):
    """Raise an error if a path is no regular file."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"Got the folder {os.fspath(path)!r}, but expected a file.")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(
            f"Got {os.fspath(path)!r}, which is a pipe, a socket or a device, but expected a "
            "regular file."
        )


def read_file(path, max_bytes=None):
    """Read a regular file of at most `max_bytes`.

    Parameters
    ----------
    path : str or path-like
        Path of the file.
    max_bytes : int, default=None
        Maximum size of the file. None: any size.

    Returns
    -------
    content : bytes
        The content.
    """
    with open_regular_file(path) as (file, size):
        if max_bytes is not None and size > max_bytes:
            raise ValueError(
                f"Got {os.fspath(path)!r} of {size} bytes, but expected at most "
                f"max_bytes={max_bytes}."
            )
        return file.read(size)


def read_exactly(file, n_bytes):
    """Read the rest of a file in chunks, so that memory grows with the content.

    Parameters
    ----------
    file : file object
        The file.
    n_bytes : int
        Expected number of bytes.

    Returns
    -------
    content : bytearray or None
        The content; None if the file has more or fewer bytes.
    """
    content = bytearray()
    while len(content) <= n_bytes:
        chunk = file.read(min(CHUNK_BYTES, n_bytes + 1 - len(content)))
        if not chunk:
            break
        content += chunk
    if len(content) != n_bytes:
        return None
    return content


def check_format(path, file_format, supported, writer):
    """Raise a ValueError if the format of a file is not supported.

    A newer format was written by a newer release, and an older one is no longer read.

    Parameters
    ----------
    path : str or path-like
        Path of the file, for the message.
    file_format : int
        Format of the file.
    supported : range
        Formats that are read.
    writer : str
        Release that wrote the file, for the message.
    """
    if type(file_format) is not int:
        raise ValueError(f"Got the format {file_format!r:.40}, but expected an int.")
    if file_format in supported:
        return
    newest = supported[-1]
    action = "Install a newer release of skae."
    if file_format < supported[0]:
        action = "Load the file with an earlier release of skae and save it again."
    raise ValueError(
        f"Got {os.fspath(path)} in format {file_format}, written by skae {writer!s:.40}, but "
        f"expected a format from {supported[0]} to {newest}. {action}"
    )
