"""Fits that are killed at random moments, and run again.

``python tests/fuzz/test_kill.py 200`` kills 200 fits and prints one line for each configuration;
names of configurations may follow. A process of its own starts the fits, since forks are fast and
need a parent without threads. A quarter of the signals are SIGTERM, the others SIGKILL.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

N_KILLS = 20


def run_as_script(path, *arguments):
    """Run a file of tests as a script in a new process with one thread; its exit status must be 0."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(path).parents[2]),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    finished = subprocess.run(
        [sys.executable, path, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def tables(n=200, d=6, seed=0):
    """Return samples near a curved surface."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(n, 3))
    X = np.tanh(t @ rng.normal(size=(3, d))) + 0.05 * rng.normal(size=(n, d))
    return X.astype(np.float32)


def images(n=150):
    """Return images of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    return load_digits().images[:n].astype(np.float32)


def cross_validated(folder):
    """Fit copies of a network, one for each fold."""
    from skae import DenseAutoencoder

    X = tables()
    return DenseAutoencoder(3, max_iter=12, random_state=0, checkpoint_dir=folder).fit(X), X


def streamed(folder):
    """Fit streamed rows, with noise between the batches."""
    from skae import DenseAutoencoder

    X = tables(1200)
    file = tempfile.NamedTemporaryFile(suffix=".npy")  # noqa: SIM115
    np.save(file, X)
    file.flush()
    rows = np.load(file.name, mmap_mode="r")
    model = DenseAutoencoder(
        3, bottleneck="variational", max_iter=6, random_state=0, checkpoint_dir=folder
    )
    return model.fit(rows), X


def ordered(folder):
    """Fit ordered codes that are cut to a share of the variance."""
    from skae import DenseAutoencoder

    X = tables()
    model = DenseAutoencoder(
        0.7, bottleneck="ordered", max_iter=12, random_state=0, checkpoint_dir=folder
    )
    return model.fit(X), X


def variational(folder):
    """Fit images with a variational bottleneck."""
    from skae import ConvAutoencoder

    X = images()
    model = ConvAutoencoder(
        4,
        n_filters=8,
        bottleneck="variational",
        max_iter=6,
        random_state=0,
        checkpoint_dir=folder,
    )
    return model.fit(X), X


def quantized(folder):
    """Fit a quantized bottleneck, which counts the use of its vectors."""
    from skae import DenseAutoencoder
    from skae.bottlenecks import Quantized

    X = tables()
    bottleneck = Quantized(codebook_size=8)
    model = DenseAutoencoder(
        4, bottleneck=bottleneck, max_iter=12, random_state=0, checkpoint_dir=folder
    )
    return model.fit(X, sample_weight=np.linspace(0, 1, len(X))), X


def rate(folder):
    """Fit with a rate penalty, an optimizer of torch and a RandomState."""
    import torch

    from skae import DenseAutoencoder

    X = tables()
    model = DenseAutoencoder(
        3,
        penalty="rate",
        solver=torch.optim.NAdam,
        max_iter=12,
        random_state=np.random.RandomState(3),
        checkpoint_dir=folder,
    )
    return model.fit(X), X


def targets_and_missing_values(folder):
    """Fit with targets, missing values and corruption."""
    from skae import DenseAutoencoder

    X = tables()
    y = (X[:, 0] > 0).astype(int)
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    model = DenseAutoencoder(
        3,
        target_weight=1.0,
        corruption="masking",
        allow_nan=True,
        max_iter=10,
        random_state=0,
        checkpoint_dir=folder,
    )
    return model.fit(X, y), X


def restored(folder):
    """Fit a restorer."""
    from skae import ImageRestorer

    X = images(60)
    model = ImageRestorer(
        n_filters=4, patch_size=6, batch_size=16, max_iter=5, random_state=0, checkpoint_dir=folder
    )
    return model.fit(X), X


def passes(folder):
    """Train by partial_fit, one part of the data after the other."""
    from skae import DenseAutoencoder

    X = tables(600)
    model = DenseAutoencoder(3, random_state=0, checkpoint_dir=folder)
    for _ in range(4):
        for part in np.split(X, 3):
            model.partial_fit(part)
    return model, X


def resumed(folder):
    """Fit twice, the second time from the weights of the first."""
    from skae import DenseAutoencoder

    X = tables()
    model = DenseAutoencoder(3, max_iter=8, random_state=0, warm_start=True, checkpoint_dir=folder)
    return model.fit(X).fit(X), X


def own_modules(folder):
    """Fit modules of the user with dropout and batch normalization."""
    from skae import ModuleAutoencoder
    from tests.own_modules import DenseDecoder, DenseEncoder

    X = tables()
    model = ModuleAutoencoder(
        DenseEncoder, DenseDecoder, 3, max_iter=12, random_state=0, checkpoint_dir=folder
    )
    return model.fit(X), X


CONFIGURATIONS = [
    own_modules,
    cross_validated,
    streamed,
    ordered,
    variational,
    quantized,
    rate,
    targets_and_missing_values,
    restored,
    passes,
    resumed,
]


def write_often():
    """Let each fit write a checkpoint after every epoch, and within epochs; stream small data."""
    from skae._input import batching, streaming
    from skae._training import checkpoints, fit, setup

    checkpoints.MIN_SECONDS = 0.0
    checkpoints.MIN_SECONDS_WITHIN_EPOCH = 0.02
    checkpoints.MAX_WRITES = 1.0
    fit.MIN_PASS_SECONDS = 0.0
    streaming.STREAMED_BYTES = 0
    streaming.BLOCK_BYTES = 1000
    batching.BUFFER_BYTES = 7000
    setup.MAX_PREPARED_BYTES = 20_000
    os.fsync = lambda descriptor: None  # a killed process loses no written file


def fingerprint(model, X):
    """Return a hash of all that a fit leaves."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.net_.module_.state_dict().items()):
        digest.update(name.encode() + weight.numpy().tobytes())
    for name, value in sorted(vars(model).items()):
        if name == "history_":
            value = {key: column for key, column in value.items() if key != "seconds"}
        if name.endswith("_") and name != "net_":
            digest.update(f"{name} {value!r}".encode())
    digest.update(repr([epoch["train_loss"] for epoch in model.net_.history]).encode())
    output = model.transform(X) if hasattr(model, "transform") else model.predict(X)
    digest.update(output.tobytes())
    return digest.hexdigest()


def run(configuration, folder, seconds=None, number=signal.SIGKILL):
    """Run a fit in a process of its own, and kill it after some time.

    Returns
    -------
    result : str or None
        Fingerprint; None if the process was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, fingerprint(*configuration(folder)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, number)
    with os.fdopen(reader) as pipe:
        result = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status in (0, number), f"{configuration.__name__} failed"
    return result or None


def kill_fits(n_kills, configurations, seed=0):
    """Kill fits at random moments.

    Returns
    -------
    n_done, n_wrong, n_resumed : int
        The numbers of kills, of results that differ, and of fits that had checkpoints.
    """
    write_often()
    chance = random.Random(seed)
    n_wrong = n_resumed = n_done = 0
    for i, configuration in enumerate(configurations):
        with tempfile.TemporaryDirectory() as folder:
            expected = run(configuration, None)
            start = time.monotonic()
            assert run(configuration, folder) == expected, f"{configuration.__name__} differs"
            duration = time.monotonic() - start
        kills = len(range(i, n_kills, len(configurations)))
        wrong = killed = states = 0
        while killed < kills:
            with tempfile.TemporaryDirectory() as folder:
                again = 1.0
                while killed < kills and chance.random() < again:
                    number = signal.SIGTERM if chance.random() < 0.25 else signal.SIGKILL
                    finished = run(configuration, folder, chance.uniform(0, 1.2 * duration), number)
                    killed += finished is None
                    again = 0.3 * (finished is None)
                states += any(Path(folder).glob("*/*.safetensors"))
                wrong += run(configuration, folder) != expected
        print(
            f"{configuration.__name__:28} {duration:5.1f} s {killed:4} kills, "
            f"{states} fits had checkpoints, {wrong} results differ",
            flush=True,
        )
        n_wrong, n_resumed, n_done = n_wrong + wrong, n_resumed + states, n_done + killed
    return n_done, n_wrong, n_resumed


def test_a_fit_that_is_killed_and_run_again_equals_an_uninterrupted_one():
    """Fits of eleven configurations are killed 20 times; every result is equal to the bit."""
    run_as_script(__file__, N_KILLS)


if __name__ == "__main__":
    # imports of seconds, which each fork would repeat
    import torch._dynamo

    import skae  # noqa: F401

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = [one for one in CONFIGURATIONS if one.__name__ in (sys.argv[2:] or one.__name__)]
    n_done, n_wrong, n_resumed = kill_fits(int(sys.argv[1]), chosen)
    print(f"{n_done} kills, {n_wrong} results differ, {n_resumed} fits had checkpoints")
    sys.exit(int(n_wrong > 0 or n_resumed == 0))
