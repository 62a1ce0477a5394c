"""Warnings that name the user's line, and whether a fit was called by another estimator."""

import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from traceback import walk_stack

from sklearn.base import BaseEstimator

__all__ = ["is_nested_call", "recorded_warnings", "silent_warnings", "warn_user"]

LIBRARIES = ("skae", "sklearn", "skorch", "skops", "joblib", "torch", "pickle", "copy")
"""Packages that a warning does not name. joblib and copies build estimators by pickle and copy."""

DECORATORS = ("sklearn.base", "sklearn.callback", "sklearn.utils")
"""Modules of scikit-learn that wrap every fit, also one that the user calls."""


RECORDS: ContextVar[list[tuple[str, type[Warning]]] | None] = ContextVar("records", default=None)
"""Warnings of the innermost `recorded_warnings`."""


@contextmanager
def recorded_warnings():
    """Record the warnings of `warn_user` within a block, which are issued all the same.

    Yields
    ------
    records : list of (str, type)
        Text and category of each warning.
    """
    records: list[tuple[str, type[Warning]]] = []
    token = RECORDS.set(records)
    try:
        yield records
    finally:
        RECORDS.reset(token)


IS_SILENT: ContextVar[bool] = ContextVar("is_silent", default=False)
"""Whether warnings are not issued, because another process issues the same ones."""


@contextmanager
def silent_warnings(is_silent):
    """Issue no warning of `warn_user` within a block, if `is_silent` is true.

    Parameters
    ----------
    is_silent : bool
        False for the first process of a distributed fit.
    """
    token = IS_SILENT.set(is_silent)
    try:
        yield
    finally:
        IS_SILENT.reset(token)


def _module(frame):
    """Return the name of the module that a frame belongs to."""
    return str(frame.f_globals.get("__name__"))


def warn_user(text, category=UserWarning):
    """Issue a warning at the line of the user's code that led here, not at a line of a library.

    Parameters
    ----------
    text : str
        The message.
    category : type, default=UserWarning
        Category of the warning.
    """
    if IS_SILENT.get():
        return
    records = RECORDS.get()
    if records is not None:
        records.append((text, category))
    stack_level = 1
    for frame, _ in walk_stack(sys._getframe(1)):
        stack_level += 1
        if _module(frame).partition(".")[0] not in LIBRARIES:
            break
    warnings.warn(text, category, stacklevel=stack_level)


def is_nested_call(estimator):
    """Return whether a search, a pipeline, a detector or the like called the fit of this estimator.

    Ctrl-C then ends the outer call, not this fit alone. scikit-learn has no equivalent: a callback
    context has a parent in searches and pipelines only, and validation of parameters is skipped in
    none of these. Functions such as ``cross_val_score`` have neither, so the call stack is read.
    """
    for frame, _ in walk_stack(sys._getframe(1)):
        module = _module(frame)
        if module.startswith("sklearn.") and not module.startswith(DECORATORS):
            return True
        owner = frame.f_locals.get("self")
        if (
            module.startswith("skae.")
            and isinstance(owner, BaseEstimator)
            and owner is not estimator
        ):
            return True
    return False
