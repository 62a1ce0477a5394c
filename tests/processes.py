"""Several processes on this machine, which call one function with a process group."""

import multiprocessing
import os
import socket
import time
import traceback

from threadpoolctl import threadpool_limits

__all__ = ["free_port", "run_processes"]


def free_port():
    """Return a port that is free at present."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def run_processes(function, n, *args, seconds=100, start=True, timeout=60.0):
    """Call a function in n processes with a process group.

    Parameters
    ----------
    function : callable
        Called as ``function(rank, *args)``.
    n : int
        Number of processes.
    *args
        Arguments.
    seconds : float, default=100
        Longest time; processes that are left are killed.
    start : bool, default=True
        Whether to call `distributed.start` first.
    timeout : float, default=60.0
        Its argument.

    Returns
    -------
    results : list
        The result of each process: its value, its exception, or None of a process that was killed.
    """
    context = multiprocessing.get_context("fork")
    port = free_port()
    processes, pipes = [], []
    for rank in range(n):
        receiver, sender = context.Pipe(duplex=False)
        arguments = (sender, function, rank, n, port, args, start, timeout)
        processes.append(context.Process(target=_work, args=arguments))
        processes[-1].start()
        sender.close()
        pipes.append(receiver)
    end = time.monotonic() + seconds
    results = []
    for pipe in pipes:
        result = None
        try:
            if pipe.poll(max(0, end - time.monotonic())):
                result = pipe.recv()
        except EOFError:
            pass
        results.append(result)
    for process in processes:
        process.join(max(0.1, end - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    return results


def _work(pipe, function, rank, n, port, args, start, timeout):
    """Call the function in one process, and send its result."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(n),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME="lo",
    )
    # the threads of the process that was forked do not exist here, and OpenMP would wait for them
    threadpool_limits(1)
    from skae import distributed

    try:
        if start:
            distributed.start(timeout)
        result = function(rank, *args)
    except BaseException as error:
        traceback.print_exc()
        result = error
    pipe.send(result)
    pipe.close()
    os._exit(0)
