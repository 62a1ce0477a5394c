"""Estimators in services: memory over many calls, threads, forks, gunicorn, and full disks."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from skae import DenseAutoencoder, ReconstructionDetector

from ..cases import low_rank
from .digests import digest
from .subjects import SUBJECTS, fitted

ROOT = Path(__file__).parents[2]

N_CALLS = 20_000
"""Calls with one row."""

MAX_GROWTH = 20_000_000
"""Bytes that memory may grow in `N_CALLS` calls: 1 kB per call."""

N_FORKS = 16
"""Forked processes; ``python -m tests.fuzz.forks 100`` forks more."""

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

posix = pytest.mark.skipif(os.name == "nt", reason="signals and forks of POSIX")


def _environment(**settings):
    """Return the environment of a process that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **settings}


def _anonymous_bytes():
    """Return the resident memory of this process without files, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", status).group(1))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="requires /proc")
def test_memory_of_many_calls():
    """20,000 calls with one row need less than 20 MB more memory than 1,000 calls."""
    X = low_rank(200, 6)
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(X)
    detector = ReconstructionDetector(autoencoder, cross_fit=False, random_state=0).fit(X)
    methods = [autoencoder.transform, autoencoder.reconstruct, autoencoder.reconstruction_error]
    methods += [detector.predict, detector.score_samples]
    for number in range(1000):
        methods[number % len(methods)](X[number % 200 : number % 200 + 1])
    before = _anonymous_bytes()
    for number in range(N_CALLS):
        methods[number % len(methods)](X[number % 200 : number % 200 + 1])
    assert _anonymous_bytes() - before < MAX_GROWTH


@pytest.mark.parametrize("name", ["dense", "dense NaN", "conv", "detector", "sampler", "restorer"])
def test_threads_share_a_fitted_estimator(name):
    """Eight threads get results equal to the bit, and the estimator does not change."""
    estimator = fitted(name)
    X, _ = SUBJECTS[name].data.build()
    methods = ("transform", "reconstruct", "reconstruction_error", "score_samples", "predict")
    calls = [getattr(estimator, method) for method in methods if hasattr(estimator, method)]
    expected = [call(X) for call in calls]
    before = digest(estimator)
    barrier = threading.Barrier(8)

    def use(number):
        barrier.wait(60)
        results = []
        for turn in range(20):
            results.append((turn + number) % len(calls))
            results.append(calls[results[-1]](X))
        return results

    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(use, range(8)):
            for index, result in zip(results[::2], results[1::2], strict=True):
                np.testing.assert_array_equal(result, expected[index])
    assert digest(estimator) == before


@pytest.mark.parametrize("names", [("dense", "conv"), ("dense variational", "dense ordered")])
def test_fits_in_two_threads(names):
    """Two fits at a time equal the same fits in turn, to the bit."""

    def fit(name):
        X, _ = SUBJECTS[name].data.build()
        return digest(SUBJECTS[name].make().set_params(max_iter=3).fit(X).transform(X))

    expected = [fit(name) for name in names]
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(fit, names)) == expected


@posix
def test_forked_processes_answer():
    """Children of a process with threads fit and transform, and none of them hangs."""
    # a process of its own, because it forks
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.forks", str(N_FORKS)]
    result = subprocess.run(
        command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


APPLICATION = """
import json
import os
import warnings

import torch

warnings.simplefilter("ignore")

from skae import DenseAutoencoder
from tests.cases import low_rank

torch.set_num_threads(2)
X = low_rank(80, 6)
torch.randn(400, 400) @ torch.randn(400, 400)  # starts the threads of the parent
fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
expected = fitted.transform(X)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/fit":
        result = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X).transform(X)
    else:
        result = fitted.transform(X)
    answer = {"pid": os.getpid(), "error": float(abs(result - expected).max())}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


