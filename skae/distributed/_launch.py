"""Start processes: those of torchrun, or new ones from a notebook."""

import atexit
import gc
import math
import multiprocessing
import os
import pickle
import socket
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import wait
from numbers import Integral, Real
from typing import Any

import torch
import torch.distributed as dist

from skae.distributed._context import TIMEOUT, known_groups, settings
from skae.distributed._errors import Lost, OtherProcessError

__all__ = ["launch", "start"]

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun sets."""

MAX_SECONDS_TO_END = 30.0
"""After an error in one process of `launch`, the time in which the others end by themselves."""


def start(timeout: float = TIMEOUT) -> None:
    """Join the processes that ``torchrun`` started; without torchrun, do nothing.

    Call it at the top of a script. The process group has the backend "nccl" for tensors on CUDA
    devices, and "gloo" for those on the CPU. Each process uses the CUDA device of its number.

    Parameters
    ----------
    timeout : float, default=300.0
        Longest time in seconds for which a process waits for the others: to start, to call fit, and
        for each sum.

    Raises
    ------
    Lost
        If not all processes start in time.

    See Also
    --------
    alone : Fit in one process, also if there are others.
    launch : Start processes from a notebook.

    Examples
    --------
    >>> from skae import distributed
    >>> distributed.start()
    """
    is_number = isinstance(timeout, Real) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < math.inf:
        raise ValueError(f"Got timeout={timeout!r}, but expected a positive number of seconds.")
    settings["timeout"] = float(timeout)
    if not all(name in os.environ for name in VARIABLES) or dist.is_initialized():
        return
    size, rank = os.environ["WORLD_SIZE"], os.environ["RANK"]
    if int(size) < 2:
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        if dist.is_nccl_available():
            backend = "cpu:gloo,cuda:nccl"
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout), **_rendezvous(timeout))
    except RuntimeError as error:
        raise Lost(
            f"Process {rank} waited {timeout:g} seconds for {size} processes to start. Start all "
            f"of them, or set another timeout in skae.distributed.start(). "
            f"The backend reports: {error}"
        ) from error
    atexit.register(stop)


def _rendezvous(timeout):
    """Return the rendezvous as arguments of `init_process_group`.

    The store of ``torchrun`` outlives a restart, and so do the addresses of earlier processes in
    it. Each start therefore has a prefix of its own.
    """
    variables = os.environ
    if variables.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    store = dist.TCPStore(
        variables["MASTER_ADDR"],
        int(variables["MASTER_PORT"]),
        is_master=False,
        timeout=timedelta(seconds=timeout),
    )
    n_restarts = variables.get("TORCHELASTIC_RESTART_COUNT", "0")
    return {
        "store": dist.PrefixStore(f"skae/start_{n_restarts}", store),
        "rank": int(variables["RANK"]),
        "world_size": int(variables["WORLD_SIZE"]),
    }


def stop():
    """Leave the process group at the end of the process, and end its threads.

    A thread of "gloo" that needs the interpreter after its end would abort the process. The threads
    end with the last reference to their group, also with those in reference cycles.
    """
    known_groups.clear()
    if dist.is_initialized():
        dist.destroy_process_group()
    gc.collect()


def launch(
    function: Callable[..., Any], n_processes: int, *args: Any, timeout: float = TIMEOUT
) -> Any:
    """Call a function in several new processes on this machine, for instance from a notebook.

    The processes join as those of ``torchrun`` do, so that each ``fit`` in the function belongs to
    all of them. Without ``torchrun`` nothing restarts a lost process. A script calls `launch` in a
    block of ``if __name__ == "__main__":``.

    Parameters
    ----------
    function : callable
        Called as ``function(*args)`` in each process. It may be defined in a notebook.
    n_processes : int
        Number of processes. Several processes share the CPU cores. On GPUs, use one for each GPU.
    *args : object
        Arguments. The processes get copies, so large arrays are better read in the function.
    timeout : float, default=300.0
        As in `start`.

    Returns
    -------
    result : object
        The result of the first process.

    Raises
    ------
    Lost
        If a process ends without a result.
    Exception
        The error of a process, if it raises one.

    See Also
    --------
    start : Join the processes of ``torchrun``.

    Examples
    --------
    >>> from skae import distributed
    >>> def fit(n_components):
    ...     from sklearn.datasets import load_digits
    ...     from skae import DenseAutoencoder
    ...     return DenseAutoencoder(n_components, random_state=0).fit(load_digits().data)
    >>> autoencoder = distributed.launch(fit, 2, 8)  # doctest: +SKIP
    """
    is_int = isinstance(n_processes, Integral) and not isinstance(n_processes, bool)
    if not is_int or n_processes < 1:
        raise ValueError(f"Got n_processes={n_processes!r}, but expected an int >= 1.")
    payload = _dumps((function, args))
    context = multiprocessing.get_context("spawn")
    n_threads = max(1, torch.get_num_threads() // n_processes)
    environment = {"WORLD_SIZE": str(n_processes), "MASTER_ADDR": "127.0.0.1"}
    environment |= {"MASTER_PORT": str(_free_port()), "OMP_NUM_THREADS": str(n_threads)}
    processes, pipes = [], {}
    try:
        for rank in range(n_processes):
            receiver, sender = context.Pipe(duplex=False)
            variables = {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = context.Process(target=_work, args=(sender, payload, variables, timeout))
            process.start()
            sender.close()
            processes.append(process)
            pipes[receiver] = rank
        return _wait_for_results(pipes)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _dumps(value):
    """Return the pickle of a value, which may contain functions of a notebook."""
    from joblib import wrap_non_picklable_objects

    return pickle.dumps(wrap_non_picklable_objects(value, keep_wrapper=False))


def _free_port():
    """Return a port of this machine that is free at present."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _wait_for_results(pipes):
    """Return the result of the first process when all have ended; raise the cause of an error."""
    result, errors = None, {}
    while pipes:
        timeout = None
        if errors:
            timeout = MAX_SECONDS_TO_END
        ready = wait(list(pipes), timeout)
        if not ready:
            break
        for pipe in ready:
            rank = pipes.pop(pipe)
            try:
                kind, content = pipe.recv()
            except (EOFError, ConnectionResetError):
                errors[rank] = Lost(f"Process {rank} ended without a result. See its output.")
                continue
            if kind == "error":
                errors[rank] = pickle.loads(content)
            elif rank == 0:
                result = content
    if errors:
        # an error that all the others follow from
        causes = [one for one in errors.values() if not isinstance(one, (Lost, OtherProcessError))]
        raise [*causes, *errors.values()][0]
    return pickle.loads(result)


def _work(pipe, payload, variables, timeout):
    """Call a function in a process of `launch`, and send its result."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(variables)
    torch.set_num_threads(int(variables["OMP_NUM_THREADS"]))
    try:
        function, args = pickle.loads(payload)
        start(timeout)
        value = function(*args)
        if variables["RANK"] != "0":
            value = None  # only the result of the first process is used
        result = ("result", _dumps(value))
    except BaseException as error:
        result = ("error", _pickled_error(error))
    pipe.send(result)
    pipe.close()


def _end_with_parent():
    """End this process when the one that called `launch` was killed."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _pickled_error(error):
    """Return the pickle of an error with the traceback as a note, or of its text."""
    trace = "".join(traceback.format_exception(error))
    error.add_note(f"Traceback of process {os.environ['RANK']}:\n{trace}")
    try:
        content = _dumps(error)
        pickle.loads(content)
    except Exception:  # errors of users may hold anything, and some need other arguments
        content = _dumps(RuntimeError(trace))
    return content
