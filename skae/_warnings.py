"""Warnings that name the user's line, and whether a fit was called by another estimator."""

import sys
import warnings

from sklearn.base import BaseEstimator

__all__ = ["is_nested_call", "warn_user"]

LIBRARIES = ("skae", "sklearn", "skorch", "skops", "joblib", "torch", "pickle", "copy")
"""Packages that a warning does not name. joblib and copies build estimators by pickle and copy."""

DECORATORS = ("sklearn.base", "sklearn.callback", "sklearn.utils")
"""Modules of scikit-learn that wrap every fit, also one that the user calls."""


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
    frame, stack_level = sys._getframe(1), 2
    while frame.f_back is not None and _module(frame).partition(".")[0] in LIBRARIES:
        frame, stack_level = frame.f_back, stack_level + 1
    warnings.warn(text, category, stacklevel=stack_level)


def is_nested_call(estimator):
    """Return whether a search, a pipeline, a detector or the like called the fit of this estimator.

    Then Ctrl-C ends the outer call, and not only the fit that happens to run. scikit-learn's
    callback contexts know the parent of a fit in searches and pipelines, but not in functions such
    as ``cross_val_score``; so the call stack is read.
    """
    frame = sys._getframe(1)
    while frame is not None:
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
        frame = frame.f_back
    return False
