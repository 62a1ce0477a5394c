"""Fits on a dask cluster: one task for each worker with chunks, and a new start after a loss."""

import contextlib
import pickle
import time
import uuid
from urllib.parse import urlsplit

from skae._warnings import warn_user
from skae.dask._worker import close_store, fit_part, open_store
from skae.distributed import Lost
from skae.distributed._errors import OtherProcessError

__all__ = ["fit_on_cluster"]

POLL_SECONDS = 0.5
"""Seconds between two checks of the tasks, the workers, and their locks."""

SECONDS_TO_END = 60.0
"""After a loss or an error, the longest time in which the tasks of other workers end."""

SECONDS_FOR_WORKERS = 60.0
"""After the loss of all workers, the longest time in which the cluster starts another one."""


def fit_on_cluster(estimator, chunks, X_val, *, client, retries):
    """Fit an autoencoder on the workers of a cluster.

    Parameters
    ----------
    estimator : DenseAutoencoder or ConvAutoencoder
        Unfitted.
    chunks : RowChunks
        Rows, targets and weights.
    X_val : array-like or None
        Validation set.
    client : distributed.Client or None
        None: the client that was created last.
    retries : int
        Number of times that the fit begins again after the loss of a worker.

    Returns
    -------
    fitted : DenseAutoencoder or ConvAutoencoder
        The fitted autoencoder of the first worker.
    """
    if client is None:
        from distributed import get_client

        client = get_client()
    import cloudpickle

    payload = cloudpickle.dumps((estimator, X_val, chunks.dtype))
    n_left = retries
    while True:
        client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        try:
            fitted, records = _fit_once(client, payload, chunks)
            break
        except Lost as error:
            if n_left == 0:
                raise
            warn_user(f"The fit begins again, with {n_left} of {retries} retries left. {error}")
            n_left -= 1
    for text, category in records:
        warn_user(text, category)
    return fitted


def _fit_once(client, payload, chunks):
    """Run the tasks of one attempt, and return the fitted estimator and its warnings."""
    with _locked_workers(client, chunks) as indices:
        addresses = list(indices)
        with (
            _computed_parts(client, chunks, indices) as parts,
            _store(client, addresses) as store,
            _released() as tasks,
        ):
            tasks += [
                client.submit(
                    fit_part,
                    payload,
                    part,
                    store,
                    rank,
                    len(addresses),
                    key=f"skae-fit-{uuid.uuid4().hex}",
                    workers=[address],
                    allow_other_workers=False,
                    pure=False,
                )
                for rank, (address, part) in enumerate(zip(addresses, parts, strict=True))
            ]
            _wait_for(client, tasks, addresses)
            return pickle.loads(tasks[0].result())


@contextlib.contextmanager
def _released():
    """Yield an empty list of futures, which are released in the end, as after Ctrl-C.

    The workers then cancel running tasks. Without the release, an error would refer to the futures
    of a lost worker, and dask would not compute their chunks again.
    """
    futures = []
    try:
        yield futures
    finally:
        for future in futures:
            future.release()
        futures.clear()


@contextlib.contextmanager
def _locked_workers(client, chunks):
    """Lock the workers of the chunks: tasks of two fits on them would wait for each other.

    Yields
    ------
    indices : dict
        Indices of the chunks of each worker, as `RowChunks.on_workers`.
    """
    while True:
        indices = chunks.on_workers(client)
        with contextlib.ExitStack() as locks:
            for address in sorted(indices):
                locks.enter_context(_locked_worker(client, address))
            if set(indices) <= set(client.nthreads()):
                yield indices
                return
        # a worker ended during another fit


