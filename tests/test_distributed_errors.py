"""Several processes: errors, signals, lost processes and restarts."""

import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

import skae.distributed._shard
from skae import DenseAutoencoder, ImageRestorer, ReconstructionDetector, distributed
from skae._training import agreement, checkpoints
from skae._training.divided_steps import SplitSteps
from skae._training.step_sums import StepSum
from skae.distributed._context import only_in_this_thread
from skae.distributed._launch import _pickled_error, _wait_for_results

from .processes import run_processes
from .test_distributed import (
    CLASSES,
    IMAGES,
    X,
    dense,
    own_rows,
    result_of,
    rows_of_last,
    streamed_fit,
    streamed_shard_fit,
)

MAX_SECONDS = 20
"""Longest time until all processes have noticed an error."""


def at_step(number, rank, action):
    """Run an action at a step of one process, from now on."""
    counts = {"steps": 0}
    compute = SplitSteps.compute_gradients

    def compute_gradients(self, net, batch):
        counts["steps"] += 1
        if counts["steps"] == number and self.group.rank == rank:
            action()
        return compute(self, net, batch)

    SplitSteps.compute_gradients = compute_gradients


def fit_and_kill(rank):
    """Fit; process 1 is killed in the second epoch."""
    at_step(12, 1, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return dense(max_iter=3).fit(X)


def test_a_killed_process_ends_the_others():
    """The other processes raise Lost within seconds, with the epoch."""
    start = time.monotonic()
    results = run_processes(fit_and_kill, 3)
    assert time.monotonic() - start < MAX_SECONDS
    assert results[1] is None
    for result in (results[0], results[2]):
        assert isinstance(result, distributed.Lost)
        assert "Lost a process in epoch 2" in str(result)


def fit_first_only(rank, seconds):
    """Fit in process 0 alone, while the others do something else."""
    if rank == 0:
        start = time.monotonic()
        try:
            dense().fit(X)
        except distributed.Lost as error:
            return str(error), time.monotonic() - start
    time.sleep(seconds)
    return None


@pytest.mark.parametrize("seconds", [0, 4])
def test_a_fit_in_one_process_only_ends(seconds):
    """A fit that other processes do not call is an error with the time limit, and no hang."""
    message, waited = run_processes(fit_first_only, 2, seconds, timeout=2)[0]
    assert "Not all of the 2 processes called DenseAutoencoder.fit within 2 seconds" in message
    assert waited < MAX_SECONDS


def start_late(rank):
    """Start process 0; process 1 never starts."""
    start = time.monotonic()
    if rank == 0:
        try:
            distributed.start(timeout=2)
        except distributed.Lost as error:
            return str(error), time.monotonic() - start
    time.sleep(5)
    return None


def test_a_process_that_never_starts_is_an_error():
    """The start of the others ends after the time limit."""
    message, waited = run_processes(start_late, 2, start=False)[0]
    assert "waited 2 seconds for 2 processes to start" in message
    assert waited < MAX_SECONDS


def outcome(function):
    """Return the type and the message of an error."""
    try:
        function()
    except BaseException as error:
        return type(error).__name__, str(error)
    return "no error", ""


class Failing(Callback):
    """A callback that raises an error after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        """Raise an error."""
        raise OSError("no space left")


def scaling(factor):
    """Return a corruption that is a function without a name in its module."""
    return lambda x, generator: x / factor


class Unreadable(Callback):
    """A callback with a lock, which has no digest."""

    def __init__(self, number):
        self.number, self.lock = number, threading.Lock()


def differing_fits(rank):
    """Return the outcome of fits that differ between the processes, one after the other."""
    warnings.simplefilter("ignore")
    other = X + np.float32(0.001) * rank
    rows = X.copy()
    if rank == 1:
        rows[300] = np.nan
    late = X.copy()
    late[1::7] = X[1::7] + np.float32(1e-3 * rank)
    callbacks = {"net_params": {"callbacks": [Failing()]}}
    return [
        outcome(lambda: dense().fit(other)),
        outcome(lambda: dense(max_iter=2 + rank).fit(X)),
        outcome(lambda: dense(random_state=rank).fit(X)),
        outcome(lambda: dense().fit(X[: 600 - rank])),
        outcome(lambda: dense().fit(X.astype([np.float32, np.float64][rank]))),
        outcome(lambda: dense().fit(X, sample_weight=1 + np.arange(len(X)) * rank)),
        outcome(lambda: dense().fit(rows)),
        outcome(lambda: dense(max_iter=0).fit(X)),
        outcome(lambda: dense(**callbacks).fit(X)),
        outcome(lambda: dense().fit(X) if rank == 0 else dense().partial_fit(X)),
        outcome(lambda: dense(corruption=scaling(2 + rank)).fit(X)),
        outcome(lambda: dense(net_params={"callbacks": [Unreadable(1 + rank)]}).fit(X)),
        outcome(lambda: ReconstructionDetector(dense(), n_neighbors=3 + rank).fit(X)),
        outcome(lambda: ImageRestorer(n_filters=4 + rank, max_iter=1).fit(IMAGES)),
        outcome(lambda: ImageRestorer(n_filters=4, max_iter=1).fit(IMAGES + rank)),
        outcome(lambda: table_fit("xyz" if rank == 0 else "uvw")),
        outcome(lambda: fit_on(["cpu", "meta"][rank])),
        outcome(lambda: dense(random_state=[None, 0][rank]).fit(X)),
        outcome(lambda: dense(corruption=swapped, batch_size=63).fit(X)),
        outcome(lambda: dense(random_state=[0, None][rank], max_iter=1).fit(X)),
    ]


def fit_on(device):
    """Fit as on a machine whose `device="auto"` is another one."""
    with mock.patch.object(agreement, "resolve_device", return_value=torch.device(device)):
        return dense().fit(X)


def table_fit(categories):
    """Fit to a table of numbers and categories."""
    codes = np.arange(len(X)) % len(categories)
    table = pd.DataFrame(X).assign(kind=pd.Categorical.from_codes(codes, list(categories)))
    table.columns = table.columns.astype(str)
    return dense(categorical_features="from_dtype", max_iter=1).fit(table)


def swapped(x, generator):
    """Corrupt samples by values of others; the number of draws depends on the number of samples."""
    order = torch.randperm(len(x), generator=generator)
    return torch.where(torch.rand(x.shape, generator=generator) < 0.1, x[order], x)


DIFFERENCES = [
    ("ValueError", r"different arguments.*X \(1\)"),
    ("ValueError", r"different arguments.*max_iter \(1\)"),
    ("ValueError", r"different arguments.*random_state \(1\)"),
    ("ValueError", r"different arguments.*X \(1\)"),
    ("ValueError", r"different arguments.*X \(1\)"),
    ("ValueError", r"different arguments.*sample_weight \(1\)"),
    (("OtherProcessError", "ValueError"), "NaN"),
    ("InvalidParameterError", "max_iter"),
    (("OSError", "OtherProcessError"), "no space left"),
    ("ValueError", r"different arguments.*fits before \(1\)"),
    ("ValueError", r"different arguments.*corruption \(1\)"),
    ("ValueError", r"different arguments.*net_params \(1\)"),
    ("ValueError", r"ReconstructionDetector.fit with different arguments.*n_neighbors \(1\)"),
    ("ValueError", r"ImageRestorer.fit with different arguments.*n_filters \(1\)"),
    ("ValueError", r"different arguments.*clean \(1\)"),
    ("ValueError", r"different arguments.*columns of X \(1\)"),
    ("ValueError", r"different arguments.*type of the device \(1\)"),
    ("ValueError", r"different arguments.*random_state \(1\)"),
    ("ValueError", "drew different random numbers"),
    ("no error", ""),
]


def test_differences_and_errors_end_all_processes():
    """Other data, parameters or calls, and errors of one process, are errors in all of them.

    The processes can fit afterwards.
    """
    results = run_processes(differing_fits, 2)
    for (kinds, message), *outcomes in zip(DIFFERENCES, *results, strict=True):
        for rank, (kind, text) in enumerate(outcomes):
            assert kind == (kinds if isinstance(kinds, str) else kinds[rank]), text
            assert re.search(message, text), text


def read_nan(rank):
    """Fit to streamed rows with a NaN, which one process reads in an epoch."""
    warnings.simplefilter("ignore")
    rows = X.copy()
    rows[307, 2] = np.nan
    return outcome(lambda: streamed_fit(dense(), rows))


def test_an_error_while_reading_ends_all_processes():
    """An invalid value in rows that one process reads is an error in all processes."""
    results = run_processes(read_nan, 2)
    kinds = sorted(kind for kind, _ in results)
    assert kinds in (["OtherProcessError", "ValueError"], ["ValueError", "ValueError"])
    assert all("NaN" in text for _, text in results)


class Stopping(Callback):
    """A callback of a user that stops after the second epoch."""

    def on_epoch_end(self, net, **kwargs):
        """Stop."""
        if len(net.history) == 2:
            raise KeyboardInterrupt


def stopped_fits(rank):
    """Return fits that end early: by a callback, and by Ctrl-C in one process."""
    warnings.simplefilter("ignore")
    # a job in the background of a shell ignores Ctrl-C, and so do its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stopping = dense(max_iter=5, net_params={"callbacks": [Stopping()]}).fit(X)
    at_step(12, 1, lambda: signal.raise_signal(signal.SIGINT))
    interrupted = dense(max_iter=5).fit(X)
    return [result_of(one) | {"n": one.n_iter_} for one in (stopping, interrupted)]


def test_stops_and_interruptions_are_agreed():
    """A callback that stops, and Ctrl-C in one process, end all processes in the same epoch."""
    one, other = run_processes(stopped_fits, 2)
    for first, second, n_epochs in zip(one, other, (2, 1), strict=True):
        assert first["n"] == second["n"] == n_epochs
        np.testing.assert_array_equal(first["codes"], second["codes"])


def callbacks_by_process(rank):
    """Return the processes in which a callback was called, and the warnings."""
    calls = []

    class Recorder(Callback):
        def on_epoch_end(self, net, **kwargs):
            dense(max_iter=1).fit(X[:50])  # alone
            calls.append(rank)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dense(net_params={"callbacks": [Recorder()]}, max_iter=2, batch_size=10**4).fit(X)
        dense(validation_fraction="auto").fit(X[:100])
    return calls, [str(one.message) for one in caught]


def test_callbacks_and_warnings_belong_to_the_first_process():
    """Callbacks are called, and warnings issued, in process 0, where a callback can fit."""
    (first, messages), (second, other_messages) = run_processes(callbacks_by_process, 2)
    assert first == [0, 0]
    assert second == []
    assert any("Got batch_size=10000" in text for text in messages)
    assert any("Each of the 2 processes computes the whole fit" in text for text in messages)
    assert other_messages == []


def fit_in_threads(rank):
    """Return whether threads belong to the group, within a block that excludes others and after."""

    def belongs():
        return not distributed.first()

    with ThreadPoolExecutor(1) as pool:
        with only_in_this_thread():
            inside = [belongs(), pool.submit(belongs).result()]
        return [*inside, pool.submit(belongs).result()]


def test_threads_of_other_tasks_are_alone():
    """Threads of other tasks of a worker of dask do not belong to its process group."""
    assert run_processes(fit_in_threads, 2)[1] == [True, False, True]


def with_little_memory(rank):
    """Fit while one process has too little memory for its part of a batch."""
    warnings.simplefilter("ignore")
    backward = torch.Tensor.backward
    n_failures = []

    def fail_once(loss):
        if rank == 1 and not n_failures:
            n_failures.append(1)
            raise torch.OutOfMemoryError
        return backward(loss)

    torch.Tensor.backward = fail_once
    return result_of(dense().fit(X)) | {"failures": len(n_failures)}


def test_parts_of_a_batch_are_agreed():
    """If one process has too little memory, all processes divide their samples."""
    results = run_processes(with_little_memory, 2)
    assert [result["failures"] for result in results] == [0, 1]
    np.testing.assert_array_equal(results[0]["codes"], results[1]["codes"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = result_of(dense().fit(X))
    np.testing.assert_allclose(results[0]["curve"], expected["curve"], rtol=1e-5)


def searches(rank):
    """Return scores of a search in all processes, of one alone, and of a forked child."""
    warnings.simplefilter("ignore")
    search = GridSearchCV(dense(max_iter=1), {"batch_size": [32, 64]}, cv=2)
    scores = [search.fit(X[:300]).cv_results_["mean_test_score"]]
    if rank == 0:
        with distributed.alone(), joblib.parallel_config("threading"):
            search.set_params(n_jobs=2)
            scores.append(search.fit(X[:300]).cv_results_["mean_test_score"])
        receiver, sender = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("fork")
        child = context.Process(target=lambda: sender.send(dense().fit(X).loss_curve_))
        child.start()
        scores.append(receiver.recv())
        child.join()
    return scores


def test_searches_and_children():
    """A grid search has the scores of one process; `alone` and forked children fit alone."""
    (scores, expected, curve), (other,) = run_processes(searches, 2)
    np.testing.assert_array_equal(scores, other)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert curve == dense().fit(X).loss_curve_


def test_without_other_processes_nothing_changes():
    """`start` does nothing without torchrun, and this process is the first."""
    distributed.start()
    assert not torch.distributed.is_initialized()
    assert distributed.first()
    with pytest.raises(ValueError, match="timeout=0"):
        distributed.start(timeout=0)


def test_launch_returns_the_result_of_the_first_process():
    """`launch` calls a function without a module in new processes, which fit together."""
    rows = X

    def fit(n_components):
        warnings.simplefilter("ignore")
        autoencoder = DenseAutoencoder(n_components, validation_fraction=0.1, random_state=0)
        size = torch.distributed.get_world_size()
        return autoencoder.set_params(max_iter=2).fit(rows), size, distributed.first()

    autoencoder, size, is_first = distributed.launch(fit, 2, 3)
    assert (size, is_first) == (2, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = DenseAutoencoder(3, validation_fraction=0.1, random_state=0, max_iter=2).fit(X)
    np.testing.assert_allclose(autoencoder.loss_curve_, expected.loss_curve_, rtol=1e-5)
    with pytest.raises(ValueError, match="n_processes=0"):
        distributed.launch(fit, 0)


def test_errors_of_launched_processes():
    """The error that ended the others is raised, and `Lost` for a process without a result."""
    outcomes = {
        0: ("error", distributed.Lost("a")),
        1: ("error", OSError("full")),
        2: ("result", None),
    }
    for kinds, expected in (((0, 1, 2), OSError), ((0, 2), distributed.Lost)):
        pipes = {}
        for rank in kinds:
            receiver, sender = multiprocessing.Pipe(duplex=False)
            kind, content = outcomes[rank]
            sender.send((kind, pickle.dumps(content)))
            pipes[receiver] = rank
        with pytest.raises(expected):
            _wait_for_results(pipes)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.close()
    with pytest.raises(distributed.Lost, match="Process 4 ended without a result"):
        _wait_for_results({receiver: 4})


class TwoArgumentsError(Exception):
    """An error whose pickle can't be loaded."""

    def __init__(self, name, number):
        super().__init__(f"{name} {number}")


@pytest.mark.parametrize("error", [TwoArgumentsError("row", 3), KeyError("row 3")])
def test_errors_travel_with_their_traceback(error, monkeypatch):
    """An error that can't be pickled becomes its text; others keep their type, with a note."""
    monkeypatch.setenv("RANK", "1")
    try:
        raise error
    except Exception as raised:
        received = pickle.loads(_pickled_error(raised))
    text = "".join(traceback.format_exception(received))
    assert "row 3" in text
    assert "raise error" in text
    assert isinstance(received, KeyError) == isinstance(error, KeyError)


def test_a_batch_that_fits_into_no_memory_changes_no_weights():
    """Without samples of any process there are no gradients, and the loss is no NaN."""
    layer = torch.nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    step_sum = StepSum(list(layer.parameters()), n_flags=1, counts_uses=False)
    step_sum.clear()
    loss, weight = step_sum.read()
    assert (float(loss), float(weight)) == (0.0, 0.0)
    assert not layer.weight.grad.any()


def test_batch_normalization_is_refused():
    """A network that normalizes batches is an error, before it is trained."""
    steps = SplitSteps(SimpleNamespace(rank=0, size=2, is_first=True), X)
    net = SimpleNamespace(module_=torch.nn.Sequential(torch.nn.BatchNorm1d(3)))
    with pytest.raises(ValueError, match="BatchNorm1d"):
        steps.begin(net)


BAD_SHARDS = [
    ([[1.0, 2.0]], "Got Shard of list"),
    (pd.DataFrame({"a": [1.0, 2.0]}), "Got Shard of DataFrame"),
    (np.array([["a"], ["b"]]), "dtype <U1"),
    (np.zeros(3), "two dimensions"),
]


@pytest.mark.parametrize(("rows", "message"), BAD_SHARDS)
def test_shards_have_to_be_arrays(rows, message):
    """A shard of anything but an array of numbers is an error."""
    with pytest.raises(TypeError, match=message):
        distributed.Shard(rows)


class MaskedSlices:
    """Rows whose slices are masked arrays, as those of variables of netCDF; without a length."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, chunk):
        mask = np.zeros(self.shape, bool)
        mask[3:5, 2] = True
        return np.ma.masked_array(self.rows, mask)[chunk]


def fits_of_shards(rank, folder):
    """Return outcomes of fits of shards: with targets, in one process only, and of other shapes."""
    warnings.simplefilter("ignore")
    labels = np.array(["a", "b", None] * 201, dtype=object)
    rows = own_rows(X)
    with pytest.MonkeyPatch.context() as patch:
        fitted = dense(target_weight=0.5).fit(distributed.Shard(rows), own_rows(labels))
        patch.setattr(skae.distributed._shard, "MAX_GATHERED_BYTES", 0)
        coupled = outcome(
            lambda: streamed_shard_fit(dense(penalty="sparsity", validation_fraction=0.1))
        )
    return [
        result_of(fitted),
        coupled,
        outcome(lambda: dense().fit(distributed.Shard(rows) if rank == 0 else rows)),
        outcome(lambda: dense().fit(distributed.Shard(rows[:, : 12 - rank]))),
        outcome(lambda: dense().fit(distributed.Shard(rows), sample_weight=np.ones(5))),
        outcome(lambda: dense().fit(distributed.Shard(MaskedSlices(rows)))),
        dense(target_weight=0.5).fit(
            distributed.Shard(rows_of_last(X)), [] if rank == 0 else CLASSES
        ),
        outcome(lambda: streamed_shard_fit(dense(checkpoint_dir=[folder, None][rank]))),
    ]


def test_fits_of_shards(tmp_path):
    """Targets of shards may be texts; shards of different kinds are an error in all processes."""
    first, second = run_processes(fits_of_shards, 2, tmp_path)
    labels = np.array(["a", "b", None] * 201, dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = result_of(dense(target_weight=0.5).fit(X, labels))
    np.testing.assert_allclose(first[0]["curve"], expected["curve"], rtol=1e-5)
    np.testing.assert_array_equal(first[0]["codes"], second[0]["codes"])
    for outcomes in (first, second):
        assert "each process needs all samples" in outcomes[1][1]
        assert "not all passed a Shard" in outcomes[2][1]
        assert "differ in shape or dtype" in outcomes[3][1]
        assert "sample_weight of shape (5,)" in outcomes[4][1]
        assert "NaN in column 2" in outcomes[5][1]
        assert outcomes[7] == ("no error", "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = dense(target_weight=0.5).fit(X, CLASSES)
    np.testing.assert_allclose(first[6].loss_curve_, expected.loss_curve_, rtol=1e-5)


# ------------------------------------------------------------------------------- checkpoints


def resumable(folder, **parameters):
    """Return an autoencoder that writes a checkpoint after each epoch."""
    checkpoints.MIN_SECONDS, checkpoints.MAX_WRITES = 0.0, 1e9
    return dense(max_iter=5, checkpoint_dir=folder, corruption="gaussian", **parameters)


def killed_fit(rank, folder, step, streamed):
    """Fit with checkpoints; process 1 is killed at a step."""
    warnings.simplefilter("ignore")
    if step is not None:
        at_step(step, 1, lambda: os.kill(os.getpid(), signal.SIGKILL))
    if streamed:
        checkpoints.MIN_SECONDS_WITHIN_EPOCH = 0.0
        return result_of(streamed_fit(resumable(folder), X))
    return result_of(resumable(folder).fit(X))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_restart_continues_the_fit(tmp_path, streamed):
    """After a loss the same number of processes has the same bits, and another almost the same."""
    whole = run_processes(killed_fit, 2, tmp_path / "whole", None, streamed)
    folders = [tmp_path / "same", tmp_path / "other"]
    for folder in folders:
        lost = run_processes(killed_fit, 2, folder, 30, streamed)
        assert isinstance(lost[0], distributed.Lost)
        assert list(folder.glob("*/state-*"))
    same = run_processes(killed_fit, 2, folders[0], None, streamed)
    for name, weight in whole[0]["weights"].items():
        np.testing.assert_array_equal(weight, same[0]["weights"][name])
        np.testing.assert_array_equal(weight, same[1]["weights"][name])
    other = run_processes(killed_fit, 3, folders[1], None, streamed)
    np.testing.assert_allclose(other[2]["curve"], whole[0]["curve"], rtol=1e-5)
    # the result of the finished fit
    (again,) = run_processes(killed_fit, 1, folders[1], None, streamed)
    np.testing.assert_array_equal(again["codes"], other[0]["codes"])
    twice = run_processes(killed_fit, 2, folders[1], 1, streamed)
    np.testing.assert_array_equal(twice[1]["codes"], other[0]["codes"])


def terminated_fit(rank, folder):
    """Fit with checkpoints only on signals; process 1 gets SIGTERM."""
    warnings.simplefilter("ignore")
    at_step(12, 1, lambda: signal.raise_signal(signal.SIGTERM))
    return dense(max_iter=5, checkpoint_dir=folder).fit(X)


def test_sigterm_writes_a_checkpoint(tmp_path):
    """SIGTERM in one process: the first process writes a checkpoint before the process ends."""
    first, second = run_processes(terminated_fit, 2, tmp_path)
    assert isinstance(first, distributed.Lost)
    assert second is None
    assert len(list(tmp_path.glob("*/state-*"))) == 1


SCRIPT = """
import os, signal, sys, warnings
import numpy as np
from skae import DenseAutoencoder, distributed
from skae._training import checkpoints
from skae._training.divided_steps import SplitSteps

distributed.start(timeout=60)
warnings.simplefilter("ignore")
checkpoints.MIN_SECONDS, checkpoints.MAX_WRITES = 0.0, 1e9
if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    compute, steps = SplitSteps.compute_gradients, []

    def compute_gradients(self, net, batch):
        steps.append(1)
        if len(steps) == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(self, net, batch)

    SplitSteps.compute_gradients = compute_gradients
X = np.load(sys.argv[1], mmap_mode="r")
autoencoder = DenseAutoencoder(
    3, random_state=0, max_iter=5, batch_size=64, validation_fraction=0.1, checkpoint_dir=sys.argv[2]
).fit(X)
if distributed.first():
    np.save(sys.argv[3], autoencoder.loss_curve_)
"""


def test_torchrun_restarts_a_fit(tmp_path):
    """After a lost process torchrun starts the script again, which continues from the checkpoint."""
    (tmp_path / "script.py").write_text(SCRIPT)
    np.save(tmp_path / "X.npy", X)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--max-restarts", "1", "--monitor-interval", "0.1"]
    paths = [tmp_path / name for name in ("script.py", "X.npy", "checkpoints", "curve.npy")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    run = subprocess.run(
        [*command, *map(str, paths)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert "SIGKILL" in run.stderr or "exitcode: -9" in run.stderr, run.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = dense(max_iter=5).fit(X).loss_curve_
    np.testing.assert_allclose(np.load(paths[-1]), expected, rtol=1e-5)
