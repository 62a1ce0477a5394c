"""The tasks of a fit on the workers of a dask cluster."""

import ctypes
import os
import pickle
import threading
import warnings
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import numpy as np
import torch
import torch.distributed as dist

from skae._input.array_likes import as_numpy
from skae.distributed import Lost, Shard
from skae.distributed._context import known_groups, only_in_this_thread, settings

__all__ = ["close_store", "fit_part", "open_store"]

stores: dict[str, dist.TCPStore] = {}
"""Open stores of this worker, by name."""

fit_lock = threading.Lock()
"""Held by the fit of this process. A canceled one ends after its present step."""

POLL_SECONDS = 0.5
"""Seconds between two checks of the state of a task."""

CANCELED_STATES = ("cancelled", "released", "forgotten")
"""States of dask's tasks whose results nobody waits for."""

raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)


class Canceled(BaseException):
    """Error that ends the fit of a canceled task, also if users' code catches errors."""


def open_store(name, host, size):
    """Open a store for `size` processes in this process, and return its port."""
    stores[name] = dist.TCPStore(host, 0, size, is_master=True, wait_for_workers=False)
    return stores[name].port


def close_store(name):
    """Close a store of this process."""
    stores.pop(name, None)


def fit_part(payload, parts, store, rank, size):
    """Fit an autoencoder to the rows of this worker, together with the tasks of other workers.

    Parameters
    ----------
    payload : bytes
        Pickle of the unfitted autoencoder, the validation set, and the dtype of rows of DataFrames.
    parts : list of tuple
        Rows, targets and weights of each chunk, in order.
    store : tuple of (str, int) or None
        Host and port of the store. None: there is no other worker.
    rank, size : int
        Number of this worker, and of all workers.

    Returns
    -------
    result : bytes or None
        Pickle of the fitted autoencoder and of its warnings, from the first worker.
    """
    try:
        with fit_lock, _interrupted_if_canceled(in_group=store is not None):
            return _fit(payload, parts, store, rank, size)
    except (KeyboardInterrupt, Canceled) as error:  # dask would end the worker
        raise Lost("The task was canceled.") from error


def _fit(payload, parts, store, rank, size):
    """Fit an autoencoder, and return it with its warnings; see `fit_part`."""
    import cloudpickle

    estimator, X_val, dtype = pickle.loads(payload)
    rows, targets, weights = zip(*parts, strict=True)
    if dtype is None:
        rows = [as_numpy(chunk) for chunk in rows]
    else:
        rows = [frame.to_numpy(dtype=dtype, na_value=np.nan) for frame in rows]
    X, y, sample_weight = _join(rows), _join(targets), _join(weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if store is None:
            estimator.fit(X, y, sample_weight, X_val=X_val)
        else:
            with _process_group(*store, rank, size):
                estimator.fit(Shard(X), y, sample_weight, X_val=X_val)
    if rank > 0:
        return None
    records = [
        (str(one.message), one.category) for one in caught if issubclass(one.category, UserWarning)
    ]
    return cloudpickle.dumps((estimator, records))


@contextmanager
def _interrupted_if_canceled(*, in_group):
    """Interrupt the fit in the block after dask has canceled this task, whose thread goes on.

    Parameters
    ----------
    in_group : bool
        Whether the fit has other tasks, which end after the same step.
    """
    from distributed import get_worker

    worker, thread = get_worker(), threading.get_ident()
    key = worker.get_current_task()
    lock, has_ended = threading.Lock(), threading.Event()

    def watch():
        while not has_ended.wait(POLL_SECONDS):
            task = worker.state.tasks.get(key)
            if task is not None and task.state not in CANCELED_STATES:
                continue
            group = known_groups.get("present")
            if in_group and group is not None:
                group.is_interrupted = True
            elif not in_group:
                with lock:
                    if not has_ended.is_set():
                        raise_in_thread(thread, Canceled)
                return

    threading.Thread(target=watch, name="skae-watch", daemon=True).start()
    try:
        yield
    finally:
        with lock:
            has_ended.set()


def _join(values):
    """Return the values of all chunks as one array, or None."""
    if values[0] is None:
        return None
    arrays = [np.asarray(value) for value in values]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays)


@contextmanager
def _process_group(host, port, rank, size):
    """Join the process group of the tasks within a block, in which other tasks fit alone."""
    timeout = timedelta(seconds=settings["timeout"])
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        backend = "cpu:gloo,cuda:nccl"
    with only_in_this_thread(), _network_interface():
        try:
            store = dist.TCPStore(host, port, size, is_master=False, timeout=timeout)
            dist.init_process_group(
                backend, store=store, rank=rank, world_size=size, timeout=timeout
            )
        except RuntimeError as error:
            raise Lost(
                f"A worker waited {timeout.total_seconds():g} seconds for the tasks of {size} "
                f"workers to start. Workers that run other tasks start later. {error}"
            ) from error
        try:
            yield
        finally:
            dist.destroy_process_group()


@contextmanager
def _network_interface():
    """Set the network interface of gloo to that of this worker's address within a block."""
    import psutil
    from distributed import get_worker

    name = "GLOO_SOCKET_IFNAME"
    host = urlsplit(get_worker().address).hostname
    found = None
    for interface, entries in psutil.net_if_addrs().items():
        if any(entry.address == host for entry in entries):
            found = interface
    if found is None or name in os.environ:
        yield
        return
    os.environ[name] = found
    try:
        yield
    finally:
        del os.environ[name]
