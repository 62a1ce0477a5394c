"""Independence of the caller's settings of torch and NumPy, and of forked processes."""

import io
import multiprocessing
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)
from skae._devices import count_weights, default_torch_state, one_thread
from skae._training import fit
from skae.autoencoders import _inference
from tests.cases import gray_images, low_rank
from tests.process_settings import process_settings

ROWS = low_rank(80, 6)
IMAGES = gray_images(24, 8, 8)


@contextmanager
def replaced(get, set, value):
    """Change a global setting in a block."""
    original = get()
    set(value)
    try:
        yield
    finally:
        set(original)


@contextmanager
def numpy_raises():
    """Let NumPy raise errors, also for underflow."""
    with np.errstate(all="raise"):
        yield


def default_dtype(dtype):
    """Return a block with another default dtype."""
    return lambda: replaced(torch.get_default_dtype, torch.set_default_dtype, dtype)


SETTINGS = {
    "float64 by default": default_dtype(torch.float64),
    "float16 by default": default_dtype(torch.float16),
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "meta device by default": lambda: torch.device("meta"),
    "imprecise products": lambda: replaced(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "NumPy raises": numpy_raises,
    "two threads": lambda: replaced(torch.get_num_threads, torch.set_num_threads, 2),
}


def dense():
    """Fit an autoencoder of tables, and use all of its methods."""
    a = DenseAutoencoder(2, max_iter=2, random_state=0).fit(ROWS)
    z = a.transform(ROWS)
    later = DenseAutoencoder(2, random_state=0).partial_fit(ROWS).partial_fit(ROWS)
    reduced = DenseAutoencoder(
        2, max_iter=4, precision="bfloat16", early_stopping=False, random_state=0
    ).fit(ROWS)
    return [
        z,
        a.inverse_transform(z),
        a.reconstruct(ROWS),
        a.reconstruction_error(ROWS),
        a.score(ROWS),
        later.transform(ROWS),
        reduced.transform(ROWS),
        pickle.loads(pickle.dumps(a)).transform(ROWS),
        "Layers" in a._repr_html_(),
    ]


def options():
    """Fit autoencoders with each kind of option."""
    results = []
    for parameters in (
        {"bottleneck": "variational", "loss": "absolute_error"},
        {"bottleneck": "quantized", "corruption": "masking"},
        {"bottleneck": "ordered"},
        {"penalty": "contraction"},
        {"penalty": "rate"},
    ):
        a = DenseAutoencoder(2, max_iter=2, random_state=0, **parameters).fit(ROWS)
        results.append(a.transform(ROWS))
    return results


def conv():
    """Fit an autoencoder of images."""
    a = ConvAutoencoder(2, n_filters=4, max_iter=1, random_state=0).fit(IMAGES)
    return [a.transform(IMAGES), a.reconstruct(IMAGES), a.score(IMAGES)]


def missing():
    """Fit an autoencoder of a table with missing values."""
    X = ROWS.copy()
    X[::7, 2] = np.nan
    a = DenseAutoencoder(2, max_iter=2, allow_nan=True, random_state=0).fit(X)
    return [a.transform(X), a.reconstruct(X)]


def uses():
    """Fit a detector, a sampler, a codec and a restorer."""
    autoencoder = DenseAutoencoder(2, max_iter=2, random_state=0)
    detector = ReconstructionDetector(autoencoder, random_state=0).fit(ROWS)
    sampler = LatentSampler(autoencoder, random_state=0).fit(ROWS)
    codec = LatentCodec(autoencoder).fit(ROWS)
    restorer = ImageRestorer(n_filters=4, max_iter=1, random_state=0).fit(IMAGES)
    return [
        detector.score_samples(ROWS),
        detector.predict(ROWS),
        detector.error_map(ROWS),
        detector.p_values(ROWS),
        detector.explain(ROWS).contributions,
        sampler.sample(3),
        sampler.interpolate(ROWS[0], ROWS[1], steps=3),
        sampler.score_samples(ROWS),
        codec.decompress(codec.compress(ROWS)),
        restorer.predict(IMAGES),
    ]


def all_settings():
    """Return a block with all settings."""
    stack = ExitStack()
    for name, setting in SETTINGS.items():
        if name != "two threads":  # which change the last digits of an ImageRestorer
            stack.enter_context(setting())
    return stack


EVERY_SETTING = {**SETTINGS, "all of them": all_settings}
CALLS = [dense, options, conv, missing, uses]
PAIRS = [(name, dense) for name in EVERY_SETTING]
PAIRS += [("two threads", call) for call in (options, conv, missing)]
PAIRS += [(name, call) for name in ("float64 by default", "all of them") for call in CALLS[1:]]


@pytest.fixture(scope="module")
def expected():
    """Return the results without any setting."""
    return {call.__name__: call() for call in CALLS}


@pytest.mark.parametrize(("name", "call"), PAIRS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_settings_of_the_caller_neither_matter_nor_change(name, call, expected):
    """Results are those without the setting, to the bit, and the setting is the same afterwards."""
    with EVERY_SETTING[name]():
        before = process_settings()
        results = call()
        assert process_settings() == before
    for result, other in zip(results, expected[call.__name__], strict=True):
        np.testing.assert_array_equal(np.asarray(result), np.asarray(other))
        if isinstance(other, np.ndarray):
            assert result.dtype == other.dtype


def test_tensors_of_inference_mode_are_accepted():
    """A tensor that was created in inference mode can be fitted, which needs gradients."""
    with torch.inference_mode():
        X = torch.from_numpy(ROWS).float() * 1.0
    for parameters in ({}, {"penalty": "contraction"}, {"corruption": "gaussian"}):
        a = DenseAutoencoder(2, max_iter=2, random_state=0, **parameters)
        assert np.isfinite(a.fit(X).score(X))
        assert np.isfinite(a.partial_fit(X).score(X))


def test_threads_share_replaced_settings():
    """A block in one thread does not restore the default dtype while another block runs."""
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with default_torch_state():
            inside.set()
            leave.wait(30)
            dtypes.append(torch.get_default_dtype())

    dtypes = []
    with default_dtype(torch.float64)():
        thread = threading.Thread(target=stay)
        thread.start()
        assert inside.wait(30)
        with default_torch_state():
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float32  # the thread is still in its block
        leave.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
    assert dtypes == [torch.float32]


class ThreadCounter(Callback):
    """Callback that records torch's number of threads in each epoch."""

    def __init__(self, numbers):
        self.numbers = numbers

    def on_epoch_end(self, net, **kwargs):
        """Record the number of threads."""
        self.numbers.append(torch.get_num_threads())


@pytest.mark.parametrize(("limit", "expected"), [(None, 1), (0, 2)])
def test_threads_within_a_fit(monkeypatch, limit, expected):
    """Small products use one thread, large ones those of the caller."""
    if limit is not None:
        monkeypatch.setattr(fit, "MIN_PARALLEL_MULTIPLICATIONS", limit)
    numbers = []
    net_params = {"callbacks": [ThreadCounter(numbers)]}
    with SETTINGS["two threads"]():
        a = DenseAutoencoder(2, max_iter=2, random_state=0, net_params=net_params).fit(ROWS)
        a.partial_fit(ROWS)
        assert torch.get_num_threads() == 2
    assert numbers == [expected] * 3


def test_threads_within_inference(monkeypatch):
    """Calls of a few rows use one thread, and large calls those of the caller."""
    a = DenseAutoencoder(2, max_iter=2, random_state=0).fit(ROWS)
    numbers = []
    monkeypatch.setattr(_inference, "MAX_SMALL_NUMBERS", 10 * 2048)
    monkeypatch.setattr(
        _inference, "MIN_PARALLEL_MULTIPLICATIONS", 70 * count_weights(a.net_.module_)
    )
    monkeypatch.setattr(
        a.net_, "encode", lambda x: numbers.append(torch.get_num_threads()) or x[:, :2].float()
    )
    with SETTINGS["two threads"]():
        a.transform(ROWS[:1])
        a.transform(ROWS[:60])
        a.transform(ROWS)
    assert numbers == [1, 1, 2]


@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "reconstruct"])
def test_an_error_restores_the_number_of_threads(method, monkeypatch):
    """A call that raises an error within a block of one thread restores the number of threads."""
    numbers = []

    def fail(*args):
        numbers.append(torch.get_num_threads())
        raise RuntimeError("a function that fails")

    autoencoder = DenseAutoencoder(2, max_iter=2, random_state=0, loss=fail)
    if "fit" not in method:
        autoencoder.set_params(loss="squared_error").fit(ROWS)
        monkeypatch.setattr(autoencoder.net_, "encode", fail)
    with SETTINGS["two threads"]():
        with pytest.raises(RuntimeError, match="a function that fails"):
            getattr(autoencoder, method)(ROWS)
        assert torch.get_num_threads() == 2
    assert numbers == [1]


