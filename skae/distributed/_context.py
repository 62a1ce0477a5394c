"""Whether a fit belongs to several processes: the process group, and calls that leave it."""

import functools
import inspect
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import torch.distributed as dist

from skae._typing import Function
from skae.distributed._group import Group
from skae.distributed._shard import whole_arguments

__all__ = [
    "TIMEOUT",
    "active_group",
    "alone",
    "first",
    "joined",
    "only_in_this_thread",
    "settings",
    "with_all_processes",
    "with_all_rows",
]

TIMEOUT = 300.0
"""Longest time in seconds for which processes wait for one another, unless `start` sets another."""

ACTIVE: ContextVar[Group | None] = ContextVar("active", default=None)
"""The group of the fit that is running, in its thread."""

IS_ALONE: ContextVar[bool] = ContextVar("is_alone", default=False)
"""Whether the caller is in a block of `alone`."""

blocks_of_alone: list[None] = []
"""One entry for each block of `alone` in any thread; threads of joblib have other contexts."""

threads_of_group: list[int] = []
"""The threads that belong to the process group; empty if all do."""

known_groups: dict[str, Group] = {}
"""The group of the present process group, and nothing else."""

settings = {"timeout": TIMEOUT}
is_fitting = threading.Lock()

worlds_of_parent: list[object] = []
"""The process group of a process that this one was forked from; the fork is no part of it."""


def _after_fork():
    """Leave the process group of the parent."""
    if dist.is_available() and dist.is_initialized():
        worlds_of_parent.append(dist.group.WORLD)
    ACTIVE.set(None)
    if is_fitting.locked():
        is_fitting.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def alone() -> Iterator[None]:
    """Fit without the other processes within a block.

    A fit in the block is the same as without a process group, also in threads, such as those of
    joblib. The other processes need not call it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import DenseAutoencoder, distributed
    >>> with distributed.alone():
    ...     autoencoder = DenseAutoencoder(2, random_state=0).fit(load_iris().data)
    """
    token = IS_ALONE.set(True)
    blocks_of_alone.append(None)
    try:
        yield
    finally:
        blocks_of_alone.pop()
        IS_ALONE.reset(token)


@contextmanager
def only_in_this_thread() -> Iterator[None]:
    """Exclude other threads from the process group within a block: they fit alone."""
    threads_of_group.append(threading.get_ident())
    try:
        yield
    finally:
        threads_of_group.clear()


def first() -> bool:
    """Return whether this process is the first one, which writes files. Without others it is.

    Examples
    --------
    >>> from skae import distributed
    >>> distributed.first()
    True
    """
    return not _has_processes() or dist.get_rank() == 0


def with_all_processes(function: Function) -> Function:
    """Decorate a method that fits: all processes of a process group call it together.

    A `Shard` becomes the rows of all processes.
    """
    return _together(function, needs_all_rows=False)


def with_all_rows(function: Function) -> Function:
    """Decorate a method that needs all rows in each process, as `with_all_processes` does.

    A large `Shard` is an error.
    """
    return _together(function, needs_all_rows=True)


def _together(function, *, needs_all_rows):
    """Return a method that all processes call together."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        self = args[0]
        is_outer = ACTIVE.get() is None
        with joined(f"{type(self).__name__}.{function.__name__}"):
            if not is_outer:
                return function(*args, **kwargs)
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                return function(*args, **kwargs)  # raises an error with the name of the method
            named = ("X", "y", "sample_weight")
            values = [bound.arguments.get(name) for name in named]
            values = whole_arguments(active_group(), *values, needs_all_rows=needs_all_rows)
            for name, value in zip(named, values, strict=True):
                if value is not None:
                    bound.arguments[name] = value
            return function(*bound.args, **bound.kwargs)

    return cast(Function, wrapper)


def active_group():
    """Return the group of the fit that is running in this thread, or None without one."""
    if IS_ALONE.get():
        return None
    return ACTIVE.get()


@contextmanager
def joined(name):
    """Run a fit with the other processes within a block, if there is a process group.

    Parameters
    ----------
    name : str
        Name of the call, for messages, such as "DenseAutoencoder.fit".

    Raises
    ------
    Lost
        If another process ends, or does not call the same function in time.
    """
    # a thread, which has a context of its own, is alone while no fit is running
    is_alone = IS_ALONE.get() or (len(blocks_of_alone) > 0 and not is_fitting.locked())
    if ACTIVE.get() is not None or is_alone or not _has_processes():
        yield
        return
    if not is_fitting.acquire(blocking=False):
        raise RuntimeError(
            f"{name} was called in a second thread, but the processes of a distributed fit run one "
            "fit at a time. Call it in a block of skae.distributed.alone()."
        )
    try:
        group = _present_group(name)
        token = ACTIVE.set(group)
        try:
            with group.fitting(name):
                yield
        finally:
            ACTIVE.reset(token)
    finally:
        is_fitting.release()


def _has_processes():
    """Return whether this thread belongs to a process group of several processes."""
    if not dist.is_available() or not dist.is_initialized():
        return False
    if threads_of_group and threading.get_ident() not in threads_of_group:
        return False
    if any(dist.group.WORLD is world for world in worlds_of_parent):
        return False
    return dist.get_world_size() > 1


def _present_group(name):
    """Return the group of the present process group, which is created for its first fit."""
    world = dist.group.WORLD
    group = known_groups.get("present")
    if group is None or group.world is not world:
        known_groups.clear()
        group = known_groups["present"] = Group(world, settings["timeout"], name)
    return group