def _free_port():
    """Return a port of the loopback device that nobody uses."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _get(url, seconds=60):
    """Return the answer of a request."""
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        return json.loads(answer.read())


@posix
@pytest.mark.skipif(find_spec("gunicorn") is None, reason="requires gunicorn")
def test_gunicorn_with_preloaded_application(tmp_path):
    """Two workers of a preloaded application answer requests that transform and fit."""
    (tmp_path / "service.py").write_text(APPLICATION)
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--timeout", "60"]
    command += [
        "--no-control-socket",
        "--bind",
        f"127.0.0.1:{port}",
        "--chdir",
        str(tmp_path),
        "service:application",
    ]
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for_server(server, port, tmp_path / "log")
            with ThreadPoolExecutor(4) as pool:
                urls = [f"http://127.0.0.1:{port}/{path}" for path in ("transform", "fit") * 20]
                answers = list(pool.map(_get, urls))
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):  # a busy machine
                server.wait(60)
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(60)
    assert max(answer["error"] for answer in answers) < 1e-3
    assert len({answer["pid"] for answer in answers}) == 2


def _wait_for_server(server, port, log):
    """Wait until a server accepts connections, at most for two minutes."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("gunicorn does not start.\n" + log.read_text())


# ---------------------------------------------------------------------------------- full disks

FULL_DISK = """
import copy
import os
import sys
import warnings
from pathlib import Path

from skae import DenseAutoencoder
from skae._training import checkpoints
from skae.export import load, save, to_onnx
from tests.cases import low_rank

checkpoints.MIN_SECONDS, checkpoints.MAX_WRITES = 0.0, 1e9
folder = Path(sys.argv[1])
X = low_rank(200, 60)
warnings.simplefilter("ignore")
fitted = DenseAutoencoder(20, hidden_layer_sizes=(256,), max_iter=1, random_state=0).fit(X)
for write in (save, to_onnx):
    path = folder / write.__name__
    write(fitted, path)
old = {path.name: path.read_bytes() for path in folder.iterdir()}
filler = folder / "filler"
try:
    with open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError:
    pass
for write in (save, to_onnx):
    try:
        write(copy.deepcopy(fitted).set_params(max_iter=3), folder / write.__name__)
    except OSError as error:
        assert "No space left" in str(error), error
    else:
        raise AssertionError("The disk is not full.")
files = {path.name: path.read_bytes() for path in folder.iterdir() if path != filler}
assert files == old, sorted(files)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    checkpointed = DenseAutoencoder(
        20, hidden_layer_sizes=(256,), max_iter=3, random_state=0, checkpoint_dir=folder / "fits"
    ).fit(X)
assert any("can't be written" in str(one.message) for one in caught), caught
assert checkpointed.n_iter_ > 0
left = [path.name for path in folder.rglob("*") if path.is_file() and path != filler]
assert sorted(left) == sorted([*old, "lock"]), left
load(folder / "save")
print("whole")
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="requires unshare")
def test_full_disk(tmp_path):
    """On a full disk, saves raise an error and keep the old file, and a fit warns and continues."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "script.py").write_text(FULL_DISK)
    disk, script = str(tmp_path / "disk"), str(tmp_path / "script.py")
    for arguments in (["-m"], ["-U", "-r", "-m"]):
        mount = f"mount -t tmpfs -o size=2m tmpfs {disk}"
        probe = subprocess.run(
            ["unshare", *arguments, "sh", "-c", mount], capture_output=True, check=False
        )
        if probe.returncode == 0:
            break
    else:
        pytest.skip("no tmpfs can be mounted here: " + probe.stderr.decode()[:200])
    command = f'{mount} && exec "{sys.executable}" "{script}" "{disk}"'
    result = subprocess.run(
        ["unshare", *arguments, "sh", "-c", command],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "whole", result.stdout + result.stderr
    assert result.returncode == 0


@posix
@pytest.mark.parametrize("limit", [0, 1, 4096, 50_000])
def test_checkpoints_beyond_a_limit_of_file_size(tmp_path, monkeypatch, limit):
    """A checkpoint that can't be written is a warning, the fit is the same, and no file is left."""
    from skae._training import checkpoints

    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 0.0)
    X = low_rank(200, 60)
    autoencoder = DenseAutoencoder(20, hidden_layer_sizes=(256,), max_iter=2, random_state=0)
    expected = autoencoder.fit(X).transform(X)
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.warns(UserWarning, match="can't be written"):
            autoencoder.set_params(checkpoint_dir=tmp_path / "fits").fit(X)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    np.testing.assert_array_equal(autoencoder.transform(X), expected)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == ["lock"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = autoencoder.fit(X)
    np.testing.assert_array_equal(again.transform(X), expected)