def test_fits_in_several_threads_restore_the_number_of_threads():
    """The caller, threads that fit at the same time, and later threads have the caller's number."""
    n_fits = 4
    barrier = threading.Barrier(n_fits)
    numbers = []

    def run(seed):
        barrier.wait(30)  # torch counts the threads of a thread when it is first used
        codes = DenseAutoencoder(2, max_iter=3, random_state=seed).fit(ROWS).transform(ROWS)
        numbers.append(torch.get_num_threads())
        return codes

    def count(_):
        return torch.get_num_threads()

    alone = DenseAutoencoder(2, max_iter=3, random_state=0).fit(ROWS).transform(ROWS)
    with SETTINGS["two threads"]():
        with ThreadPoolExecutor(n_fits) as pool:
            codes = list(pool.map(run, [0] * n_fits))
        assert numbers == [2] * n_fits
        assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:
            assert list(pool.map(count, [0])) == [2]
    for other in codes:
        np.testing.assert_array_equal(other, alone)


def test_a_thread_that_starts_during_a_block_gets_the_number_of_the_caller():
    """The first call in a new thread corrects the number that torch took from another block."""
    numbers = []

    def run():
        numbers.append(torch.get_num_threads())  # set by the block of the other thread
        with one_thread(enabled=False):
            numbers.append(torch.get_num_threads())
        with one_thread():
            numbers.append(torch.get_num_threads())
            with one_thread():
                numbers.append(torch.get_num_threads())
            numbers.append(torch.get_num_threads())
        numbers.append(torch.get_num_threads())

    with SETTINGS["two threads"](), one_thread():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert torch.get_num_threads() == 1
    assert numbers == [1, 2, 1, 1, 1, 2]


