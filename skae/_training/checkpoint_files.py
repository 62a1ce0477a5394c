"""Files of checkpoints: a locked folder for each fit, its last states, and its result."""

import contextlib
import errno
import json
import math
import os
import re
import shutil
import stat
import time
from datetime import timedelta

from skae._files.container import pack_arrays, parse_json, unpack_arrays
from skae._files.reading import check_format, read_file
from skae._files.writing import TEMPORARY_PREFIX, write_atomically
from skae._training.checkpoint_values import pack_value, unpack_value
from skae._typing import PathLike
from skae._version import __version__
from skae._warnings import warn_user

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["CheckpointFolder", "clear_checkpoints"]

FORMATS = range(1, 2)
"""Versions of the format that are read; the last one is written.

A digest contains the version of skae, so a fit only meets formats of its own version.
"""

FIT_NAME = re.compile("[0-9a-f]{32}")
STATE_NAME = re.compile(r"state-(\d{8})\.safetensors")
RESULT_NAME = "result.safetensors"
LOCK_NAME = "lock"

N_STATES = 2
"""Number of states that are kept: if the last one is damaged, the one before is read."""

LOCK_SECONDS = 60
"""Longest time for which a fit waits for another process that runs the same fit.

That is longer than a process that was terminated usually takes to end.
"""

POLL_SECONDS = 0.2


class CheckpointFolder:
    """The folder of one fit. No other process writes there while it is locked.

    The lock is one of the operating system (``flock``), which ends with the process. On Windows
    there is no lock.

    Parameters
    ----------
    checkpoint_dir : str or path-like
        Folder of all fits; created if it does not exist.
    digest : str
        Digest of the fit, the name of its folder.

    Raises
    ------
    OSError or ValueError
        If the folder can't be created or written.
    """

    def __init__(self, checkpoint_dir, digest):
        self.digest = digest
        self.path = os.path.join(os.fspath(checkpoint_dir), digest)
        self._lock = None
        try:
            os.makedirs(os.fspath(checkpoint_dir), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.path)
            if not stat.S_ISDIR(os.lstat(self.path).st_mode):
                raise NotADirectoryError(f"{self.path} is a link or a file")
            os.close(self._open_lock())
        except (OSError, ValueError) as error:  # the latter for characters of no file name
            error_class = ValueError
            if isinstance(error, OSError):
                error_class = type(error)
            raise error_class(
                f"Got checkpoint_dir={os.fspath(checkpoint_dir)!r}, but expected a folder that can "
                f"be created and written: {error}"
            ) from error

    def _open_lock(self):
        """Open the lock file, and never a link in its place."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        return os.open(os.path.join(self.path, LOCK_NAME), flags, 0o666)

    def lock(self, timeout):
        """Wait for the lock.

        Parameters
        ----------
        timeout : float
            Longest time in seconds.

        Returns
        -------
        locked : bool
            Whether this process has the lock.
        """
        if fcntl is None:
            return True
        end = time.monotonic() + timeout
        while not self._try_lock():
            if time.monotonic() >= end:
                return False
            time.sleep(POLL_SECONDS)
        for name in os.listdir(self.path):
            if name.startswith(TEMPORARY_PREFIX):  # of a process that was killed
                os.unlink(os.path.join(self.path, name))
        return True

    def _try_lock(self):
        """Acquire the lock if it is free; another process may have removed the folder meanwhile."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path)
        try:
            lock = self._open_lock()
        except FileNotFoundError:
            return False
        try:
            _flock(lock)
            present = os.stat(os.path.join(self.path, LOCK_NAME))
            if os.fstat(lock).st_ino != present.st_ino:
                raise FileNotFoundError
        except (BlockingIOError, FileNotFoundError):
            os.close(lock)
            return False
        self._lock = lock
        return True

    def unlock(self):
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _states(self):
        """Return (number, path) of each state, the last first."""
        matches = [STATE_NAME.fullmatch(name) for name in os.listdir(self.path)]
        numbers = sorted((int(match[1]) for match in matches if match), reverse=True)
        return [(number, self._state_path(number)) for number in numbers]

    def _state_path(self, number):
        return os.path.join(self.path, f"state-{number:08d}.safetensors")

    def write_state(self, content):
        """Write a state, and remove states before the last two."""
        states = self._states()
        number = 1
        if states:
            number = states[0][0] + 1
        self._write(self._state_path(number), content)
        self._remove(states[N_STATES - 1 :])

    def write_result(self, content):
        """Write the result of the finished fit, and remove its states."""
        path = os.path.join(self.path, RESULT_NAME)
        if os.path.islink(path):
            os.unlink(path)
        self._write(path, content)
        self._remove(self._states())

    def _remove(self, states):
        """Remove states; a folder with such a name is foreign, and stays."""
        for _, path in states:
            if os.path.islink(path) or not os.path.isdir(path):
                os.unlink(path)

    def _write(self, path, content):
        arrays = {}
        header = {
            "format": FORMATS[-1],
            "skae": __version__,
            "digest": self.digest,
            "content": pack_value(content, "", arrays),
        }
        write_atomically(path, pack_arrays(json.dumps(header, allow_nan=False), arrays))

    def read_states(self):
        """Yield path and content of each readable state, the last first; warn about others."""
        for _, path in self._states():
            content = self._read(path)
            if content is not None:
                yield path, content

    def read_result(self):
        """Return path and content of the result; the content is None if there is none."""
        path = os.path.join(self.path, RESULT_NAME)
        if not os.path.lexists(path):
            return path, None
        return path, self._read(path)

    def _read(self, path):
        """Return the content of a file, or None with a warning."""
        try:
            if os.path.islink(path):
                raise ValueError("Got a symbolic link.")
            text, arrays = unpack_arrays(read_file(path))
            header = parse_json(text)
            if not isinstance(header, dict):
                raise ValueError("Got no header.")
            check_format(path, header.get("format"), FORMATS, header.get("skae"))
            if header.get("digest") != self.digest:
                raise ValueError("Got the checkpoint of another fit.")
            return unpack_value(header.get("content"), arrays)
        except (ValueError, OSError) as error:
            warn_broken(path, error)
        return None


