"""Forged files are ValueErrors, and killed or failed saves leave a whole file."""

import copy
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skae import DenseAutoencoder
from skae.export import load, save, to_onnx

from ..cases import low_rank
from .forged_files import attack, write_seeds

ROOT = Path(__file__).parents[2]

N_FILES = 1000
"""Forged files; ``python -m tests.fuzz.forged_files 10000`` loads more."""

N_KILLS = 20
"""Killed saves; ``python -m tests.fuzz.killed_saves 200`` kills more."""

posix = pytest.mark.skipif(os.name == "nt", reason="limits and signals of POSIX")


def test_forged_files_are_value_errors(tmp_path):
    """Mutated files with right checksums crash nothing, run nothing, and are fast and small."""
    counts, failures = attack(write_seeds(tmp_path), N_FILES, str(tmp_path))
    assert not failures, "\n".join(failures)
    assert counts["files"] == N_FILES
    # most mutations are refused, and some are harmless
    assert counts["ValueError"] > 0.8 * N_FILES
    assert counts["loaded"] > 0.01 * N_FILES


@posix
def test_killed_saves_leave_a_whole_file():
    """After kill -9 at random moments of `save` the file is the old or the new one."""
    # a process of its own, because it forks
    command = [sys.executable, "-m", "tests.fuzz.killed_saves", str(N_KILLS)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"{N_KILLS} of {N_KILLS} files whole" in result.stdout, result.stderr
    assert result.returncode == 0


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted autoencoder with a file of about 300 kB."""
    return DenseAutoencoder(20, hidden_layer_sizes=(256,), max_iter=1, random_state=0).fit(
        low_rank(200, 60)
    )


@posix
@pytest.mark.parametrize("write", [save, to_onnx])
def test_a_limit_of_file_size_keeps_the_old_file(fitted, tmp_path, write):
    """Wherever a limit of file size stops a save, the old file stays, and no temporary file."""
    path = tmp_path / "x"
    write(fitted, path)
    old = path.read_bytes()
    changed = copy.deepcopy(fitted).set_params(max_iter=3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 1, 4096, len(old) // 2, len(old) - 100):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                write(changed, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == old
        assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("function", ["open", "chmod", "fsync", "replace"])
def test_faults_of_the_disk_keep_the_old_file(fitted, tmp_path, monkeypatch, function):
    """After an error of any step of a save, the old file can be loaded."""
    path = tmp_path / "x"
    save(fitted, path)

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="No space left"):
        save(copy.deepcopy(fitted).set_params(max_iter=3), path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["x"]
    X = low_rank(10, 60)
    np.testing.assert_array_equal(load(path).transform(X), fitted.transform(X))
