"""Kill a process that saves, and count the files that are neither the old nor the new one.

Run ``python -m tests.fuzz.killed_saves 200`` for 200 kills; a seed may follow.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skae import DenseAutoencoder
from skae._files.container import unpack_arrays
from skae.export import load, save

from ..cases import low_rank

__all__ = ["kill_saves"]


def _save_for_ever(estimators, target, ready):
    """Save estimators by turns in a child process, and report each save."""
    while True:
        for estimator in estimators:
            save(estimator, target)
            os.write(ready, b"1")


def _wait_for_write(folder):
    """Wait until a temporary file is there, at most for ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if any(name.startswith(".skae-") for name in os.listdir(folder)):
            return


def kill_saves(n_kills, folder, seed=0):
    """Kill a process that saves: at random moments, and three times of four in a write.

    The process is a fork, which has all modules imported. So no other thread may run.

    Parameters
    ----------
    n_kills : int
        Number of kills.
    folder : str
        Folder for the files.
    seed : int, default=0
        Seed of the moments.

    Returns
    -------
    n_whole : int
        Number of kills after which the file was the old or the new one, and could be loaded.
    n_temporary : int
        Number of temporary files left, which shows that kills hit a write.
    """
    rng = np.random.default_rng(seed)
    X = low_rank(200, 60)
    sources = []
    for width in (4096, 3072):
        estimator = DenseAutoencoder(20, hidden_layer_sizes=(width,), max_iter=1, random_state=0)
        sources.append(os.path.join(folder, f"source-{width}"))
        save(estimator.fit(X), sources[-1])
    # safetensors writes metadata in any order, so that the bytes of equal files differ
    texts = [unpack_arrays(Path(source).read_bytes())[0] for source in sources]
    target = os.path.join(folder, "target")
    save(load(sources[0]), target)
    n_whole = n_temporary = 0
    estimators = [load(source) for source in sources]
    for kill in range(n_kills):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _save_for_ever(estimators, target, writer)
        os.read(reader, 1)
        if kill % 4:
            _wait_for_write(folder)
            time.sleep(rng.uniform(0, 0.004))
        else:
            time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
        leftover = [name for name in os.listdir(folder) if name.startswith(".skae-")]
        n_temporary += len(leftover)
        for name in leftover:
            os.unlink(os.path.join(folder, name))
        n_whole += _is_whole(target, texts)
    load(target)
    return n_whole, n_temporary


def _is_whole(path, texts):
    """Return whether a file is complete, with a right checksum and one of the texts."""
    try:
        text, _ = unpack_arrays(Path(path).read_bytes())
    except ValueError:
        return False
    return text in texts


def main(n_kills, seed=0):
    """Print the result of an attack, and return whether all files were whole."""
    with tempfile.TemporaryDirectory() as folder:
        n_whole, n_temporary = kill_saves(n_kills, folder, seed)
    print(f"{n_whole} of {n_kills} files whole, {n_temporary} kills in a write")
    return n_whole == n_kills


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