def _flock(descriptor):
    """Lock an open file; some network file systems have no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def warn_broken(path, error):
    """Warn about a checkpoint that can't be used."""
    warn_user(f"The checkpoint {path} is skipped, because it can't be read: {error}")


def clear_checkpoints(checkpoint_dir: PathLike, older_than: timedelta | float | None = None) -> int:
    """Remove checkpoints, except for those of fits that are running.

    Only files that fits wrote are removed. Other files and folders, and symbolic links, stay.

    Parameters
    ----------
    checkpoint_dir : str or path-like
        Folder that was the parameter `checkpoint_dir` of fits.
    older_than : datetime.timedelta or float, default=None
        Age of the last checkpoint of a fit, a number in days, up to which the fit is kept. None:
        all are removed.

    Returns
    -------
    n_fits : int
        Number of fits that had checkpoints, and have none now.

    See Also
    --------
    DenseAutoencoder : Its parameter `checkpoint_dir` is the folder of checkpoints.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from skae import DenseAutoencoder, clear_checkpoints
    >>> with TemporaryDirectory() as folder:
    ...     autoencoder = DenseAutoencoder(2, random_state=0, checkpoint_dir=folder)
    ...     _ = autoencoder.fit(load_iris().data)
    ...     clear_checkpoints(folder)
    1
    """
    latest = math.inf
    if isinstance(older_than, timedelta):
        latest = time.time() - older_than.total_seconds()
    elif older_than is not None:
        latest = time.time() - timedelta(days=older_than).total_seconds()
    n_fits = 0
    for entry in list(os.scandir(checkpoint_dir)):
        if FIT_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            n_fits += _clear_fit(checkpoint_dir, entry.name, latest)
    return n_fits


def _clear_fit(checkpoint_dir, digest, latest):
    """Remove the checkpoints of one fit, unless the last is newer than `latest` or it runs."""
    folder = CheckpointFolder(checkpoint_dir, digest)
    if not folder.lock(timeout=0):
        return 0
    try:
        names = [name for name in os.listdir(folder.path) if _is_own(name)]
        paths = [os.path.join(folder.path, name) for name in names]
        paths = [path for path in paths if not stat.S_ISDIR(os.lstat(path).st_mode)]
        if any(os.lstat(path).st_mtime > latest for path in paths):
            return 0
        for path in paths:
            os.unlink(path)
        if os.listdir(folder.path) == [LOCK_NAME]:
            shutil.rmtree(folder.path)
        return int(bool(paths))
    finally:
        folder.unlock()


def _is_own(name):
    """Return whether a file in the folder of a fit is a checkpoint."""
    return name == RESULT_NAME or STATE_NAME.fullmatch(name) is not None
