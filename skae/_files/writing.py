"""Atomic writing: a path has the complete old or the complete new content at any moment."""

import os
import secrets
import stat
from contextlib import suppress
from io import UnsupportedOperation

__all__ = ["write_atomically"]

TEMPORARY_PREFIX = ".skae-"
"""Beginning of the names of temporary files, which a killed process leaves behind."""


def write_atomically(path, content):
    """Write a file so that its path always has the complete old or the complete new content.

    The content is written to a temporary file in the same folder, synchronized to the disk, and
    renamed to the path. After an error the temporary file is removed, and the old file is intact.

    Parameters
    ----------
    path : str or path-like
        Path of the file. The target of a symbolic link is replaced, and the link stays. The
        permissions of an existing file stay as well.
    content : bytes-like
        The new content.
    """
    target = os.path.realpath(os.fspath(path))
    mode = _existing_mode(target)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.chmod(temporary, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):  # an interrupt after the renaming
            os.unlink(temporary)
        raise
    _synchronize_folder(folder)


def _existing_mode(target):
    """Return the permissions of the file to replace, or None if there is none."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"Got the folder {target!r}, but expected the path of a file.")
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedOperation(
            f"Got {target!r}, which is a device, a pipe or a cyclic link, but expected the path of "
            "a regular file."
        )
    if not os.access(target, os.W_OK):
        raise PermissionError(f"Got {target!r}, which is write-protected.")
    return stat.S_IMODE(status.st_mode) & 0o777


def _synchronize_folder(folder):
    """Write the entries of a folder to the disk; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