@contextlib.contextmanager
def _locked_worker(client, address):
    """Lock a worker within a block.

    The scheduler releases the lock of a client that ended, after
    ``distributed.scheduler.locks.lease-timeout``.
    """
    from distributed import Semaphore

    name = f"skae-fit-{address}"
    lock = Semaphore(1, name, scheduler_rpc=client.scheduler, loop=client.loop)
    while not lock.acquire(timeout=POLL_SECONDS):
        pass  # Ctrl-C ends the loop
    try:
        yield
    finally:
        if client.status == "running":
            lock.release()


@contextlib.contextmanager
def _computed_parts(client, chunks, indices):
    """Compute the chunks of each worker on it.

    Yields
    ------
    parts : list of list of tuple
        Rows, targets and weights of each chunk of each worker; dask collections are futures.
    """
    with _released() as computed:
        parts = []
        for address, numbers in indices.items():
            values = [value for i in numbers for value in chunks.parts[i]]
            is_lazy = [hasattr(value, "dask") for value in values]
            lazy = [value for value, is_one in zip(values, is_lazy, strict=True) if is_one]
            futures = client.compute(lazy, workers=[address], allow_other_workers=True)
            computed += futures
            futures = iter(futures)
            values = [
                next(futures) if is_one else value
                for value, is_one in zip(values, is_lazy, strict=True)
            ]
            parts.append(list(zip(*[iter(values)] * 3, strict=True)))
        _wait_for(client, computed, list(indices), are_tasks=False)
        yield parts
        parts.clear()


@contextlib.contextmanager
def _store(client, addresses):
    """Open the store by which the tasks find each other, on the first worker.

    Yields
    ------
    store : tuple of (str, int) or None
        Host and port. None for one worker, which needs no process group.
    """
    if len(addresses) == 1:
        yield None
        return
    name = uuid.uuid4().hex
    first = addresses[0]
    host = urlsplit(first).hostname
    try:
        port = client.run(open_store, name, host, len(addresses), workers=[first])[first]
    except (OSError, KeyError) as error:
        raise Lost(f"Lost the worker {first} before the fit: {error!r}") from error
    try:
        yield host, port
    finally:
        if first in client.nthreads():
            client.run(close_store, name, workers=[first], on_error="ignore")


def _wait_for(client, futures, addresses, *, are_tasks=True):
    """Wait until futures are finished; raise the first cause of an error.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster.
    futures : list of distributed.Future
        Each is computed on one of the workers.
    addresses : list of str
        Addresses of the workers.
    are_tasks : bool, default=True
        Whether these are the tasks of a fit, which end together. They are canceled after an error.

    Raises
    ------
    Lost
        If a worker has ended.
    """
    deadline = None
    lost = []
    while True:
        pending = [future for future in futures if future.status == "pending"]
        failed = [future for future in futures if future.status in ("error", "cancelled", "lost")]
        lost = lost or sorted(set(addresses) - set(client.nthreads()))
        if not pending or ((failed or lost) and not are_tasks):
            break
        if failed or lost:
            # tasks of other workers end by themselves, and a scheduler notices a loss later
            deadline = deadline or time.monotonic() + SECONDS_TO_END
            if time.monotonic() > deadline:
                break
        if lost:
            processing = client.processing()
            running = {key for address in processing for key in processing[address]}
            if not any(future.key in running for future in pending):
                break
        time.sleep(POLL_SECONDS)
    if lost or failed:
        errors = [_exception(future) for future in failed]
        if are_tasks:
            client.cancel(futures)
        raise _cause(errors, lost)


def _exception(future):
    """Return the error of a future."""
    if future.status == "error":
        return future.exception()
    return Lost(f"The task {future.key} was {future.status}.")


def _cause(errors, lost):
    """Return the error that the others follow from."""
    for error in errors:
        if not isinstance(error, (Lost, OtherProcessError)) and not lost:
            return error
    if lost:
        return Lost(
            f"Lost {len(lost)} worker(s) of the cluster during the fit: {', '.join(lost)}. Set "
            "retries=1 to fit again, and checkpoint_dir to continue from the last checkpoint."
        )
    return errors[0]
