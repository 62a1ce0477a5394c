"""Fits and searches on a dask cluster of two workers on this machine."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import optuna
import pandas as pd
import pytest
from distributed import Client, LocalCluster, wait
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import ConvAutoencoder, DenseAutoencoder, distributed
from skae.dask import DaskConvAutoencoder, DaskDenseAutoencoder
from skae.dask._chunks import RowChunks

from .cases import gray_images, low_rank

N = 300
X = low_rank(N, 8, dtype=np.float32)
SETTINGS = {"max_iter": 2, "random_state": 0, "validation_fraction": 0.1, "batch_size": 64}


@pytest.fixture(scope="module")
def client():
    """A client of two workers with one thread each; the scheduler soon releases locks of others."""
    locks = {"lease-timeout": "3s", "lease-validation-interval": "0.5s"}
    with (
        dask.config.set({f"distributed.scheduler.locks.{name}": locks[name] for name in locks}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def expected():
    """The fit in one process."""
    return DenseAutoencoder(3, **SETTINGS).fit(X)


def check_equal(fitted, expected, rows=X, rtol=1e-5):
    """Check that the codes of two fits are equal up to rounding, and the best epochs equal."""
    codes = expected.transform(rows)
    assert_allclose(fitted.transform(rows), codes, atol=1e-3 * np.abs(codes).max(), rtol=0)
    assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=rtol)
    assert fitted.best_iter_ == expected.best_iter_
    assert fitted.best_iter_ > 0


def test_fit_is_that_of_one_process(client, expected):
    """Two workers have the result of one process, wherever the chunks are computed."""
    autoencoder = DaskDenseAutoencoder(3, client=client, **SETTINGS)
    lazy_X = da.from_array(X, chunks=(50, 3))
    check_equal(autoencoder.fit(lazy_X), expected)
    codes = autoencoder.transform(X)
    check_equal(autoencoder.fit(da.from_array(X, chunks=(90, 8))), expected)
    assert_array_equal(autoencoder.fit(lazy_X).transform(X), codes)
    lazy = autoencoder.transform(lazy_X)
    assert isinstance(lazy, da.Array)
    assert_allclose(lazy.compute(), codes, rtol=1e-5, atol=1e-5)


def test_fit_is_that_of_shards(client):
    """Chunks of two workers are the shards of two processes: each worker has its own rows."""
    chunks = RowChunks(da.from_array(X, chunks=50), None, None)
    indices = chunks.on_workers(client)
    assert sorted(indices) == sorted(client.nthreads())
    assert sorted(indices.values()) == [[0, 1, 2], [3, 4, 5]]


def test_persisted_chunks_stay_on_their_workers(client, expected):
    """Workers without chunks take no part, and persisted chunks are not moved."""
    address = max(client.nthreads())
    lazy_X = client.persist(da.from_array(X, chunks=50), workers=[address])
    wait(lazy_X)
    assert RowChunks(lazy_X, None, None).on_workers(client) == {address: [0, 1, 2, 3, 4, 5]}
    check_equal(DaskDenseAutoencoder(3, client=client, **SETTINGS).fit(lazy_X), expected)
    one_chunk = da.from_array(X, chunks=N)
    check_equal(DaskDenseAutoencoder(3, client=client, **SETTINGS).fit(one_chunk), expected)


def test_targets_weights_and_validation_set(client):
    """y, sample_weight and X_val are dask collections or arrays."""
    rng = np.random.default_rng(0)
    y, weights = rng.integers(0, 2, N), rng.uniform(0.5, 2, N)
    settings = {**SETTINGS, "target_weight": 0.5, "validation_fraction": "auto"}
    lazy_X, X_val = da.from_array(X, chunks=100), low_rank(50, 8, dtype=np.float32, seed=1)
    expected = DenseAutoencoder(3, **settings).fit(X, y, weights, X_val=X_val)
    autoencoder = DaskDenseAutoencoder(3, client=client, **settings)
    autoencoder.fit(lazy_X, da.from_array(y, chunks=70), weights, X_val=da.from_array(X_val))
    codes = expected.transform(X)
    assert_allclose(autoencoder.transform(X), codes, atol=1e-3 * np.abs(codes).max())
    with pytest.raises(ValueError, match=r"Got y of shape \(299,\), but X has 300 samples"):
        autoencoder.fit(lazy_X, y[1:])
    with pytest.raises(ValueError, match=r"or call X.compute_chunk_sizes\(\) first"):
        autoencoder.fit(lazy_X[lazy_X[:, 0] > 0], y)
    with pytest.raises(ValueError, match=r"Got sample_weight of shape \(\), but X has 300 samples"):
        autoencoder.fit(lazy_X, y, 2.0)
    labels = pd.Series(["a", "b", None] * 100)
    expected = DenseAutoencoder(3, **settings).fit(X, labels)
    autoencoder.fit(da.from_array(X, chunks=100), dd.from_pandas(labels, npartitions=3))
    assert_allclose(autoencoder.loss_curve_, expected.loss_curve_, rtol=1e-5)


def test_data_frames(client):
    """A dask DataFrame of numbers gives the names of its columns; categories are an error."""
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    lazy_frame = dd.from_pandas(frame, npartitions=3)
    autoencoder = DaskDenseAutoencoder(3, client=client, **SETTINGS).fit(lazy_frame)
    check_equal(autoencoder, DenseAutoencoder(3, **SETTINGS).fit(frame), frame)
    assert list(autoencoder.feature_names_in_) == list("abcdefgh")
    with pytest.raises(TypeError, match="Got the column 'city' of dtype"):
        autoencoder.fit(dd.from_pandas(frame.assign(city="Rome"), npartitions=3))
    with pytest.raises(TypeError, match="Use DenseAutoencoder for data in this process"):
        autoencoder.fit(frame)
    with pytest.raises(ValueError, match=r"Got X_val with the columns \['h', 'g'"):
        autoencoder.fit(lazy_frame, X_val=frame[list("hgfedcba")])
    flags = frame.assign(h=frame.h > 0, g=(10 * frame.g).round().astype("Int64"))
    autoencoder.fit(dd.from_pandas(flags, npartitions=3))
    check_equal(autoencoder, DenseAutoencoder(3, **SETTINGS).fit(flags), flags)
    autoencoder.fit(da.from_array(X, chunks=50))
    assert not hasattr(autoencoder, "feature_names_in_")


def test_warm_start(client):
    """A second fit with `warm_start` continues the first one."""
    autoencoder = DaskDenseAutoencoder(3, client=client, warm_start=True, **SETTINGS)
    local = DenseAutoencoder(3, warm_start=True, **SETTINGS)
    for _ in range(2):
        autoencoder.fit(da.from_array(X, chunks=50))
        local.fit(X)
    assert autoencoder.init_ == "warm start"
    assert_allclose(autoencoder.loss_curve_, local.loss_curve_, rtol=1e-5)


def test_images(client):
    """Images that are chunked along all axes."""
    images = gray_images(120, 8, 8, dtype=np.float32)
    settings = {**SETTINGS, "max_iter": 1, "n_filters": 4}
    expected = ConvAutoencoder(3, **settings).fit(images)
    autoencoder = DaskConvAutoencoder(3, client=client, **settings)
    autoencoder.fit(da.from_array(images, chunks=(50, 4, 8)))
    codes = expected.transform(images)
    assert_allclose(autoencoder.transform(images), codes, atol=1e-3 * np.abs(codes).max())
    assert autoencoder.image_shape_ == (8, 8)


def test_local_copies(client, expected):
    """`to_local`, pickles and clones keep parameters, and leave the client where it is."""
    unfitted = DaskDenseAutoencoder(3, client=client, retries=2, **SETTINGS)
    assert clone(unfitted).client is client
    assert clone(unfitted).get_params()["retries"] == 2
    assert unfitted.set_params(n_components=2, retries=0).retries == 0
    autoencoder = DaskDenseAutoencoder(3, **SETTINGS)  # the client that was created last
    autoencoder.fit(da.from_array(X, chunks=50))
    local = autoencoder.to_local()
    assert type(local) is DenseAutoencoder
    assert local.get_params() == expected.get_params()
    for copy in (local, pickle.loads(pickle.dumps(autoencoder))):
        assert_array_equal(copy.transform(X), autoencoder.transform(X))
    with pytest.raises(TypeError, match="n_filters"):
        DaskDenseAutoencoder(3, n_filters=4)


def test_errors_and_warnings_of_workers_reach_the_caller(client):
    """An error on a worker is that of the fit, which leaves the workers as they were."""
    broken = X.copy()
    broken[200, 1] = np.nan
    autoencoder = DaskDenseAutoencoder(3, client=client, retries=1, **SETTINGS)
    with pytest.raises(ValueError, match="NaN"):
        autoencoder.fit(da.from_array(broken, chunks=50))
    assert not hasattr(autoencoder, "net_")
    with pytest.warns(UserWarning, match="Increase max_iter"):
        autoencoder.fit(da.from_array(X, chunks=50))


def test_two_fits_at_once(client, expected):
    """Two fits on the same workers run one after the other."""

    def fit(_):
        autoencoder = DaskDenseAutoencoder(3, client=client, **SETTINGS)
        return autoencoder.fit(da.from_array(X, chunks=50)).to_local()

    with ThreadPoolExecutor(2) as pool:
        for autoencoder in pool.map(fit, range(2)):
            check_equal(autoencoder, expected)


def test_search_on_a_cluster_is_serial_search(client):
    """Joblib distributes the fits of a search, with the same scores."""
    grid = {"n_components": [1, 3]}
    search = GridSearchCV(DenseAutoencoder(**SETTINGS), grid, cv=2, refit=False)
    serial = clone(search).fit(X)
    with joblib.parallel_config("dask", scatter=[X]):
        search.fit(X)
    scores = [one.cv_results_["mean_test_score"] for one in (serial, search)]
    assert_array_equal(scores[0], scores[1])


def write_every_epoch():
    """Let a worker write a checkpoint after each epoch."""
    from skae._training import checkpoints

    checkpoints.MIN_SECONDS = 0.0


def end_soon():
    """End a worker without notice, after this call."""
    threading.Timer(0.1, os._exit, (1,)).start()


def interrupted_fit(client, folder, retries, victim):
    """Fit, and kill a worker as soon as there is a checkpoint.

    Parameters
    ----------
    client : Client
        Of a cluster with two workers.
    folder : Path
        For checkpoints.
    retries : int
        Of the fit.
    victim : int
        Number of the worker, in the order of the processes of the fit.
    """
    client.wait_for_workers(2, timeout=60)
    client.run(write_every_epoch)
    autoencoder = DaskDenseAutoencoder(
        3, client=client, retries=retries, checkpoint_dir=folder, **INTERRUPTED
    )
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(autoencoder.fit, da.from_array(X, chunks=50))
        while not fit.done() and not list(folder.rglob("*.safetensors")):
            time.sleep(0.05)
        assert not fit.done()
        address = sorted(client.nthreads())[victim]
        client.run(end_soon, workers=[address])
        return fit.result()


INTERRUPTED = {"max_iter": 20, "random_state": 0, "batch_size": 4, "early_stopping": False}


def test_a_lost_worker_ends_the_fit(client, tmp_path):
    """Without retries the fit raises an error that names the worker."""
    with pytest.raises(distributed.Lost, match=r"Lost 1 worker\(s\) of the cluster"):
        interrupted_fit(client, tmp_path, 0, 1)


def test_a_lost_worker_is_retried(client, tmp_path):
    """The fit goes on from its checkpoint with the workers that are left, or a new one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = interrupted_fit(client, tmp_path, 1, 0)
    texts = [str(one.message) for one in caught]
    assert any("The fit begins again, with 1 of 1 retries left" in text for text in texts)
    # 1,500 steps of four samples
    check_equal(fitted, DenseAutoencoder(3, **INTERRUPTED).fit(X), rtol=1e-3)