def _send(call, fitted, connection):
    connection.send(call(fitted))
    connection.close()


def _transform(fitted):
    return fitted.transform(ROWS)


def _score(fitted):
    return fitted.reconstruct(ROWS)


def _fit(fitted):
    return DenseAutoencoder(2, max_iter=2, random_state=0).fit(ROWS).transform(ROWS)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")


@needs_fork
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("fork", _transform),
        ("fork", _score),
        ("fork", _fit),
        ("spawn", _fit),
        ("forkserver", _transform),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_child_processes_answer(method, call):
    """A child computes what its parent computes, although the parent has used threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(ROWS)
        torch.randn(400, 400) @ torch.randn(400, 400)  # starts the threads of the parent
        context = multiprocessing.get_context(method)
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(call, fitted, sending))
        process.start()
        try:
            assert receiving.poll(60), f"The child of {method} does not answer."
            np.testing.assert_allclose(receiving.recv(), call(fitted), rtol=1e-4, atol=1e-5)
        finally:
            process.kill()
            process.join()
    finally:
        torch.set_num_threads(n_threads)


@needs_fork
def test_fork_in_a_block_does_not_lock_the_child():
    """A process that is forked while a thread changes a setting can use the settings."""
    from skae._devices import DEFAULT_DTYPE

    with DEFAULT_DTYPE.lock:
        process_id = os.fork()
        if process_id == 0:
            with default_torch_state():
                os._exit(0)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        done, status = os.waitpid(process_id, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.02)
    os.kill(process_id, signal.SIGKILL)
    os.waitpid(process_id, 0)
    pytest.fail("The child waits for a lock of its parent.")


def test_saved_models_do_not_depend_on_settings(tmp_path):
    """Files of skae.export and pickles are read and written with any setting."""
    from skae.export import load, save

    fitted = DenseAutoencoder(2, max_iter=2, random_state=0).fit(ROWS)
    for name, setting in SETTINGS.items():
        path = tmp_path / f"{name}.skae"
        with setting():
            save(fitted, path)
            loaded = load(path)
            again = pickle.load(io.BytesIO(pickle.dumps(loaded)))
        np.testing.assert_array_equal(again.transform(ROWS), fitted.transform(ROWS))