def is_fitting():
    """Return whether a task of a fit is running in this worker."""
    from skae.dask._worker import fit_lock

    return fit_lock.locked()


def wait_until_fitting(client, n_workers):
    """Wait until a number of workers fit, at most for 60 seconds."""
    end = time.monotonic() + 60
    while sum(client.run(is_fitting).values()) != n_workers:
        assert time.monotonic() < end, f"{n_workers} workers do not fit"
        time.sleep(0.1)


ENDLESS = {"max_iter": 10**6, "random_state": 0, "early_stopping": False, "batch_size": 4}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_interrupted_client_ends_its_tasks(client, n_workers):
    """Ctrl-C in the client ends the tasks on the workers, which fit again at once."""
    lazy_X = da.from_array(X, chunks=N // n_workers)

    def interrupt():
        wait_until_fitting(client, n_workers)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    with ThreadPoolExecutor(1) as pool:
        interruption = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            DaskDenseAutoencoder(3, client=client, **ENDLESS).fit(lazy_X)
        interruption.result()
    signal.signal(signal.SIGINT, earlier)
    wait_until_fitting(client, 0)
    assert len(client.nthreads()) == 2
    DaskDenseAutoencoder(3, client=client, **SETTINGS).fit(lazy_X)


ENDLESS_FIT = """
import sys
import dask.array as da
import numpy as np
from distributed import Client
from skae.dask import DaskDenseAutoencoder

X = da.from_array(np.random.default_rng(0).normal(size=(300, 8)), chunks=150)
client = Client(sys.argv[1])
DaskDenseAutoencoder(
    3, client=client, max_iter=10**6, random_state=0, early_stopping=False, batch_size=4
).fit(X)
"""


def test_a_client_that_is_killed_leaves_neither_tasks_nor_locks(client, expected):
    """The tasks of a client that ended are ended, and another client can fit."""
    command = [sys.executable, "-c", ENDLESS_FIT, client.scheduler.address]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment["DASK_DISTRIBUTED__SCHEDULER__LOCKS__LEASE_TIMEOUT"] = "3s"
    with subprocess.Popen(command, env=environment) as process:
        wait_until_fitting(client, 2)
        process.kill()
    wait_until_fitting(client, 0)
    lazy_X = da.from_array(X, chunks=50)
    check_equal(DaskDenseAutoencoder(3, client=client, **SETTINGS).fit(lazy_X), expected)


STUDY = """
import sys
import numpy as np, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from skae import DenseAutoencoder

optuna.logging.set_verbosity(optuna.logging.ERROR)
X = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)

def objective(trial):
    n_components = trial.suggest_int("n_components", 1, 5)
    return DenseAutoencoder(n_components, max_iter=1, random_state=0).fit(X[:40]).score(X[40:])

storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.create_study(
    storage=storage, study_name="skae", direction="maximize", load_if_exists=True
)
study.optimize(objective, n_trials=3)
"""


def test_search_by_two_processes_with_a_journal_of_optuna(tmp_path):
    """Two processes share the trials of one study by a file."""
    journal = tmp_path / "search.log"
    command = [sys.executable, "-W", "ignore", "-c", STUDY, str(journal)]
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(journal))
    )
    study = optuna.load_study(study_name="skae", storage=storage)
    assert sorted(trial.number for trial in study.trials) == list(range(6))
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials)
